"""Recommend: a person, what they did, and what two models would show them next."""

import pandas as pd
import streamlit as st

from recloop.demo import markup
from recloop.demo import views_recommend as views
from recloop.demo.opened import OpenedRun
from recloop.demo.opening import in_sentences, over_run, plain
from recloop.demo.views_recommend import Recommended
from recloop.errors import RecloopError
from recloop.types import IntArray
from recloop.utils.names import nearest

KEPT = ("person", "first_model", "second_model", "k", "leave_out_seen")
MOST_OPTIONS = 5000  # a longer list of people is slower than typing an id
SHOWN_HISTORY = 8


@over_run
def recommend_page(run: OpenedRun) -> None:
    """Draw the page."""
    st.title("Recommend")
    user = _person(run)
    if user is None:
        return
    names = _two_models(run)
    k, leave_out_seen = _list_settings(run)
    items = _items(run)
    past = views.history_items(run.seen(), user)
    if not len(past):
        st.info(
            "This person has no history in this run: a cold start. Models that learn from what a "
            "person did know nothing here and show their starting values or what is popular."
        )
    _lists(run, user, names, k, leave_out_seen, items, past)
    in_sentences(_history, run, user, items)


def _person(run: OpenedRun) -> int | None:
    people, codes, counts = run.people(), run.codes(), views.counts(run.seen())
    if st.session_state.get("person") is None:
        st.session_state["person"] = _first_person(people, codes, counts)
    if len(people) <= MOST_OPTIONS:
        if st.session_state["person"] not in codes:
            st.session_state["person"] = views.someone(people, counts)
        name = st.selectbox(
            "Person",
            people,
            key="person",
            format_func=lambda name: f"{name} ({_rows(int(counts[codes[name]]))})",
            help="Type to search. The address of the page keeps the person.",
        )
    else:
        name = st.text_input(f"Person: one of {len(people):,} ids", key="person").strip()
    if name not in codes:
        st.warning(plain(_unknown(name, people)))
        return None
    st.query_params["user"] = name
    return codes[name]


def _first_person(people: list[str], codes: dict[str, int], counts: IntArray) -> str:
    wanted = st.query_params.get("user")
    if wanted is not None and wanted not in codes:
        st.warning(plain(_unknown(wanted, people) + " Somebody else is shown."))
    return wanted if wanted in codes else views.someone(people, counts)


def _unknown(name: str, people: list[str]) -> str:
    near = nearest(name, people[:MOST_OPTIONS])
    hint = f" Did you mean '{near}'?" if near else ""
    return f"This run has no person '{name}'.{hint}"


def _rows(n: int) -> str:
    return {0: "no history", 1: "1 interaction"}.get(n, f"{n:,} interactions")


def _two_models(run: OpenedRun) -> tuple[str, str]:
    results = run.results()
    names = [row["name"] for row in results["models"]]
    labels = views.model_labels(results)
    chosen = []
    columns = st.columns(2, gap="medium")
    for column, key, label, start in zip(
        columns,
        ("first_model", "second_model"),
        ("Model", "Compare with"),
        views.two_models(results),
        strict=True,
    ):
        if st.session_state.get(key) not in names:
            st.session_state[key] = start
        chosen.append(
            column.selectbox(label, names, key=key, format_func=lambda name: labels[name])
        )
    return chosen[0], chosen[1]


def _list_settings(run: OpenedRun) -> tuple[int, bool]:
    most = min(50, len(run.item_ids()))
    st.session_state.setdefault("k", min(10, most))
    st.session_state["k"] = min(st.session_state["k"], most)
    st.session_state.setdefault("leave_out_seen", True)
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    k = left.slider("Length of the lists", 1, max(2, most), key="k")
    leave_out_seen = right.toggle(
        "Leave out what the person already has",
        key="leave_out_seen",
        help="Off: items of the history may be recommended again.",
    )
    return k, leave_out_seen


def _items(run: OpenedRun) -> pd.DataFrame:
    try:
        return run.items()
    except RecloopError as error:
        st.warning(plain(f"Items are named by their ids: {error}"))
        return pd.DataFrame({"item_id": run.item_ids()})


def _lists(
    run: OpenedRun,
    user: int,
    names: tuple[str, str],
    k: int,
    leave_out_seen: bool,
    items: pd.DataFrame,
    past: IntArray,
) -> None:
    st.subheader("What they would be shown")
    remark = st.empty()
    found: dict[str, list[Recommended]] = {}
    columns = dict(zip(names, st.columns(len(set(names)), gap="large"), strict=False))

    def read(name: str) -> None:
        found[name] = views.recommendations(
            run.model(name), run.seen(), user, k, leave_out_seen=leave_out_seen
        )

    for name, column in columns.items():
        with column:
            st.markdown(f"**{plain(name)}**")
            in_sentences(read, name)
    for name, column in columns.items():
        other = next((one for one in columns if one != name), name)
        shared = found.get(other, []) if other != name else []
        if name in found:
            lines = views.list_lines(found[name], items, past, shared, other)
            column.html(markup.ranked(lines, f"Recommendations of {name}"))
        if name in found and len(found[name]) < k:
            column.caption(f"Only {len(found[name])} of {k} places: nothing else is left.")
    remark.caption(_remark(found, names))


def _remark(found: dict[str, list[Recommended]], names: tuple[str, str]) -> str:
    scale = "The number beside a title is the model's score"
    if names[0] == names[1]:
        return f"{scale}. Choose another model above to compare."
    if len(found) < 2:
        return f"{scale}."
    agreement = views.overlap(found[names[0]], found[names[1]])
    return f"{agreement} {scale}; two models' scores are not on one scale."


def _history(run: OpenedRun, user: int, items: pd.DataFrame) -> None:
    table = views.history_table(run.seen(), items, user)
    st.subheader("What they did")
    if table.empty:
        st.markdown("Nothing, as far as the models know.")
        return
    shown = min(SHOWN_HISTORY, len(table))
    st.caption(
        f"{_rows(len(table))} in the training and validation parts, the latest {shown} first. "
        "What happened in the test part stays hidden from the models and from this page."
    )
    st.html(markup.ranked(views.history_lines(table.head(shown)), "Latest interactions"))
    if len(table) > shown:
        with st.expander(f"All {len(table):,}"):
            st.dataframe(table, hide_index=True, width="stretch")
