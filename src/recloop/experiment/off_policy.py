"""What a policy would have earned: a decision log and a policy by name in, a table out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recloop.data.ids import IdMap
from recloop.decisions import open_log, read_open_bandit
from recloop.decisions.open_bandit import is_open_bandit
from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.ope import Floors, OffPolicyEvaluator, uniform_target
from recloop.experiment.folder import RunFolder
from recloop.types import FloatArray, IntArray, LoggedDecisions
from recloop.utils.names import unknown_name

UNIFORM = "uniform"
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class JudgedLog:
    """The table of one policy on one log, as JSON values."""

    policy: str
    n_decisions: int
    rows: list[dict[str, Any]]

    @property
    def is_unreliable(self) -> bool:
        """Whether the log cannot answer for one of the estimators."""
        return any(row["unreliable"] for row in self.rows)


def judge_policy(
    log: str | Path,
    policy: str = UNIFORM,
    *,
    models_dir: str | Path | None = None,
    estimators: Sequence[str] | None = None,
    floors: Floors | None = None,
    missing: float | None = None,
    force: bool = False,
    seed: int = 0,
) -> JudgedLog:
    """Judge "uniform", or a model of a run folder as it explores, by a decision log.

    log: a decision log (file or address), or a folder or file of Open Bandit.
    """
    decisions, users, items = _read(log)
    evaluator = OffPolicyEvaluator(
        decisions, len(items), floors=floors or Floors(), missing=missing, force=force, seed=seed
    )
    shown = evaluator.decisions
    if policy == UNIFORM:
        target = uniform_target(shown, len(items))
    elif models_dir is None:
        raise InvalidParameter(
            f"recloop ope: the policy '{policy}' is a model; name its run folder with "
            f"--models-dir, or judge '{UNIFORM}'."
        )
    else:
        target = _of_model(RunFolder(Path(models_dir)), policy, shown, users, items)
    rows = [row.to_json() for row in evaluator.evaluate(target, estimators)]
    return JudgedLog(policy, len(shown), rows)


def _read(log: str | Path) -> tuple[LoggedDecisions, list[str], list[str]]:
    """Decisions with what they earned, and the ids of people and items."""
    if "://" not in str(log) and Path(log).exists() and _is_bandit(Path(log)):
        read = read_open_bandit(log)
        return read.decisions, list(read.user_ids), list(read.item_ids)
    with open_log(log, create=False) as opened:
        decisions = opened.read()
        users, items = opened.ids("user"), opened.ids("item")
    return decisions, users or _numbers(decisions.users), items or _numbers(decisions.items)


def _is_bandit(place: Path) -> bool:
    return (place.is_dir() or place.name.endswith((".csv", ".csv.gz"))) and is_open_bandit(place)


def _numbers(codes: IntArray) -> list[str]:
    return [str(code) for code in range(int(codes.max(initial=-1)) + 1)]


def _of_model(
    run: RunFolder, name: str, log: LoggedDecisions, user_ids: list[str], item_ids: list[str]
) -> FloatArray:
    """(n,) or (n, k): the probability with which the model shows what was shown."""
    names = run.model_names()
    if name not in names:
        raise unknown_name("model in this run", name, names)
    model = run.load_model(name)
    if getattr(model, "history_length", 0):
        raise InvalidData(
            f"recloop ope: '{name}' chooses by what a person did last, which a decision log does "
            "not hold. Compute its probabilities and give them to OffPolicyEvaluator."
        )
    ids = run.ids()
    users = IdMap("user", ids["users"]).codes_of([user_ids[code] for code in log.users.tolist()])
    to_run = IdMap("item", ids["items"]).known_codes_of(item_ids)
    shown = np.append(to_run, -1)[log.padded(log.items, -1)]
    _refuse_unknown(log, to_run, item_ids)
    candidates = None
    if log.candidates is not None or log.excluded is not None:
        candidates = _eligible(log, to_run, len(ids["items"]))
    contexts = log.contexts if getattr(model, "context_dim", 0) else None
    parts = [
        model.slate_propensities(
            users[rows],
            shown[rows],
            context=None if contexts is None else contexts[rows],
            candidates=None if candidates is None else candidates[rows],
        )
        for start in range(0, len(log), ROWS_AT_ONCE)
        for rows in [slice(start, start + ROWS_AT_ONCE)]
    ]
    target = np.concatenate(parts)
    return target[:, 0] if target.shape[1] == 1 else target


def _refuse_unknown(log: LoggedDecisions, to_run: IntArray, item_ids: list[str]) -> None:
    missing = to_run[log.items] < 0
    if missing.any():
        first = item_ids[int(log.items[missing][0])]
        raise InvalidData(
            f"recloop ope: the log shows {len(np.unique(log.items[missing])):,} items that the run "
            f"does not know, the first is '{first}'. Judge a model of the same catalogue."
        )


def _eligible(log: LoggedDecisions, to_run: IntArray, n_items: int) -> list[IntArray]:
    """What could be shown in each decision, in the run's codes."""
    everything = np.arange(n_items)
    given = log.candidates.lists() if log.candidates is not None else [[]] * len(log)
    without = log.excluded.lists() if log.excluded is not None else [[]] * len(log)
    found = []
    for some, none in zip(given, without, strict=True):
        eligible = to_run[some] if len(some) else everything
        hidden = to_run[np.asarray(none, dtype=np.int64)]
        found.append(np.setdiff1d(eligible[eligible >= 0], hidden))
    return found
