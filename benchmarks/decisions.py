"""The decision log: Parquet there and back, append rates with every commit forced to the disk.

    python benchmarks/decisions.py
    python benchmarks/decisions.py --decisions 100000 --postgres postgresql://user@host/database

Parquet: a million decisions of ten slots (scores, propensities, sources, five numbers of context,
half of the slots rewarded) written, read and compared, in a process of its own, whose greatest
memory is given. Limits: 30 seconds, 2 GiB.

SQL: decisions of ten slots, and rewards, at 1, 32 and 256 a commit; records a second on the wall,
processor time of this process a record, and room on disk beside the bytes that the numbers of a
decision need by themselves. Beside them a bare append with fdatasync of the same bytes: the limit
that this disk sets. The database of --postgres must be empty; its log stays there.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from recloop.decisions import logged_slates, open_log, read_decisions, write_decisions
from recloop.decisions.writing import rewards_of_slots
from recloop.types import Labels, LoggedDecisions, Slates
from recloop.utils.seeding import stream

K, N_ITEMS, N_CONTEXT = 10, 1000, 5
LIMIT_S, LIMIT_BYTES = 30.0, 2 << 30
COMMITS = {1: 300, 32: 300, 256: 100}


def sample(n: int, seed: int = 0) -> LoggedDecisions:
    """n decisions of ten different items."""
    rng = stream(seed, "decision log benchmark")
    starts, steps = rng.integers(0, N_ITEMS, (n, 1)), rng.integers(1, 50, (n, 1))
    items = (starts + steps * np.arange(K)) % N_ITEMS
    return logged_slates(
        rng.integers(0, 100_000, n),
        Slates(items, 1.0 - rng.random((n, K)), rng.random((n, K)) < 0.3),
        policy="linucb",
        version="1",
        ids=f"run-{seed}",
        timestamps=1.7e9 + np.arange(n),
        scores=rng.normal(size=(n, K)),
        contexts=rng.normal(size=(n, N_CONTEXT)),
        rewards=np.where(rng.random((n, K)) < 0.5, rng.random((n, K)), np.nan),
    )


def same(one: LoggedDecisions, other: LoggedDecisions) -> bool:
    """Whether two batches say the same in every field."""
    for name in (f.name for f in fields(one)):
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, Labels):
            names = sorted({*a.names, *b.names})
            a, b = (np.array([names.index(n) for n in x.names])[x.codes] for x in (a, b))
        if isinstance(a, np.ndarray):
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                return False
        elif a != b:
            return False
    return True


def parquet_round_trip(n: int, file: str) -> None:
    """Write, read, compare; prints one line."""
    batch = sample(n)
    began = time.perf_counter()
    write_decisions(file, batch)
    wrote = time.perf_counter()
    read = read_decisions(file)
    took = time.perf_counter() - began
    equal = same(batch, read)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    held = took < LIMIT_S and most < LIMIT_BYTES and equal
    print(
        f"parquet: {n:,} decisions of {K} slots: write {wrote - began:.1f} s, "
        f"read {took - (wrote - began):.1f} s, together {took:.1f} s (limit {LIMIT_S:g}); "
        f"most memory {most / 2**30:.2f} GiB (limit 2); {Path(file).stat().st_size / n:.0f} bytes "
        f"a decision; equal: {equal}; {'HELD' if held else 'MISSED'}"
    )
    sys.exit(not held)


def append_rates(place: str, batch: LoggedDecisions) -> None:
    """Decisions and rewards into a log at several sizes of a commit."""
    begin = 0
    print(f"{'':<10} {'a commit':>8} {'commits':>8} {'a second':>10} {'CPU us each':>12}")
    with open_log(place) as log:
        for size, n_commits in COMMITS.items():
            parts = [batch.rows(slice(begin + i * size, begin + (i + 1) * size))
                     for i in range(n_commits)]  # fmt: skip
            begin += size * n_commits
            line("decisions", size, parts, log.append_decisions)
            rewards = [rewards_of_slots(part) for part in parts]
            whole = [one.rows(slice(i, i + size)) for one in rewards
                     for i in range(0, max(len(one) - size, 1), size)]  # fmt: skip
            line("rewards", size, whole[:n_commits], log.append_rewards)


def line(what: str, size: int, parts: list, append) -> None:
    """Append every part by itself and print the rate."""
    wall, cpu = time.perf_counter(), time.process_time()
    n = sum(len(append(part).seqs) for part in parts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:<10} {size:>8} {len(parts):>8} {n / wall:>10,.0f} {1e6 * cpu / n:>12.1f}")


def bare_rate(folder: Path, n_bytes: int) -> None:
    """Appends of as many bytes as the numbers need, each commit forced to the disk."""
    for size, n_commits in COMMITS.items():
        data = os.urandom(n_bytes * size)
        file = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        wall = time.perf_counter()
        for _ in range(n_commits):
            os.write(file, data)
            os.fdatasync(file)
        rate = size * n_commits / (time.perf_counter() - wall)
        os.close(file)
        print(f"{'bare file':<10} {size:>8} {n_commits:>8} {rate:>10,.0f}")


def bulk(place: str, batch: LoggedDecisions, needed: int) -> None:
    """Many at once, and the room that they take."""
    with open_log(place) as log:
        before = log.database.n_bytes()
        wall = time.perf_counter()
        for begin in range(0, len(batch), 20_000):
            log.append_decisions(batch.rows(slice(begin, begin + 20_000)))
        wall = time.perf_counter() - wall
        if place.endswith(".db"):
            log.database.select("PRAGMA wal_checkpoint(TRUNCATE)")
        room = (log.database.n_bytes() - before) / len(batch)
        print(f"bulk: {len(batch) / wall:,.0f} decisions a second at 20,000 a commit; "
              f"{room:.0f} bytes a decision on disk, {room / needed:.2f} times the {needed} bytes "
              "of its numbers")  # fmt: skip
        wall = time.perf_counter()
        n = sum(len(one) for one in log.decisions())
        print(f"read: {n / (time.perf_counter() - wall):,.0f} decisions a second, joined")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--postgres", help="the address of an empty database")
    parser.add_argument("--parquet-file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parquet_file:
        parquet_round_trip(options.decisions, options.parquet_file)
    needed = K * (4 + 8 + 8 + 1) + 8 * N_CONTEXT + 8 + 8  # lists, time, user
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--parquet-file", str(folder / "log.parquet")]
        ran = subprocess.run([*command, "--decisions", str(options.decisions)], check=False)
        small = sample(sum(size * n for size, n in COMMITS.items()), seed=1)
        large = sample(min(options.decisions, 100_000), seed=2)
        for place in filter(None, (str(folder / "log.db"), options.postgres)):
            print(f"\n{'SQLite, synchronous=FULL' if place.endswith('.db') else 'PostgreSQL'}")
            append_rates(place, small)
            bulk(place, large, needed)
        print("\nlimit of the disk, numbers alone")
        bare_rate(folder, needed)
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
