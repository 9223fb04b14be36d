"""Figures for Prometheus: what was asked, learned and stored, how fast, and how far behind."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from recloop.serving.service import Service

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Exposition:
    """The figures of one service; two services in a process have each their own."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "recloop_requests", "Requests answered", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "recloop_request_seconds", "Seconds to answer", ["route"], buckets=SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self._kept: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._registry.register(_State(service))

    def seen(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        counter = self._kept.get((route, status))
        if counter is None:
            counter = self._kept[route, status] = self._requests.labels(route, str(status))
            self._timers.setdefault(route, self._seconds.labels(route))
        counter.inc()
        self._timers[route].observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """The figures and their media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _State:
    """Figures that are read when somebody asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        service = self._service
        counts, state, ledger = service.counts, service.state, service.ledger
        yield _counter("recloop_decisions", "Decisions stored", counts.get("decisions", 0))
        rewards = CounterMetricFamily(
            "recloop_rewards", "Rewards by what became of them", labels=["result"]
        )
        for result in ("stored", "late", "duplicate", "conflict", "unknown", "not_shown"):
            rewards.add_metric([result], counts.get(f"reward.{result}", 0))
        yield rewards
        learned = CounterMetricFamily(
            "recloop_learned", "Slots by what the active policy learned of them", labels=["what"]
        )
        for what, n in state.learned.items():
            learned.add_metric([what], n)
        yield learned
        yield _counter("recloop_commits", "Commits on the disk", ledger.n_commits)
        yield _counter("recloop_commits_failed", "Units refused by the disk",
                       counts.get("commits_failed", 0))  # fmt: skip
        yield _counter("recloop_snapshots", "Snapshots written", counts.get("snapshots", 0))
        seconds = sorted(ledger.commit_seconds)
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            value = seconds[int(share * (len(seconds) - 1))] if seconds else 0.0
            yield _gauge(f"recloop_commit_seconds_{name}", "Of the last 1,000 commits", value)
        yield _gauge("recloop_log_seq", "The last record applied", state.seq)
        yield _gauge("recloop_snapshot_seq", "The last record in a snapshot", service.snapshot_seq)
        yield _gauge("recloop_snapshot_age_seconds", "Since the last snapshot",
                     time.time() - service.snapshot_at)  # fmt: skip
        yield _gauge("recloop_waiting", "Records that wait for the disk", ledger.n_waiting)
        yield _gauge("recloop_items", "Items of the catalogue", len(state.catalogue))
        yield _gauge("recloop_items_hidden", "Hidden ones", int(state.catalogue.hidden.sum()))
        watch, ringing = service.watch, service.watch.ringing()
        yield _gauge("recloop_exploration", "Share of slots explored, of the last 1,000 decisions",
                     watch.exploration)  # fmt: skip
        yield _gauge("recloop_first_slot_entropy", "Of the first slots of these, in nats",
                     watch.entropy)  # fmt: skip
        yield _gauge("recloop_uniform_weight_mean", "Must be 1 if propensities are true",
                     watch.propensities.mean)  # fmt: skip
        alarms = GaugeMetricFamily("recloop_alarm", "Whether an alarm rings", labels=["alarm"])
        for name in ("propensities", "rewards", "contexts"):
            alarms.add_metric([name], float(name in ringing))
        yield alarms
        yield _gauge("recloop_ready", "Whether it can serve", float(service.is_ready[0]))


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
