"""The run folder: what stands where, written whole, and checked before it is read."""

import json
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from recloop.errors import MissingData, RunFolderBusy, RunFolderInUse
from recloop.experiment.config import ExperimentConfig
from recloop.models.registry import load_model
from recloop.types import Interactions
from recloop.utils.files import (
    MANIFEST,
    alone_in,
    atomic_write,
    checked_file,
    make_folder,
    read_json,
    sha256_of,
    write_json,
    write_manifest,
    write_text,
)

TIMINGS = "timings.json"
ENVIRONMENT = "environment.json"
LIBRARIES = ("numpy", "scipy", "numba", "pandas", "pyarrow", "implicit", "torch", "optuna")


@dataclass(frozen=True)
class RunFolder:
    """A folder with config.yaml, ids.json, train.parquet, models/, metrics.json, log.jsonl, ..."""

    path: Path

    @classmethod
    def start(
        cls, path: str | Path, config: ExperimentConfig, data_hash: str, *, beside: bool = False
    ) -> "RunFolder":
        """The folder for a run: empty, or one that holds the same run and goes on.

        Raises RunFolderInUse where it holds anything else.
        beside: where it holds another run or other files, take the first of PATH-2, PATH-3, ...
        that does not.
        """
        first, number = Path(path), 1
        while True:
            try:
                folder = first
                if number > 1:  # "." has a name only where it stands
                    named = first if first.name else first.absolute()
                    folder = named.with_name(f"{named.name}-{number}")
                return cls._start(folder, config, data_hash)
            except RunFolderInUse:
                if not beside:
                    raise
            number += 1

    @classmethod
    def _start(cls, path: Path, config: ExperimentConfig, data_hash: str) -> "RunFolder":
        folder = cls(path)
        text = config_text(config)
        file = folder.path / "config.yaml"
        if file.exists():
            folder._check_same_run(text, data_hash)
        else:
            folder._check_not_in_use()
            make_folder(folder.path)
            write_text(file, text)
        if not (folder.path / ENVIRONMENT).exists():
            write_json(folder.path / ENVIRONMENT, environment(data_hash))
        return folder

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Until the end, no other process reserves the folder; RunFolderBusy if one has."""
        with alone_in(self.path) as alone:
            if not alone:
                raise RunFolderBusy(
                    f"{self.path}: another process is writing this run. Wait until it is done, or "
                    "choose another --output-dir."
                )
            yield

    def _check_not_in_use(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderInUse(f"{self.path}: is a file; name a folder for the results.")
        held = self._visible_names()
        if held:
            shown = ", ".join(held[:3]) + (", ..." if len(held) > 3 else "")
            raise RunFolderInUse(
                f"{self.path}: must be new, empty, or hold a run; it holds other files ({shown}) "
                "and no config.yaml. Choose another --output-dir, or let --beside do so."
            )

    def _visible_names(self) -> list[str]:
        """What lies in the folder; hidden files, such as .gitkeep, do not count."""
        if not self.path.exists():
            return []
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.is_dir() or not entry.name.startswith(".")
        )

    def _check_same_run(self, text: str, data_hash: str) -> None:
        held = (self.path / "config.yaml").read_text(encoding="utf-8", errors="replace")
        if held != text:
            changed = first_difference(held, text)
            raise RunFolderInUse(
                f"{self.path}: holds a run of another configuration ({changed}). "
                "Choose another --output-dir, let --beside do so, or remove the folder."
            )
        file = self.path / ENVIRONMENT  # written after config.yaml: absent, nothing was done yet
        if file.exists() and read_json(file)["data_sha256"] != data_hash:
            raise RunFolderInUse(
                f"{self.path}: holds a run of the same configuration on other data. "
                "Choose another --output-dir, let --beside do so, or remove the folder."
            )

    @property
    def is_finished(self) -> bool:
        """Whether the run was sealed; an interrupted one is not."""
        return (self.path / MANIFEST).exists()

    def reopen_if_damaged(self) -> list[str]:
        """Files of a finished run that are missing or changed; the run is open again for them.

        Damaged models and rounds are removed, so that the run trains just these anew.
        """
        manifest = read_json(self.path / MANIFEST)
        damaged = [
            name
            for name, digest in manifest.items()
            if not (self.path / name).is_file() or sha256_of(self.path / name) != digest
        ]
        if damaged:
            (self.path / MANIFEST).unlink()
        for name in damaged:
            if name.startswith(("models/", "rounds/")):
                (self.path / name).unlink(missing_ok=True)
        return damaged

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def remove_checkpoints(self) -> None:
        """Forget how far training was: every model is trained."""
        if self.checkpoints.exists():
            shutil.rmtree(self.checkpoints)

    def remove_temporaries(self) -> None:
        """Remove what a process left that was killed while it wrote."""
        for left in self.path.rglob(".*.tmp"):
            left.unlink()

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Add the seconds of a training, of an interrupted one as well, to timings.json.

        They stand there and not in the model, whose bytes depend on seed and data alone.
        """
        started = time.perf_counter()
        try:
            yield
        finally:
            file = self.path / TIMINGS
            seconds = read_json(file) if file.exists() else {}
            seconds[label] = seconds.get(label, 0.0) + time.perf_counter() - started
            write_json(file, seconds)

    def model_path(self, name: str, seed_number: int = 0) -> Path:
        """models/NAME.npz, or models/NAME.seed2.npz for a repetition."""
        return self.path / "models" / f"{label_of(name, seed_number)}.npz"

    def rounds_path(self, name: str, seed_number: int = 0) -> Path:
        """rounds/NAME.parquet: every round of a stream that counted for this model."""
        return self.path / "rounds" / f"{label_of(name, seed_number)}.parquet"

    def save_interactions(self, name: str, log: Interactions) -> None:
        """Write NAME.parquet in codes; the ids stand in ids.json."""
        frame = pd.DataFrame(
            {
                "user": log.users,
                "item": log.items,
                "weight": log.weights,
                "timestamp": log.timestamps,
            }
        )
        with atomic_write(self.path / f"{name}.parquet") as temporary:
            frame.to_parquet(temporary, index=False)

    def read_interactions(self, name: str) -> Interactions:
        """NAME.parquet as it was saved."""
        frame = pd.read_parquet(checked_file(self.path, f"{name}.parquet"))
        ids = self.ids()
        return Interactions(
            users=frame["user"].to_numpy(np.int64),
            items=frame["item"].to_numpy(np.int64),
            weights=frame["weight"].to_numpy(np.float64),
            timestamps=frame["timestamp"].to_numpy(np.float64),
            n_users=len(ids["users"]),
            n_items=len(ids["items"]),
        )

    def known_interactions(self) -> Interactions:
        """Everything that was known before the test: training and validation together."""
        return joined(self.read_interactions("train"), self.read_interactions("validation"))

    def has(self, name: str) -> bool:
        """Whether the manifest lists the file `name`."""
        return name in read_json(self.path / MANIFEST)

    def ids(self) -> dict[str, list[str]]:
        """The users' and the items' ids in the order of their codes."""
        return read_json(checked_file(self.path, "ids.json"))

    def metrics(self) -> dict[str, Any]:
        """The results as `run` wrote them."""
        return read_json(checked_file(self.path, "metrics.json"))

    def frame(self, name: str) -> pd.DataFrame:
        """A table of the folder, such as "items" or "per_user"."""
        return pd.read_parquet(checked_file(self.path, f"{name}.parquet"))

    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        return read_lines(checked_file(self.path, "log.jsonl"))

    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return yaml.safe_load(checked_file(self.path, "config.yaml").read_text(encoding="utf-8"))

    def model_names(self) -> list[str]:
        """The names of all models, in the order of the results."""
        if not self.is_finished:
            raise MissingData(
                f"{self.path}: no finished run here (no {MANIFEST}). "
                "Train first: recloop run --config configs/default.yaml --output-dir FOLDER."
            )
        self.check_over_data()
        return [row["name"] for row in self.metrics()["models"]]

    def check_over_data(self) -> None:
        """MissingData for a run in a world or on a stream: it has no lists for people of a set."""
        results = self.metrics()
        if "world" in results or "stream" in results:
            where = (
                f"in the world '{results['world']['world']}'"
                if "world" in results
                else f"of online learning ({results['stream']['name']})"
            )
            raise MissingData(
                f"{self.path}: holds a run {where}, with no people or items of a data set. Its "
                f"results stand in {self.path}/report.html."
            )

    def load_model(self, name: str, seed_number: int = 0) -> Any:
        """A trained model, after its bytes were compared with the manifest."""
        types = {row["name"]: row["type"] for row in self.metrics()["models"]}
        file = checked_file(self.path, f"models/{label_of(name, seed_number)}.npz")
        return load_model(file, types.get(name))

    def seal(self) -> None:
        """Write the manifest: from now on every file is checked before it is read."""
        write_manifest(self.path)


