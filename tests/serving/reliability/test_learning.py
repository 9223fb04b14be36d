"""Learning over HTTP, in short; the long form is benchmarks/reliability/learning.py."""

import pytest

from benchmarks.reliability import learning
from benchmarks.reliability.report import Report
from serving.reliability.judging import keeps

pytestmark = pytest.mark.slow


def test_a_click_is_in_the_next_list_and_a_learning_service_beats_its_frozen_self(tmp_path):
    report = Report("learning, in short")
    learning.at_once(report, tmp_path)
    learning.learns(report, tmp_path, range(2))
    keeps(report)
