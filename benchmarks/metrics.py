"""Time and memory of 18 accuracy numbers for 100,000 people: recloop, a plain script, RecTools.

    python benchmarks/metrics.py [--peer-python PATH] [--no-peer] [--rounds 3] [--shuffled]

Every contender runs in a process of its own on the same files: people x top 10 x 20 relevant items,
metrics precision, recall, ndcg, map, hit_rate and mrr at 1, 5 and 10, a value for every person and
the means. The contenders take turns; the best of their times counts, reading files does not.
RecTools runs in an environment of its own (requirements-metrics.txt), made when it is not given.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Literal

import numpy as np

HERE = Path(__file__).resolve()
KS = (1, 5, 10)
N_LISTED, N_RELEVANT = 10, 20


def make_data(folder: Path, n_users: int, n_items: int, shuffled: bool, seed: int = 0) -> None:
    """Lists and truths without repeats, popular items more often; written as plain arrays."""
    rng = np.random.default_rng(seed)
    width = 2 * (N_LISTED + N_RELEVANT)
    drawn = (n_items * rng.random((n_users, width)) ** 2).astype(np.int64)
    lists = _distinct(drawn[:, : 2 * N_LISTED], N_LISTED, n_items)
    truth = _distinct(drawn[:, 2 * N_LISTED :], N_RELEVANT, n_items)
    columns = {
        "list_users": np.repeat(np.arange(n_users), N_LISTED),
        "list_items": lists.ravel(),
        "ranks": np.tile(np.arange(1, N_LISTED + 1), n_users),
        "truth_users": np.repeat(np.arange(n_users), N_RELEVANT),
        "truth_items": truth.ravel(),
    }
    if shuffled:
        order, other = rng.permutation(lists.size), rng.permutation(truth.size)
        for name in ("list_users", "list_items", "ranks"):
            columns[name] = columns[name][order]
        for name in ("truth_users", "truth_items"):
            columns[name] = columns[name][other]
    np.savez(folder / "data.npz", **columns)


def _distinct(drawn: np.ndarray, n: int, n_items: int) -> np.ndarray:
    """The first n items of each row, moved to free codes where a row holds one twice."""
    rows = drawn[:, :n].copy()
    while True:
        order = np.argsort(rows, axis=1, kind="stable")
        ordered = np.take_along_axis(rows, order, axis=1)
        twice = np.zeros(rows.shape, dtype=bool)
        np.put_along_axis(twice, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        if not twice.any():
            return rows
        rows[twice] = (rows[twice] + 7919) % n_items


def plain_script(data: dict[str, np.ndarray]) -> dict[str, float]:
    """What a careful person writes in numpy for codes that are known to be clean and in range."""
    n_items = int(max(data["list_items"].max(), data["truth_items"].max())) + 1
    n_users = int(data["truth_users"].max()) + 1
    lists = np.empty((n_users, N_LISTED), dtype=np.int64)
    lists[data["list_users"], data["ranks"] - 1] = data["list_items"]
    keys = np.sort(data["truth_users"] * n_items + data["truth_items"])
    wanted = np.arange(n_users)[:, None] * n_items + lists
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hits = keys[places] == wanted
    n_relevant = np.bincount(data["truth_users"], minlength=n_users)
    ranks = np.arange(1, N_LISTED + 1)
    discounts = 1 / np.log2(ranks + 1)
    found = np.cumsum(hits, axis=1)
    gained = np.cumsum(hits * discounts, axis=1)
    precise = np.cumsum(hits * found / ranks, axis=1)
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, N_LISTED + 1)
    best = np.cumsum(discounts)
    values = {}
    for k in KS:
        least = np.minimum(k, n_relevant)
        values[f"precision@{k}"] = found[:, k - 1] / k
        values[f"recall@{k}"] = found[:, k - 1] / n_relevant
        values[f"ndcg@{k}"] = gained[:, k - 1] / best[least - 1]
        values[f"map@{k}"] = precise[:, k - 1] / least
        values[f"hit_rate@{k}"] = (found[:, k - 1] > 0).astype(np.float64)
        values[f"mrr@{k}"] = np.where(first <= k, 1 / first, 0.0)
    return {name: float(value.mean()) for name, value in values.items()}


def prepare(contender: str, data: dict[str, np.ndarray]):
    """A function without arguments that computes the 18 means; making its input is not timed."""
    if contender == "script":
        return lambda: plain_script(data)
    if contender == "arrays":
        return _recloop_arrays(data)
    import pandas as pd

    names = {"user_id": "list_users", "item_id": "list_items", "rank": "ranks"}
    lists = pd.DataFrame({name: data.pop(column) for name, column in names.items()})
    names = {"user_id": "truth_users", "item_id": "truth_items"}
    truth = pd.DataFrame({name: data.pop(column) for name, column in names.items()})
    if contender == "rectools":
        return _rectools(lists, truth)
    return _recloop_frames(lists, truth, map_norm="rel" if contender == "as-rectools" else "min")


def _recloop_arrays(data: dict[str, np.ndarray]):
    from recloop.evaluation.ranking import accuracy
    from recloop.evaluation.relevant import RelevantSets

    n_users = int(data["truth_users"].max()) + 1
    n_items = int(max(data["list_items"].max(), data["truth_items"].max())) + 1
    lists = np.empty((n_users, N_LISTED), dtype=np.int64)
    lists[data["list_users"], data["ranks"] - 1] = data["list_items"]

    def run() -> dict[str, float]:
        sets = RelevantSets.of_pairs(data["truth_users"], data["truth_items"], n_users, n_items)
        values = accuracy(lists, sets, KS)
        return {
            f"{name}@{k}": float(table[:, column].mean())
            for name, table in values.items()
            for column, k in enumerate(KS)
        }

    return run


def _recloop_frames(lists, truth, map_norm: Literal["min", "rel"]):
    from recloop.evaluation import Definitions, RecommendationMetrics

    metrics = RecommendationMetrics(Definitions(map_norm=map_norm))

    def run() -> dict[str, float]:
        scored = metrics.score(lists, truth, KS)
        per_user = scored.per_user()
        assert len(per_user) == 18 * len(scored.user_ids)
        summary = scored.summary()
        names = summary["metric"].str.partition("(")[0] + "@" + summary["k"].astype(str)
        return dict(zip(names, summary["mean"].tolist(), strict=True))

    return run


def _rectools(lists, truth):
    from rectools import Columns, metrics  # pyright: ignore[reportMissingImports]

    made = {}
    for k in KS:
        made |= {
            f"precision@{k}": metrics.Precision(k),
            f"recall@{k}": metrics.Recall(k),
            f"ndcg@{k}": metrics.NDCG(k, divide_by_achievable=True),
            f"map@{k}": metrics.MAP(k),
            f"hit_rate@{k}": metrics.HitRate(k),
            f"mrr@{k}": metrics.MRR(k),
        }
    lists = lists.rename(columns={"rank": Columns.Rank})
    return lambda: metrics.calc_metrics(made, reco=lists, interactions=truth)


def child(contender: str, folder: Path, n_runs: int) -> None:
    """Run one contender and print its best time, its peak memory and its values as JSON."""
    with np.load(folder / "data.npz") as file:
        data = {name: file[name] for name in file.files}
    run = prepare(contender, data)
    seconds, values = [], {}
    for _ in range(n_runs):
        start = time.perf_counter()
        values = run()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = {name: float(value) for name, value in values.items()}
    print(json.dumps({"seconds": min(seconds), "peak_mib": peak, "values": values}))


def ask(python: str, contender: str, folder: Path, n_runs: int) -> dict:
    """The answer of one contender's own process."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [python, str(HERE), "--child", contender, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--runs", str(n_runs)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