def label_of(name: str, seed_number: int) -> str:
    """NAME, or NAME.seed2 for a repetition: what its model and its training are kept under."""
    return name + (f".seed{seed_number}" if seed_number else "")


def joined(first: Interactions, second: Interactions) -> Interactions:
    """Both logs as one, by user, then time, then their order."""
    users = np.concatenate([first.users, second.users])
    stamps = np.concatenate([first.timestamps, second.timestamps])
    order = np.lexsort((np.arange(len(users)), stamps, users))
    return Interactions(
        users=users[order],
        items=np.concatenate([first.items, second.items])[order],
        weights=np.concatenate([first.weights, second.weights])[order],
        timestamps=stamps[order],
        n_users=first.n_users,
        n_items=first.n_items,
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The values of a file that holds one JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def config_text(config: ExperimentConfig) -> str:
    """The resolved configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def environment(data_hash: str) -> dict[str, Any]:
    """What the numbers depend on beside the configuration."""
    return {
        "recloop": version("recloop"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "data_sha256": data_hash,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def first_difference(held: str, wanted: str) -> str:
    """The first line of a configuration that is another one, there and now."""
    for there, here in zip(held.splitlines(), wanted.splitlines(), strict=False):
        if there != here:
            return f"there '{there.strip()}', now '{here.strip()}'"
    return "one of them has more keys"
