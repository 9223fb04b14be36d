"""The fuzz of bodies led by which branches were taken; needs atheris, which no install brings.

python -m serving.http.searching -max_total_time=30
"""

import inspect
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # pyright: ignore[reportMissingImports]
from hypothesis import HealthCheck, given, settings

from recloop.serving import checking, deciding
from serving.http.bodies import feedback, recommended
from serving.http.fuzz import opened, wrong_with_feedback, wrong_with_recommend

for function in [*vars(checking).values(), *vars(deciding.Decider).values()]:
    if inspect.isfunction(function):  # not compiled ones, which could not be compiled then
        atheris.instrument_func(function)


def main() -> None:
    """Look for bodies that break a promise, until the time is over or one is found."""
    with TemporaryDirectory() as folder:
        service = opened(Path(folder))

        @settings(suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(asked=recommended, told=feedback)
        def one(asked: bytes, told: bytes) -> None:
            found = wrong_with_recommend(service, asked) + wrong_with_feedback(service, told)
            assert not found, (found, asked, told)

        atheris.Setup(sys.argv, one.hypothesis.fuzz_one_input)  # pyright: ignore[reportFunctionMemberAccess]
        atheris.Fuzz()


if __name__ == "__main__":
    main()
