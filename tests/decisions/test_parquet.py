"""Decisions as Parquet and back; exported ranges of a log, and their import."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from decisions.samples import decisions, differences, plain, rewards, unjoined
from recloop.decisions import (
    Control,
    export_log,
    import_log,
    open_log,
    parquet,
    read_decisions,
    verify_log,
    write_decisions,
)
from recloop.errors import DamagedFile, InvalidData, MissingData, RunFolderInUse
from recloop.types import Labels


@pytest.fixture
def filled(log, rng):
    """A log in which everything occurs: 60 decisions, rewards, two controls, ids."""
    log.codes("item", [f"item {code}" for code in range(40)], as_given=True)
    log.codes("user", ["zoe", "adam"], as_given=True)
    shown = replace(decisions(rng, 60), users=rng.integers(0, 2, 60))
    log.append_decisions(shown.rows(slice(0, 30)))
    log.append_controls([Control("c1", 1.0, "swap", "m.npz", "00" * 32)])
    early = _one_each(shown.rows(slice(0, 30)), "early")
    log.append_rewards(early, reward_wait_s=0.25)
    log.append_decisions(shown.rows(slice(30, 60)))
    log.append_rewards(_one_each(shown.rows(slice(20, 60)), "click"))
    log.append_controls([Control("c2", 2.0, "config", details='{"reward_wait_s": 0.25}')])
    return log


def _one_each(shown, event):
    rows = zip(shown.ids.tolist(), shown.items[shown.offsets[:-1]].tolist(),
               shown.timestamps.tolist(), strict=True)  # fmt: skip
    made = [(f"{one}/{event}", one, item, 1.0, event, "observed", time + (0.5 if i % 3 else 0.0))
            for i, (one, item, time) in enumerate(rows)]  # fmt: skip
    return rewards(*made)


def test_a_file_gives_back_every_bit(tmp_path, rng):
    written = decisions(rng, 200)
    earned = rng.normal(size=len(written.items))
    earned[::3] = np.nan
    kinds = ("observed", "default", "correction", "")
    drawn = rng.integers(0, 3, len(earned))
    drawn[::3] = 3
    full = replace(written, rewards=earned, reward_kinds=Labels(drawn.astype(np.int32), kinds),
                   seqs=np.arange(5, 205))  # fmt: skip
    for name, batch in (("full", full), ("bare", plain(7)), ("none", plain(0))):
        write_decisions(tmp_path / f"{name}.parquet", batch)
        assert differences(read_decisions(tmp_path / f"{name}.parquet"), batch) == []


def test_large_files_are_read_in_groups_and_joined_again(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_A_GROUP", 16)
    written = decisions(rng, 100)
    write_decisions(tmp_path / "log.parquet", written)
    sizes = [len(batch) for batch in parquet.decision_batches(tmp_path / "log.parquet")]
    assert sizes == [16] * 6 + [4]
    assert differences(read_decisions(tmp_path / "log.parquet"), written) == []


def test_the_file_says_what_it_is_and_reads_with_other_tools(tmp_path):
    write_decisions(tmp_path / "log.parquet", plain(3))
    table = pq.read_table(tmp_path / "log.parquet")
    about = {k.decode(): v.decode() for k, v in table.schema.metadata.items() if b"recloop" in k}
    assert about == {
        "recloop.format": "recloop decisions",
        "recloop.version": "1",
        "recloop.holds": "decisions",
    }
    assert table["items"].to_pylist() == [[0, 1]] * 3
    assert table["policy"].to_pylist() == ["p"] * 3


def test_bad_rows_of_a_file_are_refused_with_row_and_column(tmp_path):
    good = plain(3)
    bad = replace(good, propensities=np.array([0.5, 0.5, 0.5, -0.1, 0.5, 0.5]))
    with pytest.raises(InvalidData, match="slot 1, column 'propensities'"):
        write_decisions(tmp_path / "log.parquet", bad)
    assert list(tmp_path.iterdir()) == []
    parquet.write_decision_batches(tmp_path / "log.parquet", [good, bad])
    with pytest.raises(InvalidData, match=r"log.parquet: row 5, slot 1, column 'propensities'"):
        read_decisions(tmp_path / "log.parquet")


def test_lists_of_unequal_lengths_are_refused(tmp_path):
    file = tmp_path / "log.parquet"
    write_decisions(file, plain(3))
    table = pq.read_table(file)
    place = table.schema.get_field_index("propensities")
    lists = [[0.5, 0.5], [0.5], [0.5, 0.5]]
    kind = table.schema.field(place).type
    pq.write_table(table.set_column(place, "propensities", [parquet.pa.array(lists, kind)]), file)
    with pytest.raises(InvalidData, match=r"'propensities' has 1 values in row 2 .* must be 2"):
        read_decisions(file)


def test_foreign_and_newer_files_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "log.parquet"
    with pytest.raises(MissingData, match="no such file"):
        read_decisions(file)
    file.write_bytes(b"PAR1 but no more")
    with pytest.raises(DamagedFile, match="not readable as Parquet"):
        read_decisions(file)
    pq.write_table(parquet.pa.table({"x": [1]}), file)
    with pytest.raises(DamagedFile, match=r"must be recloop decisions \(decisions\), got another"):
        read_decisions(file)
    monkeypatch.setattr(parquet, "VERSION", 2)
    write_decisions(file, plain(1))
    monkeypatch.setattr(parquet, "VERSION", 1)
    with pytest.raises(DamagedFile, match="is of version 2; this recloop reads up to 1"):
        read_decisions(file)


def everything(log):
    read = log.read()
    (sent,) = log.rewards(chunk=10_000)
    return read, sent, log.controls(), log.ids("user"), log.ids("item")


def same(one, other):
    return (
        differences(one[0], other[0]) == []
        and differences(one[1], other[1]) == []
        and one[2:] == other[2:]
    )


def test_a_log_goes_through_a_folder_into_another_one_and_is_the_same(filled, new_place, tmp_path):
    n = export_log(filled, tmp_path / "out")
    assert n == {"decisions": 60, "rewards": 70, "controls": 2}
    with open_log(new_place()) as other:
        assert import_log(other, tmp_path / "out") == {
            "control.stored": 2,
            "decision.stored": 60,
            "reward.late": filled.counts()["reward.late"],
            "reward.stored": filled.counts()["reward.stored"],
        }
        assert same(everything(filled), everything(other))
        assert verify_log(other) == []
        assert import_log(other, tmp_path / "out") == {
            "control.duplicate": 2,
            "decision.duplicate": 60,
            "reward.duplicate": 70,
        }
        assert same(everything(filled), everything(other))
        assert other.last_seq == filled.last_seq


def test_ranges_exported_one_after_the_other_are_the_whole(filled, new_place, tmp_path):
    export_log(filled, tmp_path / "a", 1, 70)
    export_log(filled, tmp_path / "b", 71, None)
    with open_log(new_place()) as other:
        import_log(other, tmp_path / "a")
        assert other.last_seq == 70
        found = import_log(other, tmp_path / "b")
        assert "reward.unknown" not in found
        one, two = everything(filled), everything(other)
        assert differences(one[0], two[0], but=("seqs",)) == []
        assert one[1].keys.tolist() == two[1].keys.tolist()
        assert [control.id for control in two[2]] == ["c1", "c2"]
        assert verify_log(other) == []


def test_an_import_into_a_used_log_keeps_the_meaning_of_ids(filled, new_place, tmp_path):
    export_log(filled, tmp_path / "out")
    with open_log(new_place()) as other:
        other.codes("item", ["item 7", "another"])
        other.codes("user", ["adam"])
        other.append_decisions(replace(plain(1), users=np.zeros(1, dtype=np.int64)))
        import_log(other, tmp_path / "out")
        here, there = other.read(2), filled.read()
        ids = np.array(other.ids("item"))
        assert ids[here.items].tolist() == [f"item {code}" for code in there.items.tolist()]
        users = np.array(other.ids("user"))
        assert users[here.users].tolist() == np.array(["zoe", "adam"])[there.users].tolist()
        assert ids[here.excluded.values].tolist() == [
            f"item {code}" for code in there.excluded.values.tolist()
        ]
        assert np.array_equal(here.rewards, there.rewards, equal_nan=True)
        assert verify_log(other) == []


def test_codes_and_ids_are_not_mixed(filled, new_place, tmp_path):
    export_log(filled, tmp_path / "out")
    with open_log(new_place()) as other:
        other.append_decisions(plain(1))
        with pytest.raises(InvalidData, match="the log know users by codes alone, the files by"):
            import_log(other, tmp_path / "out")
        assert other.last_seq == 1


def test_an_export_is_ready_for_estimators(filled, tmp_path):
    export_log(filled, tmp_path / "out")
    assert differences(read_decisions(tmp_path / "out"), filled.read()) == []


def test_an_export_is_whole_or_absent_and_its_bytes_are_checked(filled, tmp_path, new_place):
    export_log(filled, tmp_path / "out")
    with pytest.raises(RunFolderInUse, match="is there already"):
        export_log(filled, tmp_path / "out")
    assert set(json.loads((tmp_path / "out" / "manifest.json").read_text())) == {
        f"{name}.parquet" for name in ("decisions", "rewards", "controls", "names")
    }
    file = tmp_path / "out" / "rewards.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with open_log(new_place()) as other:
        with pytest.raises(DamagedFile, match="sha256 differs"):
            import_log(other, tmp_path / "out")
        assert other.last_seq == 0
    assert {entry.name for entry in tmp_path.iterdir() if entry.is_dir()} == {"out"}


def test_an_empty_log_exports_and_imports(log, new_place, tmp_path):
    assert export_log(log, tmp_path / "out") == {"decisions": 0, "rewards": 0, "controls": 0}
    with open_log(new_place()) as other:
        assert import_log(other, tmp_path / "out") == {}
    assert len(unjoined(read_decisions(tmp_path / "out"))) == 0
