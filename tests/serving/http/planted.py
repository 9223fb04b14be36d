"""Services with a mistake planted in them, which the tests of bad inputs must find.

    python -m serving.http.planted unbounded_k serve --example --port 0

Memory is bounded: what such a service tries to allocate must not hurt the machine.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from recloop.models.base import AbstractRecommender
from recloop.serving import checking, deciding

MOST_BYTES = 6 << 30


Replacement = tuple[Any, str, Any]


def unbounded_k() -> list[Replacement]:
    """Any number of items may be asked for."""
    return [(checking, "_whole", lambda name, value, least, most: int(value))]


def nan_let_through() -> list[Replacement]:
    """The size of a number in a context is not looked at, and a score may be no number."""

    def context(service: Any, given: Any) -> Any:
        return None if given is None else np.array(given, dtype=np.float64)

    return [
        (checking, "_context", context),
        (AbstractRecommender, "_sound", lambda model, scores: scores),
    ]


def explodes() -> list[Replacement]:
    """Making a list fails, with words that quote the person."""

    def decide(self: Any, requests: Any, codes: Any) -> Any:
        raise KeyError(f"nothing known of {requests[0].user}")

    return [(deciding.Decider, "decide", decide)]


PLANTED: dict[str, Callable[[], list[Replacement]]] = {
    "unbounded_k": unbounded_k,
    "nan_let_through": nan_let_through,
    "explodes": explodes,
}


def main() -> None:
    """Plant, then serve."""
    import resource

    from recloop.cli import main as recloop

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for owner, name, replacement in PLANTED[sys.argv[1]]():
        setattr(owner, name, replacement)
    recloop(sys.argv[2:])


if __name__ == "__main__":
    main()
