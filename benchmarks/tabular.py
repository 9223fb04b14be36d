"""Tabular Q-learning from logged steps on one core: speed, memory, and the kept maximum.

    python benchmarks/tabular.py

For a small dense and a large hashed table and three logs (uniform, Zipf items, 90 % greedy with
Bernoulli rewards): updates per second, size of the table, ratio to a plain Python loop and to the
memory limit (a compiled loop that reads and writes the same places and computes nothing), and the
rate at four times as many updates. Seconds are of the processor (one thread). The kept maxima are
compared with the true ones.
"""

import os
import resource
import time

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numba
import numpy as np

from recloop.models import td
from recloop.models.tables import QTable
from recloop.models.tables.learning import Method, Steps
from recloop.utils.seeding import stream

ALPHA, GAMMA = 0.1, 0.9
SIZES = {"1,000 x 500": (1_000, 500, 4_000_000), "100,000 x 10,000": (100_000, 10_000, 8_000_000)}


def steps_of(rows, items, rewards):
    """Steps of one-row states that follow themselves."""
    n = len(items)
    ones = np.ones((n, 1))
    return Steps(
        rows[:, None], ones, items, rewards, np.full(n, GAMMA), rows[:, None], ones,
        np.full(n, -1), np.zeros(n, dtype=bool),
    )  # fmt: skip


def uniform_log(rng, n_rows, n_items, n):
    """Every pair equally often."""
    return steps_of(rng.integers(0, n_rows, n), rng.integers(0, n_items, n), rng.random(n))


def zipf_log(rng, n_rows, n_items, n):
    """Few items in most steps: probability 1 / rank."""
    chances = 1.0 / np.arange(1, n_items + 1)
    items = rng.choice(n_items, size=n, p=chances / chances.sum())
    return steps_of(rng.integers(0, n_rows, n), items, rng.random(n))


def greedy_log(rng, n_rows, n_items, n):
    """Made by acting: nine of ten steps take the best known item, rewards are 0 or 1.

    The maximum falls with every reward of 0.
    """
    table = QTable(n_rows, n_items)
    chances = rng.random(n_items)
    parts, block = [], n_rows // 4
    for _ in range(-(-n // block)):
        rows = rng.permutation(n_rows)[:block]
        items = table.best_items(rows)
        random = rng.random(block) < 0.1
        items[random] = rng.integers(0, n_items, int(random.sum()))
        part = steps_of(rows, items, (rng.random(block) < chances[items]).astype(float))
        table.learn(part, method(n_rows))
        parts.append(part)
    return Steps(*(np.concatenate(arrays)[:n] for arrays in zip(*parts, strict=True)))


def method(n_rows):
    """Q-learning, feedback "shown"."""
    return Method(td.GREEDY, 0.1, ALPHA, False, n_rows)


def python_rate(steps, n_items, n=200_000):
    """Updates per second of a dictionary of rows with lists, the maximum by scanning."""
    rows, items = steps.rows[:n, 0].tolist(), steps.items[:n].tolist()
    rewards, q = steps.rewards[:n].tolist(), {}
    started = time.process_time()
    for row, item, reward in zip(rows, items, rewards, strict=True):
        values = q.get(row)
        if values is None:
            values = q[row] = {}
        best = max(values.values(), default=0.0)
        if len(values) < n_items and best < 0.0:
            best = 0.0
        value = values.get(item, 0.0)
        values[item] = value + ALPHA * (reward + GAMMA * best - value)
    return n / (time.process_time() - started)


@numba.njit
def _touch_places(memory, heads, places, rows):
    for i in range(len(places)):
        heads[rows[i]] += 1.0
        memory[places[i]] += 1.0


def limit_rate(rng, table, steps):
    """Steps per second of a loop that only reads and writes one head and one value a step."""
    heads = np.zeros(len(table.heads) * 8)
    memory = np.zeros(max(table.values.size, 1))
    rows = steps.rows[:, 0] * 8
    places = rng.integers(0, len(memory), len(rows))
    if table.kind == "dense":
        places = steps.rows[:, 0] * table.n_items + steps.items
    _touch_places(memory, heads, places[:10], rows[:10])
    started = time.process_time()
    _touch_places(memory, heads, places, rows)
    return len(rows) / (time.process_time() - started)


def learned(n_rows, n_items, steps):
    """A fresh table after the steps, and the seconds that learning took."""
    table = QTable(n_rows, n_items)
    started = time.process_time()
    table.learn(steps, method(n_rows))
    return table, time.process_time() - started


def assert_true_maxima(table):
    """Compare the kept maximum of up to 2,000 rows with the largest value in them."""
    rows = np.linspace(0, table.n_rows - 1, min(table.n_rows, 2_000)).astype(np.int64)
    kept = table.best(rows)
    true = np.array([table.row(row).max() for row in rows])
    assert (kept == true).all(), "a kept maximum is not the true one"


def resident_mib():
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Print one line for each table and log."""
    warm = uniform_log(stream(0, "warm"), 50, 40, 500)
    for kind in ("dense", "hashed"):
        QTable(50, 40, kind=kind).learn(warm, method(50))
    greedy_log(stream(0, "warm"), 50, 40, 100)
    print(f"{'table':<18}{'log':<9}{'M updates/s':>12}{'at 4x':>8}{'pairs M':>9}{'MiB':>7}"
          f"{'x Python':>10}{'of limit':>10}{'peak MiB':>10}")  # fmt: skip
    for size, (n_rows, n_items, n) in SIZES.items():
        for name, make in (("uniform", uniform_log), ("zipf", zipf_log), ("greedy", greedy_log)):
            rng = stream(0, "tabular", size, name)
            steps = make(rng, n_rows, n_items, n)
            quarter = Steps(*(array[: n // 4] for array in steps))
            _, seconds_quarter = learned(n_rows, n_items, quarter)
            table, seconds = learned(n_rows, n_items, steps)
            assert_true_maxima(table)
            rate, limit = n / seconds, limit_rate(rng, table, steps)
            print(
                f"{size:<18}{name:<9}{(n // 4) / seconds_quarter / 1e6:>12.1f}{rate / 1e6:>8.1f}"
                f"{table.n_pairs / 1e6:>9.2f}{table.n_bytes / 2**20:>7.0f}"
                f"{rate / python_rate(steps, n_items):>10.0f}{rate / limit:>10.0%}"
                f"{resident_mib():>10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
