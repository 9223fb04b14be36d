"""The house rules that a machine can keep: who imports what, what is tracked, what is forbidden."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import recloop

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "recloop"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

ROOMS = {
    "numpy": ("",),
    "numba": ("utils/kernels.py",),
    "httpx": ("client/",),
    "scipy": ("data/", "models/", "utils/sparse.py", "evaluation/", "simulators/", "testing/"),
    "implicit": ("models/baselines/",),
    "sklearn": ("models/baselines/", "evaluation/reward_models.py"),
    "threadpoolctl": ("models/", "training/", "experiment/", "evaluation/reward_models.py"),
    "torch": ("models/torch_network.py",),
    "pandas": ("data/", "evaluation/frames/", "experiment/", "demo/"),
    "pyarrow": ("data/", "decisions/", "evaluation/frames/", "experiment/", "demo/"),
    "apsw": ("decisions/sqlite.py",),
    "sqlalchemy": ("decisions/postgres.py",),
    "gymnasium": ("simulators/",),
    "plotly": ("experiment/figures.py", "experiment/report.py", "demo/"),
    "pydantic": ("experiment/", "serving/settings.py", "serving/reading.py"),
    "yaml": ("experiment/",),
    "optuna": ("experiment/tuning/study.py",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "streamlit": ("demo/", "cli/demo.py"),
    "fastapi": ("serving/app.py",),
    "starlette": ("serving/",),
    "uvicorn": ("serving/running.py",),
    "msgspec": ("serving/",),
    "prometheus_client": ("serving/exposition.py",),
}
"""Where each third party may be imported, below src/recloop; "" is everywhere."""

NAME_ON_PYPI = {
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "prometheus_client": "prometheus-client",
}
HEAVY = {
    "numpy",
    "numba",
    "scipy",
    "pandas",
    "pyarrow",
    "torch",
    "plotly",
    "pydantic",
    "implicit",
    "apsw",
}


def place(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def trees() -> Iterator[tuple[str, ast.Module]]:
    for file in SOURCES:
        yield place(file), ast.parse(file.read_text(encoding="utf-8"), str(file))


def walk_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    yield node
    for child in ast.iter_child_nodes(node):
        for_checkers = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not for_checkers:
            yield from walk_at_run_time(child)


def third_parties(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in walk_at_run_time(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for root in {name.split(".")[0] for name in names}:
            if root != "recloop" and root not in sys.stdlib_module_names:
                yield root, node.lineno


# Layers and rooms


def test_imports_go_one_way():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]


def test_each_third_party_stays_in_its_rooms():
    strays = [
        f"src/recloop/{where}:{line} imports {root}"
        for where, tree in trees()
        for root, line in third_parties(tree)
        if not where.startswith(ROOMS.get(root, ("nowhere",)))
    ]
    assert strays == []


def test_what_is_imported_is_declared_as_a_dependency():
    extras = PROJECT["optional-dependencies"].values()
    declared = {
        re.split(r"[\[<>=! ]", text)[0].lower()
        for text in [*PROJECT["dependencies"], *(text for texts in extras for text in texts)]
    }
    used = {NAME_ON_PYPI.get(root, root) for _, tree in trees() for root, _ in third_parties(tree)}
    assert used - declared == set()


def test_the_lock_holds_every_dependency_and_no_address():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    locked = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    extras = PROJECT["optional-dependencies"].values()
    wanted = {
        re.split(r"[\[<>=! ]", text)[0].lower().replace("_", "-")
        for text in [*PROJECT["dependencies"], *(text for texts in extras for text in texts)]
    }
    assert wanted - locked - {"recloop"} == set()


def test_importing_recloop_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter(); import recloop, recloop.models; "
        "import recloop.data, recloop.decisions, recloop.evaluation; "
        "took = time.perf_counter() - start; "
        "import json; print(json.dumps([took, sorted(m.split('.')[0] for m in sys.modules)]))"
    )
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(5)
    ]
    assert HEAVY & set(runs[0][1]) == set()
    assert min(took for took, _ in runs) < 0.3


# What the source may not hold


def test_no_pickle_is_opened_or_written():
    found = [
        f"{where}:{node.lineno}"
        for where, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and "pickle" in {a.name.split(".")[0] for a in node.names})
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pickle")
        or (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        )
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "joblib.load"))
    ]
    assert found == []


def test_no_global_random_state_is_touched():
    allowed = {"Generator", "SeedSequence", "PCG64", "BitGenerator"}
    found = [
        f"{where}:{node.lineno} {ast.unparse(node)}"
        for where, tree in trees()
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Attribute)
            and ast.unparse(node.value) in ("np.random", "numpy.random")
            and node.attr not in allowed
        )
        or (isinstance(node, ast.Import) and "random" in {alias.name for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and node.module == "random")
    ]
    assert found == []


def test_nothing_is_left_unfinished():
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    texts = {place(file): file.read_text(encoding="utf-8") for file in SOURCES}
    assert [name for name, text in texts.items() if mark.search(text)] == []


def test_only_the_lazy_loader_answers_for_names_that_are_not_there():
    found = [
        f"{where}:{node.lineno}"
        for where, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__getattribute__")
    ]
    assert found == []


def test_package_files_only_list_names():
    long = {
        place(file): len(file.read_text(encoding="utf-8").splitlines())
        for file in SOURCES
        if file.name == "__init__.py"
    }
    assert {name: n for name, n in long.items() if n > 60} == {}


# What a user sees


def modules() -> list[str]:
    found = pkgutil.walk_packages(recloop.__path__, "recloop.")
    return ["recloop", *(module.name for module in found)]


@pytest.mark.parametrize("name", modules())
def test_every_name_a_module_offers_is_there(name):
    if name == "recloop.models.torch_network":
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert len(offered) == len(set(offered))
    assert [attribute for attribute in offered if not hasattr(module, attribute)] == []


@pytest.mark.parametrize(
    "package", ["models", "data", "decisions", "evaluation", "experiment", "training"]
)
def test_packages_say_what_they_offer(package):
    module = importlib.import_module(f"recloop.{package}")
    assert module.__doc__
    assert module.__all__
    assert set(module.__all__) <= set(dir(module))


def test_every_module_says_what_it_is():
    empty = {"demo/__init__.py", "utils/__init__.py", "models/baselines/__init__.py"}
    silent = {where for where, tree in trees() if tree.body and not ast.get_docstring(tree)}
    assert silent - empty == set()


def test_the_changelog_ends_at_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    assert versions[0] == recloop.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf'^version: "?{re.escape(recloop.__version__)}"?$', citation, re.MULTILINE)


# What is kept under version control


def git(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, input=text, check=False
    )


in_a_checkout = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="an unpacked source archive has no history"
)


@in_a_checkout
def test_no_source_file_is_ignored():
    files = [file.relative_to(ROOT).as_posix() for file in (*SOURCES, PACKAGE / "py.typed")]
    ignored = git("check-ignore", "--no-index", "--stdin", text="\n".join(files))
    assert ignored.stdout == ""


@in_a_checkout
def test_every_source_file_is_tracked():
    tracked = set(git("ls-files", "src").stdout.splitlines())
    files = {file.relative_to(ROOT).as_posix() for file in (*SOURCES, PACKAGE / "py.typed")}
    assert files - tracked == set()


@in_a_checkout
def test_folders_are_ignored_at_the_top_only():
    """A bare `models/` would hide src/recloop/models."""
    lines = (ROOT / ".gitignore").read_text().split()
    anywhere = {"__pycache__/", "*.egg-info/", ".ipynb_checkpoints/"}
    bare = [n for n in lines if not n.startswith(("/", ".")) and n not in anywhere]
    assert bare == []


@in_a_checkout
def test_no_large_file_is_tracked():
    files = [ROOT / name for name in git("ls-files").stdout.splitlines()]
    large = [file.name for file in files if file.is_file() and file.stat().st_size > 1 << 20]
    assert large == []


@in_a_checkout
def test_nothing_names_a_place_of_its_own_machine():
    """Only .ci/run may say where the data lie beside a checkout."""
    pattern = "(^|[^./a-z])/(work|home|root)/|\\.\\./shared|find-links|index-url"
    found = git("grep", "-nE", pattern, "--", ".", ":!.ci/run", ":!tests/test_repository.py")
    assert found.stdout == ""
