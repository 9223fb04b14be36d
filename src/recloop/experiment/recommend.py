"""Lists for one person from a run folder, in the ids and titles of the data."""

from pathlib import Path
from typing import Any

import numpy as np

from recloop.data.ids import IdMap
from recloop.experiment.folder import RunFolder
from recloop.utils.checks import check_count
from recloop.utils.history import last_items
from recloop.utils.names import unknown_name


def recommend_for(
    folder: str | Path, model_name: str, user_id: str, k: int = 10, *, with_seen: bool = False
) -> list[dict[str, Any]]:
    """At most k rows rank, item_id, score and title, best first, without exploring.

    What the person already has is left out unless `with_seen`. Raises UnknownName for a model or a
    person that the run does not know.
    """
    run = RunFolder(Path(folder))
    check_count("recommend_for", "k", k)
    names = run.model_names()
    if model_name not in names:
        raise unknown_name("model in this run", model_name, names)
    ids = run.ids()
    user = IdMap("user", ids["users"]).codes_of([user_id])
    log = run.known_interactions()
    model = run.load_model(model_name)
    history = last_items(log, model.history_length)[user] if model.history_length else None
    seen = [] if with_seen else np.unique(log.items[log.users == user[0]])
    items = model.recommend_batch(user, k, history=history, exclude=[seen], explore=False)[0]
    scores = model.scores(user, history=history)[0]
    titles = _titles(run)
    return [
        {
            "rank": rank,
            "item_id": ids["items"][item],
            "score": float(scores[item]),
            "title": titles[item] if titles else None,
        }
        for rank, item in enumerate(items[items >= 0].tolist(), start=1)
    ]


def _titles(run: RunFolder) -> list[str] | None:
    if not run.has("items.parquet"):
        return None
    table = run.frame("items")
    return table["title"].fillna("").astype("str").tolist() if "title" in table else None
