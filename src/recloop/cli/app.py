"""The `recloop` command: every verb in one place, errors as sentences, exit 2 for a user's mistake.

Results go to stdout (`--json` for machines), progress and remarks to stderr.
"""

import sys
from collections.abc import Callable
from typing import Any

import typer

from recloop import __version__
from recloop.cli import (
    bench_serve,
    compare,
    data,
    demo,
    doctor,
    fit_world,
    log,
    metrics,
    ope,
    register,
    runs,
    serve,
    settings,
    tune,
    worlds,
)
from recloop.errors import RecloopError

app = typer.Typer(
    name="recloop",
    help="Close the loop of recommendation: log, learn, prove, serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(runs.run)
app.command("train")(runs.train)
app.command("evaluate")(runs.evaluate)
app.command("recommend")(runs.recommend)
app.command("tune")(tune.tune)
app.command("metrics")(metrics.metrics)
app.command("compare")(compare.compare)
app.command("ope")(ope.ope)
app.command("fit-world")(fit_world.fit_world)
app.command("certify")(worlds.certify)
app.command("serve")(serve.serve)
app.command("bench-serve")(bench_serve.bench_serve)
app.command("register")(register.register)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(settings.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(log.app, name="log")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; `arguments` default to those of the process.

    A plug-in is found beside the files that one works on, as `python -m` finds it.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    sys.exit(outcome(lambda: app(arguments, standalone_mode=True)))


def outcome(act: Callable[[], Any]) -> int:
    """The exit code of `act`: 0 done, 2 a mistake in the input, 130 interrupted.

    Commands that answer no: 1 a log that does not hold together, 3 an estimate that means nothing
    or a comparison of too few.
    """
    try:
        act()
    except RecloopError as error:
        print(f"recloop: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:  # a file that may not be read, a folder where a file is asked for
        if error.filename is None:
            raise
        print(f"recloop: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except SystemError as error:
        if _was_interrupted(error):  # in a compiled loop, whose result then has an exception set
            return _interrupted()
        raise
    except SystemExit as stopped:  # typer turns an interrupt into this
        if stopped.code == 130:
            return _interrupted()
        raise
    return 0


def _was_interrupted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _interrupted() -> int:
    print(
        "\nrecloop: interrupted. Run the same command again to go on from the last checkpoint.",
        file=sys.stderr,
    )
    return 130
