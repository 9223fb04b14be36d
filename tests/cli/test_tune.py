"""`recloop tune`: a table with budgets on stdout, mistakes as sentences."""

import json
from pathlib import Path

import pytest

from recloop.cli.app import app, outcome

CONFIG = """\
data: {synthetic: {n_users: 40, n_items: 30}, val_ratio: 0.2}
training: {mode: logged}
models: [{name: svd, type: pure_svd}]
evaluation: {baselines: [popular], ks: [5], metric: ndcg@5, n_resamples: 100}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tune.yaml").write_text(CONFIG)
    return tmp_path


def call(*arguments: str) -> int:
    return outcome(lambda: app(["tune", "-c", "tune.yaml", *arguments], standalone_mode=False))


def rows_of(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_the_table_tells_how_many_trials_each_method_had(here, capsys):
    assert call("--trials", "3", "--output", "t") == 0
    said = capsys.readouterr()
    rows = rows_of(said.out)
    assert rows["ndcg@5"][:3] == ["trials", "validation", "test"]
    assert (rows["svd"][0], rows["popular"][0]) == ("3", "1")
    assert "- 3 trials for each method that has something to tune: svd." in said.out
    assert said.out.endswith("Report: t/report.html\n")
    assert call("--trials", "3", "--output", "t", "--json", "--resume") == 0
    board = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["n_trials"] for row in board["rows"]}.items() >= {
        ("svd", 3), ("popular", 1)
    }  # fmt: skip


def test_named_models_are_tuned_and_the_test_part_can_be_left_alone(here, capsys):
    assert call("--trials", "2", "--models", "svd", "--no-benchmark") == 0
    out = capsys.readouterr().out
    assert rows_of(out)["svd"][2] == "-"
    assert "popular" not in out
    assert sorted(file.name for file in Path("tuned").glob("*.csv")) == ["trials.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume"], "recloop: tuned: no tuning to go on with (no tuning.yaml)."),
        (["--models", "ssvd"], "recloop: tuning.models: no method 'ssvd'. Known: popular, svd."),
        (["--trials", "0"], "tuning.n_trials: input should be greater than or equal to 1; got 0."),
        (["--set", "tuning.n_trial=3"], "Did you mean 'n_trials'?"),
    ],
)
def test_a_mistake_is_a_sentence(here, capsys, arguments, said):
    assert call(*arguments) == 2
    assert said in capsys.readouterr().err
