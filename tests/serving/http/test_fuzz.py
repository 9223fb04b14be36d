"""Random and near-valid bodies through decoder, checks and decisions."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from recloop.serving.service import Service
from serving.http.bodies import feedback, recommended
from serving.http.fuzz import opened, wrong_with_feedback, wrong_with_recommend
from serving.http.planted import PLANTED

some = settings(max_examples=300, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = opened(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.log.close()


@some
@given(body=recommended)
def test_a_body_is_refused_or_gives_a_true_list(service: Service, body: bytes) -> None:
    assert wrong_with_recommend(service, body) == []


@some
@given(body=feedback)
def test_feedback_is_refused_or_bounded(service: Service, body: bytes) -> None:
    assert wrong_with_feedback(service, body) == []


@pytest.mark.parametrize("planted", ["nan_let_through", "unbounded_k"])
def test_the_same_search_finds_a_planted_mistake(
    service: Service, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    for owner, name, replacement in PLANTED[planted]():
        monkeypatch.setattr(owner, name, replacement)
    find(recommended, _breaks(service), settings=settings(some, max_examples=3000,
         phases=[Phase.generate]))  # fmt: skip


def _breaks(service: Service) -> Callable[[bytes], bool]:
    def breaks(body: bytes) -> bool:
        try:
            return bool(wrong_with_recommend(service, body))
        except (ValueError, ArithmeticError, RuntimeWarning):
            return True

    return breaks


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed; see searching.py"
)
def test_a_search_that_sees_the_branches_finds_nothing(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    paths = os.pathsep.join([str(root / "src"), str(root / "tests")])
    found = subprocess.run(
        [sys.executable, "-m", "serving.http.searching", "-max_total_time=30"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": paths}, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-4000:]
