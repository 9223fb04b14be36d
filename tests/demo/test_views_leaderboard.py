"""What the Leaderboard page shows, checked against the numbers of the small run."""

from demo.small_run import results, value
from recloop.demo import views_leaderboard as views
from recloop.demo.metrics_in_words import definition, meaning


def test_metrics_come_accuracy_first_and_at_one_length():
    run = results()
    run["models"][0]["metrics"]["zeal"] = value(0.1)
    assert views.metric_names(run) == [
        "ndcg@1",
        "ndcg@2",
        "recall@2",
        "coverage@2",
        "diversity@2",
        "zeal",
    ]
    assert views.metrics_at(run, 1) == ["ndcg@1", "zeal"]


def test_the_length_is_read_from_a_metrics_name():
    assert [views.cutoff(name) for name in ("ndcg@10", "map@5(norm=rel)", "regret")] == [10, 5, 0]


def test_a_metric_is_found_again_at_another_length():
    assert views.same_metric("ndcg@2", ["recall@1", "ndcg@1"]) == "ndcg@1"
    assert views.same_metric("mrr@2", ["recall@1", "ndcg@1"]) == "recall@1"


def test_models_are_ordered_by_the_chosen_metric_with_unknown_ones_last():
    run = results()
    assert [row["name"] for row in views.ordered(run, "ndcg@2")] == ["tastes", "popular"]
    run["models"][0]["metrics"]["ndcg@2"] = value(None)
    assert [row["name"] for row in views.ordered(run, "ndcg@2")] == ["popular", "tastes"]


def test_the_table_repeats_every_number_with_its_interval():
    head, rows = views.leaderboard_table(results(), "ndcg@2", 2)
    assert [cell.text for cell in head] == [
        "model",
        "ndcg@2",
        "recall@2",
        "coverage@2",
        "diversity@2",
    ]
    assert [cell.text for cell in rows[0]] == ["tastes", "0.4321", "0.5321", "0.5432", "–"]
    assert [cell.below for cell in rows[0]][:3] == ["fitted", "0.382 to 0.482", "0.482 to 0.582"]
    assert rows[0][1].remark == "over 3 people, 1 undefined"
    assert rows[0][3].remark == "over 4 people"
    assert rows[1][0].below == "baseline, fitted"
    assert head[1].remark == (
        "How near the top the right items stand: 1 is a perfect order, 0 finds none. "
        "Here: binary gains, ideal of min(k, relevant)."
    )


def test_large_means_have_fewer_digits_and_no_interval_where_there_is_none():
    run = results()
    run["models"][0]["metrics"]["recall@2"] = value(123.45) | {"ci_low": None, "ci_high": None}
    row = views.leaderboard_table(run, "ndcg@2", 2)[1][0]
    assert (row[2].text, row[2].below) == ("123.5", "")


def test_how_a_model_learned_is_said_in_words():
    row = results()["models"][0] | {
        "mode": "simulated",
        "n_seeds": 3,
        "n_rounds": 10,
        "best_round": 4,
        "stopped_early": True,
    }
    assert views.how(row) == (
        "in the fitted world, 3 seeds, stopped early, best after 4 of 10 rounds"
    )


def test_comparisons_show_verdict_difference_and_counts():
    head, rows = views.comparison_table(results())
    assert [cell.text for cell in head] == [
        "model and control",
        "verdict",
        "difference",
        "p (Holm)",
        "better / same / worse",
    ]
    assert [(cell.text, cell.below) for cell in rows[0]] == [
        ("tastes", "against popular, ndcg@2"),
        ("better", ""),
        ("+0.1321", "+0.0200 to +0.2400"),
        ("0.024", "uncorrected 0.012"),
        ("2 / 1 / 0", "of 3 people"),
    ]


def test_accuracy_is_set_against_what_was_measured_only():
    assert views.others(results(), 2) == ["coverage@2"]
    assert views.others(results(), 1) == []


def test_the_run_is_told_in_a_line():
    assert views.facts(results()) == (
        "films.csv: 13 interactions, 4 people, 6 items; split temporal; seed 7."
    )
    assert views.in_words(results())[-1] == "Every row counts as positive."


def test_a_metric_nobody_explained_says_so():
    assert meaning("zeal@3") == ""
    assert definition("zeal@3", []) == "zeal@3: see how it was measured, below."
    assert definition("ndcg@2", []) == meaning("ndcg@2")
    assert ("coverage@2", meaning("coverage@2")) in views.meanings(results(), 2)
    assert definition("hit_rate@2", ["A: b. Hit rate: any hit. MRR: c."]) == (
        meaning("hit_rate@2") + " Here: any hit."
    )
