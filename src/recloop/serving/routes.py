"""What each route does, in one table: its body, its key, its limits and its answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from recloop.errors import InvalidParameter, MissingData
from recloop.serving import administration, messages
from recloop.serving.checking import checked_request, checked_rewards, events_of
from recloop.serving.deciding import reason
from recloop.serving.problems import Refused
from recloop.serving.records import Answer, Reward, Shown
from recloop.serving.service import Service
from recloop.serving.settings import Limits

if TYPE_CHECKING:
    from recloop.serving.app import Serving

Handler = Callable[["Serving", HttpRequest, Any], Awaitable[Any]]
STATUS_OF = {"stored": 200, "late": 200, "duplicate": 200, "conflict": 409, "unknown": 404}
STATUS_OF["not_shown"] = 422
SAYS = {
    "conflict": "key '{key}' was used for another content; nothing was changed",
    "unknown": "decision '{decision}' is not in the log; nothing was stored",
    "not_shown": "decision '{decision}' did not show that item; nothing was stored",
}


@dataclass(frozen=True)
class Operation:
    """One route."""

    name: str
    method: str
    path: str
    summary: str
    handle: Handler
    key: str | None = "api"  # api, admin, or None for everybody
    body: Any = None  # a type of `messages`
    answers: dict[int, Any] = field(
        default_factory=dict
    )  # types of `messages`, or several of them; None for text, or a media type
    query: dict[str, dict[str, Any]] = field(default_factory=dict)  # JSON schemas by name
    large: bool = False
    example: Any = None

    def body_limit(self, limits: Limits) -> int:
        """How many bytes a body may have."""
        return limits.batch_body_bytes if self.large else limits.body_bytes


# The application's routes


async def recommend(
    serving: "Serving", request: HttpRequest, asked: messages.RecommendRequest
) -> messages.Recommended:
    service = serving.service
    shown = await service.recommend(checked_request(service, asked))
    return messages.Recommended(
        shown.id, shown.user, shown.policy, shown.version, shown.activated, slots(service, shown)
    )


def slots(service: Service, shown: Shown) -> list[messages.RecommendedItem]:
    """The slots of a decision as they are told."""
    items = service.state.catalogue.items
    columns = (
        shown.items.tolist(),
        shown.scores.tolist(),
        shown.propensities.tolist(),
        shown.explored.tolist(),
    )
    found = []
    for rank, (code, score, propensity, explored) in enumerate(zip(*columns, strict=True), 1):
        source = "fallback" if shown.fallback else "explore" if explored else "greedy"
        slot = messages.RecommendedItem(
            items[code].id,
            rank,
            score if abs(score) < float("inf") else None,  # NaN too
            propensity,
            source,
            reason(source, rank=rank),
        )
        if items[code].title:
            slot.title = items[code].title
        if items[code].category:
            slot.category = items[code].category
        found.append(slot)
    return found


async def feedback(
    serving: "Serving", request: HttpRequest, asked: messages.FeedbackRequest
) -> Any:
    service = serving.service
    events, several = events_of(asked, service.settings.limits.batch_events)
    rewards = checked_rewards(service, events)
    answers = await service.feedback(rewards)
    results = [_result(a, r) for a, r in zip(answers, rewards, strict=True)]
    if several:
        counts: dict[str, int] = {}
        for one in results:
            counts[one.status] = counts.get(one.status, 0) + 1
        return messages.FeedbackResults(results, counts)
    status = STATUS_OF[answers[0].result]
    if status != 200:
        says = SAYS[answers[0].result]
        raise Refused(status, says.format(key=rewards[0].key, decision=rewards[0].decision))
    return results[0]


def _result(answer: Answer, reward: Reward) -> messages.FeedbackResult:
    status: Any = "ok" if answer.result == "stored" else answer.result
    return messages.FeedbackResult(status, reward.key, answer.seq)


async def decision(serving: "Serving", request: HttpRequest, _: None) -> messages.KnownDecision:
    service = serving.service
    shown = await service.find(request.path_params["decision"])
    if shown is None:
        raise MissingData(f"decision '{request.path_params['decision'][:128]}' is not in the log.")
    ids = service.state.catalogue.items
    return messages.KnownDecision(
        decision_id=shown.id,
        seq=shown.seq,
        timestamp=shown.timestamp,
        user=shown.user,
        policy=shown.policy,
        version=shown.version,
        activated=shown.activated,
        context=None if shown.context is None else shown.context.tolist(),
        items=slots(service, shown),
        rewards=[
            messages.KnownReward(ids[item].id, one.value, one.observed | one.corrected)
            for item, one in (shown.earned or {}).items()
        ],
    )


async def activate_decision(serving: "Serving", request: HttpRequest, _: None) -> dict[str, bool]:
    name = request.path_params["decision"]
    if not await serving.service.activate(name):
        raise MissingData(f"decision '{name[:128]}' is not in the log.")
    return {"activated": True}


async def items(serving: "Serving", request: HttpRequest, _: None) -> messages.Items:
    catalogue = serving.service.state.catalogue
    first = number_of(request, "first", 0, least=0, most=1 << 31)
    limit = number_of(request, "limit", 100, least=1, most=1000)
    part = catalogue.items[first : first + limit]
    hidden = catalogue.hidden.tolist()
    end = first + len(part)
    return messages.Items(
        [
            messages.KnownItem(item.id, item.title, item.category, hidden[first + place])
            for place, item in enumerate(part)
        ],
        len(catalogue),
        catalogue.version,
        end if end < len(catalogue) else None,
    )


def number_of(request: HttpRequest, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number of the query."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise InvalidParameter(
            f"{name}: must be a whole number between {least} and {most}, got {text[:40]!r}."
        )
    return int(text)


# For machines that look after it


async def live(serving: "Serving", request: HttpRequest, _: None) -> messages.Health:
    return messages.Health("live")


async def ready(serving: "Serving", request: HttpRequest, _: None) -> Any:
    good, reason_why = serving.service.is_ready
    status = "ready" if good else "not ready"
    return messages.Health(status, "" if good else reason_why), 200 if good else 503


async def metrics(serving: "Serving", request: HttpRequest, _: None) -> Response:
    text, kind = serving.exposition.text()
    return Response(text, 200, None, kind)


_PAGE = {
    "first": {"type": "integer", "minimum": 0, "maximum": 1 << 31},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
}

OPERATIONS = [
    Operation(
        "recommend", "POST", "/v1/recommend", "Choose a list for a person", recommend,
        body=messages.RecommendRequest, answers={200: messages.Recommended},
        example={"user": "u17", "k": 5},
    ),
    Operation(
        "feedback", "POST", "/v1/feedback", "Say what came of what was shown", feedback,
        body=messages.FeedbackRequest,
        answers={200: (messages.FeedbackResult, messages.FeedbackResults)}, large=True,
        example={"decision_id": "018f0c2a", "item": "i3", "event": "click"},
    ),
    Operation(
        "activate_decision", "POST", "/v1/decisions/{decision}/activate",
        "A prepared decision was shown", activate_decision, answers={200: dict[str, bool]},
    ),
    Operation(
        "decision", "GET", "/v1/decisions/{decision}", "A decision and what it earned", decision,
        answers={200: messages.KnownDecision},
    ),
    Operation(
        "items", "GET", "/v1/items", "A page of the catalogue", items,
        answers={200: messages.Items}, query=_PAGE,
    ),
    Operation("live", "GET", "/health/live", "The process lives", live, key=None,
              answers={200: messages.Health}),
    Operation("ready", "GET", "/health/ready", "It can serve", ready, key=None,
              answers={200: messages.Health, 503: messages.Health}),
    Operation("metrics", "GET", "/metrics", "Figures for Prometheus", metrics, answers={200: None}),
    *administration.operations(Operation),
]  # fmt: skip
