"""Slates of a world become decisions; descriptions and proofs of a log say what is there."""

from dataclasses import replace

import numpy as np
import pytest

from decisions.samples import decisions, plain, rewards
from recloop.decisions import (
    add_decisions,
    check_decisions,
    describe_log,
    logged_slates,
    verify_log,
)
from recloop.errors import DamagedFile, InvalidData
from recloop.types import Labels, Ragged, Slates


def slates():
    """Two people, three slots; the second had only two items left."""
    return Slates(
        np.array([[4, 2, 9], [7, 1, -1]]),
        np.array([[0.5, 0.25, 1.0], [0.125, 0.75, 0.0]]),
        np.array([[True, False, False], [False, True, False]]),
    )


def test_slates_become_decisions_without_their_empty_slots():
    made = logged_slates(
        np.array([3, 8]),
        slates(),
        policy="linucb",
        version="7",
        ids="run-1",
        timestamps=12.0,
        scores=np.array([[3.0, 2.0, 1.0], [5.0, np.nan, 0.0]]),
        contexts=np.array([[0.5, 1.0], [0.25, 2.0]]),
        rewards=np.array([[0.0, 1.0, np.nan], [2.0, np.nan, np.nan]]),
        excluded=Ragged.of([[], [3]]),
    )
    assert check_decisions(made) is made
    assert made.ids.tolist() == ["run-1/0", "run-1/1"]
    assert made.offsets.tolist() == [0, 3, 5]
    assert made.items.tolist() == [4, 2, 9, 7, 1]
    assert made.propensities.tolist() == [0.5, 0.25, 1.0, 0.125, 0.75]
    assert made.sources.texts() == ["explore", "greedy", "greedy", "greedy", "explore"]
    assert repr(made.rewards.tolist()) == "[0.0, 1.0, nan, 2.0, nan]"
    assert made.reward_kinds.texts() == ["observed", "observed", "", "observed", ""]
    assert made.context_names == ("x0", "x1")
    assert made.timestamps.tolist() == [12.0, 12.0]
    assert made.ranks.tolist() == [0, 1, 2, 0, 1]
    assert made.owners.tolist() == [0, 0, 0, 1, 1]
    assert made.padded(made.items, -1).tolist() == [[4, 2, 9], [7, 1, -1]]
    with pytest.raises(InvalidData, match=r"slates' shape \(2, 3\), got \(2, 2\)"):
        logged_slates(np.array([1, 2]), slates(), policy="p", ids="x", timestamps=0.0,
                      rewards=np.zeros((2, 2)))  # fmt: skip


def test_rows_of_a_batch_are_what_they_were(rng):
    whole = decisions(rng, 12)
    index = np.array([7, 0, 11])
    picked = whole.rows(index)
    for place, row in enumerate(index.tolist()):
        was = slice(whole.offsets[row], whole.offsets[row + 1])
        now = slice(picked.offsets[place], picked.offsets[place + 1])
        assert picked.items[now].tolist() == whole.items[was].tolist()
        assert picked.sources.texts()[now] == whole.sources.texts()[was]
        assert picked.excluded.lists()[place].tolist() == whole.excluded.lists()[row].tolist()
        assert picked.ids[place] == whole.ids[row]
        assert picked.contexts[place].tolist() == whole.contexts[row].tolist()


def test_decisions_come_into_a_log_with_what_they_earned(log, rng):
    whole = decisions(rng, 70)
    earned = rng.normal(size=len(whole.items))
    earned[::4] = np.nan
    kinds = Labels(np.isnan(earned).astype(np.int32), ("observed", ""))
    whole = replace(whole, rewards=earned, reward_kinds=kinds)
    n_known = int((~np.isnan(earned)).sum())
    found = add_decisions(log, whole, event="click", n_per_commit=32)
    assert found == {"decision.stored": 70, "reward.stored": n_known}
    assert add_decisions(log, whole, event="click") == {
        "decision.duplicate": 70,
        "reward.duplicate": n_known,
    }
    read = log.read()
    assert np.array_equal(read.rewards, earned, equal_nan=True)
    assert read.reward_kinds.texts() == kinds.texts()


def test_a_description_counts_what_is_there(log):
    log.append_decisions(plain(2))
    log.append_decisions(replace(plain(1, start=2), policies=Labels.same("q", 1)))
    log.append_rewards(
        rewards(("a", "d0", 0, 1.0), ("b", "d1", 0, 0.0, "buy", "default"), ("c", "dx", 0, 1.0))
    )
    found = describe_log(log)
    assert {k: v for k, v in found.items() if k != "log" and "per_" not in k and k != "bytes"} == {
        "version": 2,
        "last_seq": 5,
        "decisions": 3,
        "rewards": 2,
        "controls": 0,
        "first_timestamp": 100.0,
        "last_timestamp": 102.0,
        "policies": {"p": 2, "q": 1},
        "events": {"buy": 1, "click": 1},
        "reward_kinds": {"observed": 1, "default": 1},
        "sent": {"decision.stored": 3, "reward.stored": 2, "reward.unknown": 1},
        "users": 0,
        "items": 0,
    }
    assert found["bytes"] > 1000


HARM = {
    "a flipped bit": ("UPDATE decision SET items = ? WHERE seq = 2", b"\0\0\0\0\7\0\0\0",
                      "decision 2 ('d1'): its checksum differs."),
    "a lost decision": ("DELETE FROM decision WHERE seq = ?", 1,
                        "reward 4: its decision, seq 1, is not there."),
    "a lost reward": ("DELETE FROM reward WHERE seq = ?", 4,
                      "rewards: 0 are there, 1 were counted when they were written."),
    "a place taken twice": ("UPDATE reward SET seq = ?", 2, "seq 2: 2 records have this place."),
    "a place beyond the last": ("UPDATE reward SET seq = ?", 9, "lies beyond the last place, 4."),
    "an item that was not shown": ("UPDATE reward SET item = ?", 5, "'d0' did not show item 5"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM, ids=list(HARM))
def test_verifying_finds_what_is_wrong(log, harm):
    log.append_decisions(plain(3))
    log.append_rewards(rewards(("a", "d0", 0, 1.0)))
    assert verify_log(log) == []
    statement, value, sentence = HARM[harm]
    with log.transaction():
        log.database.execute(statement, (value,))
    assert any(sentence in one for one in verify_log(log)), verify_log(log)


def test_lists_that_do_not_fit_are_never_read(log):
    log.append_decisions(plain(3))
    with log.transaction():
        log.database.execute("UPDATE decision SET propensities = ? WHERE seq = 2", (b"\0" * 12,))
    with pytest.raises(DamagedFile, match="packed lists of a decision do not fit together"):
        log.read()
