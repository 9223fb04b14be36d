"""What was acknowledged survives: a writer that is killed, and a machine whose power is cut."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.disks import Disk
from decisions import writer
from decisions.samples import differences, unjoined
from recloop.decisions import DecisionLog, open_log, verify_log
from recloop.decisions.sqlite import SQLiteDatabase

N_RECORDS = writer.N_DECISIONS + writer.N_REWARDS


def killed_writer(place: str, n_turns: int, pause: float, ack: str = "after") -> list[int]:
    """The turns that a writer acknowledged before kill -9 met it."""
    process = subprocess.Popen(
        [sys.executable, str(Path(writer.__file__)), place, ack],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    turns = [int(process.stdout.readline()) for _ in range(n_turns)]
    time.sleep(pause)
    process.kill()
    rest, _ = process.communicate()
    return [*turns, *(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))]


def missing_turns(place: str, acknowledged: list[int]) -> list[int]:
    """Acknowledged turns that the log does not hold; fails where it holds half of one."""
    with open_log(place) as log:
        assert verify_log(log) == []
        n_turns, rest = divmod(log.last_seq, N_RECORDS)
        assert rest == 0
        read = log.read()
        for t in range(n_turns):
            decisions, rewards = writer.turn(t)
            here = read.rows(slice(t * writer.N_DECISIONS, (t + 1) * writer.N_DECISIONS))
            assert differences(unjoined(here), decisions) == []
            assert np.nansum(here.rewards) == rewards.values.sum()
        return [t for t in acknowledged if t >= n_turns]


def check_kills(place, rng, n_kills):
    acknowledged: list[int] = []
    for _ in range(n_kills):
        acknowledged += killed_writer(place, int(rng.integers(2, 30)), rng.random() * 0.02)
        assert missing_turns(place, acknowledged) == []
        with open_log(place) as log:  # what the client did not hear of, it sends again
            held = log.last_seq
            decisions, rewards = writer.turn(acknowledged[-1])
            assert log.append_decisions(decisions).counts() == {"duplicate": writer.N_DECISIONS}
            assert log.append_rewards(rewards).counts() == {"duplicate": writer.N_REWARDS}
            assert log.last_seq == held
    assert sorted(set(acknowledged)) == acknowledged


def test_a_killed_writer_loses_nothing_that_was_acknowledged(place, rng):
    check_kills(place, rng, 2)


@pytest.mark.slow
def test_a_writer_killed_twenty_times_loses_nothing_that_was_acknowledged(place, rng):
    check_kills(place, rng, 20)


def test_a_writer_that_acknowledges_too_early_is_found_out(place):
    acknowledged = killed_writer(place, 3, 0.0, "before")
    assert missing_turns(place, acknowledged) == [acknowledged[-1]]


# Power


def cut_power(tmp_path, rng, name, synchronous, n_cuts):
    """Acknowledged and lost turns, and how many files were torn, over some cuts."""
    n_acknowledged = n_lost = 0
    for number in range(n_cuts):
        folder, left = tmp_path / f"{name}{number}", tmp_path / f"{name}{number}-left"
        left.mkdir(parents=True)
        disk = Disk(f"{name}-{number}")
        log = DecisionLog(SQLiteDatabase(folder / "log.db", vfs=disk.name))
        log.database.select(f"PRAGMA synchronous = {synchronous}")
        log.database.select("PRAGMA wal_autocheckpoint = 20")  # so that cuts meet checkpoints too
        n_turns = int(rng.integers(1, 40))
        for t in range(n_turns):
            with log.transaction():
                decisions, rewards = writer.turn(t)
                log.append_decisions(decisions)
                log.append_rewards(rewards)
        disk.cut(left, rng)
        log.close()
        n_acknowledged += n_turns
        n_lost += len(missing_turns(str(left / "log.db"), list(range(n_turns))))
    return n_acknowledged, n_lost


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path, rng):
    n_acknowledged, n_lost = cut_power(tmp_path, rng, "full", "FULL", 10)
    assert n_acknowledged > 50
    assert n_lost == 0


def test_a_log_that_does_not_force_its_commits_loses_some_in_a_power_cut(tmp_path, rng):
    """The same cuts with synchronous=NORMAL: the test above can fail."""
    _, n_lost = cut_power(tmp_path, rng, "normal", "NORMAL", 10)
    assert n_lost > 0


@pytest.mark.slow
def test_forty_power_cuts_lose_nothing_that_was_acknowledged(tmp_path, rng):
    n_acknowledged, n_lost = cut_power(tmp_path, rng, "forty", "FULL", 40)
    assert n_acknowledged > 400
    assert n_lost == 0
