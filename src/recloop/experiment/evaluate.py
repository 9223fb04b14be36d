"""All saved models of a run folder on a test file."""

from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recloop.data.dataset import features, to_interactions
from recloop.data.ids import IdMap
from recloop.data.loader import DatasetLoader
from recloop.data.splitting import keep_positives
from recloop.errors import InvalidData
from recloop.experiment.folder import RunFolder
from recloop.experiment.measure import row_over_seeds, run_evaluator, values_over_seeds
from recloop.types import Interactions


def evaluate_folder(models_dir: str | Path, test_data: str | Path) -> dict[str, Any]:
    """The table of every model of the run on `test_data`, by the protocol of the run.

    The rows that count are those of its `positives`. What people had in training and validation is
    their history and is never recommended. Rows of it, and rows of people or items that the run
    does not know, are left out and counted. A model of several seeds has the mean of all.
    """
    run = RunFolder(Path(models_dir))
    names = run.model_names()
    results, ids, config = run.metrics(), run.ids(), run.config()
    known = run.known_interactions()
    test, left_out = _test_part(Path(test_data), results["protocol"]["positives"], ids, known)
    table = run.frame("items") if run.has("items.parquet") else None
    evaluator = run_evaluator(
        results["protocol"]["ks"],
        config["evaluation"]["confidence"],
        known,
        features(table, "item_id", ids["items"])[1],
    )
    described = {row["name"]: row for row in results["models"]}
    rows, notes = [], []
    for name in names:
        with threadpool_limits(config["training"]["threads"], "blas"):
            found = [
                evaluator.evaluate(run.load_model(name, seed_number), test)
                for seed_number in range(described[name]["n_seeds"])
            ]
        measured = row_over_seeds(found, values_over_seeds(found), evaluator.intervals)
        rows.append({**described[name], **measured})
        notes = found[0].counts_in_words()
    return {
        "metric": results["protocol"]["metric"],
        "models": rows,
        "notes": [*notes, *left_out],
    }


def _test_part(
    file: Path, positives: str, ids: dict[str, list[str]], known: Interactions
) -> tuple[Interactions, list[str]]:
    """The rows of `file` that the run's own test part would hold, and in words what is left out."""
    loader = DatasetLoader(file)
    frame = loader.load_interactions()
    asked = loader.positives if positives == "all" else positives
    kept = keep_positives(frame, asked)
    of_the_run = to_interactions(kept, IdMap("user", ids["users"]), IdMap("item", ids["items"]))
    test = of_the_run.keep(~np.isin(_pairs(of_the_run), _pairs(known)))
    if not len(of_the_run):
        raise InvalidData(
            f"{file}: none of its {len(kept)} rows is of a person and an item that the run knows. "
            "Give a file with the ids of the data that the run was trained on."
        )
    if not len(test):
        raise InvalidData(
            f"{file}: all {len(of_the_run)} rows of people and items that the run knows are of "
            "what the person already had in training or validation. Give rows from after it."
        )
    counts = {
        f"do not count under positives '{asked}'": len(frame) - len(kept),
        "are of people or items that the run does not know": len(kept) - len(of_the_run),
        "are of what the person already had": len(of_the_run) - len(test),
    }
    words = [f"{n:,} of {len(frame):,} rows {text}: left out." for text, n in counts.items() if n]
    return test, words


def _pairs(log: Interactions) -> np.ndarray:
    """(n,) one number for each person and item together."""
    return log.users * log.n_items + log.items
