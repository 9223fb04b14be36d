"""The built package works where nothing else is: a new environment, an empty folder."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_MB = 900
MOST_S = 0.3
TINY = [
    "training.n_episodes=2",
    "training.passes=1",
    "training.eval_freq=1",
    "data.synthetic={n_users: 60, n_items: 40}",
    "evaluation.n_resamples=100",
]

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, **variables: str) -> str:
    """What a command prints; it has to end well."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout


def size_mb(folder: Path) -> float:
    return sum(f.lstat().st_blocks * 512 for f in folder.rglob("*") if not f.is_symlink()) / 1e6


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, folder=folder)
    return next(folder.glob("recloop-*.whl"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> tuple[Path, float]:
    """A new environment with the wheel alone, no extras, and what it added in MB."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home, with_pip=True)
    before = size_mb(home)
    pip = [home / "bin" / "python", "-m", "pip", "install", "-q", "--no-input"]
    run(*pip, "-c", ROOT / "requirements.lock", wheel, folder=home)
    return home / "bin", size_mb(home) - before


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "recloop/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"recloop"}
    sources = {f.relative_to(ROOT / "src").as_posix() for f in (ROOT / "src").rglob("*.py")}
    assert sources - set(names) == set()


def test_the_base_install_is_small(installed):
    """Measured with the compiled files that pip writes."""
    _, added_mb = installed
    assert added_mb <= MOST_MB


def test_every_public_name_can_be_imported(installed, tmp_path):
    code = """
import importlib, json, pkgutil, recloop
missing = []
for module in pkgutil.walk_packages(recloop.__path__, "recloop."):
    name = module.name
    extras = ("recloop.demo", "recloop.serving", "recloop.client", "recloop.experiment.tuning")
    if name.startswith(extras) or name.endswith((".torch_network", ".postgres")):
        continue  # need an extra
    loaded = importlib.import_module(module.name)
    for name in getattr(loaded, "__all__", []):
        if not hasattr(loaded, name):
            missing.append(f"{module.name}.{name}")
print(json.dumps([recloop.__file__, missing]))
"""
    bin_folder, _ = installed
    where, missing = json.loads(run(bin_folder / "python", "-c", code, folder=tmp_path))
    assert str(bin_folder.parent) in where
    assert missing == []


def test_importing_it_is_quick(installed, tmp_path):
    bin_folder, _ = installed
    code = "import time; t = time.perf_counter(); import recloop; print(time.perf_counter() - t)"
    times = [float(run(bin_folder / "python", "-c", code, folder=tmp_path)) for _ in range(5)]
    assert min(times) < MOST_S


def test_the_command_answers(installed, tmp_path):
    bin_folder, _ = installed
    assert "compiled kernels agree" in run(bin_folder / "recloop", "doctor", folder=tmp_path)


def test_a_whole_run_needs_no_extra(installed, tmp_path):
    bin_folder, _ = installed
    options = [word for pair in TINY for word in ("--set", pair)]
    config = ROOT / "configs" / "default.yaml"
    command = [bin_folder / "recloop", "run", "--config", config, "--output-dir", "out", *options]
    run(*command, folder=tmp_path)
    kept = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"config.yaml", "metrics.json", "manifest.json", "models"} <= kept
