"""The report of a log: weights and calibration by hand, numbers beside refusals, words."""

import numpy as np
import pytest

from recloop.cli.app import app, outcome
from recloop.decisions import logged_slates
from recloop.evaluation.ope import Floors, OffPolicyEvaluator, uniform_target
from recloop.experiment.log_checks import (
    Mean,
    calibration_rows,
    histogram,
    logged_mean,
)
from recloop.experiment.off_policy import JudgedLog
from recloop.experiment.off_policy_report import off_policy_report_html, off_policy_statements
from recloop.types import Ragged, Slates


def log_of(items, propensities, rewards=None, **more):
    items = np.asarray(items).reshape(len(items), -1)
    filled = np.ones(items.shape, dtype=bool)
    slates = Slates(items, np.asarray(propensities, dtype=float).reshape(items.shape), filled)
    given = np.zeros(items.shape) if rewards is None else np.reshape(rewards, items.shape)
    return logged_slates(
        np.zeros(len(items), dtype=np.int64),
        slates, policy="old", ids="d", timestamps=0.0, rewards=given, **more,
    )  # fmt: skip


def drawn(rng, chances, n, factor=1.0):
    """Single items; logged propensities of item 0 are `factor` times the true ones."""
    chances = np.asarray(chances)
    items = rng.choice(len(chances), size=n, p=chances)
    said = chances * np.where(np.arange(len(chances)) == 0, factor, 1.0)
    return log_of(items, said[items], (rng.random(n) < 0.2 + 0.1 * items).astype(float))


def judged(log, n_items, **more):
    judge = OffPolicyEvaluator(log, n_items, **more)
    found = judge.evaluate(uniform_target(log, n_items), ESTIMATORS_OF[int(log.sizes.max())])
    weights = {row.estimator: row.weights for row in found if row.weights is not None}
    rows = [row.to_json() for row in found]
    return JudgedLog("uniform", len(log), rows, log, weights, n_items, judge.floors)


ESTIMATORS_OF = {1: ["ips", "snips"], 2: ["standard_ips"]}


# Weights


def test_a_histogram_shares_rows_and_weight_and_leaves_out_zeros():
    bins = histogram(np.array([0.0, 0.1, 0.1, 10.0]), 2)
    assert bins.edges.tolist() == pytest.approx([0.1, 1.0, 10.0])
    assert bins.rows.tolist() == [0.5, 0.25]
    assert bins.weight.tolist() == pytest.approx([0.2 / 10.2, 10 / 10.2])
    assert bins.zero == 0.25


def test_equal_weights_are_one_bin_and_no_weights_none():
    bins = histogram(np.ones(4))
    assert (bins.rows.tolist(), bins.weight.tolist(), bins.zero) == ([1.0], [1.0], 0.0)
    assert histogram(np.zeros(3)).zero == 1.0


# Calibration


def test_what_the_propensities_say_is_their_harmonic_mean():
    # item 0 with 0.5, 0.25 of four slots; item 1 with 0.5 twice
    rows = calibration_rows(log_of([0, 0, 1, 1], [0.5, 0.25, 0.5, 0.5]), 2)
    assert [row["predicted"] for row in rows] == pytest.approx([2 / 6, 0.5])
    assert [(row["observed"], row["n_shown"]) for row in rows] == [(0.5, 2), (0.5, 2)]


def test_slots_that_could_not_show_an_item_do_not_count():
    log = log_of([0, 1, 1, 0], [0.5, 0.5, 1.0, 0.5], candidates=Ragged.of([[0, 1], [], [1], []]))
    rows = calibration_rows(log, 3)
    assert sorted(row["observed"] for row in rows) == pytest.approx([2 / 4, 2 / 3])
    # without item 0 in the third: three slots could show it
    log = log_of([0, 1, 1, 0], [0.5, 0.5, 1.0, 0.5], excluded=Ragged.of([[], [], [0], []]))
    found = sorted(row["observed"] for row in calibration_rows(log, 2))
    assert found == pytest.approx([0.5, 2 / 3])


def test_what_stands_above_is_not_possible_below():
    log = log_of([[0, 1], [1, 0]], [[0.5, 1.0], [0.5, 1.0]])
    # of four slots, three could show item 0: not the one below it
    assert [row["observed"] for row in calibration_rows(log, 2)] == pytest.approx([2 / 3, 2 / 3])
    assert [row["predicted"] for row in calibration_rows(log, 2)] == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.slow
