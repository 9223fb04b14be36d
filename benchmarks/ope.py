"""Off-policy estimates of one log: recloop beside Open Bandit Pipeline (obp), number by number.

    python benchmarks/ope.py [--peer-python PATH] [--no-peer] [--rounds 3]

Every contender runs in a process of its own on the same files, one thread; the best of its times
in 2 seconds counts.
Numbers must agree to 1e-9 where the definitions agree; those that differ by intent are printed
beside each other. obp is loaded from its source (see benchmarks/bandits.py): its estimators alone,
without its torch. Last, recloop alone: 10,000 resamples of ips, snips and dr on a million rounds.
Figures: docs/how-to/off_policy.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
N_ITEMS, K, CUT, SHRINK, POWER = 20, 3, 3.0, 5.0, 0.1
SIZES = (10_000, 100_000)
RESAMPLES = 1000
SAME = 1e-9
Task = Callable[[], dict[str, float]]


def make_data(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Single choices and slates of K without repeats, with all that any estimator asks for."""
    rng = np.random.default_rng(seed)
    logging = 0.8 * rng.dirichlet(np.ones(N_ITEMS), size=n) + 0.2 / N_ITEMS
    target = rng.dirichlet(np.ones(N_ITEMS), size=n)
    actions = np.minimum((logging.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), N_ITEMS - 1)
    m = n // 10
    given, wanted = rng.uniform(0.1, 1, size=(m, K)), rng.uniform(0.1, 1, size=(m, K))
    slots = rng.dirichlet(np.ones(N_ITEMS), size=(m, K))
    return {
        "logging": logging,
        "target": target,
        "actions": actions,
        "rewards": rng.normal(1, 1, size=n),
        "q": rng.normal(1, 0.5, size=(n, N_ITEMS)),
        "chances": rng.dirichlet(np.ones(5), size=N_ITEMS),
        "embeddings": rng.integers(5, size=n),
        "slate_rewards": rng.normal(1, 1, size=(m, K)),
        "slate_given": given,
        "slate_wanted": wanted,
        "slate_items": rng.integers(N_ITEMS, size=(m, K)),
        "slate_q": rng.normal(size=(m, K, N_ITEMS)),
        "slate_target": slots,
    }


# recloop


def recloop_tasks(data: dict[str, np.ndarray]) -> dict[str, Task]:
    """Point estimates of all, and intervals of ips, snips and dr."""
    from recloop.evaluation.ope import Rounds, SlateRounds, embedded, intervals, single, slates

    n = len(data["rewards"])
    rewards = data["rewards"]
    v = np.einsum("nka,nka->nk", data["slate_target"], data["slate_q"])
    taken = np.take_along_axis(data["slate_q"], data["slate_items"][:, :, None], axis=2)[:, :, 0]

    def rounds() -> Rounds:
        given = data["logging"][np.arange(n), data["actions"]]
        return Rounds(data["actions"], rewards, given, data["target"], data["logging"])

    def of_singles() -> dict[str, float]:
        log = rounds()
        q = single.modelled(log, data["q"])
        return {
            "ips": single.ips(log).value,
            "clipped ips": single.clipped_ips(log, at=CUT).value,
            "snips": single.snips(log).value,
            "dm": single.dm(log, q).value,
            "dr": single.dr(log, q).value,
            "sndr": single.sndr(log, q).value,
            "switch dr": single.switch_dr(log, q, at=CUT).value,
            "dros": single.dros(log, q, shrink=SHRINK).value,
            "sub-gaussian ips": single.sub_gaussian_ips(log, power=POWER).value,
            "sub-gaussian dr": single.sub_gaussian_dr(log, q, power=POWER).value,
            "mips": embedded.mips(
                log, chances=data["chances"], embeddings=data["embeddings"]
            ).value,
        }

    def of_slates() -> dict[str, float]:
        log = SlateRounds(data["slate_rewards"], data["slate_given"], data["slate_wanted"])
        return {
            "standard ips": slates.standard_ips(log).value,
            "independent ips": slates.independent_ips(log).value,
            "reward interaction ips": slates.reward_interaction_ips(log).value,
            "cascade dr": slates.cascade_dr(log, taken, v).value,
        }

    def with_intervals() -> dict[str, float]:
        log = rounds()
        found = [single.ips(log), single.snips(log), single.dr(log, data["q"])]
        ends = intervals.bootstrap_all(found, np.random.default_rng(0), n_resamples=RESAMPLES)
        widths = {
            f"width of {one.name}": e.high - e.low for one, e in zip(found, ends, strict=True)
        }
        return {one.name: one.value for one in found} | widths

    return {"estimates": of_singles, "slates": of_slates, "intervals": with_intervals}


