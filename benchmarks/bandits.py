"""Speed of linear bandits beside five other libraries and beside the memory of the machine.

    python benchmarks/bandits.py [--peer-python PATH] [--no-peer] [--seconds 3]

1,000 items, contexts of 32 numbers, rewards linear in them; one thread, every contender in a
process of its own, float64 where it has a choice. A round is a choice and learning from its
reward; rounds
per second of processor time. The peers live in an environment of their own, made from
requirements-bandits.txt when none is given; making it needs a C++ compiler.

The limit of the memory is the best time in which one of four simple loops reads the packed inverses
once: np.sum, np.dot, a compiled sum and a product of matrix and vector.

Two shared cores of an AMD EPYC (Zen 5), 24 November 2026, --seconds 1, rounds per second:

    recloop, choose_batch and update_batch    10,798    decide and update    9,526
    obp 0.5.7              207   recloop is  52 x       46 x by decide and update
    River 0.26.1            80              135 x      119 x
    contextualbandits       68              158 x      140 x
    MABWiser 2.7.4          18              584 x      515 x   the same item in 60 of 60 rounds
    Vowpal Wabbit 9.11     174               62 x       55 x   (SquareCB 168, 64 x and 57 x)

Scoring takes 60 us, the memory's limit is 40 us (0.67; the whole round 0.44). 256 contexts at a
time take 12.1 us each to score and 14.0 us to choose for: 8.6 and 7.4 times the rate of rounds by
batches of one. A round of Beta Thompson with 100 items takes 1.2 ms, its propensity included; it
took 91 ms when every distribution function was an incomplete beta function. Linear Thompson's round
with its propensity is 2.9 times LinUCB's; hybrid scoring is 40 times as fast as a loop; packed
matrices take 0.52 of full ones.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
import types
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
N_ITEMS, WIDTH, ALPHA, BATCH, N_KNOWN = 1000, 32, 0.3, 256, 4000
OBP = "obp==0.5.7"
PEERS = ("obp", "river", "contextualbandits", "mabwiser", "vw-epsilon", "vw-squarecb")
GOALS = {"obp": 25, "vw-epsilon": 35, "vw-squarecb": 35}
Step = Callable[[int], int]


class World:
    """Contexts (n, WIDTH) of length about 1; a reward is linear in them, with noise."""

    def __init__(self, n: int = 20_000, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.contexts = rng.standard_normal((n, WIDTH)) / np.sqrt(WIDTH)
        self.weights = rng.standard_normal((N_ITEMS, WIDTH))
        self.noise = 0.1 * rng.standard_normal(n)

    def reward(self, row: int, item: int) -> float:
        """What `item` earns in the context of `row`."""
        return float(self.contexts[row] @ self.weights[item] + self.noise[row])


# The peers; each gives a function that plays the round of one row and returns the item it chose


def obp(world: World) -> Step:
    """LinUCB of Open Bandit Pipeline; its package imports torch, which the policies do not use."""
    root = Path(sys.prefix) / "obp" / "obp"
    for name, folder in (("obp", root), ("obp.policy", root / "policy")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    torch = types.ModuleType("torch")
    torch.__dict__.update(Tensor=np.ndarray, tensor=np.array, float=float)
    sys.modules["torch"] = torch
    from obp.policy.linear import LinUCB  # pyright: ignore[reportMissingImports]

    del sys.modules["torch"]
    policy = LinUCB(dim=WIDTH, n_actions=N_ITEMS, epsilon=ALPHA)

    def step(row: int) -> int:
        context = world.contexts[row : row + 1]
        item = int(policy.select_action(context)[0])
        policy.update_params(item, world.reward(row, item), context)
        return item

    return step


def river(world: World) -> Step:
    """LinUCBDisjoint of River, contexts as its dictionaries."""
    from river.bandit import LinUCBDisjoint  # pyright: ignore[reportMissingImports]

    policy = LinUCBDisjoint(alpha=1.0, beta=1.0, seed=0)
    items, rows = list(range(N_ITEMS)), [dict(enumerate(row)) for row in world.contexts.tolist()]

    def step(row: int) -> int:
        item = policy.pull(items, context=rows[row])
        policy.update(item, rows[row], world.reward(row, item))
        return item

    return step


def contextualbandits(world: World) -> Step:
    """LinUCB of contextualbandits by Sherman and Morrison's formula."""
    from contextualbandits.online import LinUCB  # pyright: ignore[reportMissingImports]

    policy = LinUCB(
        nchoices=N_ITEMS,
        alpha=ALPHA,
        fit_intercept=False,
        use_float=False,
        method="sm",
        beta_prior=None,
        ucb_from_empty=True,
        njobs=1,
        random_state=1,
    )
    policy.partial_fit(world.contexts[:1], np.zeros(1, dtype=int), np.zeros(1))

    def step(row: int) -> int:
        context = world.contexts[row : row + 1]
        item = int(policy.predict(context)[0])
        policy.partial_fit(context, np.array([item]), np.array([world.reward(row, item)]))
        return item

    return step


