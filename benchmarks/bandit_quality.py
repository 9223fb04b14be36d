"""What bandits earn: in a world of news, live and by replay; after a change; on labelled sets.

    python benchmarks/bandit_quality.py [news] [change] [labelled] [--data FOLDER] [--seeds 5]

news       A linear world of 20 articles and five features, click rate 5 %. Live: 100,000 visitors,
           25 between two updates. Replay: a log of 2,000,000 visitors who saw articles at random,
           so that as many count as live; only rows where a policy would have shown the same count
           and teach. LinUCB against the context-free bandit that was best in that very seed.
           Regret is expected regret.
change     Ten arms whose thetas change places at half time; regret after it. Plain arrays: in the
           worlds of the library articles go and others come, no article's theta moves.
labelled   One pass over each set, one row at a time, reward 1 for the right class; beside it
           the majority class and a logistic regression that knows all labels, on its own rows.
           FOLDER holds NAME.csv.gz with columns label, x0, x1, ...; default: the folder
           uci-classification in RECLOOP_DATA.

Settings are the classes' defaults or stated in the tables; those of news and change were chosen on
seeds below 10, results are of seeds from 10 on.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp

from recloop.models.registry import build_model
from recloop.simulators.linear import LinearParams, LinearWorld
from recloop.training.streams import ClassificationStream
from recloop.types import Transitions
from recloop.utils.seeding import stream

FIRST_SEED = 10
ARTICLES, VISITORS, AT_ONCE = 20, 100_000, 25
LOGGED, LOGGED_AT_ONCE = ARTICLES * VISITORS, ARTICLES * AT_ONCE
CONTEXTUAL = (
    ("lin_ucb", {"alpha": 0.3}),
    ("lin_ucb", {"alpha": 0.1}),
    ("lin_ucb", {}),
    ("lin_thompson", {"scale": 0.2}),
    ("lin_thompson", {}),
    ("lin_thompson", {"scale": 0.5}),
    ("logistic_thompson", {}),
)
CONTEXT_FREE = (
    ("epsilon_greedy", {}),
    ("epsilon_greedy", {"epsilon": 0.02}),
    ("ucb1", {}),
    ("ucb1", {"c": 0.1}),
    ("kl_ucb", {}),
    ("beta_thompson", {}),
    ("gaussian_thompson", {}),
    ("gaussian_thompson", {"scale": 0.2}),
    ("exp3", {}),
)
FORGETTING = ({}, {"discount": 0.9995}, {"discount": 0.999}, {"window": 4000}, {"window": 2000})
LABELLED = (
    ("lin_ucb", {}),
    ("lin_ucb", {"alpha": 0.3}),
    ("lin_thompson", {}),
    ("lin_thompson", {"scale": 0.5}),
    ("lin_thompson", {"scale": 0.1}),
    ("lin_square_cb", {}),
    ("lin_epsilon_greedy", {}),
    ("lin_epsilon_greedy", {"epsilon": 0.02}),
    ("logistic_thompson", {}),
    ("logistic_thompson", {"regularization": 10, "scale": 0.3}),
    ("neural_linear", {}),
    ("neural_linear", {"hidden": (64,), "scale": 0.25}),
    ("epsilon_greedy", {}),
)
SETS = ("ecoli", "optdigits", "satimage", "pendigits", "letter")


def label_of(name: str, params: dict) -> str:
    """A policy with what was set."""
    return " ".join([name, *(f"{key}={value}" for key, value in params.items())])


def news_world(seed: int, horizon: int) -> LinearWorld:
    """Articles that stay; their own click rates 5 +- 1 %, what a reader's features add +- 2 %."""
    return LinearWorld(
        LinearParams(
            n_items=ARTICLES, n_available=ARTICLES, n_features=5, click_rate=0.05, spread=0.01,
            taste=0.02, period=0, horizon=horizon, seed=seed,
        )
    )  # fmt: skip


