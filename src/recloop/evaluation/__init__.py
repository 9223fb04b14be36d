"""Honest numbers: ranking metrics with definitions, intervals, paired comparisons, evaluators."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "Comparison": "recloop.evaluation.comparison",
        "Definitions": "recloop.evaluation.definitions",
        "Evaluation": "recloop.evaluation.result",
        "Intervals": "recloop.evaluation.summary",
        "RLRecommenderEvaluator": "recloop.evaluation.evaluator",
        "RecommendationMetrics": "recloop.evaluation.metrics",
        "RelevantSets": "recloop.evaluation.relevant",
        "ScoredLists": "recloop.evaluation.frames.scored",
        "accuracy": "recloop.evaluation.ranking",
        "compare": "recloop.evaluation.comparison",
        "convergence": "recloop.evaluation.reinforcement",
        "corrected": "recloop.evaluation.comparison",
        "cumulative_reward": "recloop.evaluation.reinforcement",
        "exploration_rate": "recloop.evaluation.reinforcement",
        "moving_average": "recloop.evaluation.reinforcement",
        "score_files": "recloop.evaluation.frames.files",
        "score_frames": "recloop.evaluation.frames.scoring",
    },
)
