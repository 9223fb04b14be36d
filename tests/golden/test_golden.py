"""Show that a change of code changed no model: a short trace of each, compared with a stored one.

`make golden` writes the traces anew; commit them by themselves and say why they moved.

Stored are numbers, not hashes. Matrix products round otherwise on another processor or BLAS, and a
hash of rounded numbers breaks whenever one of them lies at the edge of two roundings; sums that
agree to six digits do not. Each array is kept as its shape, its sum, a sum weighted by place (so
that a reshuffle shows) and its first values. PureSVD's factors have signs that are up to LAPACK and
are seen through their scores alone.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from recloop.models import MODELS
from recloop.simulators.preference import PreferenceParams, PreferenceWorld
from recloop.testing.samples import plain_arrays, sample_steps, teach
from recloop.training import SimulatedEpisodes
from recloop.types import Interactions
from recloop.utils.seeding import stream
from variants import VARIANTS, build, label

TRACES = Path(__file__).parent / "traces"
N_USERS, N_ITEMS = 10, 8
SIGNS_ARE_FREE = {"pure_svd"}
SINGLE_PRECISION = {"als", "dqn"}


def _world():
    rng = stream(0, "golden world")
    users, items = rng.uniform(0.1, 0.8, (N_USERS, 3)), rng.uniform(0.0, 0.7, (N_ITEMS, 3))
    return PreferenceWorld(PreferenceParams(users, items, horizon=4))


def _log():
    """An uneven log, so that no two items are alike and rounding decides nothing."""
    rng = stream(0, "golden log")
    n = 60
    popularity = np.arange(1.0, N_ITEMS + 1) / np.arange(1.0, N_ITEMS + 1).sum()
    return Interactions(
        users=np.sort(rng.integers(N_USERS, size=n)),
        items=rng.choice(N_ITEMS, size=n, p=popularity),
        weights=rng.integers(1, 6, size=n).astype(np.float64),
        timestamps=np.arange(n, dtype=np.float64),
        n_users=N_USERS,
        n_items=N_ITEMS,
    )


def trace(name, params):
    """Fit or teach a little, play five episodes in the world, and say what is left."""
    model = build(name, params, N_USERS, N_ITEMS, seed=1, log=_log())
    if model.learns == "fit":
        model.fit(_log())
    teach(model, sample_steps(model, 128))
    histories = np.full((N_USERS, model.history_length), -1)
    lesson = SimulatedEpisodes(_world(), histories, seed=1, n_sessions=6)
    records = [lesson.teach(model, episode) for episode in range(5)]
    arrays = {} if name in SIGNS_ARE_FREE else plain_arrays(model)
    return {
        "params": params,
        "rewards": [record["cumulative_reward"] for record in records],
        "exploration": [round(record["exploration_rate"], 6) for record in records],
        "scores": _in_short(model.scores(np.arange(N_USERS))),
        "arrays": {key: _in_short(value) for key, value in sorted(arrays.items())},
    }


def _in_short(array):
    values = np.asarray(array, dtype=np.float64).ravel()
    known = np.where(np.isfinite(values), values, 0.0)  # empty places of a table are -inf
    by_place = 1.0 + np.arange(len(known)) % 7
    return {
        "shape": list(np.shape(array)),
        "n_finite": int(np.isfinite(values).sum()),
        "size": _digits(np.abs(known).sum()),
        "sum": _digits(known.sum()),
        "by_place": _digits(known @ by_place),
        "first": [_digits(value) for value in known[:5]],
    }


def _in_lines(found):
    """JSON with one number of a trace, or one array, to a line: a change shows as one line."""
    text = json.dumps(found, indent=1)
    flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    flat = re.sub(r"\{\s+(\"shape\"[^{}]*?)\s+\}", lambda m: f"{{{' '.join(m[1].split())}}}", flat)
    return flat + "\n"


def _digits(value):
    return float(f"{value:.9g}")


def _require_same(stored, found, share, where=""):
    """Equal words, shapes and rewards; other numbers up to a share of the array's size."""
    if isinstance(stored, dict):
        assert stored.keys() == found.keys(), where
        size = abs(stored.get("size", 0.0))
        for key, value in stored.items():
            if key in ("size", "sum", "by_place", "first"):
                reach = share * max(size, 1e-6) * 7
                assert found[key] == pytest.approx(value, rel=share, abs=reach), f"{where}.{key}"
            else:
                _require_same(value, found[key], share, f"{where}.{key}")
    else:
        assert stored == found, where


def test_every_model_has_a_trace():
    assert {file.stem for file in TRACES.glob("*.json")} == set(MODELS)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_model_still_learns_what_it_learned(name):
    found = [trace(name, params) for params in VARIANTS[name]]
    file = TRACES / f"{name}.json"
    if os.environ.get("RECLOOP_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(_in_lines(found), encoding="utf-8")
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert len(stored) == len(found)
    share = 1e-3 if name in SINGLE_PRECISION else 1e-6
    for params, before, now in zip(VARIANTS[name], stored, found, strict=True):
        before["params"] = now["params"] = (
            None
            if before["params"] == json.loads(json.dumps(params))
            else "changed: run make golden"
        )
        _require_same(before, now, share, label(name, params))


def test_a_trace_that_moved_is_noticed():
    before = {"rewards": [1.0], "scores": _in_short(np.arange(6.0))}
    for moved in (
        {**before, "rewards": [2.0]},
        {**before, "scores": _in_short(np.arange(6.0)[::-1])},
        {**before, "scores": _in_short(np.arange(6.0) + 1e-3)},
        {**before, "scores": _in_short(np.arange(6.0).reshape(2, 3))},
    ):
        with pytest.raises(AssertionError):
            _require_same(before, moved, 1e-6)
    _require_same(before, {**before, "scores": _in_short(np.arange(6.0) + 1e-9)}, 1e-6)
