"""A kernel does what the plain loop does, and its cache belongs to one state of the source."""

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

from recloop.utils import kernels
from recloop.utils.kernels import kernel


@pytest.fixture(autouse=True)
def _fresh_folder():
    kernels._cache_folder.cache_clear()
    yield
    kernels._cache_folder.cache_clear()


def plain_sum(values):
    total = 0.0
    for value in values:
        total += value
    return total


def test_a_kernel_gives_what_the_plain_loop_gives():
    values = np.array([1.0, 2.5, -4.0])
    assert kernel(plain_sum)(values) == plain_sum(values) == -0.5


def test_a_kernel_leaves_numbas_own_cache_setting_alone():
    before = config.CACHE_DIR
    kernel(plain_sum)
    assert before == config.CACHE_DIR


@pytest.mark.skipif(
    config.DISABLE_JIT,  # pyright: ignore[reportAttributeAccessIssue]
    reason="without the compiler there is nothing to look into",
)
def test_a_kernel_releases_the_interpreter_lock_and_is_cached():
    compiled = kernel(plain_sum)
    assert compiled.targetoptions["nogil"]  # pyright: ignore[reportFunctionMemberAccess]
    stats = compiled.stats  # pyright: ignore[reportFunctionMemberAccess]
    assert stats.cache_path.startswith(str(kernels._cache_folder()))


def test_the_cache_lies_below_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = kernels._cache_folder()
    assert folder.parent == tmp_path / "recloop"
    assert len(folder.name) == len("kernels-") + 16


def test_without_a_cache_setting_the_home_folder_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kernels._cache_folder().parent == tmp_path / ".cache" / "recloop"


def test_a_folder_that_cannot_be_written_gives_way_to_a_temporary_one(tmp_path, monkeypatch):
    ours = _without_home(tmp_path, monkeypatch)
    assert kernels._cache_folder().parent == ours
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    kernels._cache_folder.cache_clear()
    assert kernels._cache_folder().parent == ours  # found again by the next process


def _without_home(tmp_path, monkeypatch) -> Path:
    """Close the home folder; the folder of this user in the temporary one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed" / "cache"))
    (tmp_path / "open").mkdir()
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path / "open"))
    return tmp_path / "open" / f"recloop-{os.getuid()}"


def _of_somebody_else(ours: Path, monkeypatch) -> None:
    ours.mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr(kernels, "_user_id", lambda: owner)
    found = os.stat_result((0o40700, 0, 0, 1, owner + 1, 0, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "lstat", lambda self: found)


def _open_to_others(ours: Path, monkeypatch) -> None:
    ours.mkdir()
    ours.chmod(0o777)


def _a_link(ours: Path, monkeypatch) -> None:
    (ours.parent / "elsewhere").mkdir(mode=0o700)
    ours.symlink_to(ours.parent / "elsewhere")


def _not_to_be_made(ours: Path, monkeypatch) -> None:
    ours.parent.rmdir()


@pytest.mark.parametrize("prepare", [_of_somebody_else, _open_to_others, _a_link, _not_to_be_made])
def test_a_temporary_folder_that_others_could_write_to_is_not_read(tmp_path, monkeypatch, prepare):
    prepare(_without_home(tmp_path, monkeypatch), monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"no compiled code is read from it .* Set XDG_CACHE_"):
        assert kernels._cache_folder() is None
    assert kernel(plain_sum)(np.array([1.0, 2.0])) == 3.0
    assert not list(tmp_path.rglob("*.nb*"))


def test_folders_of_other_sources_go_when_nobody_used_them_for_a_month(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = kernels._cache_folder()
    month = 30 * 24 * 3600
    ages = {"kernels-old": month + 60, "kernels-young": month - 60, "other-old": month + 60}
    for name, age in ages.items():
        (folder.parent / name).mkdir()
        (folder.parent / name / "loop.nbi").touch()
        os.utime(folder.parent / name, (time.time() - age,) * 2)
    os.utime(folder, (0, 0))
    kernels._cache_folder.cache_clear()
    assert kernels._cache_folder() == folder
    left = {one.name for one in folder.parent.iterdir()}
    assert left == {folder.name, "kernels-young", "other-old"}
    assert folder.stat().st_mtime > time.time() - 60  # it counts as used now


def test_another_state_of_the_source_gets_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    package = tmp_path / "package"
    (package / "utils").mkdir(parents=True)
    monkeypatch.setattr(kernels, "__file__", str(package / "utils" / "kernels.py"))

    def folder_for(text: str) -> str:
        (package / "equation.py").write_text(text)
        kernels._cache_folder.cache_clear()
        return kernels._cache_folder().name

    assert folder_for("a = 1") == folder_for("a = 1")
    assert folder_for("a = 1") != folder_for("a = 2")
