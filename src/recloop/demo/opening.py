"""What every page does first: open the run, or say what to do; errors are sentences."""

import functools
import logging
import shlex
from collections.abc import Callable

import streamlit as st

from recloop.demo.opened import OpenedRun
from recloop.errors import MissingData, RecloopError

logger = logging.getLogger(__name__)
COMMAND = "recloop run --config configs/default.yaml --output-dir {folder}"


def over_run(draw: Callable[[OpenedRun], None]) -> Callable[[str], None]:
    """A page that draws the run in a folder, the empty state without one, errors as sentences."""

    @functools.wraps(draw)
    def page(folder: str) -> None:
        try:
            run = OpenedRun.at(folder)
        except MissingData as error:
            _draw_empty(str(error), folder)
            return
        in_sentences(draw, run)

    return page


def in_sentences(draw: Callable[..., None], *arguments: object) -> None:
    """Call `draw`; what goes wrong is said on the page, in a sentence, never as a traceback."""
    try:
        draw(*arguments)
    except RecloopError as error:
        st.error(plain(str(error)))
    except Exception as error:
        logger.exception("The page could not be drawn.")
        st.error(
            plain(
                f"This part could not be drawn ({type(error).__name__}: {error}). The files are "
                "whole, so another version of recloop may have written them; the terminal has the "
                "details."
            )
        )


def plain(text: str) -> str:
    """`text` as Markdown that shows every character as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+-.!|~$<>:" else sign for sign in text)


def _draw_empty(reason: str, folder: str) -> None:
    st.title("Nothing to show yet")
    st.info(plain(reason))
    st.markdown("A run trains the models and judges them; then this page shows it. Make one:")
    st.code(COMMAND.format(folder=shlex.quote(folder or "outputs")), language="bash")
    st.markdown(
        "Then reload this page. If your run stands elsewhere, name its folder in the sidebar, or "
        "start with `recloop demo --run FOLDER`."
    )
