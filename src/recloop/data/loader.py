"""`DatasetLoader`: a folder of canonical tables, or a public set as it came out of its archive."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recloop.data.ids import IdMap, sorted_ids
from recloop.data.schema import (
    INTERACTIONS,
    ITEMS,
    USERS,
    BadRows,
    LoadReport,
    Schema,
    checked_table,
    seconds,
)
from recloop.data.tables import ENDINGS, find_table, read_table
from recloop.errors import MissingData
from recloop.utils.checks import check_choice


class DatasetLoader:
    """Reads the interactions, items and users of one folder (or one interactions file).

    folder: holds interactions.csv (.csv.gz, .parquet) and, if there are any, items and users; or
    the raw files of a public set. format: "auto", "canonical", or the name of a public layout.
    on_bad_rows: "error" names the first bad row; "drop" leaves bad rows out and counts them in
    `report`.
    """

    def __init__(
        self,
        folder: str | Path = "data",
        format: str = "auto",
        *,
        on_bad_rows: BadRows = "error",
    ) -> None:
        self.folder = Path(folder)
        self.on_bad_rows: BadRows = on_bad_rows
        check_choice("DatasetLoader", "on_bad_rows", on_bad_rows, ("error", "drop"))
        self.report = LoadReport()
        if not self.folder.exists():
            raise MissingData(
                f"{self.folder}: no such file or folder. Give the path of your data, or make "
                "some: recloop run without data.path."
            )
        self.format = self._detected(format)
        self._raw: dict[str, pd.DataFrame] | None = None

    def load_interactions(self) -> pd.DataFrame:
        """user_id, item_id (text), timestamp (seconds), weight; in the order of the file."""
        frame = self._table(INTERACTIONS)
        if frame is None:
            raise MissingData(
                f"{self.folder}: no interactions here. Expected interactions with one of the "
                f"endings {', '.join(ENDINGS)}, or the raw files of a public set."
            )
        return seconds(frame, str(self.folder), self.report)

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

        Digit-only ids sort as numbers, others by code point.
        """
        users = IdMap("user", sorted_ids(interactions["user_id"].unique()))
        items = IdMap("item", sorted_ids(interactions["item_id"].unique()))
        cells = (
            users.known_codes_of(interactions["user_id"].astype("str")),
            items.known_codes_of(interactions["item_id"].astype("str")),
        )
        weights = interactions["weight"].to_numpy(np.float64)
        matrix = sp.csr_matrix((weights, cells), shape=(len(users), len(items)))
        matrix.sum_duplicates()
        return matrix, users.ids, items.ids

    def _detected(self, name: str) -> str:
        from recloop.data.formats import detect

        if name == "canonical" or (name == "auto" and self._canonical_file() is not None):
            return "canonical"
        return detect(self.folder, name)

    def _canonical_file(self) -> Path | None:
        if self.folder.is_file():
            return self.folder if self.folder.name.endswith(ENDINGS) else None
        return find_table(self.folder, "interactions")

    def _table(self, schema: Schema) -> pd.DataFrame | None:
        frame, source, first_line = self._unchecked(schema)
        if frame is None:
            return None
        return checked_table(
            frame,
            schema,
            source,
            on_bad_rows=self.on_bad_rows,
            report=self.report,
            first_line=first_line,
        )

    def _unchecked(self, schema: Schema) -> tuple[pd.DataFrame | None, str, int]:
        if self.format != "canonical":
            from recloop.data.formats import read_format

            if self._raw is None:
                self._raw = read_format(self.folder, self.format, self.report)
            return self._raw.get(schema.name), f"{self.folder} ({self.format})", 1
        if schema.name == "interactions":
            file = self._canonical_file()
        else:
            beside = self.folder.parent if self.folder.is_file() else self.folder
            file = find_table(beside, schema.name)
        if file is None:
            return None, str(self.folder), 2
        text = tuple(column.name for column in schema.columns if column.is_text)
        return read_table(file, text_columns=text), str(file), 2
