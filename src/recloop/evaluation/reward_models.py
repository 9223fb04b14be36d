"""What supervised learning reaches when it is told every answer: the ceiling of a bandit's run."""

from recloop.errors import MissingExtra
from recloop.types import FloatArray, IntArray


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
