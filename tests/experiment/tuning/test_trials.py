"""Which trials there are, which may begin, and which are hopeless: values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidConfig
from recloop.experiment import ExperimentConfig
from recloop.experiment.tuning.trials import (
    Method,
    Trial,
    best_of,
    first_below,
    known_to,
    methods_of,
    pruning_bars,
    ready,
    trial_rows,
)
from recloop.models.search import Real


def config_of(**changed) -> ExperimentConfig:
    sections = {
        "models": [
            {"name": "lin", "type": "lin_ucb", "params": {"context_dim": 2}},
            {"name": "q", "type": "q_learning", "params": {"learning_rate": 0.2}},
        ],
        "training": {"mode": "logged", "n_seeds": 5},
        "evaluation": {"baselines": ["popular", "ease"]},
        "tuning": {"n_trials": 7},
    }
    return ExperimentConfig.model_validate({**sections, **changed})


def methods(**changed) -> list[Method]:
    config = config_of(**changed)
    return methods_of(config, trial_rows(config))


def test_every_method_with_something_to_tune_has_the_same_number_of_trials():
    found = {one.name: (list(one.space), one.n_trials) for one in methods()}
    assert found == {
        "popular": ([], 1),
        "ease": (["regularization"], 7),
        "lin": (["regularization", "discount"], 7),  # how it explores changes nothing on a log
        "q": (["discount_factor", "prior_visits"], 7),  # learning_rate is the configuration's
    }


def test_in_a_world_how_a_model_explores_is_searched_too():
    world = {"world": {"type": "linear"}, "evaluation": {}}
    assert "alpha" in methods(**world)[0].space


def test_the_first_trial_is_what_the_model_takes_by_itself():
    by_name = {one.name: one for one in methods()}
    assert by_name["q"].defaults() == {"discount_factor": 0.9, "prior_visits": 1e-3}
    assert by_name["popular"].defaults() == {}


def test_the_models_named_are_tuned_and_no_others():
    assert [one.name for one in methods(tuning={"models": ["q", "ease"]})] == ["ease", "q"]
    with pytest.raises(InvalidConfig, match=r"no method .w.\. Known: popular, ease, lin, q\."):
        methods(tuning={"models": ["w"]})


def test_a_range_that_does_not_go_with_a_fixed_parameter_is_refused_before_any_trial():
    windowed = {"name": "lin", "type": "lin_ucb", "params": {"context_dim": 2, "window": 9}}
    with pytest.raises(InvalidConfig, match=r"lin: discount=0.98 is searched and does not go with"):
        methods(models=[windowed])
    windowed["params"]["discount"] = 1.0
    assert list(methods(models=[windowed])[-1].space) == ["regularization"]


def test_a_plug_in_that_says_nothing_of_what_is_searched_is_refused():
    with pytest.raises(InvalidConfig, match=r"counter: .*does not say what of it is searched"):
        methods(models=[{"name": "counter", "type": "plug_in:CountingRecommender"}])


def over(number: int, value: float | None = None, method: str = "q", **more) -> Trial:
    state = more.pop("state", "complete" if value is not None else "pruned")
    return Trial(method, number, {}, state, value, **more)


def test_a_trial_waits_for_those_it_knows_and_for_no_others():
    a, b = methods()[1:3]
    done = {"ease": {0: over(0, 0.1), 2: over(2, 0.1)}, "lin": {}}
    running = {"ease": set(), "lin": {0}}
    begin = [(one.name, number) for one, number in ready([a, b], done, running, at_once=2)]
    assert begin == [("ease", 1), ("lin", 1)]  # ease 3 waits for 1, lin 2 for 0
    begin = [(one.name, number) for one, number in ready([a, b], done, running, at_once=3)]
    assert begin == [("ease", 1), ("lin", 1), ("lin", 2), ("ease", 3)]


@given(at_once=st.integers(1, 4), n_workers=st.integers(1, 5), data=st.data())
def test_whatever_the_order_of_ends_every_trial_runs_once_and_knows_the_same(
    at_once, n_workers, data
):
    hands = methods()
    done = {one.name: {} for one in hands}
    running = {one.name: set() for one in hands}
    at_work, begun = [], []
    while True:
        while len(at_work) < n_workers:
            following = next(ready(hands, done, running, at_once), None)
            if following is None:
                break
            method, number = following
            known = [one.number for one in known_to(number, done[method.name], at_once)]
            assert known == list(range(max(0, number - at_once + 1)))
            running[method.name].add(number)
            at_work.append((method.name, number))
            begun.append((method.name, number))
        if not at_work:
            break
        name, number = at_work.pop(data.draw(st.integers(0, len(at_work) - 1)))
        running[name].remove(number)
        done[name][number] = over(number, 0.5, name)
    assert sorted(begun) == sorted((one.name, n) for one in hands for n in range(one.n_trials))


def test_bars_are_medians_of_what_complete_trials_had_reached():
    curves = [{1: 0.1, 2: 0.3, 4: 0.2}, {1: 0.2, 2: 0.1, 4: 0.5}, {1: 0.3, 2: 0.4, 4: 0.4}]
    curves += [{1: 0.4, 2: 0.6, 4: 0.6}, {1: 0.5, 2: 0.7}]
    known = [over(n, 0.5, curve=curve) for n, curve in enumerate(curves)]
    known.append(over(9, curve={1: 9.0, 2: 9.0}))  # pruned: not measured against
    # until round 2 they reached .3 .2 .4 .6 .7; only four looked at round 4
    assert pruning_bars(known, n_rounds=6) == {2: 0.4}
    assert pruning_bars(known, n_rounds=3) == {1: 0.3, 2: 0.4}
    assert pruning_bars(known, n_rounds=2) == {1: 0.3}  # in the last round nothing is saved
    assert pruning_bars(known[1:], n_rounds=6) == {}


def test_a_trial_is_hopeless_where_its_best_so_far_is_below_the_bar():
    assert first_below({1: 0.5, 2: 0.1}, {1: 0.4, 2: 0.45}) is None
    assert first_below({1: 0.1, 2: 0.42, 3: 0.43}, {2: 0.4, 3: 0.45}) == 3
    assert first_below({2: 0.1}, {1: 0.4}) is None


def test_the_best_is_the_first_of_equals_and_never_a_pruned_one():
    trials = {0: over(0, -2.0), 1: over(1), 3: over(3, -1.0), 2: over(2, -1.0)}
    assert best_of(trials).number == 2
    assert best_of({1: over(1)}) is None


def test_a_warning_names_the_end_of_the_range():
    assert methods()[1].space["regularization"] == Real(1.0, 1e4, log=True)
    assert methods()[1].space.edges({"regularization": 9000.0}) == {"regularization": "high"}
