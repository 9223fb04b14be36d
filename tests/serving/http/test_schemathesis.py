"""The OpenAPI description against the service that it describes, by requests made from it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.http.process import ADMIN_KEY, ServerProcess

pytest.importorskip("schemathesis")

# A body may be too large for the service, whatever else is right or wrong with it: 413.
# Feedback may name an item that its decision did not show: 422.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "413", "5xx"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "431"]
[[operations]]
include-operation-id = "feedback"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "413", "422", "5xx"]
"""
LEAST_CASES = 1000


def run(server: ServerProcess, folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the words of schemathesis."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"]
    asked = [*program, "run", f"{server.address}/openapi.json", "-H", f"X-API-Key: {ADMIN_KEY}",
             "--checks", "all", "--no-color", *arguments]  # fmt: skip
    found = subprocess.run(
        asked, cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    return found.returncode, found.stdout + found.stderr


@pytest.mark.slow
def test_the_service_does_what_its_description_says(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        code, said = run(server, tmp_path, "--max-examples", "40", "--seed", "1")
        words = server.words
    assert code == 0, said[-6000:]
    cases = re.search(r"(\d+) generated", said)
    assert cases is not None, said[-2000:]
    assert int(cases[1]) >= LEAST_CASES
    assert "Traceback" not in words


@pytest.mark.slow
def test_the_same_requests_find_an_unbounded_k(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, planted="unbounded_k") as server:
        code, said = run(server, tmp_path, "--max-examples", "100", "--seed", "1",
                         "--include-operation-id", "recommend")  # fmt: skip
    assert code == 1, said[-2000:]