def million() -> dict[str, float]:
    """IPS, SNIPS and DR of a million rounds and 50 items, 10,000 resamples of each."""
    from recloop.evaluation.ope import Rounds, intervals, single

    rng = np.random.default_rng(0)
    n, n_items = 1_000_000, 50
    weights = rng.dirichlet(np.ones(n_items))
    actions = rng.choice(n_items, size=n, p=weights)
    target = np.broadcast_to(np.full(n_items, 1 / n_items), (n, n_items))
    q = np.broadcast_to(rng.random(n_items), (n, n_items))
    rewards = rng.random(n)
    start = time.perf_counter()
    log = Rounds(actions, rewards, weights[actions], target)
    found = [single.ips(log), single.snips(log), single.dr(log, q)]
    intervals.bootstrap_all(found, rng, n_resamples=10_000)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "GiB": peak}


# obp


def obp_tasks(data: dict[str, np.ndarray]) -> dict[str, Task]:
    """The same with obp's estimators, as their documentation calls them."""
    root = Path(sys.prefix) / "obp" / "obp"
    for name, folder in (("obp", root), ("obp.ope", root / "ope")):
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    torch = types.ModuleType("torch")  # named in two annotations only
    torch.Tensor = torch.tensor = type("Tensor", (), {})  # pyright: ignore
    sys.modules["torch"] = torch
    from obp.ope import estimators as e  # pyright: ignore
    from obp.ope import estimators_embed  # pyright: ignore
    from obp.ope import estimators_slate as s  # pyright: ignore

    n = len(data["rewards"])
    taken = {
        "reward": data["rewards"],
        "action": data["actions"],
        "pscore": data["logging"][np.arange(n), data["actions"]],
        "action_dist": data["target"][:, :, None],
    }
    model = {"estimated_rewards_by_reg_model": data["q"][:, :, None]}
    mips = estimators_embed.MarginalizedInverseProbabilityWeighting(n_actions=N_ITEMS)
    m = len(data["slate_rewards"])
    ids = np.repeat(np.arange(m), K)
    slots = np.tile(np.arange(K), m)
    rows = {"slate_id": ids, "position": slots, "reward": data["slate_rewards"].ravel()}
    given, wanted = data["slate_given"], data["slate_wanted"]

    def spread(table: np.ndarray) -> np.ndarray:
        return np.repeat(table.prod(axis=1), K)

    def of_singles() -> dict[str, float]:
        return {
            "ips": e.InverseProbabilityWeighting().estimate_policy_value(**taken),
            "clipped ips": e.InverseProbabilityWeighting(lambda_=CUT).estimate_policy_value(
                **taken
            ),
            "snips": e.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**taken),
            "dm": e.DirectMethod().estimate_policy_value(action_dist=taken["action_dist"], **model),
            "dr": e.DoublyRobust().estimate_policy_value(**taken, **model),
            "sndr": e.SelfNormalizedDoublyRobust().estimate_policy_value(**taken, **model),
            "switch dr": e.SwitchDoublyRobust(lambda_=CUT).estimate_policy_value(**taken, **model),
            "dros": e.DoublyRobustWithShrinkage(lambda_=SHRINK).estimate_policy_value(
                **taken, **model
            ),
            "sub-gaussian ips": e.SubGaussianInverseProbabilityWeighting(
                lambda_=POWER
            ).estimate_policy_value(**taken),
            "sub-gaussian dr": e.SubGaussianDoublyRobust(lambda_=POWER).estimate_policy_value(
                **taken, **model
            ),
            "mips": mips.estimate_policy_value(
                reward=data["rewards"],
                action=data["actions"],
                action_embed=data["embeddings"][:, None],
                context=np.zeros((n, 1)),
                pi_b=data["logging"][:, :, None],
                action_dist=data["target"][:, :, None],
                p_e_a=data["chances"][:, :, None],
            ),
        }

    def of_slates() -> dict[str, float]:
        cascade = {
            "pscore_cascade": given.cumprod(axis=1).ravel(),
            "evaluation_policy_pscore_cascade": wanted.cumprod(axis=1).ravel(),
        }
        return {
            "standard ips": s.SlateStandardIPS(len_list=K).estimate_policy_value(
                **rows, pscore=spread(given), evaluation_policy_pscore=spread(wanted)
            ),
            "independent ips": s.SlateIndependentIPS(len_list=K).estimate_policy_value(
                **rows,
                pscore_item_position=given.ravel(),
                evaluation_policy_pscore_item_position=wanted.ravel(),
            ),
            "reward interaction ips": s.SlateRewardInteractionIPS(len_list=K).estimate_policy_value(
                **rows, **cascade
            ),
            "cascade dr": s.SlateCascadeDoublyRobust(
                len_list=K, n_unique_action=N_ITEMS
            ).estimate_policy_value(
                **rows,
                **cascade,
                action=data["slate_items"].ravel(),
                q_hat=data["slate_q"].ravel(),
                evaluation_policy_action_dist=data["slate_target"].ravel(),
            ),
        }

    def with_intervals() -> dict[str, float]:
        found = {}
        for name, one, more in (
            ("ips", e.InverseProbabilityWeighting(), {}),
            ("snips", e.SelfNormalizedInverseProbabilityWeighting(), {}),
            ("dr", e.DoublyRobust(), model),
        ):
            found[name] = one.estimate_policy_value(**taken, **more)
            ends = one.estimate_interval(
                **taken, **more, n_bootstrap_samples=RESAMPLES, random_state=0
            )
            low, high = (ends[f"95.0% CI ({side})"] for side in ("lower", "upper"))
            found[f"width of {name}"] = high - low
        return found

    return {"estimates": of_singles, "slates": of_slates, "intervals": with_intervals}


