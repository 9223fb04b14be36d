"""How long DQN takes to learn a world, beside stable-baselines3 in the same one.

    python benchmarks/worlds_dqn.py [--peer-python PATH] [--no-peer] [--seeds 3] [--seconds 60]

Both see what the world shows of a person and nothing else. The peer plays the world's Gymnasium
environment: one person at a time with a step of learning every fourth step, as is its default
("one"), or as many people as recloop plays at a time and as many steps of learning ("batch").
Discount, learning rate, exploration, loss, hidden layers, rows of a step of learning, replay and
target network are the same for both; one thread, a process of its own, contenders in turn.

The clock runs while an agent plays and learns, not while it is looked at, and not before its
libraries are loaded and compiled. A look computes what the greedy policy earns in a session
exactly, from the world's table of states. Final is the mean of the last quarter of an agent's
looks. Reached is the first look from which the mean of three is at least 90 % of it.

The peer needs torch, so it runs in an environment of its own, made from requirements-dqn.txt when
none is given; it needs recloop's own dependencies besides, for the world.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
N_PEOPLE, EPSILON, CAPACITY, STARTS, TARGET_EVERY, GOAL = 64, 0.1, 100_000, 1_000, 200, 0.9
LEARNING_RATE, DISCOUNT, WIDTHS, ROWS = 1e-3, 0.95, (32, 64), 64
WORLDS = {
    "bait_trap": {"slate_size": 1},
    "bait_trap_50": {"slate_size": 1, "n_items": 50},
}
"""Settings of the world bait_trap: of 6 items and of 50."""
CONTENDERS = ("recloop", "peer one", "peer batch")


class Look:
    """What a greedy policy earns in a session of a world, computed from the table of its states."""

    def __init__(self, name: str) -> None:
        from recloop.simulators.build import build_world
        from recloop.simulators.certify import certify
        from recloop.simulators.finite import value_of

        self.world = build_world("bait_trap", **WORLDS[name])
        self.model = self.world.finite(0)
        assert self.model is not None
        self.lines = certify(self.world, discount=DISCOUNT).lines
        self.best = self.lines["best_stationary"].value
        self.states = np.linspace(0.0, 1.0, len(self.model.start))[:, None]
        self._value_of = value_of

    def __call__(self, choose) -> float:
        """Rewards of a session where choose(observations (S, 1)) names an item for each state."""
        policy = np.asarray(choose(self.states)).reshape(-1)
        return float(self._value_of(self.model, policy, self.world.horizon) @ self.model.start)


def recloop_curve(name: str, seed: int, seconds: float) -> list[tuple[float, float]]:
    """(seconds, rewards of a session) of recloop's DQN, `N_PEOPLE` at a time."""
    from recloop.models import DQNRecommender
    from recloop.simulators.build import build_world
    from recloop.training.lessons import SimulatedEpisodes

    look, world = Look(name), build_world("bait_trap", **WORLDS[name])

    def begun() -> tuple[DQNRecommender, SimulatedEpisodes]:
        model = DQNRecommender(
            world.n_users,
            world.n_items,
            seed=seed,
            learning_rate=LEARNING_RATE,
            discount_factor=DISCOUNT,
            epsilon=EPSILON,
            loss="huber",
            embedding_dim=WIDTHS[0],
            hidden=WIDTHS[1:],
            n_recent=0,
            context_dim=1,
            dropout=0.0,
            replay_capacity=CAPACITY,
            replay_batch_size=ROWS,
            learning_starts=STARTS,
            target_every=TARGET_EVERY,
        )
        return model, SimulatedEpisodes(world, None, seed, N_PEOPLE, repeats=True)

    def greedy(model: DQNRecommender) -> float:
        users = np.zeros(len(look.states), dtype=np.int64)
        return look(lambda seen: model.recommend_batch(users, 1, context=seen, explore=False)[:, 0])

    model, lesson = begun()
    for number in range(2):
        lesson.teach(model, number)  # loads and compiles
    model, lesson = begun()
    curve, spent, number = [(0.0, greedy(model))], 0.0, 0
    while spent < seconds:
        start = time.perf_counter()
        lesson.teach(model, number)
        spent += time.perf_counter() - start
        number += 1
        curve.append((spent, greedy(model)))
    return curve


def peer_curve(name: str, seed: int, seconds: float, n_people: int) -> list[tuple[float, float]]:
    """(seconds, rewards of a session) of stable-baselines3's DQN."""
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.vec_env import DummyVecEnv

    from recloop.simulators.environments import make_env

    torch.set_num_threads(1)
    look = Look(name)
    curve: list[tuple[float, float]] = []

    def greedy(model: DQN) -> float:
        return look(lambda seen: model.predict(seen.astype(np.float32), deterministic=True)[0])

    def begun() -> DQN:
        made = [lambda: make_env("bait_trap", **WORLDS[name]) for _ in range(n_people)]
        return DQN(
            "MlpPolicy",
            DummyVecEnv(made),
            learning_rate=LEARNING_RATE,
            buffer_size=CAPACITY,
            learning_starts=STARTS,
            batch_size=ROWS,
            gamma=DISCOUNT,
            train_freq=4 if n_people == 1 else 1,
            gradient_steps=1,
            target_update_interval=TARGET_EVERY * (4 if n_people == 1 else n_people),
            exploration_initial_eps=EPSILON,
            exploration_final_eps=EPSILON,
            policy_kwargs={"net_arch": list(WIDTHS)},
            seed=seed,
            device="cpu",
        )

    begun().learn(STARTS + 4 * n_people)
    model = begun()
    every = max(seconds / 200, 0.05)
    clock = {"start": time.perf_counter(), "spent": 0.0, "last": 0.0}

    def goes_on(*_) -> bool:
        spent = clock["spent"] + time.perf_counter() - clock["start"]
        if spent - clock["last"] >= every:
            curve.append((spent, greedy(model)))
            clock.update(start=time.perf_counter(), spent=spent, last=spent)
        return spent < seconds

    curve.append((0.0, greedy(model)))
    clock["start"] = time.perf_counter()
    model.learn(10**9, callback=goes_on)
    return curve


