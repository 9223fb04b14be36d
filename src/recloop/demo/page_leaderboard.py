"""Leaderboard: what a run found, how sure it is, and at what price."""

import plotly.graph_objects as go
import streamlit as st

from recloop.demo import markup
from recloop.demo import views_leaderboard as views
from recloop.demo.metrics_in_words import meaning
from recloop.demo.opened import OpenedRun
from recloop.demo.opening import in_sentences, over_run
from recloop.demo.views_leaderboard import Results
from recloop.experiment import figures

KEPT = ("list_length", "metric", "against")


@over_run
def leaderboard_page(run: OpenedRun) -> None:
    """Draw the page."""
    results = run.results()
    st.title("Leaderboard")
    st.html(markup.soft(views.facts(results)))
    st.subheader("What this run says")
    st.html(markup.sentences(results["statements"]))
    k, metric = _chosen_metric(results)
    in_sentences(_board, results, metric, k)
    in_sentences(_comparisons, results)
    in_sentences(_tradeoff, results, metric, k)
    with st.expander("How it was measured"):
        st.html(markup.sentences(views.in_words(results)))
    in_sentences(_report, run)


def _chosen_metric(results: Results) -> tuple[int, str]:
    st.subheader("Who is best")
    ks, decisive = results["protocol"]["ks"], results["protocol"]["metric"]
    left, right = st.columns(2, gap="medium")
    if st.session_state.get("list_length") not in ks:
        st.session_state["list_length"] = views.cutoff(decisive)
    k = left.segmented_control("Length of the lists", ks, key="list_length", required=True)
    k = k or views.cutoff(decisive)
    names = views.metrics_at(results, k)
    if st.session_state.get("metric") not in names:
        st.session_state["metric"] = views.same_metric(
            st.session_state.get("metric", decisive), names
        )
    metric = right.selectbox("Order by", names, key="metric")
    return k, metric


def _board(results: Results, metric: str, k: int) -> None:
    st.caption(meaning(metric))
    _figure(figures.leaderboard(results["models"], metric), f"{metric} of every model")
    head, rows = views.leaderboard_table(results, metric, k)
    st.html(markup.table(head, rows, "Every model with every metric"))
    with st.expander("What each number means"):
        st.html(markup.terms(views.meanings(results, k)))


def _comparisons(results: Results) -> None:
    st.subheader("What each model gains over its control")
    if not results["comparisons"]:
        st.markdown(
            "This run compares no model with a control. Name `controls` of a model in the "
            "configuration to see a verdict here."
        )
        return
    _figure(figures.differences(results["comparisons"]), "Difference of each model to its control")
    head, rows = views.comparison_table(results)
    st.html(markup.table(head, rows, "Comparisons with verdicts"))


def _tradeoff(results: Results, metric: str, k: int) -> None:
    st.subheader("Accuracy is not everything")
    against = views.others(results, k)
    if not against:
        st.markdown("This run measured nothing beside accuracy.")
        return
    if st.session_state.get("against") not in against:
        st.session_state["against"] = against[0]
    other = st.selectbox("Set against", against, key="against")
    st.caption(f"{meaning(other)} Baselines are grey.")
    _figure(
        figures.accuracy_against(results["models"], metric, other),
        f"Every model: {other} across, {metric} upward",
    )


def _report(run: OpenedRun) -> None:
    st.download_button(
        "Download the report",
        run.report(),
        file_name="report.html",
        mime="text/html",
        icon=":material/download:",
        help="One file with all of this; it opens without a network.",
        on_click="ignore",
    )


def _figure(figure: go.Figure, words: str) -> None:
    st.plotly_chart(
        figure, width="stretch", theme=None, config={"displayModeBar": False}, alt=words
    )
