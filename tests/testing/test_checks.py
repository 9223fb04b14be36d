"""Every check fails for a model that breaks its promise: a sound model, spoilt in one place."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from plug_in import CountingRecommender
from recloop.errors import InvalidData, UnknownName
from recloop.models.base import learned
from recloop.models.baselines.popular import PopularRecommender
from recloop.testing import CHECKS, ContractBroken, check_recommender
from recloop.types import Slates
from recloop.utils.files import load_arrays
from recloop.utils.seeding import stream

SPOILT: list = []


def breaks(sentence, words):
    """Enter a spoilt model with the check that must notice, and what the check must say."""
    assert sentence in CHECKS

    def enter(made):
        SPOILT.append(pytest.param(made, sentence, words, id=made.__name__))
        return dataclass(made)

    return enter


# scores and lists


@breaks("scores are finite and one for each pair", "must be finite")
class NotFinite(CountingRecommender):
    def scores(self, users, *, context=None, history=None):
        with np.errstate(invalid="ignore"):
            return self.sums[users] / self.counts[users]


@breaks("scores are finite and one for each pair", r"must have shape \(0, 10\), got \(1, 10\)")
class ScoresForNobody(CountingRecommender):
    def scores(self, users, *, context=None, history=None):
        return super().scores(users if len(users) else np.array([0]))


@breaks("recommends k distinct known items", r"asked for 3 of 10 items, got \[\d, \d, \d\]")
class RepeatsItself(CountingRecommender):
    def recommend_batch(self, users, k=10, **given):
        first = super().recommend_batch(users, 1, **given)
        return np.repeat(first, k, axis=1)


@breaks("recommends k distinct known items", r"got \[np.int64")
class NumpyNumbers(CountingRecommender):
    def recommend(self, user_id, k=10, **given):
        return [np.int64(item) for item in super().recommend(user_id, k, **given)]


@breaks("recommends k distinct known items", "of int64, got .* of int32")
class NarrowBatches(CountingRecommender):
    def recommend_batch(self, users, k=10, **given):
        return super().recommend_batch(users, k, **given).astype(np.int32)


@breaks("a k beyond the catalogue gives every item once", "and then -1")
class FillsUp(CountingRecommender):
    def recommend_batch(self, users, k=10, **given):
        batch = super().recommend_batch(users, k, **given)
        return np.where(batch < 0, 0, batch)

    def recommend(self, user_id, k=10, **given):
        return super().recommend(user_id, min(k, self.n_items), **given)


@breaks("the best items come first", "must rank by scores")
class TiesToTheHigher(CountingRecommender):
    def recommend_batch(self, users, k=10, *, explore=True, **given):
        if explore:
            return super().recommend_batch(users, k, explore=True, **given)
        scores = self.scores(users)
        return np.argsort(scores, axis=1, kind="stable")[:, ::-1][:, :k].copy()


@breaks("a batch answers like its rows", "scores of user")
class KnowsItsNeighbours(CountingRecommender):
    def scores(self, users, *, context=None, history=None):
        scores = super().scores(users)
        return scores - scores.mean(axis=0)


@breaks("a batch answers like its rows", "probabilities of user")
class SplitsTiesByBatch(CountingRecommender):
    def acting_scores(self, users, context, history):
        scores = super().acting_scores(users, context, history)
        if len(users) > 1:
            scores[:, 0] += 1e-12
        return scores


@breaks("excluded items never appear", "are left, got")
class ForgetsExclusions(CountingRecommender):
    def recommend_batch(self, users, k=10, *, exclude=None, explore=True, **given):
        known = exclude if len(users) == 1 else None
        return super().recommend_batch(users, k, exclude=known, explore=explore, **given)


@breaks("excluded items never appear", "the list must be empty")
class NeverSpeechless(CountingRecommender):
    def recommend(self, user_id, k=10, **given):
        return super().recommend(user_id, k, **given) or [0]


@breaks("candidates are respected", "leave two items")
class IgnoresCandidates(CountingRecommender):
    def decide(self, user_id, k=10, *, candidates=None, **given):
        return super().decide(user_id, k, **given)


# chance


@breaks("the same seed recommends the same", "choose differently")
class Unseeded(CountingRecommender):
    def _start(self):
        super()._start()
        self._rng = np.random.Generator(np.random.PCG64())


@breaks("another seed draws otherwise", "explore alike")
class OneSeedForAll(CountingRecommender):
    def _start(self):
        super()._start()
        self._rng = stream(0, "the same for everybody")


@breaks("another seed draws otherwise", "declares draws")
class DrawsNothing(CountingRecommender):
    draws = True


# histories


@breaks("histories of any length are taken", "must not count")
class LooksTooFarBack(CountingRecommender):
    history_length = 2

    def scores(self, users, *, context=None, history=None):
        recent = self._own_history(users) if history is None else history
        return super().scores(users) + (recent >= 0).sum(axis=1, keepdims=True)


@breaks("histories of any length are taken", "must count like one padded")
class CountsWhatIsMissing(CountingRecommender):
    history_length = 2

    def scores(self, users, *, context=None, history=None):
        recent = self._own_history(users) if history is None else history[:, :2]
        return super().scores(users) + recent.sum(axis=1, keepdims=True)


# propensities


@breaks("probabilities sum to one", "must sum to one")
class CertainOfAll(CountingRecommender):
    def probabilities(self, users, **given):
        return 1.01 * super().probabilities(users, **given)


@breaks("decisions carry their propensities", "decide says")
class SureOfItself(CountingRecommender):
    def decide(self, user_id, k=10, **given):
        made = super().decide(user_id, k, **given)
        return replace(made, propensities=np.ones(len(made.items)))


@breaks("decisions carry their propensities", "choose_batch and slate_propensities disagree")
class HalfTheChance(CountingRecommender):
    def choose_batch(self, users, k=1, **given):
        slates = super().choose_batch(users, k, **given)
        return Slates(slates.items, slates.propensities / 2, slates.explored)


@breaks("items are drawn as often as they say", "20000 draws give")
class ExploresLess(CountingRecommender):
    def choose_batch(self, users, k=1, **given):
        told, self.epsilon = self.epsilon, 0.18
        try:
            return super().choose_batch(users, k, **given)
        finally:
            self.epsilon = told


@breaks("slates are drawn as often as they say", "20000 slates give")
class SortsTheRest(CountingRecommender):
    def choose_batch(self, users, k=1, **given):
        slates = super().choose_batch(users, k, **given)
        rest = np.sort(slates.items[:, 1:], axis=1) if k > 2 else slates.items[:, 1:]
        if k == 2:  # the second slot is always the lowest that is left
            rest = np.where(slates.items[:, :1] == 0, 1, 0)
        return Slates(
            np.concatenate([slates.items[:, :1], rest], axis=1),
            slates.propensities,
            slates.explored,
        )


# learning


@breaks("looking does not teach", "a look without exploration changed")
class LearnsFromLooks(CountingRecommender):
    def scores(self, users, *, context=None, history=None):
        self.counts[users, 0] += 1.0
        return super().scores(users)


@breaks("looking does not teach", "an exploring choice changed")
class LearnsFromChoices(CountingRecommender):
    def choose_batch(self, users, k=1, **given):
        self.counts[users] += 0.5
        return super().choose_batch(users, k, **given)


@breaks("looking does not teach", "a look without exploration changed")
class DrawsFromItsOwnStream(CountingRecommender):
    def decide(self, user_id, k=10, *, rng=None, **given):
        return super().decide(user_id, k, **given)


@breaks("learns which item is liked", "everybody likes item 8")
class LearnsTheOpposite(CountingRecommender):
    def scores(self, users, *, context=None, history=None):
        return -super().scores(users)


@breaks("a batch teaches like its rows", "leave different values in counts")
class CountsAPairOnce(CountingRecommender):
    def update_batch(self, transitions):
        rows = self._checked(transitions)
        self.sums[rows.users, rows.items] += rows.rewards
        self.counts[rows.users, rows.items] += 1.0


@breaks("a batch teaches like its rows", "an empty batch changed")
class LearnsFromNothing(CountingRecommender):
    def update_batch(self, transitions):
        super().update_batch(transitions)
        self.counts *= 0.99


@breaks("one answer teaches like a batch of one", "leave different values in sums")
class HalfHearted(CountingRecommender):
    def update(self, user_id, item_id, reward, **given):
        super().update(user_id, item_id, reward / 2, **given)


@breaks("one answer teaches like a batch of one", "the short memory is")
class Forgetful(CountingRecommender):
    history_length = 2

    def update(self, user_id, item_id, reward, **given):
        super().update(user_id, item_id, reward, **given)
        self._recent = None


# nonsense


@breaks("nonsense is refused and teaches nothing", "must raise InvalidParameter")
class Gullible(CountingRecommender):
    def update_batch(self, transitions):
        np.add.at(self.sums, (transitions.users % 12, transitions.items % 10), transitions.rewards)


@breaks("nonsense is refused and teaches nothing", "was refused but changed the model")
class ChecksTooLate(CountingRecommender):
    def update_batch(self, transitions):
        self.counts[0, 0] += 1.0
        super().update_batch(transitions)


@breaks("nonsense is refused and teaches nothing", "fitting a log of other sizes must raise")
class FitsAnything(PopularRecommender):
    def fit(self, interactions):
        self.counts = np.bincount(interactions.items, minlength=10).astype(float)
        return self


@breaks("an empty log is refused or harmless", "not finite")
class SharesOfNothing(PopularRecommender):
    def fit(self, interactions):
        super().fit(interactions)
        with np.errstate(invalid="ignore"):
            self.counts = self.counts / self.counts.sum()
        return self


@breaks("an empty log is refused or harmless", "a refused log changed the model")
class RefusesTooLate(PopularRecommender):
    def fit(self, interactions):
        self.counts += 1.0
        raise InvalidData("nothing to fit")


# files


@breaks("a saved model comes back whole", "the loaded model has other scores")
class HiddenState(CountingRecommender):
    def _start(self):
        super()._start()
        self._extra = 0.0

    def update_batch(self, transitions):
        super().update_batch(transitions)
        self._extra += len(transitions)

    def scores(self, users, *, context=None, history=None):
        return super().scores(users) + self._extra


@breaks("a saved model comes back whole", "explores otherwise")
class ForgetsItsStream(CountingRecommender):
    @classmethod
    def load(cls, path):
        model = super().load(path)
        model._rng = stream(1, "another")
        return model

    def save(self, path, **extra):
        told, self._rng = self._rng, stream(1, "another")
        super().save(path, **extra)
        self._rng = told


@breaks("a saved model comes back whole", "saving what was loaded gives other bytes")
class CountsItsLoads(CountingRecommender):
    def counters(self):
        return {"n_loads": self._n_loads}

    def _start(self):
        super()._start()
        self._n_loads = 0

    def _set_counters(self, counters):
        self._n_loads = counters["n_loads"] + 1


@breaks("a saved model comes back whole", "saved .* loaded")
class HalvesItsEpsilon(CountingRecommender):
    def _check(self):
        self.epsilon = self.epsilon / 2


@breaks("interrupted training continues the same", "ends in other bytes")
class HiddenPace(CountingRecommender):
    def _start(self):
        super()._start()
        self._n_batches = 0

    def update_batch(self, transitions):
        super().update_batch(transitions)
        self._n_batches += 1
        self.counts += 0.01 * (self._n_batches % 7 == 0)


@breaks("parameters rebuild the model", "rebuilds a model of")
class DoublesItsEpsilon(CountingRecommender):
    def _check(self):
        self.epsilon = min(2 * self.epsilon, 0.9)


@breaks("parameters rebuild the model", "starts with other scores")
class StartsAnywhere(CountingRecommender):
    def _start(self):
        super()._start()
        self.sums = np.random.Generator(np.random.PCG64()).random(self.sums.shape)


@breaks("damaged files are refused", "must be refused with DamagedFile")
class TakesAnyFile(CountingRecommender):
    @classmethod
    def load(cls, path):
        header, arrays = load_arrays(path)
        params = {"n_users": 12, "n_items": 10, **header["params"]}
        params.pop("x", None)
        model = cls(**params)
        model.sums = arrays.get("sums", model.sums)
        return model


@breaks("damaged files are refused", "a row too many in 'sums'")
class TakesAnyShape(CountingRecommender):
    sums: np.ndarray = learned("?", "?")


@pytest.mark.parametrize(("made", "sentence", "words"), SPOILT)
def test_the_check_notices_the_spoilt_model(made, sentence, words):
    with pytest.raises(ContractBroken, match=words):
        CHECKS[sentence](lambda seed: made(12, 10, seed=seed))


def test_every_check_has_a_model_that_fails_it():
    assert {case.values[1] for case in SPOILT} == set(CHECKS)


def test_the_sound_model_passes_all_checks():
    check_recommender(lambda seed: CountingRecommender(12, 10, seed=seed))


def test_all_broken_promises_are_reported_at_once():
    @dataclass
    class Loose(CountingRecommender):
        def scores(self, users, *, context=None, history=None):
            self.counts[users, 0] += 1.0
            return -super().scores(users)

    with pytest.raises(ContractBroken) as caught:
        check_recommender(lambda seed: Loose(12, 10, seed=seed))
    first, *lines = str(caught.value).splitlines()
    assert first == f"Loose breaks {len(lines)} of {len(CHECKS)} promises:"
    assert "  looking does not teach: a look without exploration changed what is saved" in lines
    assert any(line.startswith("  learns which item is liked: everybody likes") for line in lines)


def test_an_accident_inside_a_check_is_reported_and_does_not_hide_the_others():
    @dataclass
    class Crashes(CountingRecommender):
        def probabilities(self, users, **given):
            raise ZeroDivisionError("division by zero")

    with pytest.raises(
        ContractBroken, match="raised ZeroDivisionError: division by zero"
    ) as caught:
        check_recommender(lambda seed: Crashes(12, 10, seed=seed))
    assert "candidates" not in str(caught.value)


def test_a_promise_can_be_excepted_by_its_sentence():
    check_recommender(
        lambda seed: LearnsTheOpposite(12, 10, seed=seed),
        except_for=["learns which item is liked"],
    )


def test_an_exception_that_names_no_check_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'looking does not teach'"):
        check_recommender(
            lambda seed: CountingRecommender(12, 10, seed=seed),
            except_for=["looking does not tech"],
        )
