"""Judge the trained models of a run: a row of the leaderboard, and the values of every person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recloop.evaluation.evaluator import RLRecommenderEvaluator
from recloop.evaluation.metrics import RecommendationMetrics
from recloop.evaluation.result import Evaluation
from recloop.evaluation.summary import Intervals
from recloop.experiment.build import Entry
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.folder import RunFolder, joined
from recloop.experiment.prepare import Prepared
from recloop.models.registry import load_model
from recloop.simulators.preference import PreferenceWorld
from recloop.training.offline import last_items
from recloop.types import FloatArray, Interactions
from recloop.utils.files import load_arrays

Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One entry of a run: its row, and its values by metric for each of the people in `users`.

    Values are means over the entry's seeds, person by person.
    """

    row: Row
    users: list[str]
    values: dict[str, FloatArray]
    n_counted: int

    def only(self, metric: str) -> "Measured":
        """The same without the values of people by any other metric, which take the memory."""
        return replace(self, values={metric: self.values[metric]})


def run_evaluator(
    ks: Sequence[int],
    confidence: float,
    known: Interactions,
    item_features: FloatArray | None = None,
) -> RLRecommenderEvaluator:
    """The evaluator of a run: histories, seen items and popularity are from `known` alone."""
    return RLRecommenderEvaluator(
        RecommendationMetrics(),
        ks=ks,
        train=known,
        item_features=item_features,
        intervals=Intervals(confidence=confidence),
    )


def validation_values(config: ExperimentConfig, prepared: Prepared) -> Any:
    """A function of a model: its accuracy on the validation part, for early stopping."""
    encoded = prepared.encoded
    evaluator = RLRecommenderEvaluator(
        RecommendationMetrics(), ks=[config.training.k], train=encoded.train
    )
    return lambda model: evaluator.means(model, encoded.validation)


def measure(
    config: ExperimentConfig,
    run: RunFolder,
    prepared: Prepared,
    entry: Entry,
    world: PreferenceWorld | None,
) -> Measured:
    """Evaluate every seed of an entry on the test part, and in the world if there is one.

    Histories reach to the end of the validation part, in the world as well, and so do the profiles
    of the models that keep some (`Trainer`).
    """
    encoded = prepared.encoded
    known = joined(encoded.train, encoded.validation)
    evaluator = run_evaluator(
        config.evaluation.ks, config.evaluation.confidence, known, encoded.item_features
    )
    found: list[Evaluation] = []
    world_values: list[float] = []
    for seed_number in range(entry.n_seeds):
        model = load_model(run.model_path(entry.name, seed_number), entry.type)
        found.append(evaluator.evaluate(model, encoded.test))
        if world is not None:
            world_values.append(value_in_world(model, world, known))
    values = values_over_seeds(found)
    row = {
        **_description(entry, run),
        **row_over_seeds(found, values, evaluator.intervals),
        "world_value": float(np.mean(world_values)) if world_values else None,
    }
    users = [encoded.user_ids[code] for code in found[0].users]
    return Measured(row, users, values, int(found[0].counts["n_users"]))


def value_in_world(model: Any, world: PreferenceWorld, log: Interactions) -> float:
    """The probability that a person of the world clicks the model's first choice, on average.

    Nothing is hidden: in the world an item may be shown again. Exact, without drawing clicks.
    """
    users = np.arange(world.n_users)
    history = last_items(log, model.history_length) if model.history_length else None
    total = 0.0
    for start in range(0, len(users), 1024):
        block = users[start : start + 1024]
        rows = None if history is None else history[block]
        items = model.recommend_batch(block, 1, history=rows, explore=False)[:, 0]
        total += world.click_probabilities(block)[np.arange(len(block)), items].sum()
    return float(total / len(users))


def _description(entry: Entry, run: RunFolder) -> Row:
    training = load_arrays(run.model_path(entry.name))[0]["training"]
    rewards = [r["cumulative_reward"] for r in training["records"] if "cumulative_reward" in r]
    last = training["records"][-1] if training["records"] else {}
    return {
        "name": entry.name,
        "type": entry.type,
        "mode": entry.mode,
        "is_baseline": entry.is_baseline,
        "params": entry.params,
        "n_seeds": entry.n_seeds,
        "n_trials": entry.n_trials,
        "n_rounds": training["n_rounds"],
        "best_round": training["best_round"],
        "stopped_early": training["stopped_early"],
        "cumulative_reward": float(np.sum(rewards)) if rewards else None,
        "exploration_rate": last.get("exploration_rate"),
        "convergence": last.get("q_change"),
    }


def values_over_seeds(found: Sequence[Evaluation]) -> dict[str, FloatArray]:
    """(U,) by "metric@k": everybody's mean over the evaluations of all seeds."""
    return {
        name: np.mean([one.per_user[name] for one in found], axis=0) for name in found[0].per_user
    }


def row_over_seeds(
    found: Sequence[Evaluation], values: dict[str, FloatArray], intervals: Intervals
) -> Row:
    """metrics and seed_means of a row of the leaderboard, as JSON values."""
    means = [one.means() for one in found]
    return {
        "metrics": _summary(found, values, intervals),
        "seed_means": _json_row({name: [one[name] for one in means] for name in values}),
    }


def _summary(
    found: Sequence[Evaluation], values: dict[str, FloatArray], intervals: Intervals
) -> dict[str, Row]:
    """Rows by metric: of people from their means over seeds, of the group as means over seeds."""
    summary = {name: dict(row) for name, row in found[0].by_name().items()}
    if len(found) > 1:
        for name, row in summary.items():
            if name in values:
                known = values[name][~np.isnan(values[name])]
                low, high = intervals.of(row["metric"], known)
                row |= {"mean": float(known.mean()) if len(known) else None}
                row |= {"std": float(known.std(ddof=1)) if len(known) > 1 else None}
                row |= {"ci_low": low, "ci_high": high}
            else:
                for key in ("mean", "ci_low", "ci_high"):
                    row[key] = float(np.mean([one.by_name()[name][key] for one in found]))
    return {name: _json_row(row) for name, row in summary.items()}


def _json_row(row: Row) -> Row:
    return {key: _json_value(value) for key, value in row.items() if key not in ("metric", "k")}


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
