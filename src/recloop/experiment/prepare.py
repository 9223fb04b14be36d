"""The data of a run: loaded or made, filtered, split, encoded, with every count."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from recloop.data.dataset import EncodedSplit, data_hash, encode, unused_in_words
from recloop.data.loader import DatasetLoader
from recloop.data.splitting import Split, keep_positives, split
from recloop.data.synthetic import SyntheticSettings, generate
from recloop.data.tables import write_table
from recloop.errors import InvalidConfig, InvalidData
from recloop.experiment.config import DataSection, ExperimentConfig
from recloop.experiment.training import Progress
from recloop.utils.files import read_json, sha256_of, write_json
from recloop.utils.names import nearest

MADE_BY_US = ".synthetic.json"
"""Beside data that were made here: the settings, and the sha256 of each table as it was written."""
TABLES = ("items", "users", "interactions")  # the last decides whether there are data
DEFINITIONS = (
    "Precision: hits / k. Recall: hits / relevant items. NDCG: binary gains, discount "
    "1 / log2(rank + 1), ideal list of min(k, relevant) items. MAP: sum of precision at hits / "
    "min(k, relevant). Hit rate: any hit. MRR: 1 / rank of the first hit.",
    "Coverage: share of the catalogue in anybody's list. Diversity: mean 1 - cosine of the item "
    "features over pairs in a list. Novelty: mean -log2(share of people who took the item).",
    "Full catalogue, no sampled negatives; what a person already has is never recommended; ties go "
    "to the lower item code; exploration is off.",
    "Means over people; people without relevant items are undefined, left out and counted; a short "
    "list is padded with misses.",
)


@dataclass(frozen=True)
class Prepared:
    """What training and evaluation need of the data."""

    encoded: EncodedSplit
    split: Split
    items: pd.DataFrame | None  # in code order, for titles
    data_hash: str
    counts: dict[str, Any]
    protocol: dict[str, Any]


@dataclass(frozen=True)
class _Source:
    words: str
    interactions: pd.DataFrame
    items: pd.DataFrame | None
    users: pd.DataFrame | None
    notes: list[str]
    positives: str = "all"  # of the layout


def prepare(config: ExperimentConfig, data_dir: str | Path, progress: Progress) -> Prepared:
    """Load or make the data of `config`, split and encode them."""
    source = _load(config, Path(data_dir), progress)
    data = config.data
    asked = data.positives.replace(" ", "")
    positives = source.positives if asked == "all" else asked
    kept = keep_positives(source.interactions, positives)
    notes = _left_out(source, positives, len(kept), asked)
    for note in notes:
        progress.note(note)
    cut = split(
        kept,
        data.split,
        test_ratio=data.test_ratio,
        val_ratio=data.val_ratio,
        n_last=data.n_last,
        seed=config.seed,
    )
    encoded = encode(cut, source.items, source.users)
    _check_judgeable(cut)
    _write_parts(source, cut, Path(data_dir))
    return Prepared(
        encoded=encoded,
        split=cut,
        items=_titled(source.items, encoded.item_ids),
        data_hash=data_hash(source.interactions, source.items, source.users),
        counts=_counts(source, cut, encoded, notes),
        protocol=_protocol(config, cut, positives),
    )


def _load(config: ExperimentConfig, data_dir: Path, progress: Progress) -> _Source:
    data = config.data
    if data.path is None:
        changed = _changed(data_dir)
        own = _own(data_dir)
        if own is None or changed == []:
            return _make(config, data_dir)
        progress.note(f"No data.path is given; {own} is there and is used.{_hint(own, changed)}")
    path = data.path if data.path is not None else str(data_dir)
    loader = DatasetLoader(path, data.format, on_bad_rows=data.on_bad_rows)
    interactions = loader.load_interactions()
    items, users = loader.load_items(), loader.load_users()
    for note in loader.report.notes:
        progress.note(note)
    words = f"{Path(path).name} ({loader.format})"
    return _Source(words, interactions, items, users, loader.report.notes, loader.positives)


def _own(data_dir: Path) -> Path | None:
    """The interactions that lie in the data folder; an error for other files that are not ours."""
    for suffix in (".csv", ".csv.gz", ".parquet"):
        file = data_dir / f"interactions{suffix}"
        if file.exists():
            return file
    if not (data_dir / MADE_BY_US).exists():
        names = [*TABLES, "train", "val", "test"]
        for file in sorted(data_dir.glob("*")):
            if file.name.partition(".")[0] in names:
                raise InvalidData(
                    f"{file}: lies where synthetic data would be written, and was not made here. "
                    f"Put interactions.csv beside it, name your data with data.path, or move it."
                )
    return None


def _changed(data_dir: Path) -> list[str] | None:
    """Files that are no longer as they were made here; None if none were made here."""
    if not (data_dir / MADE_BY_US).exists():
        return None
    made = read_json(data_dir / MADE_BY_US).get("sha256", {})
    files = [data_dir / f"{name}.csv" for name in TABLES]
    return [
        file.name for file in files if not file.exists() or sha256_of(file) != made.get(file.name)
    ]


def _hint(own: Path, changed: list[str] | None) -> str:
    if changed is None:
        return ""
    return (
        f" {', '.join(changed)} changed since the data were made here, so they count as your own "
        f"and data.synthetic has no effect. To have all made anew, remove {own}."
    )


def _make(config: ExperimentConfig, data_dir: Path) -> _Source:
    settings = _settings(config.data, config.seed)
    made = generate(settings)
    files = {name: data_dir / f"{name}.csv" for name in TABLES}
    files["interactions"].unlink(missing_ok=True)  # a run that breaks off here leaves no data
    for name, file in files.items():
        write_table(file, getattr(made, name))
    digests = {file.name: sha256_of(file) for file in files.values()}
    write_json(data_dir / MADE_BY_US, {"settings": settings.__dict__, "sha256": digests})
    return _Source("synthetic people", made.interactions, made.items, made.users, [])


def _left_out(source: _Source, positives: str, n_kept: int, asked: str) -> list[str]:
    """How many rows do not count as positive, and where the layout rather than the user says so."""
    n_all = len(source.interactions)
    if positives != asked:
        return [
            f"A row of {source.words} is something shown, and its weight says whether it was "
            f"taken. Left out, as not taken: {n_all - n_kept:,} of {n_all:,} rows. Set "
            "data.positives to '>=0' to count them as choices too."
        ]
    if n_kept == n_all:
        return []
    return [f"data.positives '{positives}' leaves out {n_all - n_kept:,} of {n_all:,} rows."]


def _check_judgeable(cut: Split) -> None:
    if cut.report["n_test"]:
        return
    seen = cut.report
    raise InvalidData(
        f"nobody is left to test on: of {seen['n_test_rows_cut']:,} test rows "
        f"{seen['n_test_cold_item_rows_dropped']:,} are of items and "
        f"{seen['n_test_cold_user_rows_dropped']:,} of people that training never saw, and "
        f"{seen['n_test_seen_rows_dropped']:,} repeat what the person had. Use another split "
        f"(now '{cut.method}') or more data."
    )


def _settings(data: DataSection, seed: int) -> SyntheticSettings:
    known = [field.name for field in fields(SyntheticSettings)]
    for key in data.synthetic:
        if key not in known:
            near = nearest(key, known)
            hint = f" Did you mean '{near}'?" if near else ""
            raise InvalidConfig(
                f"unknown key 'data.synthetic.{key}'.{hint} Known: {', '.join(known)}."
            )
    return SyntheticSettings(**{"seed": seed, "sparsity": data.sparsity, **data.synthetic})


def _write_parts(source: _Source, cut: Split, data_dir: Path) -> None:
    """train.csv, val.csv and test.csv beside the data that were made here."""
    if source.words != "synthetic people":
        return
    for name, part in (("train", cut.train), ("val", cut.validation), ("test", cut.test)):
        write_table(data_dir / f"{name}.csv", part)


def _titled(items: pd.DataFrame | None, item_ids: list[str]) -> pd.DataFrame | None:
    if items is None:
        return None
    table = items.set_index(items["item_id"].astype("str")).reindex(item_ids)
    return table.assign(item_id=item_ids).reset_index(drop=True)


def _counts(source: _Source, cut: Split, encoded: EncodedSplit, notes: list[str]) -> dict[str, Any]:
    seen = cut.report
    words = [
        f"{seen['n_rows']:,} rows: {seen['n_train']:,} train, {seen['n_validation']:,} validate, "
        f"{seen['n_test']:,} test."
    ]
    for name in ("validation", "test"):
        words.append(
            f"{name.capitalize()}: {seen[f'n_{name}_rows_cut']:,} rows of "
            f"{seen[f'n_{name}_users']:,} people; dropped "
            f"{seen[f'n_{name}_cold_user_rows_dropped']:,} rows of people and "
            f"{seen[f'n_{name}_cold_item_rows_dropped']:,} of items that training never saw, and "
            f"{seen[f'n_{name}_seen_rows_dropped']:,} that the person already had; "
            f"{seen[f'n_{name}_users_counted']:,} people remain."
        )
    unused = unused_in_words(source.items, source.users, encoded.item_ids, encoded.user_ids)
    return {
        "source": source.words,
        "n_interactions": seen["n_rows"],
        "n_rows_not_positive": len(source.interactions) - seen["n_rows"],
        "n_users": len(encoded.user_ids),
        "n_items": len(encoded.item_ids),
        "n_test_users": seen["n_test_users"],
        "split_report": seen,
        "words": [*words, *notes, *source.notes, *unused, *cut.warnings],
    }


def _protocol(config: ExperimentConfig, cut: Split, positives: str) -> dict[str, Any]:
    return {
        "metric": config.evaluation.metric,
        "ks": config.evaluation.ks,
        "split": cut.method,
        "positives": positives,
        "confidence": config.evaluation.confidence,
        "words": list(DEFINITIONS),
    }
