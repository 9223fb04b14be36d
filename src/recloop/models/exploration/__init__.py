"""How a choice is made from values, and how likely it was: one class for each way to explore."""

from recloop.utils.lazy import lazy_names

_HERE = "recloop.models.exploration"

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "EnsembleVotes": f"{_HERE}.ensemble",
        "EpsilonGreedy": f"{_HERE}.epsilon_greedy",
        "Exploration": f"{_HERE}.base",
        "BetaThompson": f"{_HERE}.beta_thompson",
        "GaussianThompson": f"{_HERE}.gaussian_thompson",
        "InverseGap": f"{_HERE}.inverse_gap",
        "PlackettLuce": f"{_HERE}.plackett_luce",
    },
)
