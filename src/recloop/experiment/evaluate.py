"""All saved models of a run folder on a test file."""

from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from recloop.data.dataset import features, to_interactions
from recloop.data.ids import IdMap
from recloop.data.loader import DatasetLoader
from recloop.errors import InvalidData
from recloop.evaluation.summary import without_nan
from recloop.experiment.folder import RunFolder
from recloop.experiment.measure import run_evaluator


def evaluate_folder(models_dir: str | Path, test_data: str | Path) -> dict[str, Any]:
    """The table of every model of the run on `test_data`, by the protocol of the run.

    What people had in training and validation is their history and is never recommended. Rows of
    people or items that the run does not know are left out and counted.
    """
    run = RunFolder(Path(models_dir))
    names = run.model_names()
    results, ids, config = run.metrics(), run.ids(), run.config()
    loader = DatasetLoader(test_data)
    frame = loader.load_interactions()
    test = to_interactions(frame, IdMap("user", ids["users"]), IdMap("item", ids["items"]))
    if not len(test):
        raise InvalidData(
            f"{test_data}: none of its {len(frame)} rows is of a person and an item that the run "
            f"in {models_dir} knows."
        )
    table = run.frame("items") if run.has("items.parquet") else None
    evaluator = run_evaluator(
        results["protocol"]["ks"],
        config["evaluation"]["confidence"],
        run.known_interactions(),
        features(table, "item_id", ids["items"])[1],
    )
    described = {row["name"]: row for row in results["models"]}
    rows, notes = [], []
    for name in names:
        with threadpool_limits(config["training"]["threads"], "blas"):
            found = evaluator.evaluate(run.load_model(name), test)
        metrics = {key: without_nan(row) for key, row in found.by_name().items()}
        rows.append({**described[name], "metrics": metrics})
        notes = found.counts_in_words()
    if len(test) < len(frame):
        notes.append(f"{len(frame) - len(test):,} of {len(frame):,} rows are of people or items "
                     "that the run does not know: left out.")  # fmt: skip
    return {"metric": results["protocol"]["metric"], "models": rows, "notes": notes}