def peer_python() -> str:
    """The interpreter of the peer's environment, which is made on first use."""
    folder = Path(tempfile.gettempdir()) / "recloop-benchmark-metrics"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = HERE.parent / "requirements-metrics.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        (folder / "ready").touch()
    return str(python)


def compare(arguments: argparse.Namespace) -> dict:
    """Let the contenders take turns; keep each one's best time."""
    pythons = {"script": sys.executable, "arrays": sys.executable, "frames": sys.executable}
    if not arguments.no_peer:
        pythons["rectools"] = arguments.peer_python or peer_python()
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as name:
        make_data(Path(name), arguments.users, arguments.items, arguments.shuffled)
        for _ in range(arguments.rounds):
            for contender, python in pythons.items():
                got = ask(python, contender, Path(name), arguments.runs)
                best = results.setdefault(contender, got)
                best["seconds"] = min(best["seconds"], got["seconds"])
        if not arguments.no_peer:
            results["as-rectools"] = ask(sys.executable, "as-rectools", Path(name), 1)
    return results


def report(results: dict[str, dict], arguments: argparse.Namespace) -> None:
    """Print times, ratios to the script and to the peer, and check that values agree."""
    order = "shuffled" if arguments.shuffled else "in order"
    print(
        f"{arguments.users:,} people x top {N_LISTED} x {N_RELEVANT} relevant of "
        f"{arguments.items:,} items, 18 numbers, rows {order}; "
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}"
    )
    script = results["script"]
    for name in (one for one in results if one != "as-rectools"):
        got = results[name]
        print(
            f"{name:9s} {got['seconds']:7.3f} s  {got['peak_mib']:6.0f} MiB  "
            f"{got['seconds'] / script['seconds']:6.2f} x the script"
        )
    for name in ("arrays", "frames"):
        values = results[name]["values"]
        worst = max(abs(values[key] - script["values"][key]) for key in script["values"])
        assert worst < 1e-12, f"{name} differs from the script by {worst}"
    print("values of recloop and of the script are equal to 1e-12")
    if "rectools" in results:
        ratio = results["rectools"]["seconds"] / results["frames"]["seconds"]
        print(f"recloop on frames is {ratio:.1f} x as fast as RecTools")
        theirs, ours = results["rectools"]["values"], results["as-rectools"]["values"]
        worst = max(abs(ours[key] - theirs[key]) for key in theirs)
        assert worst < 1e-9, f"recloop with RecTools' definitions differs by {worst}"
        print("with its definition of MAP (map_norm='rel') all 18 values are those of RecTools")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2), encoding="utf-8")


def main() -> None:
    """Read the options; as a child, run one contender."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3, help="runs in each process")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--shuffled", action="store_true", help="rows in random order")
    parser.add_argument("--no-peer", action="store_true", help="leave RecTools out")
    parser.add_argument("--peer-python", help="interpreter that has rectools")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, Path(arguments.folder), arguments.runs)
    else:
        report(compare(arguments), arguments)


if __name__ == "__main__":
    main()
