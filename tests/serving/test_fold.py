"""The state is a fold of the log: whatever a model learned while serving, its log says again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.decisions import open_log
from recloop.serving import refold as refolding
from recloop.serving.opening import recovered
from recloop.serving.registry import Registry, fingerprint
from recloop.serving.service import config_control
from recloop.serving.snapshots import digest_of
from recloop.testing import sample_log
from recloop.utils.seeding import stream
from serving.house import N_ITEMS, N_USERS, Visits, first_of, run, serving, settings_in, wander
from variants import VARIANTS, build, label

CASES = [
    pytest.param(name, params, id=label(name, params))
    for name, cases in VARIANTS.items()
    for params in cases
    if params.get("network") != "torch"
]
REMEMBERED = {"remembered_decisions": 1}


def made(name, params):
    model = build(name, params, N_USERS, N_ITEMS, seed=3)
    if model.learns == "fit":
        model.fit(sample_log(N_USERS, N_ITEMS))
    return model


async def a_few_days(folder, first, changes=None):
    """Two lives of a service, the second one cut off; the digest it had then."""
    told = settings_in(folder, lists={"seen": "days", "seen_days": 0.0001}, **(changes or {}))
    rng = stream(0, "a few days")
    async with serving(told, first) as service:
        visits = Visits(service)
        await wander(visits, rng, 3)
        await service.settle(visits.now + 1790.0)  # some have waited long enough, some have not
        added = [{"id": f"new{n}", "title": "", "category": "odd", "features": [0.1, 0.2, 0.3]}
                 for n in range(2)]  # fmt: skip
        await service.control(config_control("items", add=added, hide=["i1"]))
        await wander(visits, rng, 1)
    async with serving(told, crash=True) as service:
        visits = Visits(service, now=visits.now + 1000.0, name="e")
        await wander(visits, rng, 2)
        await service.settle(visits.now + 4000.0)
        assert service.broken is None
        return told, digest_of(service.state), fingerprint(service.state.active)


def folded(told, last_cuts=(), **changes):
    """The state from the first record, with stops at some of them."""
    other = told.model_copy(update=changes)
    with open_log(told.log) as log:
        registry = Registry(f"{told.data_dir}/models")
        state = None
        for last in [*sorted(last_cuts), None]:
            if state is None:
                state = recovered(other, log, registry, use_snapshots=False, last=last)
            else:
                refolding.refold(log, state, last=last)
        return state


@pytest.mark.parametrize(("name", "params"), CASES)
def test_served_restarted_and_refolded_states_are_bit_identical(
    name, params, tmp_path, monkeypatch
):
    told, lived, learned = run(a_few_days(tmp_path, first_of(made(name, params))))
    with open_log(told.log) as log:
        registry = Registry(f"{told.data_dir}/models")
        restarted = recovered(told, log, registry)
        n_records = log.last_seq
    assert restarted.folded_from > 0
    assert digest_of(restarted) == lived
    assert fingerprint(restarted.active) == learned
    assert digest_of(folded(told)) == lived
    monkeypatch.setattr(refolding, "WINDOW", 13)
    monkeypatch.setattr(refolding, "AT_ONCE", 3)
    assert digest_of(folded(told, **REMEMBERED)) == lived
    cuts = stream(0, "cuts").choice(n_records, size=12, replace=False)
    assert digest_of(folded(told, last_cuts=cuts)) == lived
    fresh = Registry(f"{told.data_dir}/models").load(restarted.active.version)
    learns = restarted.active.model.learns == "steps" and name != "random"
    assert (fingerprint(fresh) != learned) == learns
    assert (restarted.learned["rows"] > 0) == (restarted.active.model.learns == "steps")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A log of each way to learn, and what was served at its end."""
    found = []
    for name, params in (
        ("lin_ucb", {"context_dim": 3}),
        ("exp3", {"epsilon": 0.2}),
        ("contextual_bandit", {"context_dim": 3, "learning_rate": 0.01}),
        ("q_learning", {"state": "recent_items", "double": True}),
        ("sarsa", {"state": "last_item"}),
    ):
        folder = tmp_path_factory.mktemp(name)
        found.append(run(a_few_days(folder, first_of(made(name, params)))))
    return found


@settings(max_examples=25)
@given(st.data())
def test_a_state_does_not_depend_on_where_batches_are_cut(lived, data):
    told, digest, _ = lived[data.draw(st.integers(0, len(lived) - 1))]
    cuts = data.draw(st.sets(st.integers(1, 120), max_size=20))
    remembered = data.draw(st.sampled_from([1, 2, 5, 100_000]))
    assert digest_of(folded(told, last_cuts=cuts, remembered_decisions=remembered)) == digest


def test_a_service_that_remembers_one_decision_ends_in_the_same_state(tmp_path):
    params = {"context_dim": 3}
    whole = run(a_few_days(tmp_path / "all", first_of(made("lin_ucb", params))))
    for n in (1, 3):
        told, digest, _ = run(
            a_few_days(
                tmp_path / str(n), first_of(made("lin_ucb", params)), {"remembered_decisions": n}
            )
        )
        assert digest_of(folded(told, remembered_decisions=100_000)) == digest
    assert whole[1] != digest  # another log has another name


def test_the_digest_notices_every_part_of_the_state(tmp_path):
    told, digest, _ = run(a_few_days(tmp_path, first_of(made("lin_ucb", {"context_dim": 3}))))

    def changed(change):
        state = folded(told)
        assert digest_of(state) == digest
        change(state)
        return digest_of(state) != digest

    def move(state):
        state.active.model.reward_sums[0, 0] = np.nextafter(state.active.model.reward_sums[0, 0], 9)

    assert changed(move)
    assert changed(lambda state: state.people.like(0, 1, 5))
    assert changed(lambda state: state.people.show(0, [1], 5.0))
    assert changed(lambda state: state.catalogue.hide(["i2"]))
    assert changed(lambda state: state.prepared.update(other=1.0))
    assert changed(lambda state: state.active.turns.append(9))
    assert changed(lambda state: setattr(state, "settled_seq", state.settled_seq + 1))
    assert changed(lambda state: setattr(state, "learns", False))
