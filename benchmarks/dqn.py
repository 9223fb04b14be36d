"""Speed of DQN beside stable-baselines3: steps of learning, steps in a world, time to learn it.

    python benchmarks/dqn.py [--peer-python PATH] [--no-peer] [--seconds 8] [--goal-seconds 120]

One world for both: 1,000 people with tastes of their own, 1,000 items, sessions of 20 steps, reward
1 a click; planning gains nothing in it. The peer is told 64 numbers: the person's taste, and the
sum of the factors of the last ten clicked items. recloop learns embeddings of person and history
from codes; on the way to the goal it is told the 64 numbers as its context too. Layers of 128, 64
and 1,000 for both, batches of 64, Adam, Huber loss, max Q as target, one thread, a process of its
own. Rates are per second of processor time, which is wall time on a quiet machine.

The peer needs torch, so it runs in an environment of its own, made from requirements-dqn.txt when
none is given:

    python3 -m venv PEER && PEER/bin/pip install -r benchmarks/requirements-dqn.txt
    python benchmarks/dqn.py --peer-python PEER/bin/python
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
N_USERS, N_ITEMS, N_FACTORS, N_RECENT, HORIZON, BATCH = 1000, 1000, 32, 10, 20, 64
DISCOUNT, EPSILON, LEARNING_RATE, CAPACITY, STARTS = 0.5, 0.1, 1e-3, 50_000, 1_000
GOAL = 0.9


class World:
    """A batch of people of fixed tastes; a click is more likely the nearer item and taste lie.

    Tastes and items lie around 16 common directions, so that what one person likes says something
    of others.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        shape = np.random.default_rng(0)
        directions = shape.standard_normal((16, N_FACTORS)) / np.sqrt(N_FACTORS)
        self.tastes = self._around(directions, N_USERS, shape)
        self.items = self._around(directions, N_ITEMS, shape)
        self._items_or_none = np.concatenate([self.items, np.zeros((1, N_FACTORS))])

    @staticmethod
    def _around(directions: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        drawn = directions[rng.integers(len(directions), size=n)]
        drawn = drawn + 0.5 * rng.standard_normal(drawn.shape) / np.sqrt(N_FACTORS)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def chances(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The probability of a click for pairs (B,)."""
        nearness = np.einsum("bf,bf->b", self.tastes[users], self.items[items])
        return 0.95 / (1.0 + np.exp(-10.0 * (nearness - 0.5)))

    def best_return(self) -> float:
        """Expected clicks of a session, over all people, if everyone is shown the best item."""
        nearness = (self.tastes @ self.items.T).max(axis=1)
        return HORIZON * float((0.95 / (1.0 + np.exp(-10.0 * (nearness - 0.5)))).mean())

    def reset(self, users: np.ndarray) -> None:
        """Begin a session of each of `users`."""
        self.users, self.n_steps = users, 0
        self.histories = np.full((len(users), N_RECENT), -1, dtype=np.int64)

    def step(self, items: np.ndarray) -> tuple[np.ndarray, bool]:
        """Rewards (B,), and whether the sessions are cut off."""
        clicks = self.rng.random(len(items)) < self.chances(self.users, items)
        moved = np.concatenate([items[:, None], self.histories[:, :-1]], axis=1)
        self.histories = np.where(clicks[:, None], moved, self.histories)
        self.n_steps += 1
        return clicks.astype(np.float64), self.n_steps == HORIZON

    def observations(self) -> np.ndarray:
        """(B, 64) tastes, and the sum of the factors of the last clicked items, a tenth of each."""
        recent = self._items_or_none[self.histories].sum(axis=1) / N_RECENT
        return np.concatenate([self.tastes[self.users], recent], axis=1).astype(np.float32)


def expected_return(world: World, choose) -> float:
    """Expected clicks of a session over all people when `choose(world)` names the items."""
    world.reset(np.arange(N_USERS))
    total, cut_off = 0.0, False
    while not cut_off:
        items = choose(world)
        total += float(world.chances(world.users, items).mean())
        _, cut_off = world.step(items)
    return total


class Recloop:
    """recloop's DQN in the world, `n_people` at a time."""

    def __init__(self, n_people: int, updates_per_batch: float, is_told: bool) -> None:
        from recloop.models import DQNRecommender

        self.model = DQNRecommender(
            N_USERS,
            N_ITEMS,
            learning_rate=LEARNING_RATE,
            discount_factor=DISCOUNT,
            epsilon=EPSILON,
            loss="huber",
            double=False,
            embedding_dim=64,
            hidden=(128,),
            n_recent=N_RECENT,
            recent_decay=1.0,
            context_dim=2 * N_FACTORS if is_told else 0,
            dropout=0.0,
            replay_capacity=CAPACITY,
            replay_batch_size=BATCH,
            learning_starts=STARTS,
            updates_per_batch=updates_per_batch,
        )
        self.world, self.n_people, self.is_told = World(1), n_people, is_told
        self._restart()
        self.run(1.0)

    def _restart(self) -> None:
        rng = self.world.rng
        self.world.reset(
            rng.integers(N_USERS, size=1)
            if self.n_people == 1
            else rng.permutation(N_USERS)[: self.n_people]
        )

    def _told(self, world: World) -> np.ndarray | None:
        return world.observations() if self.is_told else None

    def run(self, seconds: float) -> int:
        """Act and learn for so long; the steps made."""
        from recloop.types import Transitions

        world, n_steps, start = self.world, 0, time.process_time()
        seen = self._told(world)
        while time.process_time() - start < seconds:
            before, told = world.histories, seen
            chosen = self.model.choose_batch(world.users, 1, history=before, context=told)
            items = chosen.items[:, 0]
            rewards, cut_off = world.step(items)
            seen = self._told(world)
            self.model.update_batch(
                Transitions(
                    world.users,
                    items,
                    rewards,
                    histories=before,
                    next_histories=world.histories,
                    contexts=told,
                    next_contexts=seen,
                )
            )
            n_steps += len(items)
            if cut_off:
                self._restart()
                seen = self._told(world)
        return n_steps

    def learn(self, n_times: int) -> None:
        """Steps of learning from what was replayed, and nothing else."""
        for _ in range(n_times):
            self.model._learn_shown(self.model._replay.sample(BATCH))

    def greedy_return(self) -> float:
        """Expected clicks of a session without exploring."""

        def choose(world: World) -> np.ndarray:
            told = self._told(world)
            return self.model.recommend_batch(
                world.users, 1, context=told, history=world.histories, explore=False
            )[:, 0]

        return expected_return(World(2), choose)


class Peer:
    """stable-baselines3's DQN in the same world."""

    def __init__(self, n_people: int, updates_per_batch: float, is_told: bool) -> None:
        import gymnasium
        import torch
        from stable_baselines3 import DQN
        from stable_baselines3.common.vec_env import DummyVecEnv

        torch.set_num_threads(1)

        class OnePerson(gymnasium.Env):
            action_space = gymnasium.spaces.Discrete(N_ITEMS)
            observation_space = gymnasium.spaces.Box(-10, 10, (2 * N_FACTORS,), np.float32)

            def __init__(self, seed: int) -> None:
                self.world = World(seed)

            def reset(self, *, seed=None, options=None):
                self.world.reset(self.world.rng.integers(N_USERS, size=1))
                return self.world.observations()[0], {}

            def step(self, action):
                rewards, cut_off = self.world.step(np.array([action]))
                return self.world.observations()[0], float(rewards[0]), False, cut_off, {}

        made = [lambda seed=seed: OnePerson(seed) for seed in range(1, n_people + 1)]
        self.model = DQN(
            "MlpPolicy",
            DummyVecEnv(made),
            learning_rate=LEARNING_RATE,
            buffer_size=CAPACITY,
            learning_starts=STARTS,
            batch_size=BATCH,
            gamma=DISCOUNT,
            train_freq=max(1, round(1 / updates_per_batch)),
            gradient_steps=max(1, round(updates_per_batch)),
            target_update_interval=round(200 * n_people / updates_per_batch),
            exploration_initial_eps=EPSILON,
            exploration_final_eps=EPSILON,
            policy_kwargs={"net_arch": [128, 64]},
            seed=0,
            device="cpu",
        )
        self.model.learn(STARTS + 64)

    def run(self, seconds: float) -> int:
        """Act and learn for about so long; the steps made."""
        before, start = self.model.num_timesteps, time.process_time()

        def goes_on(*_) -> bool:
            return time.process_time() - start < seconds

        self.model.learn(10**9, callback=goes_on, reset_num_timesteps=False)
        return self.model.num_timesteps - before

    def learn(self, n_times: int) -> None:
        """Steps of learning from what was replayed, and nothing else."""
        self.model.train(n_times, BATCH)

    def greedy_return(self) -> float:
        """Expected clicks of a session without exploring."""
        return expected_return(
            World(2), lambda w: self.model.predict(w.observations(), deterministic=True)[0]
        )


CONTENDERS = {"recloop": Recloop, "peer": Peer}


TASKS = (("gradients", "one"), *(("steps", name) for name in ("one", "even", "batched")))
SETTINGS = {"one": (1, 0.25), "even": (BATCH, BATCH / 4), "batched": (BATCH, 1.0)}
"""People at a time, and steps of learning for each step of them all."""


def child(contender: str, task: str, setting: str, seconds: float) -> None:
    """Do one task and print its numbers as JSON."""
    agent = CONTENDERS[contender](*SETTINGS[setting], is_told=task == "goal")
    spent, waited, n_done, reached = 0.0, 0.0, 0, 0.0
    best = World(0).best_return()
    while spent < seconds and reached < GOAL:
        start, start_wall = time.process_time(), time.perf_counter()
        if task == "gradients":
            agent.learn(50)
            n_done += 50
        else:
            n_done += agent.run(seconds / 120 if task == "goal" else seconds)
        spent += time.process_time() - start
        waited += time.perf_counter() - start_wall
        if task == "goal":
            reached = agent.greedy_return() / best
    answer = {"rate": n_done / spent, "seconds": spent, "wall": waited, "reached": reached}
    print(json.dumps(answer))


def ask(python: str, contender: str, task: str, setting: str, seconds: float) -> dict:
    """The answer of one contender's own process."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [python, str(HERE), "--child", contender, "--task", task, "--setting", setting]
    command += ["--seconds", str(seconds)]
    environment = {**os.environ, **threads, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def peer_python() -> str:
    """The interpreter of the peer's environment, which is made on first use."""
    folder = Path(tempfile.gettempdir()) / "recloop-benchmark-dqn"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = HERE.parent / "requirements-dqn.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        (folder / "ready").touch()
    return str(python)


def compare(arguments: argparse.Namespace) -> dict[str, dict]:
    """Let the contenders take turns at every task; the median of each one's rates counts."""
    pythons = {"recloop": sys.executable}
    if not arguments.no_peer:
        pythons["peer"] = arguments.peer_python or peer_python()
    results: dict[str, dict] = {}
    for task, setting in TASKS:
        for contender in list(pythons) * arguments.rounds:
            got = ask(pythons[contender], contender, task, setting, arguments.seconds)
            rates = results.setdefault(f"{contender} {task} {setting}", {"rates": []})["rates"]
            rates.append(got["rate"])
    for setting in ("one", "batched"):
        for contender, python in pythons.items():
            got = ask(python, contender, "goal", setting, arguments.goal_seconds)
            results[f"{contender} goal {setting}"] = got
    return results


def report(results: dict[str, dict], arguments: argparse.Namespace) -> None:
    """Print rates and ratios, and the time to the goal."""
    print(
        f"Discrete({N_ITEMS}), batch {BATCH}, one thread; Python {platform.python_version()}, "
        f"numpy {np.__version__}, {platform.machine()}; medians of {arguments.rounds}"
    )
    rates = {
        name: float(np.median(got["rates"])) for name, got in results.items() if "rates" in got
    }
    labels = {
        "gradients one": "steps of learning/s",
        "steps one": "env steps/s, 1 person, 1 step of learning in 4",
        "steps even": f"env steps/s, {BATCH} people, 1 step of learning in 4",
        "steps batched": f"env steps/s, {BATCH} people, 1 step of learning a batch",
    }
    for name, label in labels.items():
        ours, theirs = rates[f"recloop {name}"], rates.get(f"peer {name}")
        print(f"{label:52s} recloop {ours:9,.0f}", end="")
        print("" if theirs is None else f"   peer {theirs:7,.0f}   ratio {ours / theirs:6.1f}")
    if "peer steps one" in rates:
        ratio = rates["recloop steps batched"] / rates["peer steps one"]
        print(
            f"recloop with {BATCH} people against the peer with one: {ratio:.1f} x the env steps/s"
        )
    for name, got in results.items():
        if "goal" in name:
            was = "reached" if got["reached"] >= GOAL else "NOT reached"
            print(
                f"{name:22s} {GOAL:.0%} of the best return {was}: {got['reached']:.1%} after "
                f"{got['wall']:.1f} s of wall time, {got['seconds']:.1f} s of processor time"
            )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2), encoding="utf-8")


def main() -> None:
    """Read the options; as a child, do one task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--goal-seconds", type=float, default=120.0, help="at most, to the goal")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--no-peer", action="store_true", help="leave stable-baselines3 out")
    parser.add_argument("--peer-python", help="interpreter that has stable-baselines3")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=("gradients", "steps", "goal"), help=argparse.SUPPRESS)
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.task, arguments.setting, arguments.seconds)
    else:
        report(compare(arguments), arguments)


if __name__ == "__main__":
    main()
