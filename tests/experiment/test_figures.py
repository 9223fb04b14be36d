"""Figures say what the numbers say, and can be read."""

import pytest

from recloop.experiment.figures import accuracy_against, estimates, learning_curves


def row(name, across, upward):
    metrics = {"ndcg@10": {"mean": upward}, "coverage@10": {"mean": across}}
    return {"name": name, "is_baseline": False, "metrics": metrics}


def test_models_in_one_place_share_a_label_and_each_keeps_its_point():
    rows = [row("a", 0.5, 0.2), row("b", 0.5, 0.2), row("c", 0.9, 0.1), row("d", 0.501, 0.2)]
    figure = accuracy_against(rows, "ndcg@10", "coverage@10")
    assert [trace.text[0] for trace in figure.data] == ["a, b, d", "", "c", ""]
    assert [trace.name for trace in figure.data] == ["a", "b", "c", "d"]
    assert [trace.x[0] for trace in figure.data] == [0.5, 0.5, 0.9, 0.501]


def test_a_figure_without_models_is_empty():
    assert len(accuracy_against([], "ndcg@10", "coverage@10").data) == 0


@pytest.mark.parametrize(("n_rounds", "window"), [(200, 1), (250, 5)])
def test_many_noisy_episodes_are_drawn_as_their_mean_and_the_axis_says_so(n_rounds, window):
    log = [{"model": "q", "round": n, "mean_reward": float(n % 2)} for n in range(n_rounds)]
    figure = learning_curves(log, "mean_reward", "episode")
    drawn = list(figure.data[0].y)
    assert len(drawn) == n_rounds
    wanted = [n % 2 for n in range(n_rounds)][-window:]
    assert drawn[-1] == pytest.approx(sum(wanted) / window)
    assert drawn[0] == 0.0
    title = figure.layout.yaxis.title.text
    assert title == ("mean reward" if window == 1 else "mean reward, mean of 5")


def test_seeds_become_a_mean_and_a_band():
    log = [
        {"model": "q", "round": number, "ndcg": value}
        for number, values in ((1, (0.1, 0.3)), (2, (0.2, 0.6)))
        for value in values
    ]
    band, mean = learning_curves(log, "ndcg", "pass").data
    assert list(mean.y) == pytest.approx([0.2, 0.4])
    assert list(band.y) == pytest.approx([0.3, 0.6, 0.2, 0.1])


def test_a_forest_plot_has_a_row_for_everyone_and_no_point_where_there_is_no_number():
    rows = [
        {"name": "ips", "value": 0.5, "low": 0.3, "high": 0.8},
        {"name": "snips", "value": None, "low": None, "high": None},
    ]
    figure = estimates(rows, "reward", line=("logged", 0.4))
    (points,) = figure.data
    assert (list(points.x), list(points.y)) == ([0.5], ["ips"])
    assert list(points.error_x.array) == pytest.approx([0.3])
    assert list(points.error_x.arrayminus) == pytest.approx([0.2])
    assert list(figure.layout.yaxis.categoryarray) == ["snips", "ips"]  # from below
    assert [one.text for one in figure.layout.annotations] == ["no number", "logged"]
    assert figure.layout.shapes[0].x0 == 0.4