def test_right_propensities_are_told_wrong_no_more_often_than_stated(rng):
    """At 5 % of 300 logs; more than 31 have a probability below 1e-4."""
    alarms = 0
    for _ in range(300):
        chances = rng.dirichlet(np.full(20, 1.0))
        rows = calibration_rows(drawn(rng, chances, 2000), 20)
        alarms += any(not row["low"] <= row["observed"] <= row["high"] for row in rows)
    assert alarms <= 31


def test_wrong_propensities_lie_off_the_diagonal(rng):
    rows = calibration_rows(drawn(rng, [0.5, 0.3, 0.2], 4000, factor=0.5), 3)
    worst = max(rows, key=lambda row: row["observed"])
    assert worst["high"] < worst["observed"]
    right = calibration_rows(drawn(rng, [0.5, 0.3, 0.2], 4000), 3)
    assert all(row["low"] <= row["observed"] <= row["high"] for row in right)


def test_the_logged_mean_is_of_whole_decisions():
    log = log_of([[0, 1], [1, 0]], np.full((2, 2), 0.5), [[1.0, 0.0], [1.0, 1.0]])
    mean, low, high = logged_mean(log)
    assert mean == 1.5
    assert high - mean == pytest.approx(1.959964 * np.sqrt(0.5) / np.sqrt(2))
    assert mean - low == pytest.approx(high - mean)


# The page


def test_the_page_shows_numbers_figures_and_what_they_mean(rng):
    found = judged(drawn(rng, [0.5, 0.3, 0.2], 3000), 3)
    page = off_policy_report_html(found)
    body = page.split("</script>", 1)[1]
    for row in found.rows:
        assert f"{row['value']:.5g}</td><td>{row['low']:.5g} to {row['high']:.5g}" in page
    for text in ("Estimates", "How much each decision counts", "Are the propensities right?"):
        assert text in page
    assert "Why there is no number" not in page
    assert "All of them are where right propensities put them." in page
    assert "ips: mean of weight × reward; unbiased." in page
    assert "http" not in body.split("</script>")[-1]
    assert body.count('class="plotly-graph-div"') == 3


def test_refusals_have_reasons_floors_and_advice_in_place_of_numbers(rng):
    found = judged(drawn(rng, [0.5, 0.3, 0.2], 30), 3)
    assert all(row["value"] is None for row in found.rows)
    page = off_policy_report_html(found)
    for row in found.rows:
        for reason in row["reasons"]:
            assert f"<li>{row['estimator']}: {reason}.</li>" in page
        for advice in row["advice"]:
            assert f"<li>{advice}.</li>" in page
    assert "unreliable</td>" in page
    assert "the effective sample size must be at least 50 rows" in page
    said = off_policy_statements(found, Mean(0.1, 0.0, 0.2))
    assert "ips, snips: this log cannot say what uniform earns: the effective" in said[1]


def test_a_forced_number_is_named_as_one(rng):
    found = judged(drawn(rng, [0.5, 0.3, 0.2], 30), 3, force=True)
    said = off_policy_statements(found, Mean(0.1, 0.0, 0.2))
    assert "The floors refuse this number; it was asked for." in said[1]


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        ((0.1, 0.05, 0.15), "more than was logged"),
        ((0.9, 0.85, 0.95), "less than was logged"),
        ((0.3, 0.05, 0.9), "which cannot be told from what was logged"),
    ],
)
def test_only_intervals_apart_are_more_or_less(rng, logged, words):
    found = judged(drawn(rng, [0.5, 0.3, 0.2], 3000), 3, floors=Floors())
    assert words in off_policy_statements(found, Mean(*logged))[1]


def test_slates_have_a_page_too(rng):
    slates = np.stack([rng.permutation(4)[:2] for _ in range(400)])
    log = log_of(slates, np.tile([1 / 4, 1 / 3], (400, 1)), rng.random((400, 2)) < 0.3)
    page = off_policy_report_html(judged(log, 4))
    assert "standard_ips: mean of the whole slate" in page
    assert "400 weights of standard_ips" in page


def test_the_command_writes_it_and_still_says_that_it_cannot_answer(tmp_path, capsys):
    lines = [f"{row},u,{row % 3},0.333,{row % 2},{row}" for row in range(30)]
    head = "decision_id,user_id,item_id,propensity,reward,timestamp"
    (tmp_path / "shown.csv").write_text("\n".join([head, *lines]) + "\n")
    place, report = tmp_path / "log.db", tmp_path / "report.html"
    app(["log", "import", str(place), str(tmp_path / "shown.csv")], standalone_mode=False)
    with pytest.raises(SystemExit) as stopped:
        outcome(lambda: app(["ope", str(place), "--report", str(report)], standalone_mode=False))
    assert stopped.value.code == 3
    assert "Why there is no number" in report.read_text()
    assert f"Report: {report}" in capsys.readouterr().err