def mabwiser(world: World) -> Step:
    """LinUCB of MABWiser; it wants one row before its first choice: item 0 in the last context."""
    from mabwiser.mab import MAB, LearningPolicy  # pyright: ignore[reportMissingImports]

    how = LearningPolicy.LinUCB(alpha=ALPHA, l2_lambda=1.0)
    policy = MAB(arms=list(range(N_ITEMS)), learning_policy=how)
    policy.fit([0], [world.reward(-1, 0)], world.contexts[-1:])

    def step(row: int) -> int:
        context = world.contexts[row : row + 1]
        item = int(policy.predict(context))
        policy.partial_fit([item], [world.reward(row, item)], context)
        return item

    return step


def vowpal_wabbit(world: World, explorer: str) -> Step:
    """An explorer of Vowpal Wabbit over examples as text, a weight for each item and number."""
    import vowpalwabbit  # pyright: ignore[reportMissingImports]

    policy = vowpalwabbit.Workspace(f"--cb_explore_adf {explorer} -q UA --quiet")
    rng, items = np.random.default_rng(0), [f"|A {item}" for item in range(N_ITEMS)]

    def step(row: int) -> int:
        told = " ".join(
            f"{at}:{value:.6g}" for at, value in enumerate(world.contexts[row].tolist())
        )
        lines = [f"shared |U {told}", *items]
        odds = np.cumsum(policy.predict(lines))
        item = int(np.searchsorted(odds, rng.random() * odds[-1], side="right"))
        chance = odds[item] - (odds[item - 1] if item else 0.0)
        cost = f"{item}:{-world.reward(row, item):.6g}:{max(chance, 1e-6):.6g}"
        lines[item + 1] = f"{cost} {items[item]}"
        policy.learn(lines)
        return item

    return step


def peer_step(name: str, world: World) -> Step:
    """The round of the peer called `name`."""
    if name.startswith("vw-"):
        how = "--epsilon 0.05" if name == "vw-epsilon" else "--squarecb"
        return vowpal_wabbit(world, how)
    made = {"obp": obp, "river": river, "contextualbandits": contextualbandits}
    return (made | {"mabwiser": mabwiser})[name](world)


def rounds(step: Step, seconds: float, n_rows: int) -> dict:
    """Rounds per second of processor time, and the items of all rounds played."""
    items = [step(row) for row in range(3)]
    start = time.process_time()
    while time.process_time() - start < seconds and len(items) < n_rows:
        items.append(step(len(items)))
    return {"rate": (len(items) - 3) / (time.process_time() - start), "items": items}


# recloop


