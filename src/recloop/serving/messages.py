"""What goes over the wire: typed bodies, decoded by msgspec before anything else sees them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

# $ alone would let a last line feed through, and \Z is none of JSON Schema's.
_PRINTED = r"^[^\x00-\x1f\x7f]+(?![\s\S])"
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTED)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTED)]
Feature = Annotated[float, Meta(ge=-1e6, le=1e6)]


class RecommendRequest(Struct, forbid_unknown_fields=True):
    """A list that is asked for."""

    user: Id
    k: int | float = 10  # JSON calls 10.0 an integer; that it is one is checked
    context: list[float] | dict[str, float] | None = None
    candidates: list[Id] | None = None
    exclude: list[Id] | None = None
    categories: list[str] | None = None
    most_per_category: int | float | None = None
    seen: Literal["allowed", "never", "days"] | None = None
    request_id: Id | None = None
    defer_activation: bool = False


class RecommendedItem(Struct):
    """One slot of a list."""

    item: str
    rank: int
    score: float | None
    propensity: float
    source: str
    reason: str
    title: str | UnsetType = UNSET
    category: str | UnsetType = UNSET


class Recommended(Struct):
    """The answer to a request, and what feedback is to name."""

    decision_id: str
    user: str
    policy: str
    version: str
    activated: bool
    items: list[RecommendedItem]


class FeedbackRequest(Struct, forbid_unknown_fields=True):
    """What came of an item that was shown: one event, or `events`, many of them."""

    decision_id: Id | None = None
    item: Id | None = None
    event: Name | None = None
    reward: float | None = None
    key: Id | None = None
    kind: Literal["observed", "correction"] | None = None
    events: list["FeedbackEvent"] | None = None


class FeedbackEvent(Struct, forbid_unknown_fields=True):
    """One event: a named one of the settings' rewards, or a reward as a number."""

    decision_id: Id
    item: Id
    event: Name | None = None
    reward: float | None = None
    key: Id | None = None
    kind: Literal["observed", "correction"] = "observed"


class FeedbackResult(Struct):
    """What became of an event."""

    status: Literal["ok", "late", "duplicate", "conflict", "unknown", "not_shown"]
    key: str
    seq: int


class FeedbackResults(Struct):
    """What became of each event, in their order."""

    results: list[FeedbackResult]
    counts: dict[str, int]


class KnownReward(Struct):
    """What an item earned by one decision."""

    item: str
    reward: float | None
    events: dict[str, float]


class KnownDecision(Struct):
    """A decision of the log, and what it earned."""

    decision_id: str
    seq: int
    timestamp: float
    user: str
    policy: str
    version: str
    activated: bool
    context: list[float] | None
    items: list[RecommendedItem]
    rewards: list[KnownReward]


class NewItem(Struct, forbid_unknown_fields=True):
    """An item for the catalogue; of one that is there, title, category and features change."""

    id: Id
    title: Annotated[str, Meta(max_length=500)] = ""
    category: Annotated[str, Meta(max_length=200)] = ""
    features: Annotated[list[Feature], Meta(max_length=4096)] = []


class ItemsRequest(Struct, forbid_unknown_fields=True):
    """Changes of the catalogue, all or none."""

    add: Annotated[list[NewItem], Meta(max_length=1000)] = []
    hide: Annotated[list[Id], Meta(max_length=1000)] = []
    show: Annotated[list[Id], Meta(max_length=1000)] = []


class KnownItem(Struct):
    """An item of the catalogue."""

    id: str
    title: str
    category: str
    hidden: bool


class Items(Struct):
    """A page of the catalogue; `next` is where the following one begins, null at the end."""

    items: list[KnownItem]
    total: int
    version: int
    next: int | None


class CanaryRequest(Struct, forbid_unknown_fields=True):
    """How a model is to be served to a share of the people."""

    share: Annotated[float, Meta(gt=0, le=1)]
    learns: bool = True
    name: Name | None = None


class ModelRequest(Struct, forbid_unknown_fields=True):
    """How a model is to be served."""

    learns: bool = True
    name: Name | None = None


class KnownModel(Struct):
    """A registered model, and what it is doing."""

    version: str
    role: str  # active, shadow, canary, previous or ""
    learns: bool
    share: float | None = None


class Models(Struct):
    """All models."""

    models: list[KnownModel]
    active: str
    can_roll_back: bool


class Done(Struct):
    """A change that is in force, and its place in the log."""

    seq: int
    active: str


class Variant(Struct):
    """How a version does: rewards per decision, with an interval that holds at every look."""

    version: str
    role: str
    share: float | None
    decisions: int
    mean: float | None
    low: float | None
    high: float | None


class ComparedVariants(Struct):
    """The canary minus the active version."""

    difference: float | None
    low: float | None
    high: float | None
    verdict: str


class Experiments(Struct):
    """What is tried on whom, and how it does."""

    variants: list[Variant]
    canary: ComparedVariants | None


class Alarms(Struct):
    """Which alarms ring, and what they look at."""

    ringing: dict[str, str]
    propensity_mean_weight: float
    propensity_decisions: int
    exploration: float
    entropy: float
    context_shift: float | None


class Health(Struct):
    """Whether the service lives, or can serve, and why not."""

    status: str
    reason: str = ""


class Problem(Struct, omit_defaults=True):
    """An error by RFC 9457."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    request_id: str = ""


ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """A message as JSON."""
    return ENCODER.encode(value)
