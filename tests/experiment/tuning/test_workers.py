"""Jobs run here or in processes of their own, which end when this one does."""

import os
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from hands import make
from recloop.experiment.tuning.workers import workers


def test_one_worker_is_this_process():
    with workers(1, make, 3) as hands:
        assert hands.submit(2).result()[:2] == (6, True)


def test_what_a_job_raises_here_comes_out():
    with workers(1, make, 3) as hands, pytest.raises(TypeError):
        hands.submit(None)


def test_processes_have_one_thread_and_a_killed_one_is_noticed(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    with workers(2, make, 3) as hands:
        assert [one.result() for one in [hands.submit(n) for n in range(3)]] == [
            (0, True, "1"), (3, True, "1"), (6, True, "1")
        ]  # fmt: skip
        with pytest.raises(BrokenProcessPool):
            hands.submit("die").result()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


MAIN = """
import sys, time
sys.path.insert(0, {here!r})
from hands import sleeper
from recloop.experiment.tuning.workers import workers
if __name__ == "__main__":
    with workers(2, sleeper, None) as hands:
        futures = [hands.submit(600) for _ in range(2)]
        while not all(one.running() for one in futures):
            time.sleep(0.01)
        time.sleep(0.5)
        print("ready", flush=True)
        futures[0].result()
"""


def session_members(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_no_process_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(MAIN.format(here=str(Path(__file__).parents[2])))
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout.readline() == "ready\n"
    assert len(session_members(parent.pid)) >= 3
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 20
    while session_members(parent.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert session_members(parent.pid) == []
