"""A process that writes to a log until it is killed, and says after each commit that it is done.

    python writer.py PLACE [before]

Turn t appends three decisions of ten slots and four rewards in one commit, then prints t. With
"before" it prints t before the commit: what a log must not do, so that the test can fail.
"""

import sys
import time

import numpy as np

from recloop.decisions import open_log
from recloop.types import Labels, LoggedDecisions, LoggedRewards

N_DECISIONS, N_REWARDS, K = 3, 4, 10


def turn(t: int) -> tuple[LoggedDecisions, LoggedRewards]:
    """The records of turn t; the same in every process."""
    n = N_DECISIONS
    m = n * K
    decisions = LoggedDecisions(
        ids=np.array([f"{t}/{row}" for row in range(n)], dtype=np.str_),
        timestamps=np.full(n, float(t)),
        users=np.full(n, t),
        offsets=np.arange(n + 1) * K,
        items=np.tile(np.arange(K), n) + t % 7,
        propensities=1.0 / (2.0 + t % 5 + np.arange(m)),
        propensity_kinds=Labels.same("conditional", n),
        policies=Labels.same(f"policy {t % 11}", n),
        versions=Labels.same("1", n),
        catalogues=Labels.same("", n),
        activated=np.ones(n, dtype=np.bool_),
    )
    rewards = LoggedRewards(
        decisions=decisions.ids[[0, 0, 1, 2]],
        items=np.array([0, 1, 2, 3]) + t % 7,
        values=np.array([1.0, 2.0, 3.0, 4.0]),
        timestamps=np.full(N_REWARDS, t + 1.0),
        keys=np.array([f"{t}/{row}/key" for row in range(N_REWARDS)], dtype=np.str_),
        events=Labels.same("click", N_REWARDS),
        kinds=Labels.same("observed", N_REWARDS),
    )
    return decisions, rewards


def main(place: str, ack: str = "after") -> None:
    with open_log(place) as log:
        t = log.last_seq // (N_DECISIONS + N_REWARDS)
        while True:
            with log.transaction():
                decisions, rewards = turn(t)
                log.append_decisions(decisions)
                log.append_rewards(rewards)
                if ack == "before":
                    print(t, flush=True)
                    time.sleep(0.02)
            if ack == "after":
                print(t, flush=True)
            t += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
