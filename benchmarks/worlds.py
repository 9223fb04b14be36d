"""Steps of people in worlds per second on one core, beside RecSim; memory of a batch.

    python benchmarks/worlds.py [--peer-python PATH] [--no-peer] [--seconds 2]

A user-step is one answer of one person to one item or slate; actions are drawn beforehand and are
not counted, nor is looking at observations. RecSim (0.2.4 in the form without TensorFlow) plays one
person at a time in an environment of its own (requirements-worlds.txt), made when it is not given.
Rates are per second of processor time.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
BATCH = 4096
ROWS = (
    ("satisfaction", {}),
    ("retention", {}),
    ("preference", {}),
    ("bait_trap", {"slate_size": 1}),
    ("boredom", {"slate_size": 1}),
    ("changing", {}),
    ("linear", {}),
    ("replay", {}),
    ("sessions", {}),
    ("bait_trap", {}),
    ("interest", {}),
    ("boredom", {}),
    ("boredom", {"influence": 0.1}),
    ("preference", {"n_items": 1000, "slate_size": 10, "position_bias": 1.0}),
)


def ours(name: str, settings: dict, seconds: float) -> tuple[float, list[float]]:
    """User-steps per second, and bytes of state for a person in batches of three sizes."""
    from recloop.simulators.build import build_world

    world, rng = build_world(name, **settings), np.random.default_rng(0)
    n_bytes = []
    for batch in (BATCH // 4, 4 * BATCH, BATCH):
        world.reset(np.arange(batch) % world.n_users, rng)
        n_bytes.append(sum(part.nbytes for part in world.state) / batch)
    slates = [rng.integers(world.n_items, size=(BATCH, world.slate_size)) for _ in range(16)]
    world.step(slates[0])
    n, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        world.step(slates[n % 16])
        n += 1
        if world.n_steps[0] >= world.horizon:
            world.reset(world.users, rng)
    return n * BATCH / (time.process_time() - start), n_bytes


def peer(task: str, seconds: float) -> float:
    """Steps per second of RecSim, one person at a time."""
    if task == "single":
        from recsim.environments import long_term_satisfaction as made

        settings = {"num_candidates": 10, "slate_size": 1}
    else:
        from recsim.environments import interest_evolution as made

        # its own default size, and slates of 10 from 1,000 that stay as they are
        settings = {"num_candidates": 10, "slate_size": 3}
        if task == "slates":
            settings = {"num_candidates": 1000, "slate_size": 10}
    env = made.create_environment({"resample_documents": False, "seed": 0, **settings})
    env.reset()
    k, m, rng, n = settings["slate_size"], settings["num_candidates"], np.random.RandomState(0), 0
    slates = [rng.permutation(m)[:k].tolist() for _ in range(64)]
    start = time.process_time()
    while time.process_time() - start < seconds:
        _, _, is_over, _ = env.step(slates[n % 64])
        n += 1
        if is_over:
            env.reset()
    return n / (time.process_time() - start)


def peer_python() -> str:
    """The interpreter of the peer's environment, which is made on first use."""
    folder = Path(tempfile.gettempdir()) / "recloop-benchmark-worlds"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = HERE.parent / "requirements-worlds.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        (folder / "ready").touch()
    return str(python)


def ask(python: str, task: str, seconds: float) -> float:
    """The peer's rate, measured in a process of its own."""
    command = [python, str(HERE), "--peer-task", task, "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a line for each world, then the peer's and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--no-peer", action="store_true", help="leave RecSim out")
    parser.add_argument("--peer-python", help="interpreter that has recsim")
    parser.add_argument(
        "--peer-task", choices=("single", "small", "slates"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.peer_task:
        print(json.dumps(peer(arguments.peer_task, arguments.seconds)))
        return
    print(
        f"batches of {BATCH:,}, one core; Python {platform.python_version()}, numpy "
        f"{np.__version__}, {platform.machine()}, {os.cpu_count()} cores"
    )
    rates = {}
    for name, settings in ROWS:
        rate, n_bytes = ours(name, settings, arguments.seconds)
        rates[name] = min(rate, rates.get(name, np.inf))
        label = name + "".join(f" {key}={value}" for key, value in settings.items())
        print(
            f"{label:<58}{rate / 1e6:>8.2f} M user-steps/s   bytes a person "
            + " / ".join(f"{one:.0f}" for one in n_bytes),
            flush=True,
        )
    if arguments.no_peer:
        return
    python = arguments.peer_python or peer_python()
    for task, label, counterpart in (
        ("single", "RecSim long-term satisfaction, one item", "satisfaction"),
        ("small", "RecSim interest evolution, 3 of 10", "interest"),
        ("slates", "RecSim interest evolution, 10 of 1,000", "interest"),
    ):
        rate = ask(python, task, arguments.seconds)
        ratio = rates[counterpart] / rate
        print(f"{label:<58}{rate:>10,.0f} /s   {counterpart} here is {ratio:,.0f} x")


if __name__ == "__main__":
    main()
