"""The demo over a run folder: which run, which page.

The folder is `-- --run FOLDER`, else the environment variable RECLOOP_RUN, else "outputs"; a field
in the sidebar changes it.
"""

import argparse
import os
import sys
from functools import partial

import streamlit as st

from recloop.demo import markup, page_leaderboard, page_recommend


def show() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="recloop", page_icon="🔁", layout="wide")
    st.html(markup.STYLE)
    _keep_choices()
    folder = _folder()
    pages = [
        st.Page(
            partial(page_recommend.recommend_page, folder),
            title="Recommend",
            icon=":material/person_search:",
            url_path="recommend",
            default=True,
        ),
        st.Page(
            partial(page_leaderboard.leaderboard_page, folder),
            title="Leaderboard",
            icon=":material/leaderboard:",
            url_path="leaderboard",
        ),
    ]
    st.navigation(pages).run()


def _keep_choices() -> None:
    """Streamlit forgets the widgets of a page that is not shown, unless they are set again."""
    for key in (*page_recommend.KEPT, *page_leaderboard.KEPT):
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def _folder() -> str:
    if "run_folder" not in st.session_state:
        st.session_state["run_folder"] = started_with(sys.argv[1:])
    return st.sidebar.text_input(
        "Run folder",
        key="run_folder",
        on_change=_forget_choices,
        help="A folder that `recloop run --output-dir FOLDER` wrote.",
    ).strip()


def _forget_choices() -> None:
    for key in (*page_recommend.KEPT, *page_leaderboard.KEPT):
        st.session_state.pop(key, None)
    st.query_params.clear()


def started_with(arguments: list[str]) -> str:
    """The folder named by `--run`, by RECLOOP_RUN, or "outputs"."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--run", default=os.environ.get("RECLOOP_RUN") or "outputs")
    try:
        return parser.parse_known_args(arguments)[0].run
    except argparse.ArgumentError:
        return "outputs"


if __name__ == "__main__":
    show()
