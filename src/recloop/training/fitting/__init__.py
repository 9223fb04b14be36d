"""Fit a world to a log: estimates, what they cannot say, its file, and how far it is off."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Estimates": "recloop.training.fitting.fit",
        "FidelityLine": "recloop.training.fitting.fidelity",
        "FidelityReport": "recloop.training.fitting.fidelity",
        "FittedWorld": "recloop.training.fitting.fit",
        "ImpressionLog": "recloop.training.fitting.log",
        "SavedWorld": "recloop.training.fitting.saved",
        "fidelity_report": "recloop.training.fitting.fidelity",
        "fit_world": "recloop.training.fitting.fit",
        "load_world": "recloop.training.fitting.saved",
        "played_log": "recloop.training.fitting.replay",
        "save_world": "recloop.training.fitting.saved",
        "sessions_by_gap": "recloop.training.fitting.log",
    },
)
