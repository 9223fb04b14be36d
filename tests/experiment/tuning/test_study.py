"""What a trial gets depends on what it knows alone, and what is over stays."""

import subprocess
import sys

import optuna
import pytest

from recloop.errors import DamagedFile
from recloop.experiment.build import Entry
from recloop.experiment.tuning.study import Store, suggested
from recloop.experiment.tuning.trials import Method, Trial
from recloop.models.search import Choice, Integer, Real, SearchSpace

SPACE = SearchSpace(
    learning_rate=Real(1e-3, 1.0, log=True),
    n_recent=Integer(1, 100, log=True),
    state=Choice(("user", "last_item")),
)


def method(name="q", space=SPACE) -> Method:
    return Method(Entry(name, "q_learning", {}, "logged", 3, 1, ()), space, 40)


def params(rate: float) -> dict:
    return {"learning_rate": rate, "n_recent": 7, "state": "user"}


def trial(number: int, value: float | None = None, rate: float = 0.1, name: str = "q") -> Trial:
    state = "pruned" if value is None else "complete"
    return Trial(name, number, params(rate), state, value, {1: 0.25, 3: 0.125})


KNOWN = [trial(n, 0.1 * n, 0.01 * (n + 1)) for n in range(15)]


def ask(number=15, known=KNOWN, name="q", seed=0, sampler="tpe"):
    return suggested(method(name), number, known, seed=seed, sampler=sampler)


def test_the_first_trial_is_the_model_as_it_is():
    assert ask(0, []) == {"learning_rate": 0.1, "n_recent": 5, "state": "user"}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_number_and_knowledge_give_the_same_parameters(sampler):
    found = ask(sampler=sampler)
    assert all(found[name] in SPACE[name] for name in SPACE)
    assert ask(sampler=sampler) == found
    others = [
        ask(16, sampler=sampler),
        ask(name="r", sampler=sampler),
        ask(seed=1, sampler=sampler),
    ]
    assert all(other != found for other in others)


def test_what_is_known_moves_the_proposal_of_tpe_and_not_that_of_chance():
    flipped = [trial(one.number, 1.0 - one.value, one.params["learning_rate"]) for one in KNOWN]
    assert ask(known=flipped) != ask()
    assert ask(known=flipped, sampler="random") == ask(sampler="random")


def test_tpe_finds_a_peak_that_chance_misses():
    """Peak at learning_rate .03; 40 trials, 10 seeds: TPE nearer on average."""
    import math

    def distance(sampler: str, seed: int) -> float:
        space = SearchSpace(learning_rate=Real(1e-3, 1.0, log=True))
        one, known = method(space=space), []
        for number in range(25):
            found = suggested(one, number, known, seed=seed, sampler=sampler)
            off = abs(math.log(found["learning_rate"] / 0.03))
            known.append(Trial("q", number, found, "complete", -off))
        return min(-past.value for past in known)

    tpe, chance = (
        sum(distance(sampler, seed) for seed in range(10)) for sampler in ("tpe", "random")
    )
    assert tpe < 0.7 * chance


def test_a_trial_comes_back_as_it_was(tmp_path):
    failed = Trial("q", 2, params(0.3), "failed", why="ValueError: too large")
    store = Store(tmp_path / "trials.db", [method(), method("r")])
    kept = [trial(5, 1 / 3, 0.1 + 0.2), trial(1), failed]
    for one in kept:
        store.add(one)
    store.add(trial(5, 0.5, name="r"))
    store.close()
    again = Store(tmp_path / "trials.db", [method(), method("r")])
    assert again.trials()["q"] == {one.number: one for one in kept}
    assert list(again.trials()["r"]) == [5]
    again.close()


def test_optuna_opens_the_file(tmp_path):
    store = Store(tmp_path / "trials.db", [method()])
    store.add(trial(0, 0.5))
    store.add(trial(1, 0.75))
    store.close()
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    study = optuna.load_study(study_name="q", storage=url)
    assert study.best_value == 0.75
    assert study.trials[0].intermediate_values == {1: 0.25, 3: 0.125}
    study._storage._backend.engine.dispose()


def test_a_file_with_a_trial_twice_is_refused(tmp_path):
    store = Store(tmp_path / "trials.db", [method()])
    store.add(trial(3, 0.5))
    store.add(trial(3, 0.5))
    with pytest.raises(DamagedFile, match="trial 3 of q stands twice"):
        store.trials()
    store.close()


def test_without_optuna_the_extra_is_named():
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import recloop.cli.app, recloop.experiment.run\n"
        "sys.exit(recloop.cli.app.outcome(lambda: recloop.cli.app.app("
        "['tune', '-c', 'configs/tune.yaml'], standalone_mode=True)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "recloop: Tuning needs Optuna: pip install 'recloop[tune]'.\n"
