"""Container, dashboard, doctor and the familiar example: what stands in the files, done."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from recloop.cli.doctor import state_of_service
from recloop.models import QLearningRecommender
from serving.http.bad_inputs import Probe, recommend, request, send
from serving.http.process import API_KEY, ROOT, ServerProcess


def test_every_metric_of_the_dashboard_is_one_that_the_service_has(tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/recloop.json").read_text())
    named = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"recloop_\w+", target["expr"])
    }
    with ServerProcess(tmp_path) as server:
        send(server.port, Probe("one", recommend(b'{"user": "u"}'), {200}))
        reply = send(server.port, Probe("metrics", [request("GET", "/metrics")], {200}))
        ready = doctor("--service", server.address)
    gone = doctor("--service", server.address)
    assert reply is not None
    text = reply.body.decode()
    known = set(re.findall(r"^(recloop_\w+)", text, re.MULTILINE))
    assert len(named) > 15
    assert named <= known
    assert (ready.returncode, gone.returncode) == (0, 1)
    assert ": ready" in ready.stdout
    found = state_of_service(str(tmp_path / "recloop.db"), tmp_path / "serving")
    assert found["newest_snapshot"] == found["last_seq"]
    assert 0 <= found["snapshot_age_s"] < 60


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "recloop.cli", "doctor", *arguments]
    paths = {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        program, capture_output=True, text=True, env=os.environ | paths, check=False
    )


def test_the_doctor_says_what_keeps_a_service_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECLOOP_API_KEY", "short")
    monkeypatch.delenv("RECLOOP_ADMIN_KEY", raising=False)
    found = state_of_service(str(tmp_path / "none.db"), tmp_path)
    assert found["RECLOOP_API_KEY"] == "too short"
    assert found["RECLOOP_ADMIN_KEY"] == "not set"
    assert len(found["problems"]) == 2
    assert found["newest_snapshot"] is None


FAMILIAR = """
from fastapi import FastAPI
from recloop.models import QLearningRecommender

app = FastAPI()
model = QLearningRecommender.load("models/q_learning.npz")

@app.post("/recommend")
async def recommend(user_id: int, k: int = 10):
    recommendations = model.recommend(user_id, k)
    return {"recommendations": recommendations}
"""


def test_the_familiar_example_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    QLearningRecommender(5, 20).save(tmp_path / "models" / "q_learning.npz")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(FAMILIAR, "example", "exec"), names)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post("/recommend", params={"user_id": 3, "k": 4})

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    assert len(set(answer.json()["recommendations"])) == 4


# The container, without an engine


def steps() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of a word and what follows it."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def test_the_container_is_for_one_user_who_is_not_root_and_needs_a_key() -> None:
    words = [word for word, _ in steps()]
    assert words.index("USER") > words.index("RUN")
    assert dict(steps())["USER"] == "recloop"
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["recloop"]
    assert compose["environment"]["RECLOOP_API_KEY"].startswith("${RECLOOP_API_KEY:?")
    assert compose["ports"] == ["127.0.0.1:8000:8000"]
    assert compose["read_only"] is True


@pytest.mark.slow
def test_the_steps_of_the_container_lead_to_a_first_recommendation(tmp_path: Path) -> None:
    app, data, venv = tmp_path / "app", tmp_path / "data", tmp_path / "venv"
    app.mkdir()
    data.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    places = {"/data": str(data)}
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    environment |= {
        "PATH": os.pathsep.join([str(venv / "bin"), os.environ["PATH"]]),
        "RECLOOP_API_KEY": API_KEY,
    }
    command: list[str] = []
    health: list[str] = []
    for word, rest in steps():
        if word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                found = ROOT / source
                if found.is_dir():
                    shutil.copytree(
                        found, app / source, ignore=shutil.ignore_patterns("__pycache__")
                    )
                else:
                    shutil.copy(found, app)
        elif word == "RUN" and rest.startswith("pip"):
            subprocess.run(shlex.split(rest), cwd=app, env=environment, check=True, timeout=1800,
                           capture_output=True)  # fmt: skip
        elif word == "ENV":
            name, _, value = rest.partition("=")
            for place, here in places.items():
                value = value.replace(place, here)
            environment[name] = value
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "HEALTHCHECK":
            health = json.loads(rest[rest.index("[") :])
    environment |= {"RECLOOP_SERVE__HOST": "127.0.0.1", "RECLOOP_SERVE__PORT": "18923"}
    health = [part.replace(":8000", ":18923") for part in health]
    began = time.monotonic()
    server = subprocess.Popen(command, cwd=data, env=environment, stderr=subprocess.DEVNULL)
    try:
        while subprocess.run(health, env=environment, capture_output=True, check=False).returncode:
            assert time.monotonic() - began < 60
            time.sleep(0.5)
        asked = urllib.request.Request(
            "http://127.0.0.1:18923/v1/recommend",
            data=b'{"user": "user_7", "k": 3}',
            headers={"Content-Type": "application/json", "X-API-Key": API_KEY},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert len(json.load(answer)["items"]) == 3
        assert time.monotonic() - began < 60
    finally:
        server.terminate()
        assert server.wait(60) == 0


def test_a_load_is_bounded_and_for_this_machine_alone(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "recloop.cli", "bench-serve"]
    paths = {"PYTHONPATH": str(ROOT / "src"), "RECLOOP_API_KEY": API_KEY}

    def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *arguments], capture_output=True, text=True, env=os.environ | paths,
            check=False,
        )  # fmt: skip

    with ServerProcess(tmp_path) as server:
        told = ("--seconds", "0.5", "--connections", "2", "--width", "8", "--json")
        found = bench(server.address, *told)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["errors"] == 0
    assert said["answers"] == said["statuses"]["200"] > 0
    assert "this machine" in bench("http://192.0.2.1:80").stderr
    assert "--seconds" in bench("http://127.0.0.1:1", "--seconds", "9999").stderr
