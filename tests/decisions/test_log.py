"""The contract of the log, on every database it can live in."""

from dataclasses import replace

import numpy as np
import pytest

from decisions.samples import decisions, differences, plain, rewards, unjoined
from recloop.decisions import Control, open_log
from recloop.errors import InvalidData, InvalidParameter
from recloop.types import Labels


def results(appended):
    return appended.results.texts()


# Decisions


def test_what_is_appended_is_read_back_to_the_last_bit(log, place, rng):
    written = decisions(rng, 300)
    appended = log.append_decisions(written)
    assert appended.counts() == {"stored": 300}
    assert appended.seqs.tolist() == list(range(1, 301))
    with open_log(place) as again:
        found = again.read()
    assert differences(unjoined(found), written) == []
    assert found.seqs is not None
    assert found.seqs.tolist() == list(range(1, 301))


def test_what_is_not_known_stays_not_known(log):
    written = plain(3)
    log.append_decisions(written)
    assert differences(unjoined(log.read()), written) == []


def test_batches_are_as_large_as_asked_for_and_hold_everything(log, rng):
    written = decisions(rng, 25)
    log.append_decisions(written)
    batches = list(log.decisions(chunk=10))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [one for batch in batches for one in batch.ids] == written.ids.tolist()
    assert [len(batch) for batch in log.decisions(4, 20, chunk=10)] == [10, 7]
    assert log.read(7, 7).ids.tolist() == [written.ids[6]]
    assert len(log.read(26, 30)) == 0


def test_a_decision_sent_again_keeps_its_place_and_writes_nothing(log, rng):
    written = decisions(rng, 20)
    first = log.append_decisions(written)
    again = log.append_decisions(replace(written, timestamps=written.timestamps + 5.0))
    assert again.counts() == {"duplicate": 20}
    assert again.seqs.tolist() == first.seqs.tolist()
    assert differences(unjoined(log.read()), written) == []
    assert log.counts() == {"decision.duplicate": 20, "decision.stored": 20}


def test_a_decision_is_the_same_one_whatever_stands_beside_it_in_its_batch(log, rng):
    written = decisions(rng, 30)
    log.append_decisions(written)
    for row in range(30):
        assert results(log.append_decisions(written.rows(np.array([row])))) == ["duplicate"]


def test_an_id_with_another_content_is_a_conflict(log):
    log.append_decisions(plain(2))
    other = plain(3)
    shown = replace(other, items=np.array([0, 1, 5, 1, 0, 1]))
    appended = log.append_decisions(shown)
    assert results(appended) == ["duplicate", "conflict", "stored"]
    assert appended.seqs.tolist() == [1, 0, 3]
    assert log.read().items.tolist() == [0, 1, 0, 1, 0, 1]


def test_an_id_that_stands_twice_in_one_batch_is_written_once(log):
    twice = plain(2).rows(np.array([0, 1, 0, 1]))
    bent = replace(twice, users=np.array([0, 1, 0, 7]))
    appended = log.append_decisions(bent)
    assert results(appended) == ["stored", "stored", "duplicate", "conflict"]
    assert appended.seqs.tolist() == [1, 2, 1, 0]
    assert len(log.read()) == 2


def test_a_decision_is_found_by_its_id(log, rng):
    written = decisions(rng, 5)
    log.append_decisions(written)
    found = log.find(str(written.ids[3]))
    assert differences(unjoined(found), written.rows(np.array([3])), but=("excluded",)) == []
    assert log.find("nobody") is None


