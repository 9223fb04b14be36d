"""Any log, whatever it is kept in, is found, read and looked at in one way."""

import gzip
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decisions.samples import differences, plain, rewards
from recloop.decisions import (
    any_log,
    export_log,
    import_from,
    kind_of_log,
    open_log,
    read_log,
    verify_log,
    write_decisions,
)
from recloop.decisions.sources import describe_any, found_log, shown_place, verify_any
from recloop.errors import DamagedFile, InvalidData, MissingData
from recloop.types import Ragged


@pytest.fixture
def filled(log):
    """Six decisions of two slots, seven rewards of which one is not joined yet, ids of items."""
    log.codes("item", ["x", "y", "z"], as_given=True)
    shown = plain(6)
    offered = replace(shown, users=shown.users * 10**9, candidates=Ragged.of([[0, 1, 2]] * 6))
    log.append_decisions(offered)
    log.append_rewards(rewards(*((f"k{row}", f"d{row % 5}", row % 2, 0.5) for row in range(7))))
    return log


def test_a_database_an_export_and_a_parquet_file_hold_the_same(filled, place, tmp_path):
    export_log(filled, tmp_path / "out")
    write_decisions(tmp_path / "some.decisions", filled.read())
    whole = read_log(place)
    assert whole.item_ids == ["x", "y", "z"]
    assert whole.user_ids == [str(row * 10**9) for row in range(6)]
    assert list(whole.decisions.users) == list(range(6))
    assert np.nansum(whole.decisions.rewards) == 3.5
    out = read_log(tmp_path / "out")
    assert differences(out.decisions, whole.decisions) == []
    assert (out.item_ids, out.user_ids) == (whole.item_ids, whole.user_ids)
    alone = read_log(tmp_path / "some.decisions")
    assert differences(alone.decisions, whole.decisions) == []
    assert alone.item_ids == ["0", "1", "2"]  # offered, though never shown
    kinds = [kind_of_log(one) for one in (place, tmp_path / "out", tmp_path / "some.decisions")]
    assert kinds == ["database", "export", "parquet"]


def test_a_log_that_is_looked_at_is_the_log_and_is_not_made(filled, place, tmp_path):
    export_log(filled, tmp_path / "out")
    for one in (place, tmp_path / "out"):
        with any_log(one) as log:
            assert log.last_seq == 13
            assert verify_log(log) == []
            assert len(next(iter(log.rewards()))) == 7
        assert verify_any(one) == ([], 13)
    assert describe_any(place)["log"] == filled.place
    assert describe_any(tmp_path / "out")["decisions"] == 6
    told = r"no such decision log\. A decision log is"
    with pytest.raises(MissingData, match=told), any_log(tmp_path / "new.db"):
        pass
    assert not (tmp_path / "new.db").exists()


def test_a_log_is_imported_from_another_database_with_its_places(filled, place, new_place):
    with open_log(new_place()) as other:
        assert import_from(other, place) == {"decision.stored": 6, "reward.stored": 7}
        assert differences(other.read(), filled.read()) == []
        assert import_from(other, place) == {"decision.duplicate": 6, "reward.duplicate": 7}


def test_a_part_of_a_log_is_whole_though_its_rewards_have_no_decision_in_it(filled, tmp_path):
    export_log(filled, tmp_path / "late", 4, None)
    found, _ = verify_any(tmp_path / "late")
    assert found == []


def test_rewards_that_contradict_an_export_are_found(filled, tmp_path):
    export_log(filled, tmp_path / "out")
    file = tmp_path / "out" / "rewards.parquet"
    table = pq.read_table(file)
    column = table.schema.get_field_index("item")
    items = pa.array([2, *table["item"].to_pylist()[1:]], table.schema.field("item").type)
    pq.write_table(table.set_column(column, table.schema.field("item"), items), file)
    with pytest.raises(DamagedFile, match="sha256 differs"), any_log(tmp_path / "out"):
        pass
    seal(tmp_path / "out")
    assert verify_any(tmp_path / "out") == (["reward.not_shown: 1 records."], 13)


def seal(folder):
    from recloop.utils.files import write_manifest

    (folder / "manifest.json").unlink()
    write_manifest(folder)


def test_what_lies_at_a_place_is_known_by_what_it_holds_and_not_by_its_name(tmp_path):
    open_log(tmp_path / "log").close()
    assert found_log(tmp_path / "log") == "database"
    (tmp_path / "empty.sqlite").touch()
    assert found_log(tmp_path / "empty.sqlite") == "database"
    (tmp_path / "empty.csv").touch()
    assert found_log(tmp_path / "empty.csv") is None
    pq.write_table(pa.table({"label": [1]}), tmp_path / "t.parquet")
    assert found_log(tmp_path / "t.parquet") is None
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write("user_id,items,propensities\na,7 8,0.5 0.5\n")
    assert found_log(tmp_path / "log.csv.gz") == "csv"
    assert read_log(tmp_path / "log.csv.gz").item_ids == ["7", "8"]
    (tmp_path / "picture.png").write_bytes(bytes(range(256)))
    assert found_log(tmp_path / "picture.png") is None
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    assert found_log(tmp_path / "run") is None


def test_a_place_that_is_no_log_names_the_logs_below_it(tmp_path):
    with open_log(tmp_path / "log.db") as log:
        log.append_decisions(plain(1))
        export_log(log, tmp_path / "all" / "monday")
        export_log(log, tmp_path / "all" / "old" / "sunday")
    with pytest.raises(InvalidData, match=r"in its folders monday, old/sunday: name one of them"):
        kind_of_log(tmp_path / "all")


def test_a_csv_log_that_lacks_a_column_names_it_and_the_nearest(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("user_id,item_id,propnsity,reward\na,7,0.5,1\n")
    with pytest.raises(InvalidData, match=r"lacks propensity \(is 'propnsity' it\?\); it has user"):
        kind_of_log(file)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidData, match=r"items and propensities\)\.$"):
        kind_of_log(file)


def test_passwords_of_addresses_are_not_shown():
    address = "postgresql+psycopg://me:se:cret@host:5432/log"
    assert shown_place(address) == "postgresql+psycopg://me:***@host:5432/log"
    assert shown_place("postgresql://host:5432/log") == "postgresql://host:5432/log"
    assert shown_place("logs/some.db") == "some.db"
