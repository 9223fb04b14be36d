"""Old records leave the log and come back; the state is the same with them and without."""

import shutil

import pytest

from recloop.decisions import open_log, verify_log
from recloop.errors import InvalidData, InvalidParameter
from recloop.serving.archiving import archive, restore
from recloop.serving.opening import recovered
from recloop.serving.refold import archived_to
from recloop.serving.registry import Registry, fingerprint
from recloop.serving.snapshots import digest_of
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small, wander

WAIT = {"reward_wait_s": 5.0, "late_window_s": 60.0}
LATER = 2_000_000.0


async def two_lives(folder, name):
    """The first ends with a snapshot, the second without one, with a reward of the first."""
    told = settings_in(folder, rules=WAIT)
    rng = stream(0, "archiving")
    async with serving(told, small(name)) as service:
        visits = Visits(service)
        met = await wander(visits, rng, 6)
        await service.settle(visits.now + 10)
    async with serving(told, crash=True) as service:
        visits = Visits(service, now=visits.now + 20, name="e")
        await visits.tell(met[0], value=0.5)
        await wander(visits, rng, 3)
        return told, fingerprint(service.state.active), met


async def a_life(told):
    async with serving(told) as service:
        await wander(Visits(service, now=LATER, name="f"), stream(1, "archiving"), 2)
        return digest_of(service.state)


def folded(told, **how):
    with open_log(told.log) as log:
        assert verify_log(log) == []
        return recovered(told, log, Registry(f"{told.data_dir}/models"), **how)


@pytest.mark.parametrize("name", ["q_learning", "sarsa", "epsilon_greedy"])
def test_an_archived_log_goes_on_and_comes_back_bit_by_bit(name, tmp_path):
    told, learned, met = run(two_lives(tmp_path, name))
    with open_log(told.log) as log:
        before = log.last_seq
        n_before = sum(len(batch) for batch in log.decisions())
    found = archive(told.log, tmp_path / "old", told.data_dir, before_seq=before, now=LATER)
    assert 0 < found["decisions"] < n_before
    with open_log(told.log) as log:
        assert archived_to(log) == found["last"] < before
        assert log.find(met[0].id) is not None  # a later record speaks of it
        assert log.find(met[1].id) is None
        assert sum(len(batch) for batch in log.decisions()) == n_before - found["decisions"]
    assert fingerprint(folded(told).active) == learned
    with pytest.raises(InvalidData, match="were archived, and no whole snapshot"):
        folded(told, use_snapshots=False)

    lived = run(a_life(told))
    assert digest_of(folded(told)) == lived
    back = restore(told.log, [tmp_path / "old"])
    assert back == {"decisions": found["decisions"], "rewards": found["rewards"], "left": 0}
    whole = folded(told, use_snapshots=False)
    assert digest_of(whole) == digest_of(folded(told))
    assert fingerprint(whole.active) == fingerprint(folded(told).active)


def test_what_may_still_earn_something_stays(tmp_path):
    told, _, _ = run(two_lives(tmp_path, "epsilon_greedy"))
    young = archive(told.log, tmp_path / "old", told.data_dir, before_seq=10**9, now=1_000_050.0)
    assert (young["decisions"], young["rewards"], young["last"]) == (0, 0, 0)
    assert not (tmp_path / "old").exists()


def test_without_a_snapshot_everything_is_needed(tmp_path):
    told, _, _ = run(two_lives(tmp_path, "epsilon_greedy"))
    shutil.rmtree(tmp_path / "data" / "snapshots")
    with pytest.raises(InvalidData, match="holds no whole snapshot"):
        archive(told.log, tmp_path / "old", told.data_dir, before_seq=50, now=LATER)


def test_an_archive_of_another_log_is_refused(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    told, _, _ = run(two_lives(tmp_path / "a", "epsilon_greedy"))
    other, _, _ = run(two_lives(tmp_path / "b", "epsilon_greedy"))
    archive(told.log, tmp_path / "old", told.data_dir, before_seq=10**9, now=LATER)
    with pytest.raises(InvalidParameter, match="is not one of the archives"):
        restore(other.log, [tmp_path / "old"])