def news_model(name: str, params: dict, world, seed: int):
    """The policy, and whether it sees the reader."""
    sees = name.startswith(("lin_", "logistic_", "hybrid_"))
    width = {"context_dim": world.n_observed} if sees else {}
    return build_model(name, 1, ARTICLES, seed=seed, **width, **params), sees


def live(name: str, params: dict, seed: int, visitors: int = VISITORS):
    """(T,) clicks and (T,) expected regrets of a policy that learns while it is shown."""
    world = news_world(seed, visitors // AT_ONCE)
    model, sees = news_model(name, params, world, seed)
    nobody, here = np.zeros(AT_ONCE, dtype=np.int64), np.arange(AT_ONCE)
    world.reset(nobody, stream(seed, "visitors"))
    clicks, regrets = np.empty((2, world.horizon, AT_ONCE))
    for step in range(world.horizon):
        context = world.observations if sees else None
        rates = world.expected_rewards(world.state, nobody)
        drawn = model.choose_batch(nobody, 1, context=context)
        items = drawn.items[:, 0]
        regrets[step] = rates.max(axis=1) - rates[here, items]
        clicks[step], _, _ = world.step(items)
        propensities = drawn.propensities[:, 0]
        rows = Transitions(nobody, items, clicks[step], contexts=context, propensities=propensities)
        model.update_batch(rows)
    return clicks.ravel(), regrets.ravel()


def uniform_log(seed: int, n_rows: int = LOGGED):
    """Contexts, items and clicks of visitors who saw articles at random."""
    world, rng = news_world(seed, 1), stream(seed, "logged")
    world.reset(np.zeros(n_rows, dtype=np.int64), rng)
    contexts, items = world.observations, rng.integers(ARTICLES, size=n_rows)
    clicks, _, _ = world.step(items)
    return contexts, items, clicks


def replayed(name: str, params: dict, seed: int, log) -> np.ndarray:
    """(matches,) clicks where the policy chose what was logged (Li et al. 2011)."""
    model, sees = news_model(name, params, news_world(seed, 1), seed)
    contexts, items, clicks = log
    everybody, counted = np.zeros(len(items), dtype=np.int64), []
    for start in range(0, len(items), LOGGED_AT_ONCE):
        part = slice(start, start + LOGGED_AT_ONCE)
        context = contexts[part] if sees else None
        nobody = everybody[part]
        drawn = model.choose_batch(nobody, 1, context=context)
        match = drawn.items[:, 0] == items[part]
        counted.append(clicks[part][match])
        model.update_batch(
            Transitions(
                nobody[match], items[part][match], clicks[part][match],
                contexts=None if context is None else context[match],
                propensities=drawn.propensities[match, 0],
            )
        )  # fmt: skip
    return np.concatenate(counted)


def ratio_interval(clicks: float, n: float, other_clicks: float, other_n: float):
    """Ratio of two click rates and its 95 % interval, by the logarithm's standard error."""
    rate, other = clicks / n, other_clicks / other_n
    error = np.sqrt((1 - rate) / clicks + (1 - other) / other_clicks)
    return rate / other * np.exp(1.96 * error * np.array([0.0, -1.0, 1.0]))


def compare(title: str, found: dict, n_contextual: int) -> None:
    """A line for each policy: click rate, and the ratio to the best context-free one of the seed.

    found: label -> (seeds, 2) clicks and rows.
    """
    tables = list(found.values())
    free = np.array(tables[n_contextual:])
    chosen = (free[:, :, 0] / free[:, :, 1]).argmax(axis=0)
    best = free[chosen, np.arange(free.shape[1])]
    print(
        f"\n{title}: {len(best)} seeds\n{'policy':<34}{'clicks':>8}{'mean':>8}{'lowest':>8}  pooled"
    )
    for label, table in found.items():
        rates, others = (t[:, 0] / t[:, 1] for t in (table, best))
        ratios = rates / others
        pooled = ratio_interval(*table.sum(axis=0), *best.sum(axis=0))
        print(
            f"{label:<34}{rates.mean():>8.2%}{ratios.mean():>8.3f}{ratios.min():>8.3f}  "
            f"{pooled[0]:.3f} [{pooled[1]:.3f}, {pooled[2]:.3f}]"
        )


def news(n_seeds: int) -> None:
    """Live and replay; regret at the end over regret at a quarter."""
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    policies = (*CONTEXTUAL, *CONTEXT_FREE)
    lived, again, growth = {}, {}, {}
    logs = [uniform_log(seed) for seed in seeds]
    for name, params in policies:
        runs = [live(name, params, seed) for seed in seeds]
        lived[label_of(name, params)] = np.array([(c.sum(), len(c)) for c, _ in runs])
        quarter = [(r.sum(), r[: len(r) // 4].sum()) for _, r in runs]
        growth[label_of(name, params)] = [whole / first for whole, first in quarter]
        runs = [replayed(name, params, *both) for both in zip(seeds, logs, strict=True)]
        again[label_of(name, params)] = np.array([(c.sum(), len(c)) for c in runs])
    worlds = [news_world(seed, 1) for seed in seeds]
    fixed = np.mean([world.context_free_value() for world in worlds])
    most = np.mean([world.upper_bound()[0] for world in worlds])
    print(f"best article {fixed:.2%}, best for each reader {most:.2%} (known to the world alone)")
    compare(f"live, {VISITORS:,} visitors", lived, len(CONTEXTUAL))
    compare(f"replay, {LOGGED:,} logged visitors", again, len(CONTEXTUAL))
    print(f"\nregret({VISITORS:,}) / regret({VISITORS // 4:,})")
    for label, values in growth.items():
        print(f"{label:<34}{np.mean(values):>6.2f}  seeds {min(values):.2f} to {max(values):.2f}")


def change(seed: int, params: dict, n_before: int = 10_000, at_once: int = 10, alpha: float = 0.6):
    """Expected regret before and after ten arms' thetas change places; rewards 0 or 1."""
    rng, n_arms, d = stream(seed, "change"), 10, 5
    tastes = rng.standard_normal((n_arms, d)) * 0.15 * np.sqrt(12.0 / d)
    own = 0.3 + 0.1 * rng.standard_normal(n_arms) - 0.5 * tastes.sum(axis=1)
    thetas = np.column_stack([own, tastes])
    model = build_model("lin_ucb", 1, n_arms, context_dim=1 + d, alpha=alpha, seed=seed, **params)
    nobody, here, regrets = np.zeros(at_once, dtype=np.int64), np.arange(at_once), np.zeros(2)
    for step in range(2 * n_before // at_once):
        if step == n_before // at_once:
            thetas = rng.permutation(thetas)
        context = np.column_stack([np.ones(at_once), rng.random((at_once, d))])
        rates = np.clip(context @ thetas.T, 0.001, 0.999)
        items = model.choose_batch(nobody, 1, context=context).items[:, 0]
        earned = (rng.random(at_once) < rates[here, items]).astype(np.float64)
        regrets[step * at_once // n_before] += (rates.max(axis=1) - rates[here, items]).sum()
        model.update_batch(Transitions(nobody, items, earned, contexts=context))
    return regrets


def changes(n_seeds: int) -> None:
    """Regret of LinUCB that remembers all, fades, or looks at a window."""
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    print(f"\nafter a change, lin_ucb alpha=0.6, {n_seeds} seeds")
    print(f"{'memory':<34}{'before':>8}{'after':>8}{'ratio after':>13}{'seeds up to':>13}")
    stationary = None
    for params in FORGETTING:
        regrets = np.array([change(seed, params) for seed in seeds])
        stationary = regrets if stationary is None else stationary
        ratio = regrets[:, 1].mean() / stationary[:, 1].mean()
        worst = (regrets[:, 1] / stationary[:, 1]).max()
        label = label_of("", params).strip() or "all"
        before, after = regrets.mean(axis=0)
        print(f"{label:<34}{before:>8.0f}{after:>8.0f}{ratio:>13.2f}{worst:>13.2f}", flush=True)


def read_set(path: Path):
    """(n, 1 + d) ones and standardised columns, (n,) labels from 0 on."""
    frame = pd.read_csv(path)
    table = frame.filter(regex="^x").to_numpy(dtype=np.float64)
    table = table[:, table.std(axis=0) > 0]
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    labels = np.unique(frame["label"], return_inverse=True)[1]
    return np.column_stack([np.ones(len(table)), table]), labels


def logistic_accuracy(contexts: np.ndarray, labels: np.ndarray) -> float:
    """Of a multinomial logistic regression (ridge 1) on the rows that it learned from."""
    right = np.eye(labels.max() + 1)[labels]
    shape = (contexts.shape[1], right.shape[1])

    def loss(flat):
        weights = flat.reshape(shape)
        logits = contexts @ weights
        total = np.asarray(logsumexp(logits, axis=1, keepdims=True))
        slope = contexts.T @ (np.exp(logits - total) - right) + weights
        return (total[:, 0] - (logits * right).sum(axis=1)).sum() + 0.5 * flat @ flat, slope.ravel()

    weights = minimize(loss, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B").x.reshape(shape)
    return float(((contexts @ weights).argmax(axis=1) == labels).mean())


def labelled(folder: Path, n_seeds: int) -> None:
    """Cumulative accuracy of one pass, mean over the orders of the seeds."""
    sets = {name: read_set(folder / f"{name}.csv.gz") for name in SETS}
    print(f"\none pass, {n_seeds} orders\n{'policy':<48}" + "".join(f"{name:>11}" for name in SETS))
    for name, params in LABELLED:
        line = f"{label_of(name, params):<48}"
        for contexts, labels in sets.values():
            width = {} if name == "epsilon_greedy" else {"context_dim": contexts.shape[1]}
            means = [
                ClassificationStream(contexts, labels)
                .run(build_model(name, 1, labels.max() + 1, seed=seed, **width, **params), seed)
                .mean
                for seed in range(n_seeds)
            ]
            line += f"{np.mean(means):>11.3f}"
        print(line, flush=True)
    majority = "".join(f"{np.bincount(y).max() / len(y):>11.3f}" for _, y in sets.values())
    print(f"{'majority class':<48}{majority}")
    known = "".join(f"{logistic_accuracy(*each):>11.3f}" for each in sets.values())
    print(f"{'logistic regression, all labels':<48}{known}")


def main() -> None:
    """Print the tables that were asked for, all without a name."""
    parser = argparse.ArgumentParser(description="What bandits earn.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="news, change, labelled")
    parser.add_argument("--seeds", type=int, default=5, help="of news; change has 4 times as many")
    parser.add_argument("--data", type=Path, help="folder of the labelled sets")
    arguments = parser.parse_args()
    parts = arguments.parts or ["news", "change", "labelled"]
    if not set(parts) <= {"news", "change", "labelled"}:
        parser.error(f"PART must be news, change or labelled, got {' '.join(parts)}")
    folder = arguments.data
    if folder is None and "RECLOOP_DATA" in os.environ:
        folder = Path(os.environ["RECLOOP_DATA"]) / "uci-classification"
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    for part in parts:
        start = time.perf_counter()
        if part == "news":
            news(arguments.seeds)
        elif part == "change":
            changes(4 * arguments.seeds)
        elif folder is None or not folder.exists():
            print("labelled sets: left out, no folder; give --data or set RECLOOP_DATA")
        else:
            labelled(folder, arguments.seeds)
        print(f"{part}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
