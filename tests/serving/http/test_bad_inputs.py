"""Bad inputs on the wire: refused or survived, never a 5xx, and planted mistakes are found."""

from pathlib import Path

import pytest

from serving.http.bad_inputs import complaints
from serving.http.process import ServerProcess

SLOW = ("--set", "limits.seconds=0.4")


def test_no_input_of_the_list_breaks_the_service(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, *SLOW) as server:
        assert complaints(server, slow_s=0.9) == []
        words = server.words
    assert "Traceback" not in words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "found"), [("unbounded_k", "k=101"), ("nan_let_through", "context 1000.0001")]
)
def test_the_list_finds_a_planted_mistake(tmp_path: Path, planted: str, found: str) -> None:
    with ServerProcess(tmp_path, *SLOW, planted=planted) as server:
        said = complaints(server, slow_s=0.9)
    assert any(one.startswith(found) for one in said), said
