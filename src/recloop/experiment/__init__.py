"""From a configuration to a run folder: the one place where names become objects."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ExperimentConfig": "recloop.experiment.config",
        "RunFolder": "recloop.experiment.folder",
        "load_config": "recloop.experiment.load",
        "run_experiment": "recloop.experiment.run",
    },
)
