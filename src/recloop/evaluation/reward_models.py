"""Models of a reward by name, for estimators that use one and for the ceiling of a bandit's run.

ridge needs nothing but numpy and is the default of `recloop ope`; logistic and trees come from
scikit-learn. Any other estimator with `fit` and `predict` does as well: pass the object.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from recloop.errors import InvalidData, MissingExtra
from recloop.types import FloatArray, IntArray
from recloop.utils.names import unknown_name


class Ridge:
    """Least squares with an unpenalised intercept; `penalty` of the squared coefficients."""

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = penalty
        self.coefficients: FloatArray = np.empty(0)
        self.intercept = 0.0

    def fit(self, x: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> "Ridge":
        """Learn from rows x (n, D) and y (n,); rows without weight are ignored."""
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        total = weight.sum()
        if not total > 0:
            weight, total = np.ones(len(y)), float(len(y))
        mean_x, mean_y = weight @ x / total, float(weight @ y / total)
        centred = x - mean_x
        scaled = centred * weight[:, None]
        system = scaled.T @ centred + self.penalty * np.eye(x.shape[1])
        found = np.linalg.solve(system, scaled.T @ (y - mean_y))
        self.coefficients = np.asarray(found, dtype=np.float64)
        self.intercept = mean_y - float(mean_x @ self.coefficients)
        return self

    def predict(self, x: FloatArray) -> FloatArray:
        """(n,) the expected reward of rows x (n, D)."""
        return x @ self.coefficients + self.intercept


def reward_model(name: str, rewards: FloatArray) -> Any:
    """A model by its name, fit for these rewards: logistic asks for 0 and 1."""
    if name not in REWARD_MODELS:
        raise unknown_name("model of the reward", name, list(REWARD_MODELS))
    return REWARD_MODELS[name](rewards)


def full_information_accuracy(contexts: FloatArray, labels: IntArray) -> float:
    """Accuracy of multinomial logistic regression trained on all rows, on the same rows.

    contexts (n, D), labels (n,). A bandit sees one answer a row, and pays for learning it.
    Raises MissingExtra without scikit-learn.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtra(
            "The ceiling of a labelled set needs scikit-learn. Install recloop[proof]."
        ) from None
    model = LogisticRegression(max_iter=2000).fit(contexts, labels)
    return float(model.score(contexts, labels))


class _Clicks:
    """A classifier of 0 and 1 that knows what to say of rows of one class alone."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier
        self.only: float | None = None

    def fit(self, x: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> None:
        self.only = float(y[0]) if (y == y[0]).all() else None
        if self.only is None:
            self.classifier.fit(x, y, sample_weight=sample_weight)

    def predict(self, x: FloatArray) -> FloatArray:
        if self.only is not None:
            return np.full(len(x), self.only)
        return np.asarray(self.classifier.predict_proba(x)[:, 1], dtype=np.float64)


class _OneThread:
    """A model without threads of its own: where others compute, they wait for each other."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, x: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> None:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            self.model.fit(x, y, sample_weight=sample_weight)

    def predict(self, x: FloatArray) -> FloatArray:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return self.model.predict(x)


def _are_clicks(rewards: FloatArray) -> bool:
    return bool(np.isin(rewards, (0.0, 1.0)).all())


def _logistic(rewards: FloatArray) -> Any:
    if not _are_clicks(rewards):
        first = rewards[~np.isin(rewards, (0.0, 1.0))][0]
        raise InvalidData(
            f"The logistic model of the reward needs rewards of 0 and 1, got {first:g}. "
            "Take ridge or trees."
        )
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise _missing("logistic") from None
    return _Clicks(LogisticRegression(max_iter=1000))


def _trees(rewards: FloatArray) -> Any:
    try:
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
    except ImportError:
        raise _missing("trees") from None
    options: dict[str, Any] = {"max_iter": 50, "early_stopping": False, "random_state": 0}
    if _are_clicks(rewards):
        return _OneThread(_Clicks(HistGradientBoostingClassifier(**options)))
    return _OneThread(HistGradientBoostingRegressor(**options))


def _missing(name: str) -> MissingExtra:
    return MissingExtra(
        f"The {name} model of the reward needs scikit-learn. Install recloop[proof], or take ridge."
    )


REWARD_MODELS: dict[str, Callable[[FloatArray], Any]] = {
    "ridge": lambda _: Ridge(),
    "logistic": _logistic,
    "trees": _trees,
}