def best_time(action: Callable[[], object], seconds: float) -> float:
    """Seconds of one `action`: the least mean of many short runs."""
    action()
    start = time.process_time()
    action()
    size = max(1, int(0.02 / max(time.process_time() - start, 1e-6)))
    means, begin = [], time.process_time()
    while time.process_time() - begin < seconds or len(means) < 3:
        start = time.process_time()
        for _ in range(size):
            action()
        means.append((time.process_time() - start) / size)
    return min(means)


def taught(model, world: World, n: int = N_KNOWN):
    """`model` after `n` rows on random items."""
    from recloop.types import Transitions

    items = np.random.default_rng(1).integers(N_ITEMS, size=n)
    rewards = np.array([world.reward(row, item) for row, item in enumerate(items)])
    people = np.zeros(n, dtype=np.int64)
    model.update_batch(Transitions(people, items, rewards, contexts=world.contexts[:n]))
    return model


def batch_step(model, world: World) -> Step:
    """A round by `choose_batch`, which also gives the propensity, and `update_batch`."""
    from recloop.types import Transitions

    people = np.zeros(1, dtype=np.int64)

    def step(row: int) -> int:
        row %= len(world.contexts)
        context = world.contexts[row : row + 1]
        items = model.choose_batch(people, 1, context=context).items[:, 0]
        rewards = np.array([world.reward(row, int(items[0]))])
        model.update_batch(Transitions(people, items, rewards, contexts=context))
        return int(items[0])

    return step


def familiar_step(model, world: World) -> Step:
    """A round by `decide` and `update`."""

    def step(row: int) -> int:
        row %= len(world.contexts)
        context = world.contexts[row]
        item = int(model.decide(0, 1, context=context).items[0])
        model.update(0, item, world.reward(row, item), context=context)
        return item

    return step


def ours(seconds: float) -> dict[str, float]:
    """Seconds of every part: rounds, batches, scoring, and the limit of the memory."""
    from recloop.models.bandits.linear import LinThompsonRecommender, LinUCBRecommender
    from recloop.models.packed import packed_size

    world, found = World(), {}
    for name, kind in (("ucb", LinUCBRecommender), ("thompson", LinThompsonRecommender)):
        model = taught(kind(1, N_ITEMS, context_dim=WIDTH), world)
        for route, made in (("batch", batch_step), ("familiar", familiar_step)):
            turn, step = iter(range(1 << 40)), made(model, world)
            found[f"{name} {route}"] = best_time(lambda s=step, t=turn: s(next(t)), seconds)
    people, contexts = np.zeros(BATCH, dtype=np.int64), world.contexts[-BATCH:]
    model = taught(LinUCBRecommender(1, N_ITEMS, context_dim=WIDTH), world)

    def choose() -> object:
        return model.recommend_batch(people, 1, context=contexts, explore=True)

    def score(n: int) -> object:
        return model.acting_scores(people[:n], contexts[:n], None)

    found["choose 256"] = best_time(choose, seconds) / BATCH
    found["score 256"] = best_time(lambda: score(BATCH), seconds) / BATCH
    found["score 1"] = best_time(lambda: score(1), seconds)
    found["reading"] = reading_time(model.inverse, seconds)
    found["memory"] = model.inverse.shape[1] / WIDTH**2
    assert model.inverse.shape[1] == packed_size(WIDTH)
    found["add 1,000 items"] = adding_time(seconds)
    found |= hybrid(world, seconds)
    return found | context_free(seconds)


def reading_time(array: np.ndarray, seconds: float) -> float:
    """The least time in which `array` is read once."""
    import numba

    @numba.njit(fastmath=True)
    def total(numbers):
        found = 0.0
        for number in numbers:
            found += number
        return found

    flat, column = array.ravel(), np.ones(array.shape[1])
    loops = (flat.sum, lambda: flat @ flat, lambda: total(flat), lambda: array @ column)
    return min(best_time(loop, seconds / 2) for loop in loops)


