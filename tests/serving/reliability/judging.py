"""What a report must say."""

from benchmarks.reliability.report import Report


def keeps(report: Report) -> None:
    """Everything that is required was so."""
    assert report.kept, report.text()


def is_found(report: Report, *broken: str) -> None:
    """Each of these was not so."""
    assert set(broken) <= set(report.broken), report.text()
