"""The data of a run: whose they are, which rows count, and what is said about it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from recloop.errors import InvalidData
from recloop.experiment.config import ExperimentConfig
from recloop.experiment.prepare import MADE_BY_US, Prepared, prepare
from recloop.experiment.training import Silent


class Listens(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def prepared(folder: Path, **data) -> tuple[Prepared, list[str]]:
    listens = Listens()
    data.setdefault("synthetic", {"n_users": 30, "n_items": 20})
    config = ExperimentConfig.model_validate({"data": data})
    return prepare(config, folder / "data", listens), listens.said


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """Nine people, each shown nine things in an order of their own; every third is taken."""
    head = "user_id,video_id,date,hourmin,time_ms,is_click,is_rand\n"
    rows = [
        f"{user},{(user * 4 + place) % 9},d,h,{1650000000000 + place},{int(place % 3 == 0)},0"
        for user in range(9)
        for place in range(9)
    ]
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / "log_standard_x.csv").write_text(head + "\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("said", [{}, {"positives": "all"}])
def test_what_was_only_shown_is_no_choice_in_training_or_truth(tmp_path, shown, said):
    found, notes = prepared(tmp_path, path=str(shown), split="leave_last", **said)
    cut = found.split
    parts = pd.concat([cut.train, cut.validation, cut.test])
    assert (parts["weight"] == 1).all()
    assert (cut.report["n_rows"], found.counts["n_rows_not_positive"]) == (27, 54)
    assert found.protocol["positives"] == ">0"
    (note,) = notes
    assert note.startswith("A row of shown (kuairand) is something shown")
    assert "Left out, as not taken: 54 of 81 rows" in note
    assert note in found.counts["words"]


def test_what_was_only_shown_counts_on_request(tmp_path, shown):
    found, notes = prepared(tmp_path, path=str(shown), split="leave_last", positives=">=0")
    assert found.split.report["n_rows"] == 81
    assert (found.counts["n_rows_not_positive"], notes) == (0, [])


def test_how_many_rows_a_bound_leaves_out_is_said(tmp_path, shown):
    found, notes = prepared(tmp_path, path=str(shown), split="leave_last", positives="> 0")
    assert notes == ["data.positives '>0' leaves out 54 of 81 rows."]
    assert notes[0] in found.counts["words"]


def test_a_log_in_which_nothing_was_taken_is_refused(tmp_path, shown):
    log = shown / "log_standard_x.csv"
    log.write_text(log.read_text().replace(",1,0\n", ",0,0\n"))
    with pytest.raises(InvalidData, match="positives '>0' leaves no row: the highest weight is 0"):
        prepared(tmp_path, path=str(shown))


def test_columns_that_are_no_features_are_in_the_report(tmp_path):
    found, _ = prepared(tmp_path)
    assert "No features of users are made of signup_date (a date)." in found.counts["words"]


def test_data_that_were_made_are_made_anew_by_other_settings(tmp_path):
    first, _ = prepared(tmp_path)
    other, notes = prepared(tmp_path, synthetic={"n_users": 31, "n_items": 20})
    assert other.data_hash != first.data_hash
    assert len(pd.read_csv(tmp_path / "data" / "users.csv")) == 31
    assert notes == []
    again, _ = prepared(tmp_path)
    assert again.data_hash == first.data_hash


@pytest.mark.parametrize("name", ["interactions.csv", "items.csv"])
def test_made_data_that_were_changed_are_ones_own_and_stay(tmp_path, name):
    made, _ = prepared(tmp_path)
    file = tmp_path / "data" / name
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    text = file.read_text()
    found, notes = prepared(tmp_path, synthetic={"n_users": 50, "n_items": 20})
    assert file.read_text() == text
    assert found.counts["source"] == "data (canonical)"
    assert found.data_hash != made.data_hash
    assert f"{name} changed since the data were made here, so they count as your own" in notes[0]
    assert "interactions.csv is there and is used." in notes[0]


def test_a_table_that_was_removed_from_made_data_stays_away(tmp_path):
    prepared(tmp_path)
    (tmp_path / "data" / "users.csv").unlink()
    found, notes = prepared(tmp_path)
    assert found.encoded.user_features is None
    assert " users.csv changed since" in notes[0]
    (tmp_path / "data" / "interactions.csv").unlink()
    assert prepared(tmp_path)[0].encoded.user_features is not None


def test_data_whose_making_broke_off_are_made_again(tmp_path, monkeypatch):
    from recloop.experiment import prepare as module

    first, _ = prepared(tmp_path)
    write = module.write_table

    def breaks_off(path, frame):
        if Path(path).name == "users.csv":
            raise KeyboardInterrupt
        write(path, frame)

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_table", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            prepared(tmp_path, synthetic={"n_users": 31, "n_items": 25})
    found, notes = prepared(tmp_path)
    assert (found.data_hash, notes) == (first.data_hash, [])
    assert json.loads((tmp_path / "data" / MADE_BY_US).read_text())["settings"]["n_users"] == 30