def adding_time(seconds: float) -> float:
    """Seconds to add 1,000 items to a catalogue of 1,000."""
    from recloop.models.bandits.linear import LinUCBRecommender

    return best_time(
        lambda: LinUCBRecommender(1, N_ITEMS, context_dim=WIDTH).add_items(N_ITEMS), seconds
    ) - best_time(lambda: LinUCBRecommender(1, N_ITEMS, context_dim=WIDTH), seconds)


def hybrid(world: World, seconds: float) -> dict[str, float]:
    """Scoring of HybridLinUCB, contexts and features of 6 numbers, and by a loop over the items."""
    from recloop.models.bandits.hybrid import HybridLinThompsonRecommender, HybridLinUCBRecommender
    from recloop.models.packed import unpacked
    from recloop.types import Transitions

    rng, d = np.random.default_rng(0), 6
    model = HybridLinUCBRecommender(1, N_ITEMS, context_dim=d)
    features = rng.standard_normal((N_ITEMS, d - 1))
    model.fit_features(item_features=features)
    people, contexts = np.zeros(300, dtype=np.int64), rng.standard_normal((300, d)) / np.sqrt(d)
    for row in range(300):
        model.update(0, int(rng.integers(N_ITEMS)), world.noise[row], context=contexts[row])

    k = len(model.shared_sums)
    inverses, shared = unpacked(model.inverse, d), unpacked(model.shared_inverse, k)[0]
    crosses = [
        np.kron(own - np.eye(d), row)
        for own, row in zip(unpacked(model.evidence, d), model.item_table, strict=True)
    ]  # B, which the paper keeps; lambda is 1

    def loop() -> np.ndarray:
        x, found = contexts[0], np.empty(N_ITEMS)
        beta = shared @ model.shared_sums
        for item in range(N_ITEMS):  # lines 8 to 12 of the algorithm
            z = np.outer(x, model.item_table[item]).ravel()
            inverse, cross = inverses[item], crosses[item]
            theta = inverse @ (model.reward_sums[item] - cross @ beta)
            solved = inverse @ x
            through = shared @ (cross.T @ solved)
            variance = z @ shared @ z - 2.0 * z @ through
            variance += x @ solved + (cross.T @ solved) @ through
            found[item] = z @ beta + x @ theta + model.alpha * np.sqrt(variance)
        return found

    def score() -> np.ndarray:
        return model.acting_scores(people[:1], contexts[:1], None)

    assert np.abs(score()[0] - loop()).max() < 1e-9
    found = {"hybrid": best_time(score, seconds), "hybrid loop": best_time(loop, seconds)}
    row = Transitions(people[:1], np.zeros(1, dtype=np.int64), np.ones(1), contexts=contexts[:1])
    found["hybrid learning"] = best_time(lambda: model.update_batch(row), seconds)
    other = HybridLinThompsonRecommender(1, N_ITEMS, context_dim=d)
    other.fit_features(item_features=features)
    other.update_batch(row)

    def choose() -> object:
        return other.choose_batch(people[:1], 1, context=contexts[:1])

    return found | {"hybrid thompson": best_time(choose, seconds)}


def context_free(seconds: float) -> dict[str, float]:
    """A round of Thompson sampling of 100 click rates."""
    from recloop.models import MODELS
    from recloop.models.registry import build_model

    assert "beta_thompson" in MODELS
    model, rng = build_model("beta_thompson", 1, 100), np.random.default_rng(0)
    for _ in range(2000):
        item = int(rng.integers(100))
        model.update(0, item, float(rng.random() < 0.01 * item))

    def step() -> None:
        item = int(model.decide(0, 1).items[0])
        model.update(0, item, float(rng.random() < 0.01 * item))

    return {"beta thompson 100": best_time(step, seconds)}


def same_items(theirs: list[int]) -> int:
    """How many rounds recloop chooses the very items that MABWiser chose."""
    from recloop.models.bandits.linear import LinUCBRecommender

    world = World()
    model = LinUCBRecommender(1, N_ITEMS, context_dim=WIDTH, alpha=ALPHA)
    model.update(0, 0, world.reward(-1, 0), context=world.contexts[-1])
    step = familiar_step(model, world)
    for row, item in enumerate(theirs):
        if step(row) != item:
            return row
    return len(theirs)


