"""How long to train, how often to look, when to stop: the same for every model."""

from dataclasses import dataclass

from recloop.utils.checks import check_count


@dataclass(frozen=True)
class TrainingSettings:
    """Run settings; what a model is made of stands in the model.

    n_rounds: passes over a log, or episodes in a world.
    eval_freq: rounds between two looks at the validation part and two checkpoints.
    metric: what early stopping watches among the values that `evaluate` returns.
    patience: looks without a better value after which training stops; 0 never stops early.
    """

    n_rounds: int
    eval_freq: int = 1
    metric: str = "ndcg@10"
    patience: int = 0

    def __post_init__(self) -> None:
        check_count("TrainingSettings", "n_rounds", self.n_rounds)
        check_count("TrainingSettings", "eval_freq", self.eval_freq)
        check_count("TrainingSettings", "patience", self.patience, least=0)
