"""Models of one or two run folders, compared on the same people; refused where they are not.

Two runs are comparable where they judged the same people on the same rows by the same number. What
differs is named, and nothing is compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from recloop.errors import InvalidData, InvalidParameter, MissingData
from recloop.evaluation.comparison import Comparison, compare, corrected
from recloop.experiment.comparisons import n_resamples_at
from recloop.experiment.folder import ENVIRONMENT, RunFolder
from recloop.types import FloatArray
from recloop.utils.files import checked_file, read_json
from recloop.utils.names import unknown_name

Row = dict[str, Any]
SPLIT_KEYS = ("split", "test_ratio", "val_ratio", "n_last", "positives", "on_bad_rows")


@dataclass(frozen=True)
class Compared:
    """Every pair of models with its comparison, corrected together."""

    metric: str
    unit: str
    pairs: list[tuple[str, str]]
    found: list[Comparison]

    @property
    def is_known(self) -> bool:
        """Whether every pair could be judged."""
        return all(one.is_known for one in self.found)

    def rows(self) -> list[Row]:
        """A row for each pair, as JSON values."""
        return [
            {"model": model, "control": control, "metric": self.metric, **one.to_json()}
            for (model, control), one in zip(self.pairs, self.found, strict=True)
        ]


@dataclass(frozen=True)
class _Judged:
    """A finished run, and what it says about its people."""

    run: RunFolder
    results: Row
    config: Row

    @classmethod
    def opened(cls, path: str | Path) -> "_Judged":
        run = RunFolder(Path(path))
        if not run.is_finished:
            raise MissingData(
                f"{run.path}: no finished run here. Train first: recloop run --config "
                "configs/default.yaml --output-dir FOLDER."
            )
        results = run.metrics()
        if "stream" in results:
            raise MissingData(
                f"{run.path}: holds a run of online learning, compared run by run, not person by "
                f"person. Its comparisons stand in {run.path}/report.html."
            )
        return cls(run, results, run.config())

    @property
    def is_in_world(self) -> bool:
        return "world" in self.results

    @property
    def metric(self) -> str:
        return "session_reward" if self.is_in_world else self.results["protocol"]["metric"]

    @property
    def names(self) -> list[str]:
        return [row["name"] for row in self.results["models"]]

    def fingerprint(self) -> Row:
        """What must be the same for values to be of the same people, rows and definitions."""
        if self.is_in_world:
            world = self.results["world"]
            return {
                "world": world["world"],
                "world settings": world["params"],
                "sessions": self.results["n_sessions"],
                "seed": self.results["seed"],
            }
        data, protocol = self.config["data"], self.results["protocol"]
        held = read_json(checked_file(self.run.path, ENVIRONMENT))
        found = {
            "data fingerprint (sha256)": held["data_sha256"],
            **{f"data.{key}": data.get(key) for key in SPLIT_KEYS},
            "rows of the split": self.results["data"].get("split_report"),
            "definitions": protocol["words"],
        }
        if data.get("split") in ("random", "user_disjoint"):
            found["seed"] = self.results["seed"]
        return found

    def of_people(self, models: Iterable[str], metric: str) -> dict[str, pd.Series]:
        """The value of every person by id, for each of the models."""
        if not self.run.has("per_user.parquet"):
            raise MissingData(f"{self.run.path}: holds no values of people. Compare seeds instead.")
        name, _, k = metric.partition("@")
        frame = pd.read_parquet(
            checked_file(self.run.path, "per_user.parquet"),
            filters=[("metric", "==", name), ("k", "==", int(k or 0))],
        )
        parts = dict(list(frame.groupby("model", observed=True)))
        return {
            model: pd.Series(
                parts[model]["value"].to_numpy(), index=parts[model]["user_id"].astype(str)
            )
            for model in dict.fromkeys(models)
        }

    def of_seeds(self, model: str, metric: str) -> FloatArray:
        """(seeds,) the means of one model."""
        (row,) = [row for row in self.results["models"] if row["name"] == model]
        means = row["seed_means"]
        return np.asarray(means if self.is_in_world else means[metric], dtype=np.float64)

    def check_metric(self, metric: str) -> None:
        """Refuse a metric of which there are no values of people."""
        first = self.results["models"][0]
        known = [self.metric] if self.is_in_world else list(first["seed_means"])
        if metric not in known:
            raise unknown_name(f"metric of single people in {self.run.path}", metric, known)


def compare_runs(
    run: str | Path,
    other: str | Path | None = None,
    *,
    models: Sequence[str] = (),
    metric: str | None = None,
    unit: Literal["people", "seeds"] = "people",
    least: float | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Compared:
    """Compare models of one run folder, or of `run` against `other`.

    models: names, or pairs MODEL:CONTROL. In one folder the first name is compared with each of the
    others; of two folders each name with its namesake. Without any: the comparisons that the run
    itself made, or all names that both runs have. Raises InvalidData where the runs differ in what
    they judged.
    """
    ours = _Judged.opened(run)
    theirs = ours if other is None else _Judged.opened(other)
    chosen = ours.metric if metric is None else metric
    if theirs is not ours:
        _check_comparable(ours, theirs)
    for one in (ours, theirs):
        one.check_metric(chosen)
    pairs = _pairs(ours, theirs, models, apart=other is not None)
    values = _values(ours, theirs, pairs, chosen, unit)
    found = [
        compare(
            mine,
            control,
            unit=unit,
            least=least,
            confidence=confidence,
            n_resamples=n_resamples_at(confidence, n_resamples, len(pairs)),
            seed=seed,
        )
        for mine, control in values
    ]
    return Compared(chosen, unit, pairs, corrected(found))


def _check_comparable(ours: _Judged, theirs: _Judged) -> None:
    if ours.is_in_world != theirs.is_in_world:
        raise InvalidData(
            f"{ours.run.path} and {theirs.run.path}: one is a run in a world, the other over data. "
            "Nothing of theirs can be compared."
        )
    here, there = ours.fingerprint(), theirs.fingerprint()
    for what, value in here.items():
        if value != there.get(what):
            raise InvalidData(
                f"{ours.run.path} and {theirs.run.path} differ in {what}: "
                f"{_difference(value, there.get(what))}. Values of people are compared only where "
                "the same people were judged on the same rows by the same definition; run both "
                "with the same data, split and seed."
            )


def _difference(here: Any, there: Any) -> str:
    if isinstance(here, dict) and isinstance(there, dict):
        keys = [key for key in [*here, *there] if here.get(key) != there.get(key)]
        return f"{keys[0]} is {here.get(keys[0])} and {there.get(keys[0])}"
    if isinstance(here, list) and isinstance(there, list):
        texts = [text for text in here if text not in there], [t for t in there if t not in here]
        return " and ".join(f"'{one[0]}'" if one else "nothing" for one in texts)
    return f"{_short(here)} and {_short(there)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 40 else f"{text[:12]}..."


def _pairs(
    ours: _Judged, theirs: _Judged, models: Sequence[str], *, apart: bool
) -> list[tuple[str, str]]:
    if models:
        pairs = _named_pairs(models, apart)
    elif apart:
        pairs = [(name, name) for name in ours.names if name in theirs.names]
    else:
        pairs = [(row["model"], row["control"]) for row in ours.results["comparisons"]]
    for name, side in [(a, ours) for a, _ in pairs] + [(b, theirs) for _, b in pairs]:
        if name not in side.names:
            raise unknown_name(f"model in {side.run.path}", name, side.names)
    if not pairs:
        raise InvalidParameter(
            "recloop compare: no pairs to compare; name models with --models MODEL:CONTROL. "
            f"{ours.run.path} has {', '.join(ours.names)}."
        )
    return pairs


def _named_pairs(models: Sequence[str], apart: bool) -> list[tuple[str, str]]:
    pairs = [(one.partition(":")[0], one.partition(":")[2]) for one in models if ":" in one]
    names = [one for one in models if ":" not in one]
    if apart:
        pairs += [(name, name) for name in names]
    elif len(names) == 1:
        raise InvalidParameter(
            f"recloop compare: '{names[0]}' stands alone; in one run folder name at least two "
            "models, or pairs MODEL:CONTROL."
        )
    else:
        pairs += [(names[0], control) for control in names[1:]]
    return pairs


def _values(
    ours: _Judged, theirs: _Judged, pairs: list[tuple[str, str]], metric: str, unit: str
) -> list[tuple[FloatArray, FloatArray]]:
    if unit == "seeds":
        return [_of_seeds(ours, theirs, *pair, metric) for pair in pairs]
    mine = ours.of_people([model for model, _ in pairs], metric)
    control = theirs.of_people([name for _, name in pairs], metric)
    return [_aligned(ours, theirs, mine[one], control[other]) for one, other in pairs]


def _of_seeds(
    ours: _Judged, theirs: _Judged, model: str, control: str, metric: str
) -> tuple[FloatArray, FloatArray]:
    mine, other = ours.of_seeds(model, metric), theirs.of_seeds(control, metric)
    n_seeds = {len(mine), len(other)}
    if max(n_seeds) < 2 or not n_seeds <= {1, max(n_seeds)}:
        raise InvalidData(
            f"{ours.run.path}: '{model}' has {len(mine)} seeds and its control '{control}' "
            f"{len(other)}; seeds are compared in pairs, at least two of them, or with a control "
            "that has one. Train with training.n_seeds, or compare people."
        )
    return mine[:, None], other[:, None]


def _aligned(
    ours: _Judged, theirs: _Judged, values: pd.Series, control: pd.Series
) -> tuple[FloatArray, FloatArray]:
    missing = values.index.symmetric_difference(control.index)
    if len(missing):
        raise InvalidData(
            f"{ours.run.path} and {theirs.run.path} differ in the people they judged: "
            f"{len(missing):,} are in one of them alone, the first is '{missing[0]}'."
        )
    return values.to_numpy(np.float64), control[values.index].to_numpy(np.float64)
