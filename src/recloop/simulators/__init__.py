"""Worlds: simulated people who answer what they are shown."""

from recloop.utils.lazy import lazy_names

WORLDS = {
    "bait_trap": "recloop.simulators.bait_trap:BaitTrapWorld",
    "boredom": "recloop.simulators.boredom:BoredomWorld",
    "interest": "recloop.simulators.interest:InterestWorld",
    "preference": "recloop.simulators.preference:PreferenceWorld",
    "retention": "recloop.simulators.retention:RetentionWorld",
    "satisfaction": "recloop.simulators.satisfaction:SatisfactionWorld",
}
"""Every world by its name in a configuration."""

__getattr__, __dir__, _classes = lazy_names(
    __name__, {place.split(":")[1]: place.split(":")[0] for place in WORLDS.values()}
)
__all__ = ["WORLDS", *_classes]  # noqa: PLE0604 # pyright: ignore[reportUnsupportedDunderAll]
