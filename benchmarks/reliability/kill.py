"""kill -9, again and again, at random moments under mixed load: nothing acknowledged is lost.

    python -m benchmarks.reliability.kill --kills 20

Clients send again whatever was not answered. Default rewards, snapshots and late rewards happen
meanwhile. At the end the log must hold every list and every reward that was acknowledged, none of
them twice, with the propensities that were answered; and the state after a restart must be, bit by
bit, the fold of the log from its first record.
"""

import asyncio
import sys
from pathlib import Path

from benchmarks.reliability.client import Client, Heard, clients, settle_all
from benchmarks.reliability.report import Report, conclude, parser, scratch
from benchmarks.reliability.servers import ServerProcess, save_bandit, serve_arguments
from benchmarks.reliability.truth import compare, digests, served_digest, settings_of
from recloop.serving.load import run
from recloop.utils.seeding import stream

N_ITEMS, WIDTH = 100, 8
SETTINGS = (
    "rules.reward_wait_s=1.0",
    "snapshot_every=1500",
    "remembered_decisions=300",
    "drain_s=0",
)


async def until_killed(those: list[Client], server: ServerProcess, seconds: float) -> None:
    """Talk, and kill the server in the middle of it."""
    talking = [asyncio.create_task(one.talk(server.address, lambda: False)) for one in those]
    await asyncio.sleep(seconds)
    server.kill()
    await asyncio.gather(*talking)


def measure(
    folder: Path,
    *,
    kills: int = 20,
    connections: int = 8,
    longest: float = 2.0,
    seed: int = 0,
    planted: str | None = None,
) -> Report:
    """The test; each server lives for a random time of at most `longest` seconds."""
    report = Report(f"kill -9, {kills} times, {connections} connections, build {planted or 'own'}")
    model = save_bandit(folder / "model.npz", n_items=N_ITEMS, width=WIDTH, seed=seed)
    arguments = serve_arguments(folder, model, *SETTINGS)
    settings = settings_of(arguments)
    heard, rng = Heard(), stream(seed, "reliability kill")
    those = clients(connections, heard, width=WIDTH, seed=seed)
    digests_differ = 0
    for _ in range(kills):
        with ServerProcess(*arguments, planted=planted) as server:
            run(until_killed(those, server, float(rng.uniform(0.1, longest))))
        quick, whole = digests(settings)
        digests_differ += quick != whole
    with ServerProcess(*arguments, planted=planted) as server:
        run(settle_all(those, server.address))
        code = server.stop()
    found = compare(folder / "log.db", heard)
    n_ok = heard.results["ok"] + heard.results["late"] + heard.results["duplicate"]
    report.at_least("lists acknowledged", len(heard.lists), 10 * kills)
    report.at_least("requests without an answer, which were sent again", heard.unanswered, 1)
    report.equal("acknowledged lists lost", len(found.lost_lists), 0)
    report.equal("acknowledged rewards lost", len(found.lost_rewards), 0)
    report.equal("written twice", len(found.twice), 0)
    report.equal("lists that differ from the answer", len(found.other_lists), 0)
    report.equal("rewards that differ from what was sent", len(found.other_rewards), 0)
    report.equal("rewards acknowledged but not as ok, late or duplicate",
                 heard.results.total() - n_ok, 0)  # fmt: skip
    report.equal("answers other than 200", heard.failed(), 0)
    report.equal("damage in the log", found.damage, [])
    report.equal("restarts whose state is not the fold from record 1", digests_differ, 0)
    report.equal("the state served last is the fold from record 1",
                 served_digest(settings), digests(settings)[1])  # fmt: skip
    report.equal("exit code at the end", code, 0)
    report.figure("rewards acknowledged", len(heard.rewards))
    report.figure("of them as duplicates", heard.results["duplicate"])
    return report


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--connections", type=int, default=8)
    found = options.parse_args(arguments)

    def one(planted: str | None = None) -> Report:
        with scratch(found.folder) as folder:
            return measure(
                folder, kills=found.kills, connections=found.connections, seed=found.seed,
                planted=planted,
            )  # fmt: skip

    return conclude(found, one, lambda: one("acknowledges_early"))


if __name__ == "__main__":
    sys.exit(main())
