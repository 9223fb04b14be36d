"""The demo in a real Chromium: both pages, light and dark, wide and narrow."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from recloop.experiment.folder import RunFolder

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("RECLOOP_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (1440, 390)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def browser_type() -> Iterator[Any]:
    """Playwright's Chromium; where it is missing the test is skipped, in CI it fails."""
    if not shutil.which(CHROMIUM):
        absent = f"No Chromium at {CHROMIUM}; install it or name it in RECLOOP_CHROMIUM."
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def address(run: RunFolder, tmp_path: Path) -> Iterator[str]:
    """The demo over the small run, served on a free port of this machine."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command = [sys.executable, "-m", "streamlit", "run", "scripts/demo.py", *options]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--server.headless", "true", "--", "--run", str(run.path)],
            cwd=ROOT,
            env=os.environ | {"HOME": str(tmp_path)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_until_it_answers(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail("The demo did not start within a minute.")


def settle(page: Any) -> None:
    """Wait until the script has run and nothing spins."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSpinner]", state="detached")
    page.wait_for_timeout(300)


def fits(page: Any) -> bool:
    """Whether nothing reaches beyond the right edge of the page."""
    return page.evaluate(
        "(() => { const main = document.querySelector('[data-testid=stMain]');"
        "return main.scrollWidth <= main.clientWidth; })()"
    )


def photograph(page: Any, file: Path) -> None:
    width = page.viewport_size["width"]
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(height + 40, 6000)})
    page.wait_for_timeout(500)
    page.screenshot(path=str(file))
    page.set_viewport_size({"width": width, "height": 900})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_shows_a_run(scheme: str, browser_type: Any, address: str, tmp_path: Path):
    pictures = Path(os.environ.get("RECLOOP_SCREENSHOTS", tmp_path / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with browser_type.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=CHROMIUM,
        headless=True,
        args=ARGUMENTS,
        color_scheme=scheme,
    ) as context:
        page = context.pages[0]
        page.set_default_timeout(30_000)
        hosts: set[str | None] = set()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            _walk_recommend(page, address)
            photograph(page, pictures / f"recommend-{scheme}-{width}.png")
            _walk_leaderboard(page, address)
            photograph(page, pictures / f"leaderboard-{scheme}-{width}.png")
            assert not page.get_by_test_id("stException").count()
        assert hosts <= {"127.0.0.1", None}, "the demo must work without a network"
        assert (
            _background(page) == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
        )


def _walk_recommend(page: Any, address: str) -> None:
    page.goto(f"{address}/?user=ben")
    settle(page)
    visible = page.inner_text("[data-testid=stMain]")
    assert "3 interactions in the training and validation parts" in visible
    page.get_by_role("combobox", name="Person").click()
    page.get_by_role("option", name="ada (4 interactions)").click()
    page.wait_for_url("**user=ada**")
    settle(page)
    page.get_by_text("4 interactions in the training and validation parts").wait_for()
    history = page.get_by_role("list", name="Latest interactions").inner_text()
    assert history.index("Eraserhead") < history.index("Alien")
    lists = [
        page.get_by_role("list", name=f"Recommendations of {name}")
        for name in ("tastes", "popular")
    ]
    for shown in lists:
        assert sorted(shown.locator(".rl-title").all_inner_texts()) == ["Dune", "Fargo"]
    assert fits(page)


def _walk_leaderboard(page: Any, address: str) -> None:
    page.goto(f"{address}/leaderboard")
    settle(page)
    page.get_by_role("heading", name="Leaderboard").wait_for()
    board = page.get_by_role("region", name="Every model with every metric").inner_text()
    assert "0.4321" in board
    assert "0.3000" in board
    page.locator(".js-plotly-plot .point").first.wait_for()
    assert page.locator(".js-plotly-plot").count() == 3
    assert page.get_by_role("button", name="Download the report").is_visible()
    assert fits(page)


def _background(page: Any) -> str:
    return page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
