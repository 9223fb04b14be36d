"""What the documents show works: Python blocks, configurations, commands, notebooks.

A block that cannot be run has `<!-- not run: why -->` on the line before it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recloop.data import SyntheticSettings, generate
from recloop.experiment import load_config

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: what it holds and where it begins."""

    code: str
    line: int


def blocks(document: Path, language: str) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip("\n").rsplit("\n", 1)[-1]
        if match[1] == language and not before.startswith("<!-- not run: "):
            found.append(Block(match[2], text[: match.start()].count("\n") + 2))
    return found


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def with_blocks(language: str) -> list[Any]:
    return [pytest.param(d, id=name_of(d)) for d in DOCUMENTS if blocks(d, language)]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three canonical files, of 40 people and 30 items."""
    folder = tmp_path_factory.mktemp("small") / "data"
    folder.mkdir()
    tables = generate(SyntheticSettings(n_users=40, n_items=30, sparsity=0.7))
    for name in ("interactions", "items", "users"):
        getattr(tables, name).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, small_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder to run in, with what a reader of the README has at hand."""
    shutil.copytree(small_data, tmp_path / "data")
    for name in ("configs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", with_blocks("python"))
@pytest.mark.usefixtures("workplace")
def test_the_python_blocks_of_a_document_run_one_after_the_other(document):
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(document, "python"):
        padded = "\n" * (block.line - 1) + block.code
        exec(compile(padded, str(document), "exec"), names)


@pytest.mark.parametrize("document", with_blocks("yaml"))
def test_the_configurations_of_a_document_are_valid(document, tmp_path):
    for block in blocks(document, "yaml"):
        file = tmp_path / "shown.yaml"
        file.write_text(block.code, encoding="utf-8")
        load_config(file)


def test_every_document_is_linked_rightly():
    """Links to files of the repository lead somewhere."""
    dead = []
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text("utf-8")):
            if not (document.parent / target).exists():
                dead.append(f"{name_of(document)}: {target}")
    assert dead == []


@pytest.mark.slow
@pytest.mark.parametrize("document", with_blocks("bash"))
def test_the_commands_of_a_document_run(document, workplace):
    shutil.rmtree(workplace / "data")  # the commands make their own
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for block in blocks(document, "bash"):
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.code],
            cwd=workplace,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert ran.returncode == 0, f"line {block.line}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", [pytest.param(n, id=n.name) for n in NOTEBOOKS])
def test_a_notebook_runs_from_top_to_bottom(notebook, workplace):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    content = nbformat.read(notebook, as_version=4)
    resources = {"metadata": {"path": str(workplace)}}
    nbclient.NotebookClient(content, timeout=600, resources=resources).execute()


@pytest.mark.parametrize("notebook", [pytest.param(n, id=n.name) for n in NOTEBOOKS])
def test_a_notebook_is_stored_as_it_ran(notebook):
    """Every code cell was executed, in order, without an error."""
    cells = [c for c in json.loads(notebook.read_text("utf-8"))["cells"] if c["source"]]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert [o for cell in code for o in cell["outputs"] if o["output_type"] == "error"] == []