def reached(curve: list[tuple[float, float]], goal: float) -> float:
    """Seconds to the first look from which the mean of three is at least `goal`, NaN for never."""
    values = np.array([value for _, value in curve])
    mean = np.convolve(values, np.ones(3) / 3.0, mode="valid")
    good = np.flatnonzero(mean >= goal)
    return curve[good[0]][0] if len(good) else float("nan")


def child(contender: str, name: str, seed: int, seconds: float) -> None:
    """Learn once and print the curve as JSON."""
    if contender == "recloop":
        curve = recloop_curve(name, seed, seconds)
    else:
        curve = peer_curve(name, seed, seconds, 1 if contender == "peer one" else N_PEOPLE)
    print(json.dumps(curve))


def ask(python: str, contender: str, name: str, seed: int, seconds: float) -> list:
    """The curve of one contender's own process."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join([str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **threads, "PYTHONWARNINGS": "ignore", "PYTHONPATH": path}
    command = [python, str(HERE), "--child", contender, "--worlds", name]
    command += ["--seeds", str(seed), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def peer_python() -> str:
    """The interpreter of the peer's environment, which is made on first use."""
    folder = Path(tempfile.gettempdir()) / "recloop-benchmark-worlds-dqn"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = HERE.parent / "requirements-dqn.txt"
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "-r", wanted], check=True)
        subprocess.run([*pip, HERE.parents[1]], check=True)
        (folder / "ready").touch()
    return str(python)


def times(curve: list, best: float) -> dict[str, float]:
    """Final return, and the seconds to 90 % of it and to 90 % of the best stationary policy."""
    quarter = max(len(curve) // 4, 1)
    final = float(np.mean([value for _, value in curve[-quarter:]]))
    own, common = reached(curve, GOAL * final), reached(curve, GOAL * best)
    return {"final": final, "own": own, "common": common}


def compare(name: str, pythons: dict[str, str], arguments: argparse.Namespace) -> dict:
    """Let the contenders take turns in one world, and print what came of it."""
    look = Look(name)
    start = look.lines["random"].value
    print(f"{name}: best stationary policy {look.best:.4g}, chance {start:.4g}")
    found: dict[str, dict] = {}
    for seed in range(arguments.seeds):
        for contender, python in pythons.items():
            curve = ask(python, contender, name, seed, arguments.seconds)
            kept = found.setdefault(contender, {"curves": [], "times": []})
            kept["curves"].append(curve)
            kept["times"].append(times(curve, look.best))
    for contender, kept in found.items():
        rows = kept["times"]
        middle = {key: float(np.median([row[key] for row in rows])) for key in rows[0]}
        kept["median"] = middle
        each = ", ".join(f"{row['own']:.2f}" for row in rows)
        print(
            f"  {contender:11s} final {middle['final'] / look.best:6.1%} of the best; 90 % of its "
            f"final after {middle['own']:6.2f} s ({each}); 90 % of the best after "
            f"{middle['common']:6.2f} s"
        )
        print("    " + _milestones(kept["curves"][0], look.best))
    for peer in [one for one in found if one != "recloop"]:
        ours, theirs = found["recloop"]["median"], found[peer]["median"]
        print(
            f"  recloop's time over {peer}'s: {_ratio(ours['own'], theirs['own'])} to 90 % of its "
            f"own final return, {_ratio(ours['common'], theirs['common'])} to 90 % of the best"
        )
    return found


def _ratio(ours: float, theirs: float) -> str:
    """In words where the peer never got there, or was there before it began."""
    if np.isnan(theirs):
        return "(the peer did not get there)"
    if theirs == 0.0:
        return "(the peer ends no better than it began)"
    return f"{ours / theirs:.3f}"


def _milestones(curve: list, best: float) -> str:
    """The learning curve of the first seed at a few moments."""
    at, values = np.array(curve).T
    moments = np.geomspace(0.1, at[-1], 8)
    shown = values[np.searchsorted(at, moments, side="right") - 1] / best
    return "  ".join(
        f"{moment:.1f} s {value:.0%}" for moment, value in zip(moments, shown, strict=True)
    )


def main() -> None:
    """Read the options; as a child, learn once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of learning")
    parser.add_argument("--no-peer", action="store_true", help="leave stable-baselines3 out")
    parser.add_argument("--peer-python", help="interpreter that has stable-baselines3")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.worlds[0], arguments.seeds, arguments.seconds)
        return
    pythons = {"recloop": sys.executable}
    if not arguments.no_peer:
        python = arguments.peer_python or peer_python()
        pythons |= {"peer one": python, "peer batch": python}
    print(
        f"{N_PEOPLE} people at a time, one thread, {arguments.seeds} seeds, "
        f"{arguments.seconds:g} s each; Python {platform.python_version()}, "
        f"numpy {np.__version__}, {platform.machine()}"
    )
    results = {name: compare(name, pythons, arguments) for name in arguments.worlds}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
