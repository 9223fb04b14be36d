"""`recloop run`, `train`, `evaluate`, `recommend`: from a configuration to lists for a person."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recloop.cli.options import Beside, Config, DataPath, Json, ModelsDir, OutputDir, Seed, Set

DEFAULT_CONFIG = Path("configs/default.yaml")


def run(
    config: Config = DEFAULT_CONFIG,
    output_dir: OutputDir = Path("outputs"),
    data: DataPath = None,
    seed: Seed = None,
    set_: Set = None,
    beside: Beside = False,
    as_json: Json = False,
) -> None:
    """Train every model of a configuration, judge them, write the report.

    Run again after an interrupt to go on. Synthetic data are made, and written to data/, when the
    configuration names none.
    """
    from recloop.cli.progress import Bars
    from recloop.experiment import load_config, run_experiment

    overrides = list(set_ or [])
    overrides += [f"data.path={json.dumps(data)}"] if data is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    with Bars() as progress:
        folder = run_experiment(
            load_config(config, overrides), output_dir, beside=beside, progress=progress
        )
    results = folder.metrics()
    if as_json:
        print(json.dumps(results, indent=2))
        return
    if "world" in results:
        _print_agents(results)
    elif "stream" in results:
        _print_stream(results["models"], results["confidence"])
    else:
        _print_table(results["models"], results["protocol"]["metric"])
    print()
    for text in results["statements"]:
        print(f"- {text}")
    print(f"\nReport: {folder.path / 'report.html'}")


def train(
    config: Config = DEFAULT_CONFIG,
    output_dir: OutputDir = Path("outputs"),
    data: DataPath = None,
    seed: Seed = None,
    set_: Set = None,
    beside: Beside = False,
    as_json: Json = False,
) -> None:
    """The same as `run`, under the name that scripts/train.py has."""
    run(config, output_dir, data, seed, set_, beside, as_json)


def evaluate(
    models_dir: ModelsDir = Path("outputs"),
    test_data: Annotated[
        Path, typer.Option("--test-data", "--test_data", help="Interactions to test on.")
    ] = Path("data/test.csv"),
    as_json: Json = False,
) -> None:
    """Compare all saved models of a run folder on a test file."""
    from recloop.experiment.evaluate import evaluate_folder

    results = evaluate_folder(models_dir, test_data)
    if as_json:
        print(json.dumps(results, indent=2))
        return
    for text in results["notes"]:
        print(text, file=sys.stderr)
    _print_table(results["models"], results["metric"])


def recommend(
    user: Annotated[str, typer.Option("--user", help="The person's id, as in your data.")],
    model: Annotated[str, typer.Option("--model", help="The name of a trained model.")],
    models_dir: ModelsDir = Path("outputs"),
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    with_seen: Annotated[
        bool, typer.Option("--with-seen", help="Do not leave out what the person has.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the best items for a person, best first."""
    from recloop.experiment.recommend import recommend_for

    rows = recommend_for(models_dir, model, user, k, with_seen=with_seen)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        title = f"  {row['title']}" if row.get("title") else ""
        print(f"{row['rank']:>3}  {row['item_id']:<16} {row['score']:.4g}{title}")


def _print_table(rows: list[dict[str, Any]], metric: str) -> None:
    k = metric.partition("@")[2]
    names = [f"ndcg@{k}", f"recall@{k}", f"hit_rate@{k}", f"coverage@{k}", f"diversity@{k}",
             f"novelty@{k}"]  # fmt: skip
    names = list(dict.fromkeys([metric, *names]))
    width = max(len(row["name"]) for row in rows)
    print(" " * width + "".join(f" {name:>25}" for name in names))
    for row in sorted(rows, key=lambda row: -(_mean(row, metric))):
        print(f"{row['name']:<{width}}" + "".join(f" {_cell(row, name):>25}" for name in names))


def _print_stream(rows: list[dict[str, Any]], confidence: float) -> None:
    width = max((len(row["name"]) for row in rows), default=0)
    level = f"{100 * confidence:g} %"
    print(f"{'':<{width}}{'a visitor':>12}{level:>24}{'visitors':>12}{'rewards':>12}{'regret':>12}")
    known = [row for row in rows if row["mean_reward"] is not None]
    unknown = [row for row in rows if row["mean_reward"] is None]
    for row in [*sorted(known, key=lambda one: -one["mean_reward"]), *unknown]:
        mean = "-" if row["mean_reward"] is None else f"{row['mean_reward']:.4g}"
        around = "-" if row["ci_low"] is None else f"[{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
        regret = "" if row["regret"] is None else f"{row['regret']:,.1f}"
        print(
            f"{row['name']:<{width}}{mean:>12}{around:>24}{row['n']:>12,}"
            f"{row['n_rewards']:>12,.4g}{regret:>12}"
        )


def _print_agents(results: dict[str, Any]) -> None:
    lines = [
        (name.replace("_", " "), line["value"], None)
        for name, line in results["world"]["lines"].items()
        if name != "bound"
    ]
    agents = [(row["name"], row["session_reward"], row) for row in results["models"]]
    width = max(len(name) for name, *_ in [*lines, *agents])
    print(f"{'':<{width}}{'a session':>12}{'95 %':>24}{'of the best':>14}{'gap closed':>12}")
    for name, value, row in sorted([*lines, *agents], key=lambda one: -one[1]):
        print(f"{name:<{width}}{value:>12.4g}" + ("  (certified)" if row is None else _agent(row)))


def _agent(row: dict[str, Any]) -> str:
    around = f"[{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
    gap = "-" if row["gap_closed"] is None else f"{row['gap_closed']:.0%}"
    return f"{around:>24}{row['share_of_optimum']:>14.1%}{gap:>12}"


def _mean(row: dict[str, Any], metric: str) -> float:
    value = row["metrics"].get(metric, {}).get("mean")
    return float("-inf") if value is None else value


def _cell(row: dict[str, Any], name: str) -> str:
    value = row["metrics"].get(name)
    if value is None or value["mean"] is None:
        return "-"
    if value["ci_low"] is None:
        return f"{value['mean']:.4f}"
    return f"{value['mean']:.4f} [{value['ci_low']:.3f}, {value['ci_high']:.3f}]"
