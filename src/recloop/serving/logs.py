"""What the service itself writes: a line for each thing an operator must know, to stderr.

No line holds a body, a key, an address of a client or the id of a person. Of an error that nobody
foresaw it has the kind and the places in the code, not the words, which may quote what was sent.
The request id stands in the answer (X-Request-Id), in its problem and here.
"""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["text", "json"]
LOGGERS = ("recloop.serving", "uvicorn", "asyncio")
DETAILS = ("request_id", "route", "method", "status", "ms")


def set_up(how: LogFormat, *, requests: bool = False) -> None:
    """Send the service's lines, and those of the server software, to stderr in one format.

    requests: a line for each request as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if how == "json" else TextLines())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("recloop.serving").setLevel(logging.INFO)
    logging.getLogger("recloop.serving.requests").setLevel(
        logging.INFO if requests else logging.ERROR
    )


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and what is known besides."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment, "level": record.levelname.lower(), "logger": record.name,
            "message": words(record),
        }  # fmt: skip
        line |= {name: getattr(record, name) for name in DETAILS if hasattr(record, name)}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["at"] = places(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """For a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        known = " ".join(f"{n}={getattr(record, n)}" for n in DETAILS if hasattr(record, n))
        line = f"{words(record)} {known}".rstrip()
        if record.levelno >= logging.WARNING:
            stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
            line = f"{stamp} {record.levelname.lower()}: {line}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "".join(f"\n  {place}" for place in places(record.exc_info[1]))
            line += f"\n  {type(record.exc_info[1]).__name__}"
        return line


def words(record: logging.LogRecord) -> str:
    """The message; of the event loop's the first line, since the others quote what it worked on."""
    text = record.getMessage()
    return text.partition("\n")[0] if record.name == "asyncio" else text.strip()


def places(error: BaseException) -> list[str]:
    """Where an error came from: file, line and function of each frame."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
