"""What the Recommend page shows, checked against the small run by hand."""

import numpy as np
import pandas as pd
import pytest

from demo.small_run import DAY, FIRST_DAY, PEOPLE, TITLES, results, value
from recloop.demo import views_recommend as views
from recloop.demo.opened import OpenedRun
from recloop.demo.views_recommend import Recommended
from recloop.experiment.folder import RunFolder, joined
from recloop.types import Interactions

ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "title": ["Alien", None, "Dune"],
        "category": ["SF|Horror", "Drama", None],
        "price": [9.5, np.nan, 3.0],
        "rating": [4.16, np.nan, np.nan],
    }
)


class Fixed:
    """A model with given scores that remembers which history it was shown."""

    history_length = 2

    def __init__(self, scores: list[float]) -> None:
        self.given = np.array([scores])
        self.history: list[int] | None = None

    def scores(self, users: np.ndarray, *, history: np.ndarray | None = None) -> np.ndarray:
        self.history = None if history is None else history[0].tolist()
        return self.given


def log(rows: list[tuple[int, int, float, float]], n_users: int = 3) -> Interactions:
    users, items, weights, times = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(users, items, weights.astype(float), times.astype(float), n_users, 3)


SEEN = log([(0, 0, 1, 10), (0, 2, 1, 20), (0, 1, 1, 30), (2, 1, 1, 5)])


def test_history_is_newest_first_and_stays_with_the_person():
    assert views.history_items(SEEN, 0).tolist() == [1, 2, 0]
    assert views.history_items(SEEN, 1).tolist() == []
    assert views.history_items(SEEN, 2).tolist() == [1]


def test_counts_include_people_without_rows():
    assert views.counts(SEEN).tolist() == [3, 0, 1]


def test_two_parts_are_joined_by_person_and_time_with_the_first_part_first_at_equal_times():
    first = log([(0, 0, 1, 10), (1, 0, 1, 50)])
    then = log([(0, 1, 2, 10), (0, 2, 2, 5), (1, 1, 2, 40)])
    whole = joined(first, then)
    assert whole.users.tolist() == [0, 0, 0, 1, 1]
    assert whole.items.tolist() == [2, 0, 1, 1, 0]
    assert whole.weights.tolist() == [2, 1, 2, 2, 1]
    assert whole.timestamps.tolist() == [5, 10, 10, 40, 50]


def test_the_history_table_names_items_and_leaves_out_weights_that_are_all_the_same():
    table = views.history_table(SEEN, ITEMS, 0)
    assert table.columns.tolist() == ["when", "title", "category", "item_id"]
    assert table["title"].tolist() == ["b", "Dune", "Alien"]
    assert table["category"].tolist() == ["Drama", "", "SF, Horror"]
    assert table["item_id"].tolist() == ["b", "c", "a"]


def test_the_history_table_shows_weights_that_differ():
    table = views.history_table(log([(0, 0, 5, 10), (0, 1, 3, 20)]), ITEMS[["item_id"]], 0)
    assert table.columns.tolist() == ["when", "title", "weight"]
    assert table["weight"].tolist() == [3, 5]
    lines = views.history_lines(table)
    assert [(line.title, line.value, line.more) for line in lines] == [
        ("b", "20", "weight 3"),
        ("a", "10", "weight 5"),
    ]


def test_small_timestamps_are_steps_and_large_ones_dates():
    assert views.when(np.array([0.0, 12.5, FIRST_DAY + DAY])) == ["0", "12.5", "2001-09-10"]


def test_details_say_what_is_known_and_no_more():
    assert views.details(ITEMS, 0) == "SF, Horror · price 9.50 · rated 4.2"
    assert views.details(ITEMS, 1) == "Drama"
    assert views.details(ITEMS, 2) == "price 3.00"
    assert views.details(ITEMS[["item_id"]], 0) == ""


