"""Off-policy evaluation: what another policy would have earned, from the log of this one."""

from recloop.utils.lazy import lazy_names

HOME = "recloop.evaluation.ope"

__getattr__, __dir__, __all__ = lazy_names(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "Diagnostics": f"{HOME}.diagnostics",
        "Estimate": f"{HOME}.estimate",
        "Floors": f"{HOME}.diagnostics",
        "OffPolicyEvaluator": f"{HOME}.evaluator",
        "Rounds": f"{HOME}.rounds",
        "Row": f"{HOME}.table",
        "SlateRounds": f"{HOME}.slates",
        "Trajectories": f"{HOME}.trajectories",
        "Unreliable": f"{HOME}.diagnostics",
        "balance": f"{HOME}.diagnostics",
        "confidence_sequence": f"{HOME}.intervals",
        "diagnose": f"{HOME}.diagnostics",
        "judged": f"{HOME}.diagnostics",
        "rank_policies": f"{HOME}.selection",
        "tuned": f"{HOME}.selection",
        "uniform_slots": f"{HOME}.uniform",
        "uniform_target": f"{HOME}.uniform",
    },
)
