"""Mixed load: lists and what came of them, and counters that agree with the clients exactly.

python -m benchmarks.reliability.mixed
python -m benchmarks.reliability.mixed --connections 32 --seconds 120
"""

import sys
from pathlib import Path

from benchmarks.reliability import metrics
from benchmarks.reliability.client import Heard, after, clients, talk_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from benchmarks.reliability.truth import compare, settings_of
from recloop.decisions import open_log
from recloop.models.bandits.linear import LinUCBRecommender
from recloop.serving.load import run
from recloop.serving.opening import recovered
from recloop.serving.registry import Registry

N_ITEMS, WIDTH = 1000, 32


def measure(
    folder: Path,
    *,
    connections: int = 16,
    seconds: float = 60.0,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The test."""
    report = Report(
        f"mixed load: {connections} connections, {seconds:g} s, build {planted or 'own'}"
    )
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model)
    heard = Heard()
    with ServerProcess(*arguments, planted=planted) as server:
        those = clients(connections, heard, width=WIDTH, seed=seed)
        run(talk_all(those, server.address, after(seconds)))
        told = run(metrics.read(server.address))
        code = server.stop()
    ok = heard.results["ok"]
    report.equal("answers other than 200", heard.failed() + heard.unanswered, 0)
    report.equal("rewards acknowledged in another way than ok", heard.results.total() - ok, 0)
    for name, expected in {
        "recloop_decisions_total": len(heard.lists),
        "recloop_rewards_total{result=stored}": ok,
        "recloop_rewards_total{result=duplicate}": 0,
        "recloop_learned_total{what=rows}": ok,
        "recloop_learned_total{what=left_out}": 0,
        "recloop_requests_total{route=recommend,status=200}": heard.answers["recommend", 200],
        "recloop_requests_total{route=feedback,status=200}": heard.answers["feedback", 200],
    }.items():
        report.equal(name, int(told.get(name, -1)), expected)
    learned = updates(arguments) - updates_of_start(model)
    report.equal("rows in the learned state", learned, ok)
    found = compare(folder / "log.db", heard)
    report.equal("decisions and rewards in the log", (found.n_decisions, found.n_rewards),
                 (len(heard.lists), ok))  # fmt: skip
    report.equal("lost", len(found.lost_lists) + len(found.lost_rewards), 0)
    report.equal("exit code", code, 0)
    report.figure("answers a second", len(heard.seconds) / seconds)
    return report


def updates(arguments: list[str]) -> int:
    """How many rows the served bandit has learned, by its last snapshot and the log."""
    settings = settings_of(arguments)
    with open_log(settings.log) as log:
        state = recovered(settings, log, Registry(Path(settings.data_dir) / "models"))
    assert state.active is not None
    return int(state.active.model.arrays()["n_updates"].sum())


def updates_of_start(model: Path) -> int:
    """The same of the model before it was served."""
    return int(LinUCBRecommender.load(model).arrays()["n_updates"].sum())


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--seconds", type=float, default=60.0)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(
                folder, connections=found.connections, seconds=found.seconds, seed=found.seed,
                planted=planted,
            )  # fmt: skip

    return conclude(found, one, lambda: one("forgets_lessons"), lambda: one("counts_twice"))


if __name__ == "__main__":
    sys.exit(main())