def test_a_batch_ends_where_the_columns_of_contexts_change(log):
    narrow = replace(plain(2), contexts=np.ones((2, 1)), context_names=("a",))
    wide = replace(plain(2, start=2), contexts=np.zeros((2, 2)), context_names=("a", "b"))
    for batch in (narrow, wide, plain(1, start=4)):
        log.append_decisions(batch)
    read = list(log.decisions())
    assert [batch.context_names for batch in read] == [("a",), ("a", "b"), ()]
    assert [None if b.contexts is None else b.contexts.tolist() for b in read] == [
        [[1.0], [1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        None,
    ]
    with pytest.raises(InvalidData, match="contexts have 3 different sets of columns"):
        log.read()


# Rewards


def test_each_reward_is_told_what_became_of_it(log):
    log.append_decisions(plain(2))
    appended = log.append_rewards(
        rewards(
            ("k1", "d0", 1, 1.0),
            ("k2", "d0", 1, 1.0, "click", "observed", 131.0),
            ("k1", "d0", 1, 1.0, "click", "observed", 999.0),
            ("k1", "d0", 1, 2.0),
            ("k3", "d9", 0, 1.0),
            ("k4", "d1", 7, 1.0),
            ("k5", "d1", 0, 0.0, "click", "default", 131.5),
        ),
        reward_wait_s=30.0,
    )
    expected = ["stored", "late", "duplicate", "conflict", "unknown", "not_shown", "stored"]
    assert results(appended) == expected
    assert appended.seqs.tolist() == [3, 4, 3, 0, 0, 0, 5]
    assert log.counts() == {
        "decision.stored": 2,
        "reward.conflict": 1,
        "reward.duplicate": 1,
        "reward.late": 1,
        "reward.not_shown": 1,
        "reward.stored": 2,
        "reward.unknown": 1,
    }
    (found,) = log.rewards()
    assert found.keys.tolist() == ["k1", "k2", "k5"]
    assert found.late is not None
    assert found.late.tolist() == [False, True, False]
    assert found.timestamps.tolist() == [100.0, 131.0, 131.5]
    assert found.decisions.tolist() == ["d0", "d0", "d1"]


@pytest.mark.parametrize(
    "other",
    [
        ("k", "d1", 0, 1.0),
        ("k", "d0", 1, 1.0),
        ("k", "d0", 0, 1.5),
        ("k", "d0", 0, 1.0, "purchase"),
        ("k", "d0", 0, 1.0, "click", "correction"),
        ("k", "d9", 0, 1.0),
    ],
    ids=["decision", "item", "value", "event", "kind", "unknown decision"],
)
def test_a_key_with_anything_else_is_a_conflict(log, other):
    log.append_decisions(plain(2))
    log.append_rewards(rewards(("k", "d0", 0, 1.0)))
    assert results(log.append_rewards(rewards(other))) == ["conflict"]
    assert results(log.append_rewards(rewards(("k", "d0", 0, 1.0)))) == ["duplicate"]


def test_a_reward_of_an_unknown_decision_can_be_sent_again_when_it_is_there(log):
    early = rewards(("k", "d0", 0, 1.0))
    assert results(log.append_rewards(early)) == ["unknown"]
    assert list(log.rewards()) == []
    log.append_decisions(plain(1))
    assert results(log.append_rewards(early)) == ["stored"]
    assert log.read().rewards is not None


def test_a_click_and_a_purchase_are_two_rewards(log):
    log.append_decisions(plain(1))
    log.append_rewards(rewards(("a", "d0", 0, 1.0), ("b", "d0", 0, 9.5, "purchase")))
    assert log.read().rewards.tolist()[0] == 10.5
    (only,) = log.decisions(events=("purchase",))
    assert only.rewards.tolist()[0] == 9.5


def test_decisions_are_read_with_what_they_had_earned_at_any_place_of_the_log(log):
    log.append_decisions(plain(1))
    log.append_rewards(rewards(("a", "d0", 1, 0.0, "click", "default")))
    log.append_rewards(rewards(("b", "d0", 1, 1.0)))
    log.append_rewards(rewards(("c", "d0", 1, 5.0, "click", "correction")))
    seen = [log.read(as_of=seq) for seq in (1, 2, 3, 4)]
    assert [repr(one.rewards[1]) for one in seen] == [repr(np.float64(x)) for x in
            (np.nan, 0.0, 1.0, 5.0)]  # fmt: skip
    kinds = [one.reward_kinds.texts()[1] for one in seen]
    assert kinds == ["", "default", "observed", "correction"]


def test_rewards_shuffled_twice_late_and_to_nobody_leave_exactly_the_truth(log, rng):
    """2,000 decisions, a third rewarded; each sent twice in random order, 1 % to unknown ids."""
    n, wait = 2000, 60.0
    shown = plain(n, 3)
    log.append_decisions(shown)
    sent = [
        (f"k{d}-{i}", f"d{d}", i, float(rng.integers(1, 9)), "click", "observed",
         100.0 + d + float(rng.exponential(40.0)))
        for d in range(n) for i in range(3) if rng.random() < 1 / 3
    ]  # fmt: skip
    lost = [(f"u{x}", f"x{x}", 0, 1.0) for x in range(len(sent) // 100)]
    wrong = [(*sent[i][:3], sent[i][3] + 1.0, *sent[i][4:]) for i in range(0, len(sent), 50)]
    stream = [*sent, *sent, *lost]
    stream = [stream[i] for i in rng.permutation(len(stream))] + wrong
    counted: dict[str, int] = {}
    for begin in range(0, len(stream), 97):
        appended = log.append_rewards(rewards(*stream[begin : begin + 97]), reward_wait_s=wait)
        for name, number in appended.counts().items():
            counted[name] = counted.get(name, 0) + number
    n_late = sum(row[6] - (100.0 + int(row[1][1:])) > wait for row in sent)
    assert counted == {
        "stored": len(sent) - n_late,
        "late": n_late,
        "duplicate": len(sent),
        "conflict": len(wrong),
        "unknown": len(lost),
    }
    assert {f"reward.{k}": v for k, v in counted.items()} | {"decision.stored": n} == log.counts()
    truth = np.full(3 * n, np.nan)
    for _, decision, item, value, *_ in sent:
        truth[3 * int(decision[1:]) + item] = value
    read = log.read()
    assert np.array_equal(read.rewards, truth, equal_nan=True)


# Controls, order, transactions, names


def test_controls_are_kept_in_the_order_of_decisions_and_rewards(log):
    log.append_decisions(plain(1))
    swap = Control("c1", 5.0, "swap", "model-2.npz", "ab" * 32)
    assert log.append_controls([swap]).seqs.tolist() == [2]
    log.append_rewards(rewards(("k", "d0", 0, 1.0)))
    config = Control("c2", 6.0, "config", details='{"reward_wait_s": 1800, "default_reward": 0}')
    assert results(log.append_controls([config, swap])) == ["stored", "duplicate"]
    assert log.controls() == [swap._replace(seq=2), config._replace(seq=4)]
    assert log.controls(first=3) == [config._replace(seq=4)]
    bent = swap._replace(file="model-3.npz")
    assert results(log.append_controls([bent])) == ["conflict"]
    with pytest.raises(InvalidParameter, match=r"kind must be one of 'swap', .* got 'restart'"):
        log.append_controls([Control("c3", 1.0, "restart")])


def test_a_transaction_is_kept_whole_or_not_at_all(log, place):
    def half_way():
        with log.transaction():
            log.append_decisions(replace(plain(2), policies=Labels.same("new", 2)))
            log.append_rewards(rewards(("k", "d0", 0, 1.0)))
            log.codes("user", ["ann"])
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half_way()
    assert (log.last_seq, log.counts(), log.ids("user")) == (0, {}, [])
    with log.transaction():
        log.append_decisions(plain(2))
        log.append_rewards(rewards(("k", "d0", 0, 1.0)))
        with open_log(place) as reader:
            assert reader.last_seq == 0
    with open_log(place) as reader:
        assert reader.last_seq == 3
        assert reader.read().policies.texts() == ["p", "p"]


def test_a_refused_batch_changes_nothing(log):
    bad = replace(plain(2), propensities=np.array([0.5, 0.5, 0.5, 1.5]))
    with pytest.raises(InvalidData, match="must be a probability"):
        log.append_decisions(bad)
    assert (log.last_seq, log.counts()) == (0, {})


def test_two_writers_take_turns_and_know_each_others_words(log, place):
    with open_log(place) as other:
        for turn in range(6):
            writer = (log, other)[turn % 2]
            batch = replace(plain(1, start=turn), policies=Labels.same(f"policy {turn // 2}", 1))
            assert writer.append_decisions(batch).seqs.tolist() == [turn + 1]
        expected = [f"policy {turn // 2}" for turn in range(6)]
        assert log.read().policies.texts() == expected
        assert other.read().policies.texts() == expected


def test_codes_of_ids_never_change(log, place):
    assert log.codes("item", ["10", "9", "10", "2"]).tolist() == [2, 1, 2, 0]
    assert log.codes("item", ["1", "9"]).tolist() == [3, 1]
    assert log.codes("user", ["b", "a"], as_given=True).tolist() == [0, 1]
    with open_log(place) as again:
        assert again.ids("item") == ["2", "9", "10", "1"]
        assert again.codes("user", ["a", "ç"]).tolist() == [1, 2]
    assert log.ids("user") == ["b", "a", "ç"]
    assert log.codes("user", ["ç"]).tolist() == [2]


def test_an_empty_batch_is_nothing(log):
    assert log.append_decisions(plain(0)).counts() == {}
    assert log.append_rewards(rewards(("k",)).rows(slice(0, 0))).counts() == {}
    assert log.append_controls([]).counts() == {}
    assert len(log.read()) == 0
    assert (log.last_seq, log.counts()) == (0, {})
