"""What every test may ask for: a fresh generator, and the real data sets where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, settings

from recloop.utils.seeding import stream

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.register_profile(
    "mutation", settings.get_profile("steady"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("RECLOOP_HYPOTHESIS", "steady"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of this test's own: the same numbers in any order and any process."""
    return stream(0, "tests", request.node.nodeid)


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data sets; only tests marked `real` ask for it."""
    folder = os.environ.get("RECLOOP_DATA")
    if folder:
        path = Path(folder).resolve()
        if not path.is_dir():
            pytest.fail(f"RECLOOP_DATA points to {path}, which is not a folder.")
        return path
    if os.environ.get("CI"):
        pytest.fail("RECLOOP_DATA is not set; in CI the tests on real data must run.")
    pytest.skip("RECLOOP_DATA is not set; it names the folder with the real data sets.")
