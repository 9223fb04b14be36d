"""`recloop fit-world`: files in, a world, a table and a report out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recloop.cli.app import app, outcome
from recloop.training.fitting import load_world


@pytest.fixture
def call(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = outcome(lambda: app(["fit-world", *map(str, arguments)], standalone_mode=True))
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def _impressions(rng, n_sessions=400, n_steps=3):
    """Two slots, the lower one clicked half as often; ids with leading zeros; positions from 1."""
    n = n_sessions * n_steps * 2
    sessions = np.repeat(np.arange(n_sessions), n_steps * 2)
    slots = np.tile([1, 2], n_sessions * n_steps)
    return pd.DataFrame(
        {
            "session_id": [f"s{number}" for number in sessions],
            "user_id": [f"0{number % 40}" for number in sessions],
            "timestamp": 1_600_000_000 + np.arange(n) // 2,
            "item_id": rng.integers(0, 6, n),
            "position": slots,
            "click": (rng.random(n) < 0.5 / slots).astype(int),
            "randomised": "true",
        }
    )


def test_impressions_give_a_world_a_table_and_a_report(call, tmp_path, rng):
    _impressions(rng).to_csv(tmp_path / "shown.csv", index=False)
    world, report = tmp_path / "world.npz", tmp_path / "report.json"
    code, out, err = call(
        "--impressions", tmp_path / "shown.csv", "--output", world, "--report", report
    )
    assert (code, err) == (0, "")
    saved = load_world(world)
    assert saved.user_ids[0] == "00"
    assert len(saved.user_ids) == 40
    assert saved.item_ids == ["0", "1", "2", "3", "4", "5"]
    assert (saved.world.slate_size, saved.world.horizon) == (2, 3)
    found = json.loads(report.read_text())
    assert found == saved.about
    assert 0.6 < found["estimates"]["position_bias"]["value"] < 1.4  # 1, standard error 0.1
    assert [line.split("  ")[0] for line in out.splitlines()[:2]] == ["log", "click rate"]
    assert "position bias   " in out
    assert "fidelity" in out
    assert out.rstrip().endswith(f"World: {world}")


def test_what_is_missing_is_said_and_supposed(call, tmp_path, rng):
    frame = _impressions(rng).drop(columns=["user_id", "randomised"])
    frame.to_csv(tmp_path / "shown.csv", index=False)
    code, out, err = call("--impressions", tmp_path / "shown.csv", "-o", tmp_path / "w.npz",
                          "--position-bias", 0.5)  # fmt: skip
    assert code == 0
    assert "has no user_id; every session counts as a person" in err
    assert "not identifiable: slots were random in 0.0% of the rows" in out
    assert load_world(tmp_path / "w.npz").world.params.position_bias == 0.5
    frame = _impressions(rng).drop(columns="session_id")
    frame.to_csv(tmp_path / "shown.csv", index=False)
    code, _, err = call("--impressions", tmp_path / "shown.csv", "-o", tmp_path / "w.npz")
    assert code == 0
    assert "a pause of 1800 seconds ends a session" in err


def test_interactions_beside_impressions_add_people_and_items(call, tmp_path, rng):
    _impressions(rng).to_csv(tmp_path / "shown.csv", index=False)
    (tmp_path / "interactions.csv").write_text(
        "user_id,item_id,timestamp,weight\nnew,tea,1600000000,1\n"
    )
    code, _, _ = call("--impressions", tmp_path / "shown.csv", "-o", tmp_path / "w.npz",
                      "--interactions", tmp_path / "interactions.csv")  # fmt: skip
    assert code == 0
    saved = load_world(tmp_path / "w.npz")
    assert "new" in saved.user_ids
    assert "tea" in saved.item_ids


def test_interactions_alone_do(call, tmp_path, rng):
    pd.DataFrame(
        {
            "user_id": rng.integers(0, 40, 800),
            "item_id": rng.integers(0, 30, 800),
            "timestamp": np.arange(800) * 60,
            "weight": 1,
        }
    ).to_csv(tmp_path / "interactions.csv", index=False)
    code, out, _ = call("--interactions", tmp_path, "-o", tmp_path / "w.npz", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["estimates"]["position_bias"]["value"] is None
    assert len(found["fidelity"]["lines"]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,click\na,1\n", "need the column 'item_id', which is missing. Is it 'item'?"),
        ("item_id,click\na,1\n", "need the column 'user_id' or 'session_id'"),
        ("item_id,click,user_id\na,1,b\n", "need the column 'session_id' or 'timestamp'"),
        ("item_id,click,session_id\na,yes,b\n", "row 1, column 'click': must be a finite number"),
        ("item_id,click,session_id\na,3,b\n", "clicks must be 0 or 1, got 3"),
        ("item_id,click,session_id\n", "has no rows"),
    ],
)
def test_files_that_cannot_be_right_are_named(call, tmp_path, text, message):
    (tmp_path / "shown.csv").write_text(text)
    code, _, err = call("--impressions", tmp_path / "shown.csv", "-o", tmp_path / "w.npz")
    assert code == 2
    assert message in err


def test_without_a_log_the_command_says_what_it_needs(call, tmp_path):
    code, _, err = call("-o", tmp_path / "w.npz")
    assert code == 2
    assert "give --interactions, --impressions, or both" in err


@pytest.mark.real
def test_movielens_fits_and_reports(call, tmp_path, real_data: Path):
    code, out, _ = call("--interactions", real_data / "ml-100k" / "raw", "-o", tmp_path / "w.npz")
    assert code == 0
    assert "943 people, 1,682 items" in out
    assert "position bias   not identifiable" in out


@pytest.mark.real
@pytest.mark.parametrize(("policy", "is_random"), [("random", True), ("bts", False)])
def test_open_bandit_fits_and_reports(call, tmp_path, real_data: Path, policy, is_random):
    code, out, err = call("--interactions", real_data / "obd" / policy / "all",
                          "-o", tmp_path / "w.npz", "--report", tmp_path / "r.json")  # fmt: skip
    assert code == 0
    assert "10,000 rows" in out
    assert ("position bias   not identifiable" not in out) is is_random
    assert "people with equal features count as one" in err
    lines = json.loads((tmp_path / "r.json").read_text())["fidelity"]["lines"]
    # with a few dozen clicks nothing is certain but how long sessions are
    assert {line["verdict"] for line in lines[1:]} == {"cannot tell"}
