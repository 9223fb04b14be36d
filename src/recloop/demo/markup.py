"""Small pieces of HTML: readable on any width, by a screen reader, on light and on dark.

Everything that comes from data is escaped. Colours derive from the text's own (`currentColor`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """<style>
.rl-soft { opacity: .72; font-size: .9rem; margin: 0 0 .4rem; }
ol.rl-list.rl-list { list-style: none; margin: 0; padding: 0; }
ol.rl-list.rl-list > li { display: grid; gap: 0 .6rem;
  grid-template-columns: 1.9rem minmax(0, 1fr) auto; padding: .45rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 16%, transparent);
  margin: 0; }
ol.rl-list.rl-plain > li { grid-template-columns: minmax(0, 1fr) auto; }
.rl-plain .rl-rank { display: none; }
.rl-plain.rl-list .rl-more { grid-column: 1 / -1; }
.rl-list .rl-rank { text-align: right; opacity: .72; font-variant-numeric: tabular-nums; }
.rl-list .rl-title { font-weight: 600; overflow-wrap: anywhere; }
.rl-list .rl-value { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.rl-list .rl-more { grid-column: 2 / -1; font-size: .86rem; opacity: .8; }
.rl-badge { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .5rem;
  white-space: nowrap; margin-right: .4rem; display: inline-block; }
.rl-wide { overflow-x: auto; }
.rl-table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.rl-table th, .rl-table td { padding: .4rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 16%, transparent);
  font-variant-numeric: tabular-nums; vertical-align: top; }
.rl-table th { font-weight: 600; opacity: .8; }
.rl-table th[title] { text-decoration: underline dotted; text-underline-offset: .2em;
  cursor: help; }
.rl-table th:first-child, .rl-table td:first-child, .rl-table .rl-words { text-align: left; }
.rl-table th:first-child, .rl-table td:first-child { white-space: normal;
  min-width: min(15rem, 42vw); max-width: min(15rem, 42vw); overflow-wrap: anywhere; }
.rl-table td.rl-words { white-space: normal; min-width: 11rem; }
.rl-table td small { display: block; opacity: .72; }
.rl-said { margin: 0; padding: .8rem 1rem .8rem 2rem; border-radius: .5rem;
  border: 1px solid color-mix(in srgb, currentColor 16%, transparent);
  border-left: .3rem solid #0072B2; }
.rl-said li { margin: .25rem 0; }
.rl-terms dt { font-weight: 600; } .rl-terms dd { margin: 0 0 .6rem; }
</style>"""


@dataclass(frozen=True)
class Cell:
    """What stands in a table: text, a smaller line below it, a remark on hover."""

    text: str
    below: str = ""
    remark: str = ""
    is_words: bool = False


@dataclass(frozen=True)
class Line:
    """One place of a ranked list."""

    rank: str
    title: str
    value: str
    more: str = ""
    badge: str = ""


def ranked(lines: Sequence[Line], label: str) -> str:
    """An ordered list of items, one above the other; without ranks, no room is kept for them."""
    look = "rl-list" if any(line.rank for line in lines) else "rl-list rl-plain"
    return f'<ol class="{look}" aria-label="{escape(label)}">{"".join(map(_line, lines))}</ol>'


def _line(line: Line) -> str:
    badge = f'<span class="rl-badge">{escape(line.badge)}</span>' if line.badge else ""
    more = f'<span class="rl-more">{badge}{escape(line.more)}</span>' if badge or line.more else ""
    return (
        f'<li><span class="rl-rank">{escape(line.rank)}</span>'
        f'<span class="rl-title">{escape(line.title)}</span>'
        f'<span class="rl-value">{escape(line.value)}</span>{more}</li>'
    )


def table(head: Sequence[Cell], rows: Sequence[Sequence[Cell]], label: str) -> str:
    """A table that scrolls sideways where the page is narrow."""
    top = "".join(f'<th scope="col"{_attributes(cell)}>{escape(cell.text)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="rl-wide" role="region" tabindex="0" aria-label="{escape(label)}">'
        f'<table class="rl-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(cell: Cell) -> str:
    below = f"<small>{escape(cell.below)}</small>" if cell.below else ""
    return f"<td{_attributes(cell)}>{escape(cell.text)}{below}</td>"


def _attributes(cell: Cell) -> str:
    words = ' class="rl-words"' if cell.is_words else ""
    return words + (f' title="{escape(cell.remark)}"' if cell.remark else "")


def sentences(texts: Sequence[str]) -> str:
    """What was found, a sentence each."""
    return f'<ul class="rl-said">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ul>'


def terms(meanings: Sequence[tuple[str, str]]) -> str:
    """Words and what they mean."""
    body = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in meanings)
    return f'<dl class="rl-terms">{body}</dl>'


def soft(text: str) -> str:
    """A remark in smaller, paler letters."""
    return f'<p class="rl-soft">{escape(text)}</p>'
