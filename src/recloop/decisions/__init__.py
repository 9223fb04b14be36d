"""The decision log: what was shown with which probability, and what came of it, in one order."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Appended": "recloop.decisions.records",
        "Control": "recloop.decisions.records",
        "DecisionLog": "recloop.decisions.log",
        "Opinions": "recloop.decisions.records",
        "ReadLog": "recloop.decisions.reading",
        "add_decisions": "recloop.decisions.writing",
        "add_to_log": "recloop.decisions.reading",
        "any_log": "recloop.decisions.sources",
        "check_decisions": "recloop.decisions.checking",
        "check_rewards": "recloop.decisions.checking",
        "describe_log": "recloop.decisions.describing",
        "export_log": "recloop.decisions.folders",
        "import_from": "recloop.decisions.sources",
        "import_log": "recloop.decisions.folders",
        "join_rewards": "recloop.decisions.joining",
        "kind_of_log": "recloop.decisions.sources",
        "logged_slates": "recloop.decisions.writing",
        "open_bandit_vocabulary": "recloop.decisions.open_bandit",
        "open_log": "recloop.decisions.opening",
        "read_csv_log": "recloop.decisions.csv_logs",
        "read_decisions": "recloop.decisions.parquet",
        "read_log": "recloop.decisions.sources",
        "read_open_bandit": "recloop.decisions.open_bandit",
        "verify_log": "recloop.decisions.describing",
        "write_decisions": "recloop.decisions.parquet",
    },
)
