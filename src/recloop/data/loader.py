"""`DatasetLoader`: a folder of canonical tables, or a public set as it came out of its archive."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recloop.data.ids import IdMap, sorted_ids
from recloop.data.report import BadRows, LoadReport
from recloop.data.schema import INTERACTIONS, ITEMS, USERS, Schema, checked_table, seconds
from recloop.data.tables import ENDINGS, find_tables, read_table
from recloop.errors import InvalidData, MissingData
from recloop.utils.checks import check_choice
from recloop.utils.names import nearest

CANONICAL = "canonical"


class DatasetLoader:
    """Reads the interactions, items and users of one folder (or one interactions file).

    folder: holds interactions.csv (.csv.gz, .parquet) and, if there are any, items and users; or
    the raw files of a public set. format: "auto", "canonical", or the name of a public layout.
    on_bad_rows: "error" names the first bad row; "drop" leaves bad rows out and counts them in
    `report`. Each table is read from its file once, however often it is asked for.
    """

    def __init__(
        self,
        folder: str | Path = "data",
        format: str = "auto",
        *,
        on_bad_rows: BadRows = "error",
    ) -> None:
        check_choice("DatasetLoader", "on_bad_rows", on_bad_rows, ("error", "drop"))
        self.folder = Path(folder)
        self.report = LoadReport(on_bad_rows)
        if not self.folder.exists():
            raise MissingData(
                f"{self.folder}: no such file or folder.{_near(self.folder)} Give the path of your "
                "data, or make some: recloop run without data.path."
            )
        self.format = self._detected(format)
        self._raw: dict[str, pd.DataFrame] | None = None
        self._checked: dict[str, pd.DataFrame | None] = {}

    @property
    def positives(self) -> str:
        """Which rows of this layout are choices: "all", or ">0" where a row is something shown."""
        from recloop.data.formats import FORMATS

        return "all" if self.format == CANONICAL else FORMATS[self.format].positives

    def load_interactions(self) -> pd.DataFrame:
        """user_id, item_id (text), timestamp (seconds), weight; in the order of the file."""
        frame = self._table(INTERACTIONS)
        if frame is None:
            raise MissingData(
                f"{self.folder}: no interactions here. Expected interactions with one of the "
                f"endings {', '.join(ENDINGS)}, or the raw files of a public set."
            )
        return frame

    def load_items(self) -> pd.DataFrame | None:
        """item_id, title, category, price, rating and what else is there; None without items."""
        return self._table(ITEMS)

    def load_users(self) -> pd.DataFrame | None:
        """user_id, age, gender, location, signup_date and more; None without users."""
        return self._table(USERS)

    def create_interaction_matrix(
        self, interactions: pd.DataFrame
    ) -> tuple[sp.csr_matrix, list[str], list[str]]:
        """The users x items matrix of summed weights, and the ids of its rows and columns.

        Digit-only ids sort as numbers, others by code point. A pair whose weights sum to 0 keeps
        its place in the matrix as a stored 0.
        """
        for name in ("user_id", "item_id", "weight"):
            if name not in interactions:
                raise InvalidData(
                    f"create_interaction_matrix: needs the column '{name}'. "
                    f"Found: {', '.join(map(str, interactions.columns))}."
                )
        users = IdMap("user", sorted_ids(interactions["user_id"].unique()))
        items = IdMap("item", sorted_ids(interactions["item_id"].unique()))
        cells = (
            users.known_codes_of(interactions["user_id"]),
            items.known_codes_of(interactions["item_id"]),
        )
        weights = interactions["weight"].to_numpy(np.float64)
        matrix = sp.csr_matrix((weights, cells), shape=(len(users), len(items)))
        return matrix, users.ids, items.ids

    def _detected(self, name: str) -> str:
        from recloop.data.formats import detect, fitting

        if name == CANONICAL:
            return name
        if name == "auto" and self.folder.is_file() and self.folder.name.endswith(ENDINGS):
            return detect(self.folder, name) if fitting(self.folder) else CANONICAL
        if name == "auto" and find_tables(self.folder, "interactions"):
            return CANONICAL
        return detect(self.folder, name)

    def _table(self, schema: Schema) -> pd.DataFrame | None:
        if schema.name not in self._checked:
            self._checked[schema.name] = self._read(schema)
        frame = self._checked[schema.name]
        return None if frame is None else frame.copy()  # copies nothing until it is written to

    def _read(self, schema: Schema) -> pd.DataFrame | None:
        raw = self._canonical(schema) if self.format == CANONICAL else self._public(schema)
        if raw is None:
            return None
        frame, source = raw
        checked = checked_table(frame, schema, source, self.report)
        return seconds(checked, source, self.report) if schema is INTERACTIONS else checked

    def _public(self, schema: Schema) -> tuple[pd.DataFrame, str] | None:
        from recloop.data.formats import read_format

        if self._raw is None:
            self._raw = read_format(self.folder, self.format, self.report)
        frame = self._raw.pop(schema.name, None)
        return None if frame is None else (frame, f"{self.folder} ({self.format})")

    def _canonical(self, schema: Schema) -> tuple[pd.DataFrame, str] | None:
        if self.folder.is_file() and schema is INTERACTIONS:
            files = [self.folder]
        else:
            beside = self.folder.parent if self.folder.is_file() else self.folder
            files = find_tables(beside, schema.name)
        if not files:
            return None
        if len(files) > 1:
            others = ", ".join(file.name for file in files[1:])
            self.report.notes.append(f"{files[0]}: is read; {others} beside it is not.")
        text = tuple(column.name for column in schema.columns if column.is_text)
        return read_table(files[0], self.report, text_columns=text), str(files[0])


def _near(path: Path) -> str:
    """A hint at what the path may have meant, from what lies beside it."""
    if not path.parent.is_dir():
        return ""
    near = nearest(path.name, [other.name for other in path.parent.iterdir()])
    return f" Did you mean '{path.parent / near}'?" if near else ""
