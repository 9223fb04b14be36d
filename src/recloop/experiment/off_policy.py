"""What a policy would have earned: a decision log and a policy by name in, a table out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recloop.data.ids import IdMap
from recloop.decisions import read_log
from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.ope import Floors, OffPolicyEvaluator, uniform_slots, uniform_target
from recloop.experiment.folder import RunFolder
from recloop.experiment.item_groups import read_groups
from recloop.types import BoolArray, FloatArray, IntArray, LoggedDecisions
from recloop.utils.checks import check_choice
from recloop.utils.names import unknown_name

UNIFORM = "uniform"
PER = ("decision", "session")
ROWS_AT_ONCE = 4096
LARGEST_TABLE = 200_000_000
"""Numbers in a table of a policy's probabilities of every item; above, of what was shown alone."""


@dataclass(frozen=True)
class JudgedLog:
    """The table of one policy on one log, as JSON values; notes say what was left out, and why.

    decisions: those that were shown, with the rewards that were judged. weights: of each estimator
    that has some, before any cut.
    """

    policy: str
    n_decisions: int
    rows: list[dict[str, Any]]
    decisions: LoggedDecisions
    weights: dict[str, FloatArray]
    n_items: int
    floors: Floors
    notes: tuple[str, ...] = ()
    per: str = "decision"
    confidence: float = 0.95

    @property
    def is_unreliable(self) -> bool:
        """Whether the log cannot answer for one of the estimators."""
        return any(row["unreliable"] for row in self.rows)


@dataclass(frozen=True)
class Judging:
    """How a log is judged; the command `recloop ope` has an option for each.

    reward_model: ridge, logistic, trees, or None for estimators without a model. item_groups: a
    CSV of item_id,group, which brings mips and offcem. logging: the policy that logged, uniform or
    a model of the run folder, where every probability is needed. per: what a value is of, a
    decision or a session; gap_s and discount belong to sessions.
    """

    estimators: Sequence[str] | None = None
    reward_model: str | None = "ridge"
    reward_range: tuple[float, float] | None = None
    item_groups: str | Path | None = None
    logging: str | None = None
    per: str = "decision"
    gap_s: float = 1800.0
    discount: float = 1.0
    settings: Mapping[str, float] | None = None
    confidence: float = 0.95
    n_resamples: int = 1000


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
    how: Judging | None = None,
) -> JudgedLog:
    """Judge "uniform", or a model of a run folder as it explores, by a decision log.

    log: a decision log of any kind (`recloop.decisions.sources`).
    """
    how = how or Judging()
    check_choice("recloop ope", "--per", how.per, PER)
    read = read_log(log)
    decisions, users, items = read.decisions, read.user_ids, read.item_ids
    catalogue, run = _Catalogue(items), None
    if models_dir is not None:
        run = RunFolder(Path(models_dir))
        catalogue = _Catalogue(items, run.ids()["items"])
    evaluator = OffPolicyEvaluator(
        decisions, len(catalogue), floors=floors or Floors(), missing=missing, force=force,
        seed=seed, reward_range=how.reward_range, settings=how.settings or {},
        confidence=how.confidence, n_resamples=how.n_resamples,
    )  # fmt: skip
    shown, notes = evaluator.decisions, []
    sizes = (len(shown), int(shown.sizes.max()), len(catalogue))
    whole = int(np.prod(sizes, dtype=np.int64)) <= LARGEST_TABLE
    model = how.reward_model
    if model is not None and not whole:
        notes.append(
            f"{sizes[0]:,} decisions x {sizes[1]} slots x {sizes[2]:,} items are too many for a "
            "model of the reward: its estimators are left out"
        )
    if model is not None and sizes[0] < 3:
        notes.append("fewer than 3 decisions: no model of the reward can be cross-fitted")
    model = model if whole and sizes[0] >= 3 else None

    def probabilities(name: str) -> FloatArray:
        if name == UNIFORM:
            return _uniform(shown, len(catalogue), whole)
        if run is None:
            raise InvalidParameter(
                f"recloop ope: the policy '{name}' is a model; name its run folder with "
                f"--models-dir, or judge '{UNIFORM}'."
            )
        return _of_model(run, name, shown, users, catalogue, whole)

    target = probabilities(policy)
    names = None if how.estimators is None else list(how.estimators)
    names = list(estimators) if estimators is not None else names
    if how.per == "session":
        found = evaluator.evaluate_sessions(
            target, names, gap_s=how.gap_s, discount=how.discount, reward_model=model
        )
    else:
        more: dict[str, Any] = {"reward_model": model}
        if how.item_groups is not None:
            more["clusters"] = read_groups(how.item_groups, catalogue.ids)
        if how.logging is not None:
            more["logging"] = probabilities(how.logging)
        found = evaluator.evaluate(target, names, **more)
    return JudgedLog(
        policy, len(shown), [row.to_json() for row in found], _with_rewards(shown, missing),
        {row.estimator: row.weights for row in found if row.weights is not None},
        len(catalogue), evaluator.floors, tuple(notes), how.per, how.confidence,
    )  # fmt: skip


