"""Bytes through decoder, checks and the making of lists, in this process; refused, or true."""

from pathlib import Path

import msgspec

from recloop.errors import InvalidParameter, MissingData
from recloop.serving.checking import checked_request, checked_rewards, events_of
from recloop.serving.example import example_model
from recloop.serving.messages import FeedbackRequest, Recommended, RecommendRequest, encode
from recloop.serving.opening import open_service
from recloop.serving.routes import slots
from recloop.serving.service import Service
from recloop.serving.settings import ServingSettings
from serving.http.bad_inputs import wrong_with_list

RECOMMEND = msgspec.json.Decoder(RecommendRequest)
FEEDBACK = msgspec.json.Decoder(FeedbackRequest)
REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, InvalidParameter, MissingData)
MOST_RESERVED = 10_000


def opened(folder: Path) -> Service:
    """A service that nobody started: it can decide, and it writes nothing."""
    settings = ServingSettings(log=str(folder / "log.db"), data_dir=str(folder / "data"))
    return open_service(settings, example_model(), remark=lambda _: None)


def wrong_with_recommend(service: Service, body: bytes) -> list[str]:
    """What is wrong with what comes of a body; nothing where it is refused."""
    try:
        request = checked_request(service, RECOMMEND.decode(body))
    except REFUSALS:
        return []
    if abs(request.k) > MOST_RESERVED:
        return [f"k of {request.k} was let through"]  # nobody waits for the arrays
    shown = service._decider.decide([request], [service._users.get(request.user, -1)])[0]
    told = Recommended(shown.id, shown.user, "", "", True, slots(service, shown))
    n = (
        service.state.catalogue.open.sum()
        if request.candidates is None
        else len(request.candidates)
    )
    narrowed = request.exclude is not None or request.categories or request.candidates is not None
    k = len(shown.items) if narrowed else min(request.k, int(n))
    return wrong_with_list(msgspec.json.decode(encode(told)), k)


def wrong_with_feedback(service: Service, body: bytes) -> list[str]:
    """What is wrong with what comes of a body; nothing where it is refused."""
    try:
        events, _ = events_of(FEEDBACK.decode(body), service.settings.limits.batch_events)
        rewards = checked_rewards(service, events)
    except REFUSALS:
        return []
    bound = service.settings.limits.reward_magnitude
    return [f"reward {one.value}" for one in rewards if not abs(one.value) <= bound]
