"""What the numbers of a stream support, in words."""

from typing import Any

from recloop.experiment.stream_results import FEWEST_REWARDS, METRIC

Row = dict[str, Any]

DESIGNS = {
    "runs": "Intervals: over {n} runs of learning, Student's t. A comparison takes the difference "
    "in each run, where both models meet the same visitors in the same order.",
    "rounds": "Intervals: over the visitors of one run; a comparison takes the difference at each "
    "visitor. How learning would go another time is not in them: training.n_seeds of 5 or more "
    "puts it in.",
    "replays": "Intervals: over the logged rows, which are the same in all {n} seeds. The models "
    "keep different rows and are paired only where both have kept one. They judge the choices that "
    "were made: what the models would have learned from another log is not in them.",
}


def stream_statements(results: Row) -> list[str]:
    """What can be said, most important first."""
    about, rows = results["stream"], results["models"]
    said = [*_of_log(about), *_of_table(about)]
    if about["kind"] == "replay":
        most = max((row["n_rewards"] for row in rows), default=0.0)
        if most < FEWEST_REWARDS:
            return [*said, _nothing(rows, most)]
    said += [_of_model(row, about["kind"] == "replay") for row in rows]
    said += [_of_pair(row) for row in results["comparisons"]]
    if rows:
        said.append(DESIGNS[rows[0]["design"]].format(n=rows[0]["n_seeds"]))
    return said


def _of_log(about: Row) -> list[str]:
    if about["kind"] != "replay":
        return []
    said = [
        f"Replay of {about['n_rows']:,} logged choices, whose own mean reward is "
        f"{about['logged_mean']:.5f}; only rows where a model would have shown what was shown "
        "count and teach."
    ]
    if not about["uniform"]:
        said.append(
            "The log was not uniform: of the matches so many are left out that those kept are as "
            "if it had been."
        )
    if about["n_skipped"]:
        said.append(
            f"Left out: {about['n_skipped']:,} decisions without one slot and a known reward."
        )
    return said


def _nothing(rows: list[Row], most: float) -> str:
    matches = max((row["n"] for row in rows), default=0)
    return (
        f"Nothing can be concluded: at most {matches:,} rows match and at most {most:.1f} rewards "
        f"are among them, fewer than {FEWEST_REWARDS}. A longer log, fewer items or an off-policy "
        "estimate is needed."
    )


def _of_table(about: Row) -> list[str]:
    said = []
    if "majority" in about:
        said.append(
            f"{about['n_classes']} classes, {about['n_rows']:,} rows. Always the commonest class: "
            f"{about['majority']:.1%}."
            + (
                f" Logistic regression told every answer: {about['full_information']:.1%}."
                if "full_information" in about
                else f" {about.get('note', '')}"
            )
        )
    if "left_out" in about:
        named = ", ".join(about["left_out"])
        said.append(f"Left out, as no numbers or the label in other words: {named}.")
    return said


def _of_model(row: Row, replays: bool) -> str:
    if row["n_rewards"] < FEWEST_REWARDS:
        return (
            f"{row['name']}: not known, {row['n_rewards']:,.4g} rewards in {row['n']:,} "
            f"{'rows that match' if replays else 'visitors'}, fewer than {FEWEST_REWARDS}."
        )
    if row["ci_low"] is None and row[METRIC] is not None and row["design"] == "runs":
        return (
            f"{row['name']} earns {row[METRIC]:.4g} a visitor in all of {row['n_seeds']} runs: how "
            "far that could be off is not known."
        )
    if row["ci_low"] is None:
        return f"{row['name']}: not known, a seed has too few rounds that count."
    regret = "" if row["regret"] is None else f"; regret {row['regret']:,.1f}"
    return (
        f"{row['name']} earns {row[METRIC]:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}] a "
        f"visitor while it learns, over {row['n']:,} of them{regret}."
    )


def _of_pair(row: Row) -> str:
    pair = f"{row['model']} against {row['control']}"
    if row["verdict"].startswith("not known"):
        return f"{pair}: {row['verdict']}."
    return (
        f"{pair}: {row['difference']:+.4g} [{row['ci_low']:+.4g}, {row['ci_high']:+.4g}]: "
        f"{row['verdict']}."
    )
