"""The settings of the service: where the log is, which rules hold, how much is let in."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LearningRules(Section):
    """What decides which records teach what; they stand in the log, so that a fold is repeatable.

    reward_wait_s: after so many seconds a slot without a reward gets the default reward.
    default_reward: that reward; None: slots without a reward teach nothing.
    late_window_s: a reward that comes later than this is kept, and teaches nothing.
    """

    reward_wait_s: Positive = 1800.0
    default_reward: Annotated[float, Field(ge=-1e6, le=1e6)] | None = 0.0
    late_window_s: Positive = 7 * 86400.0

    @model_validator(mode="after")
    def _late_is_after_wait(self) -> "LearningRules":
        if self.late_window_s < self.reward_wait_s:
            raise ValueError("late_window_s must be at least reward_wait_s")
        return self


class Limits(Section):
    """What a request may hold; checked before any array is made."""

    body_bytes: Annotated[int, Field(ge=256, le=1 << 26)] = 16_384
    batch_body_bytes: Annotated[int, Field(ge=256, le=1 << 28)] = 1 << 20
    batch_events: Annotated[int, Field(ge=1, le=100_000)] = 500
    k: Annotated[int, Field(ge=1, le=10_000)] = 100
    id_length: Annotated[int, Field(ge=1, le=4096)] = 128
    listed_items: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    context_magnitude: Positive = 1e3
    reward_magnitude: Positive = 1e6
    waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    seconds: Positive = 10.0


class Lists(Section):
    """Which items may stand in a list.

    seen: what happens to items that a person was shown before: "allowed", "never" (again), or
        "days": not before `seen_days` have passed.
    most_per_category: at most so many items of one category in a list; 0: no limit.
    """

    seen: Literal["allowed", "never", "days"] = "allowed"
    seen_days: Positive = 7.0
    most_per_category: Annotated[int, Field(ge=0)] = 0


class Keys(Section):
    """Names of the environment variables that hold the keys; a key itself stands in no file.

    api: for the routes of an application; None: they are open (bind to loopback only).
    admin: for the routes that change the policy; without one these answer 403.
    """

    api: str | None = "RECLOOP_API_KEY"
    admin: str | None = "RECLOOP_ADMIN_KEY"


class ServingSettings(Section):
    """Everything `recloop serve` is told.

    model: a saved model, or a run folder with `model_name`; needed for an empty log alone.
    log: the decision log: a file, or the address of a PostgreSQL database.
    data_dir: snapshots and registered models.
    decisions: "sync" answers when the decision is on the disk; "async" answers at once, and a crash
        may lose the last of them.
    drain_s: after a signal to stop, seconds in which it still serves and says that it is not ready.
    floor: the least share of every slot that is drawn uniformly from what may be shown.
    rewards: what an event is worth, such as click: 1, purchase: 5.
    snapshot_every: records between two snapshots.
    publish_every: rewards between two models of a background trainer (DQN).
    log_format: how the service writes to stderr: "text" for people, "json" for machines.
    log_requests: write a line for each request, with its route and status, without its content.
    """

    model: str | None = None
    model_name: str | None = None
    log: str = "recloop.db"
    data_dir: str = "serving"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    drain_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0
    decisions: Literal["sync", "async"] = "sync"
    floor: Annotated[float, Field(gt=0, le=1)] = 0.05
    learn: bool = True
    context_names: tuple[str, ...] = ()
    rewards: dict[str, Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        default_factory=lambda: {"click": 1.0}
    )
    snapshot_every: Annotated[int, Field(ge=1)] = 20_000
    publish_every: Annotated[int, Field(ge=1)] = 500
    snapshots_kept: Annotated[int, Field(ge=1)] = 3
    remembered_decisions: Annotated[int, Field(ge=1)] = 100_000
    log_format: Literal["text", "json"] = "text"
    log_requests: bool = False
    rules: LearningRules = LearningRules()
    limits: Limits = Limits()
    lists: Lists = Lists()
    keys: Keys = Keys()
