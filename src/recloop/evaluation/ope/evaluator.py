"""`OffPolicyEvaluator`: a decision log and a policy's probabilities in, a table of results out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recloop.errors import InvalidData, InvalidParameter
from recloop.evaluation.cross_fitting import cross_fitted
from recloop.evaluation.ope import checking, marginal, methods, slates
from recloop.evaluation.ope.diagnostics import Floors
from recloop.evaluation.ope.estimate import Estimate, NoOverlap, nothing
from recloop.evaluation.ope.judging import Answer, Judge
from recloop.evaluation.ope.methods import Help
from recloop.evaluation.ope.rounds import Rounds
from recloop.evaluation.ope.sessions import sessions_of, trajectories_of
from recloop.evaluation.ope.single import Modelled, modelled, mrdr_weights
from recloop.evaluation.ope.slates import SlateRounds
from recloop.evaluation.ope.table import Row
from recloop.evaluation.ope.trajectories import Trajectories
from recloop.evaluation.reward_models import reward_model as model_named
from recloop.types import BoolArray, FloatArray, IntArray, LoggedDecisions
from recloop.utils.checks import check_between, check_choice, check_count, check_real
from recloop.utils.names import unknown_name
from recloop.utils.seeding import stream

MISSING = "Join them, or say what counts where none came: missing=0, --missing 0."


@dataclass(frozen=True)
class OffPolicyEvaluator:
    """Judges policies by the decisions of a log.

    missing: the reward of a slot of which none is known; None refuses such a log. force: give the
    number where the floors say that it means nothing, beside the reasons. reward_range: between
    which numbers every reward lies; biased estimators of single items then have an interval that
    carries their bias.
    """

    decisions: LoggedDecisions
    n_items: int
    floors: Floors = Floors()
    confidence: float = 0.95
    n_resamples: int = 1000
    missing: float | None = None
    force: bool = False
    seed: int = 0
    reward_range: tuple[float, float] | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    """The setting of estimators that have one, such as switch_dr: 20; else SLOPE chooses."""

    def __post_init__(self) -> None:
        who = type(self).__name__
        check_count(who, "n_items", self.n_items)
        check_count(who, "n_resamples", self.n_resamples)
        check_between(who, "confidence", self.confidence, 0, 1, low_open=True, high_open=True)
        if self.reward_range is not None:
            low, high = (check_real(who, "reward_range", end) for end in self.reward_range)
            if not low < high:
                raise InvalidParameter(
                    f"{who}: reward_range must be LOW below HIGH, got {self.reward_range}."
                )
        for name in self.settings:
            if name not in methods.CUT:
                raise unknown_name("estimator with a setting", name, methods.CUT)
        if not self.decisions.activated.all():
            kept = self.decisions.rows(np.flatnonzero(self.decisions.activated))
            object.__setattr__(self, "decisions", kept)
        if not len(self.decisions):
            raise InvalidData("OffPolicyEvaluator: the log must have a decision that was shown.")
        if self.decisions.rewards is None and self.missing is None:
            raise InvalidData("OffPolicyEvaluator: the log has no rewards; join them first.")
        m = int(self.decisions.offsets[-1])
        for name in ("items", "propensities", "rewards"):
            if getattr(self.decisions, name) is not None:
                checking.shaped(name, np.asarray(getattr(self.decisions, name)), (m,))
        checking.distinct("ids", self.decisions.ids, len(self.decisions))
        checking.codes("items", self.decisions.items, (None,), self.n_items)

    @property
    def is_of_slates(self) -> bool:
        """Whether a decision has more than one slot."""
        return int(self.decisions.sizes.max()) > 1

    @property
    def _kinds(self) -> list[str]:
        kinds = self.decisions.propensity_kinds
        return [kinds.names[code] for code in np.unique(kinds.codes)]

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those that this log allows without a model of the reward."""
        if not self.is_of_slates:
            p = self.decisions.propensities
            flat = bool(np.ptp(p) <= 1e-6 * p[0])
            return ("replay", "ips", "snips") if flat else ("ips", "snips")
        if self._kinds == ["marginal"]:
            return ("independent_ips", "independent_snips")
        return tuple(name for name in methods.OF_SLATES if name not in methods.OF_MARGINALS)

    def evaluate(
        self,
        target: FloatArray,
        estimators: Sequence[str] | None = None,
        *,
        q: Any = None,
        logging: FloatArray | None = None,
        reward_model: Any = None,
        clusters: IntArray | None = None,
        item_features: FloatArray | None = None,
        slate_weights: FloatArray | None = None,
    ) -> list[Row]:
        """A row for each estimator (None: all that the log and what is given allow).

        target: for single items (n, n_items), or (n,) of the items shown; for slates (n, k) of the
        slots shown, or (n, k, n_items), each given the slots above it.
        q: a model of the reward (n, n_items); for slates (q_taken, v) as in `cascade_dr`.
        reward_model: in place of q the name of a model, or anything with `fit` and `predict`,
        cross-fitted on contexts and places beside item_features (n_items, G; None: a column each).
        logging (n, n_items): as in `Rounds`. clusters (n_items,): a group of each item, for mips
        and offcem. slate_weights (n,): `pseudo_inverse_weights`.
        """
        names = list(self.estimators if estimators is None else estimators)
        if self.is_of_slates:
            return self._of_slates(target, names, estimators is None, q, reward_model,
                                   slate_weights)  # fmt: skip
        rounds = self.rounds(target, logging)
        has_model = q is not None or reward_model is not None
        if estimators is None and has_model:
            names += [*methods.BY_MODEL, "mrdr", "switch_dr", "dros"]
        if estimators is None and clusters is not None and logging is not None:
            names += methods.OF_CLUSTERS if has_model else ["mips"]
        given = Help(None if q is None else modelled(rounds, q), None, clusters)
        if q is None and reward_model is not None:
            given = self._fitted(names, rounds, reward_model, clusters, item_features)
        answers = []
        for name in names:
            setting = self.settings.get(name)
            try:
                found = methods.of_singles(name, rounds, given, setting)
            except NoOverlap:
                found = methods.Found(nothing(name, len(rounds)), setting)
            raw = rounds.weights if name in methods.CUT else found.estimate.weights
            answers.append(Answer(name, found.estimate, raw, found.setting))
        return self._rows(answers, rounds)

    def evaluate_sessions(
        self,
        target: FloatArray,
        estimators: Sequence[str] | None = None,
        *,
        gap_s: float = 1800.0,
        discount: float = 1.0,
        reward_model: Any = None,
    ) -> list[Row]:
        """As `evaluate`, of the sum of rewards of a session: a person's decisions without a break.

        gap_s: seconds of a break that begins a new session. With reward_model and a target of
        every item: sequential doubly robust, its model fitted backwards from the last step.
        """
        log = self.decisions
        sessions = sessions_of(log, gap_s)
        if self.is_of_slates:
            whole = self._slates(target)
            taken, rewards = np.prod(whole.target_taken, axis=1), whole.totals
        else:
            rounds = self.rounds(target, None)
            taken, rewards = rounds.target_taken, rounds.rewards
        trips = trajectories_of(log, sessions, rewards, taken, discount=discount)
        names = list(methods.OF_SEQUENCES if estimators is None else estimators)
        values = None
        if reward_model is not None and np.ndim(target) == 2 and not self.is_of_slates:
            values = marginal.cross_fitted_q(
                trips, self._model(reward_model, rewards),
                sessions.laid_out(self._contexts(), 0.0), sessions.laid_out(target, 0.0),
                self.n_items, stream(self.seed, "ope", "folds"),
            )  # fmt: skip
            names += methods.SEQUENCES_BY_MODEL if estimators is None else ()
        answers = []
        for name in names:
            try:
                one = methods.of_sequences(name, trips, values)
            except NoOverlap:
                one = nothing(name, len(trips))
            answers.append(Answer(name, one, one.weights))
        return self._rows(answers, unsupported=self._unsupported(target))

    def rounds(self, target: FloatArray, logging: FloatArray | None = None) -> Rounds:
        """The log of single items beside a policy: its weights, support and calibration."""
        log = self.decisions
        if (log.sizes == 0).any():
            raise InvalidData("OffPolicyEvaluator: a decision of the log shows nothing.")
        if np.ndim(target) > 1 and np.shape(target)[1] != self.n_items:
            raise InvalidData(
                f"off-policy evaluation: target must have {self.n_items} columns of items, got "
                f"{np.shape(target)}."
            )
        return Rounds(
            log.items, self._rewards(), log.propensities, target, logging,
            positions=log.positions, ids=log.ids,
        )  # fmt: skip

    def _of_slates(
        self, target: FloatArray, names: list[str], by_default: bool, q: Any, reward_model: Any,
        slate_weights: FloatArray | None,
    ) -> list[Row]:  # fmt: skip
        log = self._slates(target)
        if q is None and reward_model is not None and np.ndim(target) == 3:
            q = self._cascade_model(log, target, reward_model)
        if by_default and self._kinds != ["marginal"]:
            names += ["cascade_dr"] if q is not None else []
            names += ["pseudo_inverse"] if slate_weights is not None else []
        reference = None if self._kinds == ["marginal"] else slates.standard_ips(log)
        answers = []
        for name in names:
            try:
                estimate = self._slate_estimate(name, log, q, slate_weights)
            except NoOverlap:
                estimate = nothing(name, len(log))
            against = reference if estimate.assumes else None
            answers.append(Answer(name, estimate, estimate.weights, reference=against))
        return self._rows(answers, log, unsupported=self._unsupported(target))

    def _unsupported(self, target: FloatArray) -> float:
        """The policy's mean mass, a slot, on items that no row shows; NaN without all of them."""
        if np.ndim(target) != (3 if self.is_of_slates else 2):
            return float("nan")
        never = np.ones(self.n_items, np.bool_)
        never[self.decisions.items] = False
        table = np.asarray(target)[..., never].sum(axis=-1)
        if self.is_of_slates:
            table = table[self.decisions.owners, self.decisions.ranks]
        return float(table.mean())

    def _rows(
        self,
        answers: list[Answer],
        log: Rounds | SlateRounds | None = None,
        *,
        unsupported: float = float("nan"),
    ) -> list[Row]:
        judge = Judge(
            self.floors, self.confidence, self.n_resamples, self.force, self.seed,
            self.reward_range,
        )  # fmt: skip
        return judge.rows(answers, log, unsupported=unsupported)

    def _fitted(
        self,
        names: list[str],
        rounds: Rounds,
        reward_model: Any,
        clusters: IntArray | None,
        item_features: FloatArray | None,
    ) -> Help:
        """The models of the reward that these estimators ask for, and no other."""

        def q_of(weights: FloatArray | None) -> Modelled:
            rounds.full_target("a model of the reward")
            q = cross_fitted(
                self._model(reward_model, rounds.rewards), self._contexts(), rounds.actions,
                rounds.rewards, self.n_items, stream(self.seed, "ope", "folds"),
                item_features=item_features, sample_weights=weights,
            )  # fmt: skip
            return modelled(rounds, q)

        wanted = set(names)
        q = q_of(None) if wanted & set(methods.USE_MODEL) else None
        weights = mrdr_weights(rounds)
        if "mrdr" in wanted and not weights.any():  # no row to fit: any model gives its E_pi q
            weights = None
        return Help(q, q_of(weights) if "mrdr" in wanted else None, clusters)

    def _cascade_model(
        self, log: SlateRounds, target: FloatArray, reward_model: Any
    ) -> marginal.Values:
        """What is earned from each slot downwards: slots are the steps of a sequence."""
        items = self.decisions.padded(self.decisions.items, 0)
        steps = Trajectories(
            log.rewards * log.slot_weights, log.propensities, log.target_taken, log.filled,
            actions=items,
        )  # fmt: skip
        given = np.repeat(self._contexts(places=False)[:, None], log.rewards.shape[1], axis=1)
        return marginal.cross_fitted_q(
            steps, self._model(reward_model, log.rewards), given, target, self.n_items,
            stream(self.seed, "ope", "folds"),
        )  # fmt: skip

    def _model(self, wanted: Any, rewards: FloatArray) -> Any:
        model = model_named(wanted, rewards) if isinstance(wanted, str) else wanted
        if not (hasattr(model, "fit") and hasattr(model, "predict")):
            raise InvalidParameter(
                "OffPolicyEvaluator: reward_model must be a name or have fit and predict, got "
                f"{wanted!r}."
            )
        return model

    def _contexts(self, *, places: bool = True) -> FloatArray:
        """(n, D) what is known of a decision, and its place on the page where there are several."""
        log = self.decisions
        known = np.zeros((len(log), 0)) if log.contexts is None else log.contexts
        if not places or log.positions is None or self.is_of_slates:
            return known
        shown = np.unique(log.positions)
        if len(shown) < 2:
            return known
        return np.concatenate([known, log.positions[:, None] == shown], axis=1)

    def _slate_estimate(
        self, name: str, log: SlateRounds, q: Any, slate_weights: FloatArray | None
    ) -> Estimate:
        if name not in methods.OF_SLATES and name not in methods.SLATES_BY_MORE:
            raise unknown_name(
                "estimator of slates", name, [*methods.OF_SLATES, *methods.SLATES_BY_MORE]
            )
        if name == "pseudo_inverse" and slate_weights is not None:
            return slates.pseudo_inverse(log.totals, slate_weights)
        self._check_kind(name)
        if name == "pseudo_inverse":
            return slates.pseudo_inverse(log.totals, slates.product_weights(log))
        if name != "cascade_dr":
            return methods.OF_SLATES[name](log)
        if q is None:
            raise InvalidData(
                "cascade_dr: needs q, a model of the reward from each slot downwards, or "
                "reward_model beside a target of every item, shape (slates, slots, items)."
            )
        if not isinstance(q, tuple) or len(q) != 2:
            raise InvalidData("cascade_dr: q must be a pair (q_taken, v), each (slates, slots).")
        return slates.cascade_dr(log, *q)

    def _check_kind(self, name: str) -> None:
        wanted = "marginal" if name in methods.OF_MARGINALS else "conditional"
        for kind in self._kinds:
            check_choice(name, "the log's propensity_kind", kind, (wanted, "estimated"))

    def _slates(self, target: FloatArray) -> SlateRounds:
        log = self.decisions
        filled: BoolArray = log.padded(np.ones(len(log.items), np.bool_), False)
        if np.ndim(target) == 3:
            target = self._of_shown(target)
        return SlateRounds(
            log.padded(self._rewards(), 0.0), log.padded(log.propensities, 1.0), target, filled
        )

    def _of_shown(self, target: FloatArray) -> FloatArray:
        """(n, k) the probabilities of the slots shown, of a table (n, k, n_items)."""
        log = self.decisions
        shape = (len(log), int(log.sizes.max()), self.n_items)
        table = checking.probabilities("target", target, shape)
        sums = table.sum(axis=2)[log.owners, log.ranks]
        wrong = np.abs(sums - 1) > checking.TOLERANCE
        checking.refuse("the sums of target", wrong, sums, "1 for each slot shown")
        return log.padded(table[log.owners, log.ranks, log.items], 1.0)

    def _rewards(self) -> FloatArray:
        log = self.decisions
        known = np.full(len(log.items), np.nan) if log.rewards is None else log.rewards
        if self.missing is not None:
            return np.where(np.isnan(known), self.missing, known)
        if known.dtype.kind == "f":
            checking.refuse("rewards", np.isnan(known), known, "finite numbers", MISSING)
        return known
