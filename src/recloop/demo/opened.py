"""A run folder as the pages read it: each file once per version of the run, checked by manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from recloop.errors import DamagedFile, MissingData
from recloop.experiment.folder import RunFolder
from recloop.types import Interactions
from recloop.utils.files import MANIFEST, checked_file, sha256_of

KEPT_RUNS = 4
KEPT_MODELS = 12


@dataclass(frozen=True)
class OpenedRun:
    """One finished run; `version` is its manifest's hash, so another run is never mixed up."""

    path: str
    version: str

    @classmethod
    def at(cls, folder: str | Path) -> "OpenedRun":
        """The finished run in `folder`; MissingData says how to make one."""
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise MissingData(f"There is no folder '{folder}' here.")
        if not (path / MANIFEST).is_file():
            unfinished = (path / "config.yaml").is_file()
            raise MissingData(
                f"The run in '{folder}' is not finished yet; the same command goes on with it."
                if unfinished
                else f"There is no run in the folder '{folder}'."
            )
        return cls(str(path.resolve()), sha256_of(path / MANIFEST))

    def results(self) -> dict[str, Any]:
        """metrics.json."""
        return _results(self.path, self.version)

    def people(self) -> list[str]:
        """The users' ids in the order of their codes."""
        return _ids(self.path, self.version)["users"]

    def codes(self) -> dict[str, int]:
        """The code of every user's id."""
        return _codes(self.path, self.version)

    def item_ids(self) -> list[str]:
        """The items' ids in the order of their codes."""
        return _ids(self.path, self.version)["items"]

    def seen(self) -> Interactions:
        """What everybody did before the test part: training and validation."""
        return _seen(self.path, self.version)

    def items(self) -> pd.DataFrame:
        """item_id and, where known, title, category, price, rating, in order of the codes."""
        return _items(self.path, self.version)

    def model(self, name: str) -> Any:
        """A trained model."""
        return _model(self.path, self.version, name)

    def report(self) -> bytes:
        """The bytes of report.html."""
        return _report(self.path, self.version)


@st.cache_data(max_entries=KEPT_RUNS, show_spinner=False)
def _results(path: str, version: str) -> dict[str, Any]:
    run = RunFolder(Path(path))
    results = run.metrics()
    if not isinstance(results, Mapping) or not results.get("models"):
        raise DamagedFile(f"{path}/metrics.json: holds no models. Train again.")
    run.check_over_data()
    return dict(results)


@st.cache_resource(max_entries=KEPT_RUNS, show_spinner=False)
def _ids(path: str, version: str) -> dict[str, list[str]]:
    return RunFolder(Path(path)).ids()


@st.cache_resource(max_entries=KEPT_RUNS, show_spinner=False)
def _codes(path: str, version: str) -> dict[str, int]:
    return {name: code for code, name in enumerate(_ids(path, version)["users"])}


@st.cache_resource(max_entries=KEPT_RUNS, show_spinner=False)
def _seen(path: str, version: str) -> Interactions:
    return RunFolder(Path(path)).known_interactions()


@st.cache_resource(max_entries=KEPT_RUNS, show_spinner=False)
def _items(path: str, version: str) -> pd.DataFrame:
    ids = _ids(path, version)["items"]
    if not (Path(path) / "items.parquet").exists():
        return pd.DataFrame({"item_id": ids})
    return RunFolder(Path(path)).frame("items")


@st.cache_resource(max_entries=KEPT_MODELS, show_spinner="Reading the model …")
def _model(path: str, version: str, name: str) -> Any:
    return RunFolder(Path(path)).load_model(name)


@st.cache_data(max_entries=KEPT_RUNS, show_spinner=False)
def _report(path: str, version: str) -> bytes:
    return checked_file(path, "report.html").read_bytes()
