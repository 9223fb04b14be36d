"""A kernel does what the plain loop does, and its cache belongs to one state of the source."""

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
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed" / "cache"))
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path / "open"))
    assert kernels._cache_folder().parent == tmp_path / "open" / "recloop"


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
