"""What a run is made of: the sections of a configuration, their defaults and what is allowed."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Split = Literal["temporal", "leave_last", "per_user_ratio", "random", "user_disjoint"]
Mode = Literal["logged", "simulated", "both"]
TrainingMode = Literal["logged", "simulated", "both", "stream"]
BASELINES = ("random", "popular", "item_knn", "ease", "als", "markov")


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DataSection(Section):
    """Where interactions come from and how they are split."""

    path: str | None = Field(
        default=None, description="File or folder; nothing: synthetic data are made."
    )
    format: str = Field(
        default="auto", description="Name of a public layout, or auto to detect it."
    )
    positives: str = Field(
        default="all", description="Which rows count: all, or a bound such as '>=4'."
    )
    on_bad_rows: Literal["error", "drop"] = "error"
    split: Split = "temporal"
    test_ratio: float = Field(default=0.2, gt=0, lt=1)
    val_ratio: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the training part; 0: none."
    )
    n_last: int = Field(default=1, ge=1, description="Rows of each person under leave_last.")
    sparsity: float = Field(
        default=0.8, gt=0, lt=1, description="Synthetic data: share of empty pairs."
    )
    synthetic: dict[str, Any] = Field(default_factory=dict, description="See SyntheticSettings.")


FITTED = "fitted"


class WorldSection(Section):
    """The simulated people in which `simulated` training happens."""

    type: str = Field(
        default=FITTED,
        description="fitted: made from the training part of the data. Else the name of a world; "
        "no data are read then, and models are judged by what they earn in it.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="The world's settings.")
    discount: float = Field(
        default=0.95, ge=0, lt=1, description="Of the best stationary policy of the certificate."
    )
    n_sessions: int = Field(default=1000, ge=2, description="Sessions that judge a model.")


class TrainingSection(Section):
    """How long, how often to look, when to stop."""

    mode: TrainingMode = Field(
        default="both",
        description="Learn from the log, in a fitted world, or one each; stream: online, one "
        "visitor at a time, from a world, a labelled table or a decision log.",
    )
    n_steps: int = Field(default=20_000, ge=1, description="Visitors of a stream at most.")
    n_episodes: int = Field(default=1000, ge=1, description="Episodes in a world.")
    passes: int = Field(default=1, ge=1, description="Passes over the log.")
    sessions_per_episode: int = Field(default=64, ge=1)
    k: int = Field(default=10, ge=1, description="Length of the lists that early stopping watches.")
    eval_freq: int = Field(
        default=100, ge=1, description="Episodes between two looks; a pass is one."
    )
    patience: int = Field(
        default=0, ge=0, description="Looks without gain before stopping; 0: never."
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="Threads of linear algebra; other numbers of them round differently.",
    )
    reward: Literal["one", "weight"] = "one"
    n_seeds: int = Field(
        default=1, ge=1, description="Every model that draws is trained so many times."
    )


class ModelSection(Section):
    """One model of the comparison."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    type: str
    params: dict[str, Any] = Field(default_factory=dict)
    mode: Mode | None = Field(default=None, description="Overrides training.mode.")
    passes: int | None = Field(default=None, ge=1, description="Overrides training.passes.")
    n_episodes: int | None = Field(default=None, ge=1, description="Overrides training.n_episodes.")
    controls: list[str] = Field(
        default_factory=list, description="Names of the models that this one must beat."
    )
    n_trials: int | None = Field(
        default=None, ge=0, description="How many trials chose the params; written by tuning."
    )


class EvaluationSection(Section):
    """What is measured, beside what."""

    ks: list[int] = Field(default_factory=lambda: [1, 5, 10])
    metric: str = Field(default="ndcg@10", description="Orders the table and decides comparisons.")
    baselines: list[str] = Field(default_factory=lambda: list(BASELINES))
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    n_resamples: int = Field(default=2000, ge=100)

    @field_validator("ks")
    @classmethod
    def _positive(cls, ks: list[int]) -> list[int]:
        if not ks or min(ks) < 1:
            raise ValueError("needs at least one length, each at least 1")
        return sorted(set(ks))

    @model_validator(mode="after")
    def _known_metric(self) -> "EvaluationSection":
        name, _, k = self.metric.partition("@")
        allowed = ("precision", "recall", "ndcg", "map", "hit_rate", "mrr")
        if name not in allowed or k not in {str(k) for k in self.ks}:
            raise ValueError(
                f"metric must be one of {', '.join(allowed)} at one of ks, such as ndcg@"
                f"{self.ks[-1]}; got '{self.metric}'"
            )
        return self


class TuningSection(Section):
    """How `recloop tune` chooses the parameters of every method, with the same budget for each."""

    n_trials: int = Field(
        default=20, ge=1, description="Trials of each method that has something to tune."
    )
    n_seeds: int = Field(
        default=1, ge=1, description="Seeds that a trial is the mean of, where the model draws."
    )
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "none"] = Field(
        default="median", description="median: stop trials below the median of the earlier ones."
    )
    at_once: int = Field(
        default=2,
        ge=1,
        description="Trials of a method that may run at the same time. Trial n knows the results "
        "of those before n - at_once + 1, on any number of workers.",
    )
    models: list[str] | None = Field(
        default=None, description="Names of the methods that are tuned; nothing: all."
    )
    untuned: bool = Field(
        default=True, description="Measure every method with the params it began with as well."
    )


class ExperimentConfig(Section):
    """A whole run."""

    seed: int = Field(default=0, ge=0)
    data: DataSection = Field(default_factory=DataSection)
    world: WorldSection = Field(default_factory=WorldSection)
    training: TrainingSection = Field(default_factory=TrainingSection)
    models: list[ModelSection] = Field(default_factory=list)
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)
    tuning: TuningSection = Field(default_factory=TuningSection)

    @model_validator(mode="after")
    def _names_once(self) -> "ExperimentConfig":
        names = [model.name for model in self.models]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"models: the name '{min(twice)}' stands twice; names must differ")
        return self
