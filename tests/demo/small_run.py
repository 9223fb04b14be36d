"""A small finished run, made by hand: two trained models and numbers that the pages must repeat."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recloop.experiment.folder import RunFolder
from recloop.experiment.report import report_html
from recloop.experiment.results import statements
from recloop.models.registry import build_model
from recloop.types import Interactions
from recloop.utils.files import atomic_write, write_json, write_text

PEOPLE = ["ada", "ben", "cleo", "dan"]
TITLES = ["Alien", "Brazil <b>", "Casablanca", "Dune", "Eraserhead", "Fargo"]
FIRST_DAY = 1_000_000_000  # 2001-09-09
DAY = 86_400


def log(rows: list[tuple[int, int, float]]) -> Interactions:
    """Interactions of the four people: (user, item, day)."""
    users, items, days = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(
        users=users.astype(np.int64),
        items=items.astype(np.int64),
        weights=np.ones(len(rows)),
        timestamps=FIRST_DAY + DAY * days.astype(np.float64),
        n_users=len(PEOPLE),
        n_items=len(TITLES),
    )


TRAIN = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 0), (1, 3, 1), (2, 0, 5), (2, 1, 6)]
VALIDATION = [(0, 4, 3), (1, 1, 4)]


def value(mean: float | None, half: float = 0.05, n: int = 3, n_undefined: int = 1) -> dict:
    """A cell of metrics.json."""
    known = mean is not None
    return {
        "mean": mean,
        "std": 0.2 if known else None,
        "n": n,
        "n_undefined": n_undefined,
        "ci_low": mean - half if known else None,
        "ci_high": mean + half if known else None,
    }


def results() -> dict[str, Any]:
    """metrics.json of the small run."""
    made: dict[str, Any] = {
        "recloop": "0.1.0",
        "seed": 7,
        "protocol": {
            "metric": "ndcg@2",
            "ks": [1, 2],
            "split": "temporal",
            "words": [
                "Recall: hits / relevant items. NDCG: binary gains, ideal of min(k, relevant).",
                "Seen items are left out.",
            ],
        },
        "data": {
            "source": "films.csv",
            "n_interactions": 13,
            "n_users": 4,
            "n_items": 6,
            "n_test_users": 4,
            "n_test_users_counted": 3,
            "words": ["Every row counts as positive."],
        },
        "models": [
            _row("tastes", "pure_svd", False, 0.4321),
            _row("popular", "popular", True, 0.3),
        ],
        "comparisons": [
            {
                "model": "tastes",
                "control": "popular",
                "metric": "ndcg@2",
                "difference": 0.1321,
                "ci_low": 0.02,
                "ci_high": 0.24,
                "p_value": 0.012,
                "p_holm": 0.024,
                "wins": 2,
                "ties": 1,
                "losses": 0,
                "n": 3,
                "verdict": "better",
            }
        ],
    }
    return made | {"statements": statements(made)}


def _row(name: str, type_name: str, is_baseline: bool, ndcg: float) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_name,
        "mode": "fit",
        "is_baseline": is_baseline,
        "n_seeds": 1,
        "n_rounds": 1,
        "best_round": 1,
        "stopped_early": False,
        "world_value": None,
        "metrics": {
            "ndcg@1": value(ndcg / 2),
            "ndcg@2": value(ndcg),
            "recall@2": value(ndcg + 0.1),
            "coverage@2": value(0.5 + ndcg / 10, n=4, n_undefined=0),
            "diversity@2": value(None, n=0, n_undefined=4),
        },
    }


def make_run(path: Path) -> RunFolder:
    """Write and seal the small run in `path`."""
    run = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    ids = {"users": PEOPLE, "items": [f"film-{code}" for code in range(len(TITLES))]}
    write_json(path / "ids.json", ids)
    write_text(path / "config.yaml", "seed: 7\n")
    train = log(TRAIN)
    run.save_interactions("train", train)
    run.save_interactions("validation", log(VALIDATION))
    items = pd.DataFrame(
        {"item_id": ids["items"], "title": TITLES, "category": ["SF|Horror", None, "Drama"] * 2}
    )
    with atomic_write(path / "items.parquet") as temporary:
        items.to_parquet(temporary, index=False)
    for row in results()["models"]:
        build_model(row["type"], train.n_users, train.n_items).fit(train).save(
            run.model_path(row["name"])
        )
    write_json(path / "metrics.json", results())
    write_text(path / "log.jsonl", "")
    write_text(path / "report.html", report_html(results(), []))
    run.seal()
    return run
