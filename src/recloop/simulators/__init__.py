"""Worlds: simulated people who answer what they are shown."""

from recloop.utils.lazy import lazy_names

WORLDS = {
    "bait_trap": "recloop.simulators.bait_trap:BaitTrapWorld",
    "boredom": "recloop.simulators.boredom:BoredomWorld",
    "changing": "recloop.simulators.changing:ChangingWorld",
    "interest": "recloop.simulators.interest:InterestWorld",
    "linear": "recloop.simulators.linear:LinearWorld",
    "preference": "recloop.simulators.preference:PreferenceWorld",
    "replay": "recloop.simulators.replay:ReplayWorld",
    "retention": "recloop.simulators.retention:RetentionWorld",
    "satisfaction": "recloop.simulators.satisfaction:SatisfactionWorld",
    "sessions": "recloop.simulators.sessions:SessionsWorld",
}
"""Every world by its name in a configuration."""

__getattr__, __dir__, _classes = lazy_names(
    __name__, {place.split(":")[1]: place.split(":")[0] for place in WORLDS.values()}
)
__all__ = ["WORLDS", *_classes]  # noqa: PLE0604 # pyright: ignore[reportUnsupportedDunderAll]
