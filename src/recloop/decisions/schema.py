"""The tables of the log, their version, and the steps from older versions to this one.

A decision is one row: its lists are packed one after the other as little-endian numbers, without
a row a slot. `seq` counts decisions, rewards and controls together.
"""

from typing import NamedTuple

VERSION = 2
APPLICATION = "recloop decision log"
APPLICATION_ID = 0x52434C50  # "RCLP", in the header of the SQLite file
NEXT_SEQ = "next_seq"


class Column(NamedTuple):
    """A column: its name, its type in PostgreSQL, and what else is said of it."""

    name: str
    type: str
    rule: str = "NOT NULL"


BLOBS = (
    "items",  # int32
    "propensities",  # float64, or float32 where nothing is lost by it
    "scores",  # so, or empty where not known
    "sources",  # uint8: codes of names of the kind "source"
    "positions",  # int32, or empty for 0, 1, ... k - 1
    "context",  # float64 or float32
    "candidates",  # int32
    "excluded",  # int32
)

DECISION = (
    Column("seq", "bigint", "PRIMARY KEY"),
    Column("id", "text", "NOT NULL UNIQUE"),
    Column("timestamp", "double precision"),
    Column("user_code", "bigint"),
    Column("policy", "integer"),
    Column("version", "integer"),
    Column("catalogue", "integer"),
    Column("propensity_kind", "integer"),
    Column("activated", "integer"),
    Column("layout", "integer"),  # the names of the context's columns
    *(Column(name, "bytea") for name in BLOBS),
    Column("checksum", "bigint"),  # crc32 of the packed lists
)
REWARD = (
    Column("seq", "bigint", "PRIMARY KEY"),
    Column("decision", "bigint"),  # its seq
    Column("item", "integer"),
    Column("event", "integer"),
    Column("value", "double precision"),
    Column("kind", "integer"),
    Column("late", "integer"),
    Column("timestamp", "double precision"),
    Column("key", "text", "NOT NULL UNIQUE"),
)
CONTROL = (
    Column("seq", "bigint", "PRIMARY KEY"),
    Column("id", "text", "NOT NULL UNIQUE"),
    Column("timestamp", "double precision"),
    Column("kind", "text"),
    Column("file", "text"),
    Column("sha256", "text"),
    Column("details", "text"),
)
OPINION = (
    Column("decision", "bigint"),  # its seq
    Column("version", "integer"),  # of a policy that did not decide
    Column("propensities", "bytea"),  # float64: of each slot, had it decided
)
NAME = (Column("kind", "text"), Column("code", "bigint"), Column("text", "text"))
TALLY = (Column("what", "text", "PRIMARY KEY"), Column("n", "bigint"))

TABLES = {
    "decision": DECISION,
    "reward": REWARD,
    "control": CONTROL,
    "opinion": OPINION,
    "name": NAME,
    "tally": TALLY,
}
CONSTRAINTS = {
    "opinion": ("PRIMARY KEY (decision, version)",),
    "name": ("PRIMARY KEY (kind, code)", "UNIQUE (kind, text)"),
}
INDEXES = ("CREATE INDEX reward_of_decision ON reward (decision)",)

IN_SQLITE = {"bigint": "INTEGER", "integer": "INTEGER", "double precision": "REAL"}
IN_SQLITE |= {"text": "TEXT", "bytea": "BLOB"}

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE opinion (decision bigint NOT NULL, version integer NOT NULL, "
        "propensities bytea NOT NULL, PRIMARY KEY (decision, version))",
    )
}
"""Version -> the statements that make it the next one, valid in SQLite and in PostgreSQL."""


def names_of(table: str) -> tuple[str, ...]:
    """The columns of a table, in order."""
    return tuple(column.name for column in TABLES[table])


def creation(*, in_sqlite: bool) -> list[str]:
    """The statements that make an empty log of this version."""
    statements = []
    for table, columns in TABLES.items():
        types = [IN_SQLITE[c.type] if in_sqlite else c.type for c in columns]
        lines = [f"{c.name} {t} {c.rule}" for c, t in zip(columns, types, strict=True)]
        body = ", ".join([*lines, *CONSTRAINTS.get(table, ())])
        statements.append(f"CREATE TABLE {table} ({body})")
    first = f"INSERT INTO tally (what, n) VALUES ('{NEXT_SEQ}', 1)"
    return [*statements, *INDEXES, first]


def steps_from(version: int) -> list[str]:
    """The statements that bring a log of `version` to this one; KeyError where there is no way."""
    return [step for older in range(version, VERSION) for step in MIGRATIONS[older]]