# The comparison


def ask(python: str, contender: str, file: Path | None, rounds: int) -> dict:
    """The answer of one contender's own process."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONWARNINGS": "ignore"}
    command = [python, str(HERE), "--contender", contender, "--rounds", str(rounds)]
    done = subprocess.run(
        [*command, "--file", str(file)], check=True, stdout=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def answer(contender: str, file: str, rounds: int) -> dict:
    """{task: {"seconds": best of the rounds, "values": ...}}, or what the million took."""
    if contender == "million":
        return million()
    with np.load(file) as arrays:
        data = dict(arrays)
    tasks = (obp_tasks if contender == "obp" else recloop_tasks)(data)
    found = {}
    for name, task in tasks.items():
        values, best = task(), float("inf")
        begun, done = time.perf_counter(), 0
        while done < rounds or time.perf_counter() - begun < 2.0:
            start = time.perf_counter()
            task()
            best = min(best, time.perf_counter() - start)
            done += 1
        found[name] = {
            "seconds": best, "values": {k: float(v) for k, v in values.items()},
        }  # fmt: skip
    return found


def report(n: int, ours: dict, theirs: dict | None) -> bool:
    """Print times and the largest difference; whether numbers agree and ours take a tenth."""
    fine = True
    for task, mine in ours.items():
        line = f"{n:>9,} {task:<10} recloop {1000 * mine['seconds']:9.2f} ms"
        if theirs is not None:
            other = theirs[task]
            ratio = other["seconds"] / mine["seconds"]
            names = [name for name in mine["values"] if not name.startswith("width")]
            gap = max(
                abs(mine["values"][k] - other["values"][k]) / max(1, abs(other["values"][k]))
                for k in names
            )
            line += f"   obp {1000 * other['seconds']:9.2f} ms   {ratio:6.1f} x"
            line += f"   {len(names)} numbers within {gap:.0e}"
            fine &= gap <= SAME and ratio >= 10
        print(line)
        if theirs is not None and task == "intervals":
            for name in ("ips", "snips", "dr"):
                key = f"width of {name}"
                mine_, other_ = mine["values"][key], theirs[task]["values"][key]
                print(f"          {key:<15} recloop {mine_:.4f}   obp {other_:.4f}")
    return fine


def main() -> int:
    """Compare, print, and say by the exit code whether every goal was met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer-python", help="an interpreter whose environment has obp's needs")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        print(json.dumps(answer(given.contender, given.file, given.rounds)))
        return 0
    python = None
    if not given.no_peer:
        sys.path.insert(0, str(HERE.parent))
        from bandits import fetch_obp, peer_python

        python = given.peer_python or peer_python()
        fetch_obp(python)
    fine = True
    with tempfile.TemporaryDirectory() as name:
        for n in SIZES:
            file = Path(name) / f"{n}.npz"
            np.savez(file, **make_data(n))  # pyright: ignore[reportArgumentType]
            ours = ask(sys.executable, "recloop", file, given.rounds)
            theirs = ask(python, "obp", file, given.rounds) if python else None
            fine &= report(n, ours, theirs)
    large = ask(sys.executable, "million", None, 1)
    print(
        f"1,000,000 ips, snips, dr, 10,000 resamples each: {large['seconds']:.2f} s, "
        f"{large['GiB']:.2f} GiB"
    )
    return 0 if fine and large["seconds"] < 10 and large["GiB"] < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
