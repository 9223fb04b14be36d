"""`DecisionLog`: decisions, rewards and controls in one order, in SQLite or PostgreSQL.

What it promises

- When an append (or the transaction around it) returns, its records are on the disk. After a crash
  all of a transaction is there, or none of it.
- Nothing is written twice: a decision is known by its id, a reward by its key, a control by its id.
  Sent again with the same content it is a duplicate and keeps its place; another content under a
  known name is a conflict and is refused. The time stamp is no content: the first one stands.
- A reward of a decision that the log does not hold is refused and never joined to another one.
- `seq` rises in the order of commits, over all three kinds of record. A reader that has seen
  everything up to a seq has missed nothing below it.
- Every refusal is counted, in the log itself.

A log is for one thread at a time. Other processes may read and write the same one; writers wait for
each other.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from recloop.decisions import rows, schema
from recloop.decisions.batches import concatenated
from recloop.decisions.checking import check_decisions, check_rewards
from recloop.decisions.database import Database
from recloop.decisions.joining import How, join_rewards
from recloop.decisions.names import ID_KINDS, Names, id_order
from recloop.decisions.records import CONTROL_KINDS, RESULTS, Appended, Control, Opinions
from recloop.decisions.sorting_out import Batch, control_batch, decision_batch, reward_batch
from recloop.types import FloatArray, IntArray, Labels, LoggedDecisions, LoggedRewards
from recloop.utils.checks import check_between, check_choice, check_count

CHUNK = 20_000
LAST = 2**62


class DecisionLog:
    """An open log; made by `open_log`, closed by `close` or at the end of `with`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names(database)
        self._is_open = False  # whether a transaction is

    @property
    def place(self) -> str:
        """Where the log is, for messages."""
        return self._database.place

    @property
    def database(self) -> Database:
        """The tables themselves, for reading what no method gives."""
        return self._database

    def __enter__(self) -> "DecisionLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the server; what was appended is safe already."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One commit for all that is appended inside: all of it is kept, or none of it.

        A refused record is an answer and does not undo the others; an error does.
        """
        if self._is_open:
            yield
            return
        self._is_open = True
        try:
            with self._database.transaction():
                yield
        except BaseException:
            self._names.forget()
            raise
        finally:
            self._is_open = False

    # Writing

    def append_decisions(
        self, decisions: LoggedDecisions, *, seq_shift: int | None = None
    ) -> Appended:
        """Write decisions; those whose id is known are duplicates, or conflicts.

        Joined rewards are not written: rewards are records of their own. seq_shift: for imports;
        each record keeps its own seq plus this number.
        """
        check_decisions(decisions)
        with self.transaction():
            batch = decision_batch(decisions, self._database, self._names)
            return self._store(batch, decisions.seqs, seq_shift)

    def append_rewards(
        self,
        rewards: LoggedRewards,
        *,
        reward_wait_s: float = math.inf,
        seq_shift: int | None = None,
    ) -> Appended:
        """Write rewards and say what became of each.

        reward_wait_s: an observed reward or a correction that comes more seconds after its
        decision is late: written all the same, and marked. Where `rewards.late` says it, it stands.
        """
        check_rewards(rewards)
        check_between("append_rewards", "reward_wait_s", min(reward_wait_s, 1e300), 0.0, math.inf)
        with self.transaction():
            batch = reward_batch(rewards, self._database, self._names, reward_wait_s)
            return self._store(batch, rewards.seqs, seq_shift)

    def append_controls(
        self, controls: Sequence[Control], *, seq_shift: int | None = None
    ) -> Appended:
        """Write changes of the policy; those whose id is known are duplicates, or conflicts."""
        for control in controls:
            check_choice("Control", "kind", control.kind, CONTROL_KINDS)
            check_between("Control", "timestamp", control.timestamp, 0.0, math.inf)
        with self.transaction():
            batch = control_batch(controls, self._database)
            seqs = np.array([control.seq for control in controls], dtype=np.int64)
            return self._store(batch, seqs, seq_shift)

    def append_opinions(
        self, decisions: Sequence[int], version: str, propensities: Sequence[FloatArray]
    ) -> None:
        """Write how likely a policy that did not decide would have shown what was shown.

        decisions: (n,) seqs that the log holds and of which that version has no opinion yet.
        propensities: n arrays of a number for each slot, given the slots above it.
        """
        blobs = [np.ascontiguousarray(p, dtype="<f8").tobytes() for p in propensities]
        with self.transaction():
            code = self._names.codes("version", [version])[0]
            columns = [list(decisions), [code] * len(blobs), blobs]
            self._database.insert("opinion", columns)

    def opinions(self, version: str, first: int = 1, last: int | None = None) -> Opinions:
        """What a policy that did not decide said of the decisions with seq in first..last."""
        codes = {name: code for code, name in enumerate(self._names.reread("version"))}
        found = self._database.select(
            "SELECT decision, propensities FROM opinion WHERE version = ? AND decision >= ? "
            "AND decision <= ? ORDER BY decision",
            (codes.get(version, -1), first, LAST if last is None else last),
        )
        seqs = np.array([row[0] for row in found], dtype=np.int64)
        return Opinions(seqs, [np.frombuffer(bytes(row[1]), dtype="<f8") for row in found])

    def activate(self, decision_ids: Sequence[str]) -> None:
        """Say of decisions that were only prepared that they were shown."""
        with self.transaction():
            for one in decision_ids:
                self._database.execute("UPDATE decision SET activated = 1 WHERE id = ?", (one,))

    def probe(self) -> None:
        """Write a row and take it back, to see whether the disk takes it; else LogUnavailable."""
        with self.transaction():
            self._count("probe", 1)
            self._database.execute("DELETE FROM tally WHERE what = ?", ("probe",))

    def codes(self, kind: str, ids: Sequence[str], *, as_given: bool = False) -> IntArray:
        """The codes of ids of users or items ("user", "item"); new ones get the next codes.

        Several new ones are ordered as numbers where all are digits, else by code point; as_given:
        they keep the order in which they come.
        """
        check_choice("DecisionLog.codes", "kind", kind, ID_KINDS)
        texts = list(ids)
        if new := self._names.missing(kind, texts):
            with self.transaction():
                self._names.codes(kind, new if as_given else id_order(new))
        return np.array(self._names.codes(kind, texts), dtype=np.int64)

    def rename(self, kind: str, code: int, name: str) -> None:
        """Give the user or item with that code another id; what it was called is overwritten.

        Nothing else of the log changes: records know codes. In SQLite the old id is gone from the
        file once `compact` has run; in PostgreSQL after a VACUUM, and from its own backups never.
        """
        check_choice("DecisionLog.rename", "kind", kind, ID_KINDS)
        with self.transaction():
            self._database.execute(
                "UPDATE name SET text = ? WHERE kind = ? AND code = ?", (name, kind, code)
            )
            self._names.forget()

    def count_archived(self, decisions: int, rewards: int, *, again: bool = False) -> None:
        """Count records that were taken out (below 0: brought back); again: written anew for it."""
        for table, n in (("decision", decisions), ("reward", rewards)):
            self._count(f"{table}.archived", n)
            if again:
                self._count(f"{table}.stored", n)

    def compact(self) -> None:
        """Leave nothing beside the tables that was overwritten in them, as far as we can."""
        self._database.compact()

    def _store(self, batch: Batch, own: IntArray | None, seq_shift: int | None) -> Appended:
        """Write what is new in a batch, give it its places, and count every result."""
        codes, fresh = batch.results, batch.fresh
        seqs = batch.known_seqs
        n = len(fresh)
        if n:
            given = None if own is None or seq_shift is None else own[fresh] + seq_shift
            seqs[fresh] = self._next_seqs(n) if given is None else self._kept_seqs(given)
            columns = batch.columns
            if n < len(codes):
                columns = [[column[i] for i in fresh.tolist()] for column in columns]
            self._database.insert(batch.table, [seqs[fresh].tolist(), *columns[1:]])
        again = batch.repeats >= 0  # of one that is new in this very batch
        seqs[again] = seqs[batch.repeats[again]]
        appended = Appended(seqs, Labels(codes.astype(np.int32), RESULTS))
        for result, count in appended.counts().items():
            self._count(f"{batch.table}.{result}", count)
        return appended

    def _next_seqs(self, n: int) -> IntArray:
        found = self._database.select(
            "UPDATE tally SET n = n + ? WHERE what = ? RETURNING n", (n, schema.NEXT_SEQ)
        )
        return np.arange(found[0][0] - n, found[0][0])

    def _kept_seqs(self, seqs: IntArray) -> IntArray:
        self._database.execute(
            "UPDATE tally SET n = CASE WHEN n > ? THEN n ELSE ? END WHERE what = ?",
            (int(seqs.max()) + 1, int(seqs.max()) + 1, schema.NEXT_SEQ),
        )
        return seqs

    def _count(self, what: str, n: int) -> None:
        self._database.execute(
            "INSERT INTO tally (what, n) VALUES (?, ?) "
            "ON CONFLICT (what) DO UPDATE SET n = tally.n + excluded.n",
            (what, n),
        )

    # Reading

    @property
    def last_seq(self) -> int:
        """The place of the newest record, 0 in an empty log."""
        found = self._database.select("SELECT n FROM tally WHERE what = ?", (schema.NEXT_SEQ,))
        return int(found[0][0]) - 1

    def name_at(self, seq: int) -> str | None:
        """The id or key of the record at a place; None where there is none."""
        for table, column in (("decision", "id"), ("reward", "key"), ("control", "id")):
            found = self._database.select(f"SELECT {column} FROM {table} WHERE seq = ?", (seq,))
            if found:
                return str(found[0][0])
        return None

    def counts(self) -> dict[str, int]:
        """What became of all records ever sent: "reward.duplicate": 3, ...; see `RESULTS`."""
        found = self._database.select(
            "SELECT what, n FROM tally WHERE what <> ?", (schema.NEXT_SEQ,)
        )
        return {str(what): int(n) for what, n in sorted(found)}

    def ids(self, kind: str) -> list[str]:
        """The ids of users or items; the id at place c has code c. Empty where none were given."""
        check_choice("DecisionLog.ids", "kind", kind, ID_KINDS)
        return list(self._names.reread(kind))

    def name_of(self, kind: str, code: int) -> str | None:
        """The id of a code of a user or an item ("user", "item"); None where it has none."""
        check_choice("DecisionLog.name_of", "kind", kind, ID_KINDS)
        known = self._names.known(kind)
        if code >= len(known):
            known = self._names.reread(kind)
        return known[code] if code < len(known) else None

    def decisions(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        chunk: int = CHUNK,
        how: How = "sum",
        events: Collection[str] | None = None,
        as_of: int | None = None,
    ) -> Iterator[LoggedDecisions]:
        """Decisions with seq in first..last (None: all there are now), at most `chunk` at a time.

        Each slot has what it earned by the rewards up to `as_of` (None: all there are now): see
        `join_rewards` for `how` and `events`. A batch ends where the context's columns change.
        """
        check_count("DecisionLog.decisions", "chunk", chunk)
        newest = self.last_seq
        last = newest if last is None else min(last, newest)
        as_of = newest if as_of is None else min(as_of, newest)
        for found in self._pages("SELECT * FROM decision", "seq", first, last, chunk):
            for part in rows.one_layout_each(found):
                batch = rows.decisions_of(part, self._names, self.place)
                yield join_rewards(batch, self._rewards_for(batch, as_of), how=how, events=events)

    def read(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        how: How = "sum",
        events: Collection[str] | None = None,
        as_of: int | None = None,
    ) -> LoggedDecisions:
        """All decisions of a range in one batch; they must have the same columns of contexts."""
        batches = self.decisions(first, last, how=how, events=events, as_of=as_of)
        return concatenated(batches, f"{self.place}: reading {first} to {last or 'the end'}")

    def find(self, decision_id: str) -> LoggedDecisions | None:
        """The decision of that id with all it earned, as a batch of one, or None."""
        found = self._database.look_up("decision", rows.DECISION_NAMES, "id", [decision_id])
        if not found:
            return None
        batch = rows.decisions_of(found, self._names, self.place)
        return join_rewards(batch, self._rewards_for(batch, LAST))

    def rewards(
        self, first: int = 1, last: int | None = None, *, chunk: int = CHUNK
    ) -> Iterator[LoggedRewards]:
        """Rewards with seq in first..last, in that order, at most `chunk` at a time."""
        check_count("DecisionLog.rewards", "chunk", chunk)
        last = self.last_seq if last is None else last
        for found in self._pages(rows.REWARDS_WITH_ID, "r.seq", first, last, chunk):
            yield rows.rewards_of(found, self._names)

    def rewards_of_decision(self, decision_id: str) -> LoggedRewards:
        """All rewards of one decision, in the order of the log."""
        found = self._database.select(
            f"{rows.REWARDS_WITH_ID} WHERE d.id = ? ORDER BY r.seq", (decision_id,)
        )
        return rows.rewards_of(found, self._names)

    def controls(self, first: int = 1, last: int | None = None) -> list[Control]:
        """Changes of the policy with seq in first..last, in that order."""
        last = self.last_seq if last is None else last
        found = self._database.select(
            "SELECT id, timestamp, kind, file, sha256, details, seq FROM control "
            "WHERE seq >= ? AND seq <= ? ORDER BY seq",
            (first, last),
        )
        return [Control(*row) for row in found]

    def _pages(
        self, query: str, key: str, first: int, last: int, chunk: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        statement = f"{query} WHERE {key} >= ? AND {key} <= ? ORDER BY {key} LIMIT ?"
        while found := self._database.select(statement, (first, last, chunk)):
            yield found
            first = found[-1][0] + 1

    def _rewards_for(self, batch: LoggedDecisions, as_of: int) -> LoggedRewards:
        assert batch.seqs is not None
        found = self._database.select(
            f"{rows.REWARDS_WITH_ID} WHERE r.decision >= ? AND r.decision <= ? AND r.seq <= ? "
            "ORDER BY r.seq",
            (int(batch.seqs[0]), int(batch.seqs[-1]), as_of),
        )
        return rows.rewards_of(found, self._names)
