"""What the client gives and takes, apart from how it is sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recloop.errors import RecloopError


class ServiceError(RecloopError, RuntimeError):
    """The service refused, or could not be reached; `status` is 0 where there was no answer."""

    def __init__(self, status: int, detail: str, request_id: str = "") -> None:
        super().__init__(f"service: {detail} ({status or 'no answer'})")
        self.status = status
        self.detail = detail
        self.request_id = request_id


@dataclass(frozen=True)
class RecommendedItem:
    """One slot of a list."""

    item: str
    rank: int
    score: float | None
    propensity: float
    source: str
    reason: str
    title: str = ""
    category: str = ""


@dataclass(frozen=True)
class Recommendation:
    """A list, and the decision that feedback names."""

    decision_id: str
    user: str
    policy: str
    version: str
    activated: bool
    items: list[RecommendedItem]

    @property
    def item_ids(self) -> list[str]:
        """The items, best first."""
        return [one.item for one in self.items]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Recommendation":
        """From the service's JSON; what a newer service adds is left out."""
        known = RecommendedItem.__dataclass_fields__
        items = [
            RecommendedItem(**{k: v for k, v in one.items() if k in known})
            for one in found["items"]
        ]
        rest = {k: found[k] for k in cls.__dataclass_fields__ if k != "items"}
        return cls(**rest, items=items)


@dataclass(frozen=True)
class Feedback:
    """What came of an item: a named event, or a reward as a number."""

    decision_id: str
    item: str
    event: str | None = None
    reward: float | None = None
    key: str | None = None
    kind: str = "observed"

    def to_json(self) -> dict[str, Any]:
        """As the service takes it."""
        return {k: v for k, v in vars(self).items() if v is not None}


@dataclass(frozen=True)
class Outcome:
    """What became of feedback: ok, late, duplicate, conflict, unknown or not_shown."""

    status: str
    key: str
    seq: int

    @property
    def is_stored(self) -> bool:
        """Whether the log has it, from now or from before."""
        return self.status in ("ok", "late", "duplicate")


def recommend_body(
    user: str,
    k: int,
    context: Sequence[float] | Mapping[str, float] | None,
    request_id: str,
    defer_activation: bool,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a request; what is None is left out."""
    body: dict[str, Any] = {"user": user, "k": k, "request_id": request_id, **more}
    if context is not None:
        body["context"] = dict(context) if isinstance(context, Mapping) else list(context)
    if defer_activation:
        body["defer_activation"] = True
    return {name: _plain(value) for name, value in body.items() if value is not None}


def _plain(value: Any) -> Any:
    """Tuples, sets and the like as lists."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        return value
    return list(value)
