"""Offline against online in a world where people also look for themselves: rows, words, a section.

The offline judge is the one of most papers, whether the next view is among five items; the online
judge is the true probability of a click. Rohde et al. 2018 (RecoGym) saw them disagree.
"""

from html import escape
from typing import Any

from recloop.experiment import figures
from recloop.experiment.report import figure_html, section
from recloop.simulators.base import AbstractWorld
from recloop.simulators.sessions import HIT_AT, Judged, SessionsWorld, inversion

Row = dict[str, Any]

WORDS = {
    "hit_rate": f"next-view hit rate@{HIT_AT}",
    "click_rate": "true click rate",
}
KINDS = {
    "popularity": "the items that were viewed most, the same for everyone",
    "taste": "latent factors of what is viewed together (correspondence analysis)",
}


def inversion_of(world: AbstractWorld, n_sessions: int, seed: int) -> Row | None:
    """Both judgements as JSON values; None for a world without views to predict."""
    if not isinstance(world, SessionsWorld) or world.params.n_views < 2:
        return None
    found = inversion(world, n_sessions, seed)
    return {
        "n_sessions": found.n_sessions,
        "is_inverted": bool(found.is_inverted),
        "hit_rate": {name: _row(one) for name, one in found.hit_rate.items()},
        "click_rate": {name: _row(one) for name, one in found.click_rate.items()},
    }


def _row(one: Judged) -> Row:
    return {"value": float(one.value), "low": float(one.low), "high": float(one.high)}


def inversion_statements(found: Row) -> list[str]:
    """What both judges say, and whether they agree."""
    hits, clicks = found["hit_rate"], found["click_rate"]
    offline, online = _preferred(hits), _preferred(clicks)
    said = [
        " ".join(
            f"{WORDS[judge].capitalize()}: popularity {_in_words(found[judge]['popularity'])}, "
            f"taste model {_in_words(found[judge]['taste'])}."
            for judge in WORDS
        )
    ]
    if offline is None or online is None:
        which = "offline" if offline is None else "online"
        said.append(f"The {which} judge cannot tell the two apart: their intervals overlap.")
    elif offline == online:
        said.append(f"Offline and online agree here: both prefer {_called(online)}.")
    else:
        more = clicks[online]["value"] / clicks[offline]["value"] - 1
        said.append(
            f"Offline and online disagree: predicting the next view prefers {_called(offline)}, "
            f"people click what {_called(online)} shows {more:.0%} more often. Who chooses by the "
            "hit rate chooses the policy that earns less."
        )
    return said


def _preferred(judged: Row) -> str | None:
    best, other = sorted(judged, key=lambda name: -judged[name]["value"])
    return best if judged[best]["low"] > judged[other]["high"] else None


def _called(name: str) -> str:
    return "the taste model" if name == "taste" else name


def _in_words(one: Row) -> str:
    return f"{one['value']:.4f} [{one['low']:.4f}, {one['high']:.4f}]"


def inversion_section(found: Row) -> str:
    """A table and a figure for each judge, and what they measure."""
    head = "".join(f"<th>{escape(text)}</th>" for text in ("policy", *WORDS.values()))
    head += "<th class='words'>what it is</th>"
    body = "".join(
        f"<tr><td>{name}</td>"
        + "".join(_cell(found[judge][name]) for judge in WORDS)
        + f"<td class='words'>{escape(KINDS[name])}</td></tr>"
        for name in KINDS
    )
    drawn = "".join(
        figure_html(figures.estimates([{"name": n, **found[judge][n]} for n in KINDS], text))
        for judge, text in WORDS.items()
    )
    about = (
        f"<p class='soft'>Both learn from the views of {found['n_sessions']:,} sessions and are "
        "judged on as many others, with 95 % intervals over sessions. Hit rate: the last view is "
        f"among the first {HIT_AT} items recommended from the views before it. Click rate: the "
        "world's own probability that the first of them is clicked when it is shown as an ad.</p>"
    )
    table = f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
    return section("Offline against online", about + table + drawn)


def _cell(one: Row) -> str:
    return f"<td>{one['value']:.4f}<small>{one['low']:.4f} to {one['high']:.4f}</small></td>"