# The comparison


def peer_python() -> str:
    """The interpreter of the peers' environment, which is made on first use."""
    folder = Path(tempfile.gettempdir()) / "recloop-benchmark-bandits"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = HERE.parent / "requirements-bandits.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        (folder / "ready").touch()
    return str(python)


def fetch_obp(python: str) -> None:
    """Put the source of obp into the peers' environment unless it is there."""
    prefix = subprocess.run(
        [python, "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True
    )
    target = Path(prefix.stdout.strip()) / "obp"
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as name:
        command = [python, "-m", "pip", "download", "-q", "--no-deps", "--ignore-requires-python"]
        subprocess.run([*command, "-d", name, OBP], check=True)
        with tarfile.open(next(Path(name).glob("obp-*.tar.gz"))) as archive:
            archive.extractall(name, filter="data")
        (next(Path(name).glob("obp-*/"))).rename(target)


def ask(python: str, task: str, seconds: float) -> dict:
    """The answer of one contender's own process."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [python, str(HERE), "--task", task, "--seconds", str(seconds)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


def report_ours(found: dict[str, float]) -> None:
    """Print our own figures and the goals that need no peer."""
    one, limit = found["ucb batch"], found["reading"]
    for name in (name for name in found if name != "memory"):
        print(f"{name:22s}{1e6 * found[name]:10.1f} us{1 / found[name]:12,.0f} /s")
    for label, value, goal in (
        ("scoring, share of the memory's limit", limit / found["score 1"], "at least 0.6"),
        ("whole round, share of the limit", limit / one, ""),
        ("256 at a time to one by one, choosing", one / found["choose 256"], "at least 7"),
        ("256 at a time to one by one, scoring", one / found["score 256"], "at least 7"),
        ("hybrid to a loop over the items", found["hybrid loop"] / found["hybrid"], "at least 8"),
        ("Thompson's round to LinUCB's", found["thompson batch"] / one, "at most 3"),
        ("the same by decide and update", found["thompson familiar"] / found["ucb familiar"], ""),
        ("packed to full matrices", found["memory"], "at most 0.6"),
    ):
        print(f"{label:40s}{value:8.2f}   {goal}")


def main() -> None:
    """Print our figures, then a line for each peer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--no-peer", action="store_true", help="leave the other libraries out")
    parser.add_argument("--peer-python", help="interpreter that has the peers")
    parser.add_argument("--task", choices=("ours", *PEERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seconds = arguments.seconds
    if arguments.task:
        world = World()
        answer = (
            ours(seconds)
            if arguments.task == "ours"
            else rounds(peer_step(arguments.task, world), seconds, len(world.contexts) - 1)
        )
        print(json.dumps(answer))
        return
    print(
        f"{N_ITEMS:,} items, {WIDTH} numbers, one thread; Python {platform.python_version()}, "
        f"numpy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores"
    )
    found = ask(sys.executable, "ours", seconds)
    report_ours(found)
    if arguments.no_peer:
        return
    python = arguments.peer_python or peer_python()
    fetch_obp(python)
    for name in PEERS:
        got = ask(python, name, 3 * seconds)
        ratios = [1 / found[f"ucb {route}"] / got["rate"] for route in ("batch", "familiar")]
        print(
            f"{name:22s}{got['rate']:10,.1f} rounds/s   recloop is {ratios[0]:,.0f} x, "
            f"by decide and update {ratios[1]:,.0f} x   at least {GOALS.get(name, 70)}",
            flush=True,
        )
        if name == "mabwiser":
            same = same_items(got["items"])
            print(f"the same item as MABWiser in {same} of {len(got['items'])} rounds")


if __name__ == "__main__":
    main()
