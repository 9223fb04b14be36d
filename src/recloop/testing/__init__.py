"""Checks that every recommender must pass, and worlds that say what is broken: for plug-ins too."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "CHECKS": "recloop.testing.checks",
        "ContractBroken": "recloop.testing.samples",
        "DelayedPurchaseWorld": "recloop.testing.worlds",
        "DriftingTasteWorld": "recloop.testing.worlds",
        "OneItemWorld": "recloop.testing.worlds",
        "PROBE_WORLDS": "recloop.testing.worlds",
        "TwoByTwoWorld": "recloop.testing.worlds",
        "TwoItemsWorld": "recloop.testing.worlds",
        "TwoUsersWorld": "recloop.testing.worlds",
        "check_recommender": "recloop.testing.checks",
        "chi_square_p_value": "recloop.testing.statistics",
        "mean_interval": "recloop.testing.statistics",
        "sample_log": "recloop.testing.samples",
        "sample_steps": "recloop.testing.samples",
        "sign_test_p_value": "recloop.testing.statistics",
    },
)