def _with_rewards(log: LoggedDecisions, missing: float | None) -> LoggedDecisions:
    known = np.full(len(log.items), np.nan) if log.rewards is None else log.rewards
    filled = known if missing is None else np.where(np.isnan(known), missing, known)
    return replace(log, rewards=filled)


class _Catalogue:
    """The items of a log, and after them those that only the run knows."""

    def __init__(self, log_ids: list[str], run_ids: Sequence[str] = ()) -> None:
        known = set(log_ids)
        self.ids = [*log_ids, *(one for one in run_ids if one not in known)]
        self.to_run = np.empty(0, dtype=np.int64)  # (items,) of each item, -1 where unknown
        self.of_run = np.empty(0, dtype=np.int64)  # (items of the run,) here
        if len(run_ids):
            ids = IdMap("item", list(run_ids))
            self.to_run = ids.known_codes_of(self.ids)
            here = {one: code for code, one in enumerate(self.ids)}
            self.of_run = np.array([here[one] for one in run_ids])

    def __len__(self) -> int:
        return len(self.ids)


def _uniform(log: LoggedDecisions, n_items: int, whole: bool) -> FloatArray:
    if int(log.sizes.max()) > 1:
        return uniform_slots(log, n_items) if whole else uniform_target(log, n_items)
    target = uniform_target(log, n_items)
    return target if whole else target[np.arange(len(log)), log.items]


def _of_model(
    run: RunFolder,
    name: str,
    log: LoggedDecisions,
    user_ids: list[str],
    catalogue: _Catalogue,
    whole: bool,
) -> FloatArray:
    """The model's probabilities given the slots above: of every item, or of what was shown.

    (n, items) or (n, k, items); where that is too large (n,) or (n, k).
    """
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
    _refuse_unknown(log, catalogue)
    shown = np.append(catalogue.to_run, -1)[log.padded(log.items, -1)]
    contexts = log.contexts if getattr(model, "context_dim", 0) else None
    is_limited = log.candidates is not None or log.excluded is not None
    candidates = _eligible(log, catalogue.to_run, len(ids["items"])) if is_limited else None
    parts = []
    for start in range(0, len(log), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        context = None if contexts is None else contexts[rows]
        given = None if candidates is None else candidates[rows]
        if whole:
            parts.append(_of_every_item(model, users[rows], shown[rows], context, given, catalogue))
        else:
            parts.append(
                model.slate_propensities(
                    users[rows], shown[rows], context=context, candidates=given
                )
            )
    target = np.concatenate(parts)
    return target[:, 0] if target.shape[1] == 1 else target


def _of_every_item(
    model: Any,
    users: IntArray,
    shown: IntArray,
    context: FloatArray | None,
    candidates: list[IntArray] | None,
    catalogue: _Catalogue,
) -> FloatArray:
    """(b, k, items) each slot's probabilities given the slots above it that were shown."""
    exploration = model.exploration(users, context=context)
    is_open = np.tile(model.available, (len(users), 1))
    if candidates is not None:
        is_open &= _marked(candidates, model.n_items)
    found = np.zeros((*shown.shape, len(catalogue)))
    rows = np.arange(len(users))
    for slot in range(shown.shape[1]):
        found[:, slot, catalogue.of_run] = exploration.probabilities(is_open)
        some = shown[:, slot] >= 0
        is_open[rows[some], shown[some, slot]] = False
    return found


def _marked(candidates: list[IntArray], n_items: int) -> BoolArray:
    marks = np.zeros((len(candidates), n_items), dtype=np.bool_)
    for row, items in enumerate(candidates):
        marks[row, items] = True
    return marks


def _refuse_unknown(log: LoggedDecisions, catalogue: _Catalogue) -> None:
    missing = catalogue.to_run[log.items] < 0
    if missing.any():
        first = catalogue.ids[int(log.items[missing][0])]
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
