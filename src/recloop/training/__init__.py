"""Training: one loop for all models, from a log or in a world."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Checkpoints": "recloop.training.loop",
        "FitOnce": "recloop.training.lessons",
        "LoggedPasses": "recloop.training.lessons",
        "LoggedSteps": "recloop.training.offline",
        "SimulatedEpisodes": "recloop.training.lessons",
        "TrainingSettings": "recloop.training.settings",
        "fit_preference_world": "recloop.training.world",
        "logged_steps": "recloop.training.offline",
        "train": "recloop.training.loop",
    },
)
