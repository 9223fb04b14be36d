"""What each slot earned, by hand and against the rules written out one reward after the other."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.samples import plain, rewards
from recloop.decisions import join_rewards
from recloop.errors import InvalidData, InvalidParameter


def logged(n, k=2):
    return replace(plain(n, k), seqs=np.arange(1, n + 1))


def placed(*rows, first=100):
    """Rewards in the order of the log; decision "d3" has seq 4."""
    made = rewards(*rows)
    seqs = np.array([int(one[1:]) + 1 for one in made.decisions.tolist()])
    return replace(made, decision_seqs=seqs, seqs=np.arange(first, first + len(rows)))


CASES = {
    "nothing": ([], math.nan, math.nan, ""),
    "a default": ([("default", "click", 0.5)], 0.5, 0.5, "default"),
    "two defaults": (
        [("default", "click", 0.5), ("default", "visit", 0.25)], 0.25, 0.25, "default"
    ),
    "observed beats a default": (
        [("observed", "click", 1.0), ("default", "click", 0.5)], 1.0, 1.0, "observed"
    ),
    "also one of another event": (
        [("default", "click", 0.5), ("observed", "buy", 2.0)], 2.0, 2.0, "observed"
    ),
    "two of one event": (
        [("observed", "click", 1.0), ("observed", "click", 3.0)], 4.0, 3.0, "observed"
    ),
    "events add up": (
        [("observed", "click", 1.0), ("observed", "buy", 5.0), ("observed", "click", 2.0)],
        8.0, 7.0, "observed",
    ),
    "a correction beats what was observed": (
        [("observed", "click", 1.0), ("correction", "click", 4.0), ("observed", "click", 9.0)],
        4.0, 4.0, "correction",
    ),
    "the last correction counts": (
        [("correction", "click", 4.0), ("correction", "click", 0.0)], 0.0, 0.0, "correction"
    ),
    "of its own event alone": (
        [("observed", "buy", 5.0), ("default", "click", 9.0), ("correction", "click", 1.0)],
        6.0, 6.0, "correction",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_slot_earns_what_the_rules_say(case):
    sent, by_sum, by_last, kind = CASES[case]
    rows = [(f"k{i}", "d1", 1, v, event, k) for i, (k, event, v) in enumerate(sent)]
    given_ = placed(*rows) if rows else placed(("k", "d1")).rows(slice(0, 0))
    for how, value in (("sum", by_sum), ("last", by_last)):
        joined = join_rewards(logged(3), given_, how=how)
        expected = np.full(6, np.nan)
        expected[3] = value
        assert np.array_equal(joined.rewards, expected, equal_nan=True)
        assert joined.reward_kinds.texts() == ["", "", "", kind, "", ""]


def straight(n_slots, k, sent, how):
    """The three rules, a slot and an event at a time."""
    found = []
    for slot in range(n_slots):
        here = [s for s in sent if s[0] == slot // k and s[1] == slot % k]
        real = [s for s in here if s[3] != "default"]
        if not real:
            found.append(here[-1][4] if here else math.nan)
            continue
        total = 0.0
        for event in sorted({s[2] for s in real}):
            mended = [s[4] for s in real if s[2] == event and s[3] == "correction"]
            seen = [s[4] for s in real if s[2] == event and s[3] == "observed"]
            total += mended[-1] if mended else (sum(seen) if how == "sum" else seen[-1])
        found.append(total)
    return found


@given(
    sent=st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 1), st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["observed", "default", "correction"]), st.integers(-4, 4),
        ),
        min_size=1, max_size=25,
    ),
    how=st.sampled_from(["sum", "last"]),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_joining_follows_the_rules_in_whatever_order_rewards_are_given(sent, how, order):
    rows = [(f"k{i}", f"d{d}", s, float(v), e, kind) for i, (d, s, e, kind, v) in enumerate(sent)]
    made = placed(*rows)
    shuffled = list(range(len(rows)))
    order.shuffle(shuffled)
    joined = join_rewards(logged(3), made.rows(np.array(shuffled)), how=how)
    expected = straight(6, 2, sent, how)
    assert np.array_equal(joined.rewards, np.array(expected, dtype=float), equal_nan=True)


def test_rewards_of_other_decisions_are_left_aside():
    joined = join_rewards(logged(2), placed(("a", "d7", 0, 3.0), ("b", "d1", 0, 2.0)))
    assert joined.rewards.tolist()[2] == 2.0
    assert np.isnan(joined.rewards[[0, 1, 3]]).all()


def test_chosen_events_alone_count_and_defaults_always():
    sent = placed(
        ("a", "d0", 0, 1.0), ("b", "d0", 1, 0.5, "click", "default"), ("c", "d0", 1, 2.0, "buy")
    )
    joined = join_rewards(logged(1), sent, events=("click",))
    assert joined.rewards.tolist() == [1.0, 0.5]


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(InvalidData, match="'d0' did not show item 5"):
        join_rewards(logged(1), placed(("a", "d0", 5, 1.0)))
    with pytest.raises(InvalidData, match="must come from a log"):
        join_rewards(plain(1), placed(("a", "d0", 0, 1.0)))
    with pytest.raises(InvalidParameter, match="how must be one of 'sum', 'last', got 'mean'"):
        join_rewards(logged(1), placed(("a", "d0", 0, 1.0)), how="mean")
