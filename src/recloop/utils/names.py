"""Unknown names are answered with the nearest known one."""

from collections.abc import Iterable
from difflib import get_close_matches

from recloop.errors import UnknownName


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a typo most likely meant, or None when nothing is near."""
    candidates = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(str(name).lower(), list(candidates), n=1, cutoff=0.6)
    return candidates[close[0]] if close else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a `name` that is in no table: says the nearest and lists all that are known."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f" Did you mean '{near}'?" if near else ""
    return UnknownName(f"No {kind} named '{name}'.{hint} Known: {', '.join(names)}.")