def test_recommendations_leave_out_the_history_on_request_only():
    model = Fixed([0.2, 0.9, 0.5])
    everything = views.recommendations(model, SEEN, 2, 3, leave_out_seen=False)
    assert everything == [Recommended(1, 0.9), Recommended(2, 0.5), Recommended(0, 0.2)]
    new = views.recommendations(model, SEEN, 2, 3, leave_out_seen=True)
    assert new == [Recommended(2, 0.5), Recommended(0, 0.2)]
    assert views.recommendations(model, SEEN, 0, 3, leave_out_seen=True) == []


def test_a_model_is_shown_as_much_history_as_it_asks_for_newest_first():
    model = Fixed([0.1, 0.2, 0.3])
    views.recommendations(model, SEEN, 0, 1, leave_out_seen=False)
    assert model.history == [1, 2]
    model.history_length = 0
    views.recommendations(model, SEEN, 0, 1, leave_out_seen=False)
    assert model.history is None


@pytest.mark.parametrize("name", ["tastes", "popular"])
def test_the_page_recommends_what_the_model_recommends(run: RunFolder, name: str):
    opened = OpenedRun.at(run.path)
    for user in range(len(PEOPLE)):
        past = views.history_items(opened.seen(), user)
        wanted = run.load_model(name).recommend(user, 4, exclude=past.tolist(), explore=False)
        shown = views.recommendations(
            opened.model(name), opened.seen(), user, 4, leave_out_seen=True
        )
        assert [row.item for row in shown] == wanted
        assert len(shown) == min(4, len(TITLES) - len(past))


def test_a_line_says_where_the_item_stands_in_the_other_list_and_whether_it_is_known():
    lines = views.list_lines(
        [Recommended(2, 0.5), Recommended(1, 0.25)],
        ITEMS,
        np.array([1]),
        [Recommended(0, 1.0), Recommended(2, 0.1)],
        "popular",
    )
    assert [line.rank for line in lines] == ["1", "2"]
    assert [line.title for line in lines] == ["Dune", "b"]
    assert [line.badge for line in lines] == ["#2 in popular", ""]
    assert lines[1].more == "Drama · already in the history"


def test_scores_share_their_digits():
    assert views.numbers([583.0, 1200.0]) == ["583", "1,200"]
    assert views.numbers([0.5, 1 / 3]) == ["0.5000", "0.3333"]
    assert views.numbers([512.25, 3.0]) == ["512.2", "3.0"]
    assert views.numbers([0.5, 0.0, 2e-7]) == ["0.5000", "0.0000", "2e-07"]
    assert views.numbers([0.5, -4e-16]) == ["0.5000", "0.0000"]
    assert views.numbers([]) == []


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([0, 1], [0, 1], "Both lists are the same, in the same order."),
        ([0, 1], [1, 0], "2 of 2 items stand in both lists."),
        ([0, 1, 2], [2], "1 of 3 items stand in both lists."),
        ([], [], "Neither model has anything left to recommend."),
    ],
)
def test_overlap_is_said_in_a_sentence(first: list[int], second: list[int], words: str):
    rows = [[Recommended(item, 1.0) for item in items] for items in (first, second)]
    assert views.overlap(rows[0], rows[1]) == words


def test_the_best_learner_is_compared_with_the_best_baseline():
    run = results()
    assert views.two_models(run) == ("tastes", "popular")
    run["models"][1]["metrics"]["ndcg@2"] = value(0.9)
    assert views.two_models(run) == ("tastes", "popular")
    run["models"][1]["is_baseline"] = False
    assert views.two_models(run) == ("popular", "tastes")
    run["models"][1]["metrics"]["ndcg@2"] = value(None)
    assert views.two_models(run) == ("tastes", "popular")
    assert views.two_models(run | {"models": run["models"][:1]}) == ("tastes", "tastes")


def test_models_are_labelled_with_their_value():
    run = results()
    run["models"][1]["metrics"]["ndcg@2"] = value(None)
    assert views.model_labels(run) == {"tastes": "tastes (ndcg@2 0.4321)", "popular": "popular"}


def test_the_person_shown_first_is_the_first_with_a_history():
    assert views.someone(["a", "b", "c"], np.array([0, 2, 5])) == "b"
    assert views.someone(["a", "b"], np.array([0, 0])) == "a"
