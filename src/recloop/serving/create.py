"""The one line: `create_app(model)`, and the same from settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recloop.errors import InvalidConfig, MissingExtra
from recloop.models.base import AbstractRecommender
from recloop.serving.catalogue import Item
from recloop.serving.opening import FirstModel, open_service, with_numbers
from recloop.serving.service import Service
from recloop.serving.settings import ServingSettings

try:
    from recloop.serving.app import make_app
except ImportError as error:
    raise MissingExtra(
        f"The service needs an extra ({error}): pip install 'recloop[serve]'."
    ) from error


def create_app(
    model: AbstractRecommender | str | Path | None = None,
    *,
    settings: ServingSettings | None = None,
    users: Sequence[str] | None = None,
    items: Sequence[str | Item] | None = None,
    name: str | None = None,
    **changes: Any,
) -> Any:
    """An ASGI application that serves `model` and learns: `uvicorn.run(create_app(model))`.

    model: a model, a saved one, or a run folder; needed for an empty log alone.
    users, items: the ids of its codes, in their order; None: the codes as text.
    changes: settings by name, such as log="shop.db" or floor=0.1.
    """
    chosen = settings or ServingSettings()
    if isinstance(model, (str, Path)):
        changes["model"] = str(model)
    if name is not None:
        changes.setdefault("model_name", name)
    chosen = ServingSettings.model_validate(chosen.model_dump() | changes)
    first = None
    if isinstance(model, AbstractRecommender):
        first = _first(model, users, items, name)
    elif users is not None or items is not None:
        raise InvalidConfig("create_app: users and items belong to a model that is passed itself.")

    def opened() -> Service:
        return open_service(chosen, first)

    return make_app(opened)


def _first(
    model: AbstractRecommender,
    users: Sequence[str] | None,
    items: Sequence[str | Item] | None,
    name: str | None,
) -> FirstModel:
    first = with_numbers(model, name)
    if users is not None:
        first.users = list(users)
    if items is not None:
        first.items = [one if isinstance(one, Item) else Item(one) for one in items]
    return first
