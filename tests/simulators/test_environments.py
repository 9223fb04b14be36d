"""Every world as a Gymnasium environment: one person, a batch, the same physics and chance."""

import subprocess
import sys
from inspect import signature

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from recloop.errors import InvalidParameter, UnknownName
from recloop.simulators import WORLDS
from recloop.simulators.build import build_world, world_class
from recloop.simulators.certify import certify
from recloop.simulators.environments import WorldEnv, make_env, make_vector_env
from recloop.simulators.preference import drawn_preferences
from recloop.simulators.replay import drawn_log

MADE = [
    *((name, {}) for name in sorted(WORLDS)),
    ("preference", {"slate_size": 3, "position_bias": 1.0, "drift": 0.1}),
    ("preference", {"slate_size": 2, "again": 0.2, "click_rate": 0.6}),
    ("bait_trap", {"slate_size": 1}),
    ("boredom", {"slate_size": 1, "n_items": 30, "n_topics": 3, "influence": 0.3}),
    ("boredom", {"boredom": "away", "n_items": 60}),
    (
        "changing",
        {"period": 4, "horizon": 14, "turnover": 0.2, "newcomers": 0.5, "replaced": 0.5},
    ),
    ("linear", {"period": 4, "horizon": 14, "shows_available": True}),
    ("sessions", {"organic": 0.5, "stop": 0.1, "horizon": 20}),
    ("replay", {"n_rows": 205, "n_users": 20, "greed": 0.5, "mode": "weighted"}),
]
IDS = [f"{name}{'' if not given else '-' + '-'.join(given)}" for name, given in MADE]


def short(name, given):
    """Settings under which a session ends within a few dozen steps."""
    horizons = {"interest": 40}
    return {"horizon": horizons.get(name, 12), **given}


def accepts_horizon(name):
    try:
        build_world(name, horizon=12)
    except InvalidParameter:
        return False
    return True


@pytest.mark.parametrize(("name", "given"), MADE, ids=IDS)
@pytest.mark.filterwarnings("error")
def test_gymnasium_finds_nothing_to_say(name, given):
    check_env(make_env(name, **given), skip_render_check=False)


@pytest.mark.parametrize("name", sorted(WORLDS))
@pytest.mark.filterwarnings("error")
def test_worlds_are_made_by_gymnasium(name):
    place = f"recloop.simulators.environments:recloop/{name}-v0"
    env = gymnasium.make(place)
    assert isinstance(env.unwrapped, WorldEnv)
    many = gymnasium.make_vec(place, num_envs=3)
    assert many.num_envs == 3
    observations, _ = many.reset(seed=0)
    assert many.observation_space.contains(observations)


@pytest.mark.parametrize(("name", "given"), MADE, ids=IDS)
def test_a_batch_is_as_many_single_people_step_by_step(name, given):
    given = short(name, given) if accepts_horizon(name) else given
    batch = make_vector_env(name, 4, **given)
    single = SyncVectorEnv([lambda: make_env(name, **given)] * 4)
    assert batch.metadata["autoreset_mode"] == single.metadata["autoreset_mode"]
    assert batch.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert batch.observation_space == single.observation_space
    assert batch.action_space == single.action_space
    batch.action_space.seed(3)
    one, other = batch.reset(seed=11), single.reset(seed=11)
    assert (one[0] == other[0]).all()
    assert one[1]["user"].tolist() == other[1]["user"].tolist()
    n_over = 0
    for _ in range(60):
        actions = batch.action_space.sample()
        one, other = batch.step(actions), single.step(actions)
        for mine, theirs in zip(one[:4], other[:4], strict=True):
            assert mine.dtype == theirs.dtype
            assert (mine == theirs).all()
        n_over += int((one[2] | one[3]).sum())
    whole_log = name == "replay" and not given  # longer than this test
    assert whole_log or n_over >= (4 if name == "interest" else 8)


@pytest.mark.parametrize("name", sorted(name for name in WORLDS if name != "replay"))
def test_the_horizon_cuts_off_and_does_not_end(name):  # a replay is as long as its log
    env = make_env(name, horizon=3)
    env.reset(seed=0)
    env.action_space.seed(0)
    for step in (1, 2, 3):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated:  # somebody may leave before
            assert not truncated
            return
        assert truncated == (step == 3)


def test_a_person_can_be_asked_for():
    env = make_env("preference", user=7)
    assert env.reset(seed=0)[1]["user"] == 7
    assert env.reset(options={"user": 3})[1]["user"] == 3
    drawn = {make_env("preference").reset(seed=seed)[1]["user"] for seed in range(50)}
    assert len(drawn) > 20
    with pytest.raises(InvalidParameter, match="user must be between 0 and 99, got 100"):
        env.reset(options={"user": 100})


def test_sessions_follow_one_another_and_a_seed_begins_anew():
    env = make_env("satisfaction", horizon=4)

    def session(seed=None):
        env.reset(seed=seed)
        return [env.step(5)[1] for _ in range(4)]

    first, second = session(seed=1), session()
    assert first != second
    assert session(seed=1) == first
    assert session() == second
    assert session(seed=2) != first


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_another_process_sees_the_same_bytes_whatever_the_global_seed(name):
    program = f"""
import hashlib, sys
import numpy as np
from recloop.simulators.environments import make_vector_env
np.random.seed(int(sys.argv[1]))
env = make_vector_env("{name}", 3)
digest = hashlib.sha256(env.reset(seed=5)[0].tobytes())
env.action_space.seed(1)
for _ in range(20):
    np.random.random()
    for part in env.step(env.action_space.sample())[:4]:
        digest.update(part.tobytes())
print(digest.hexdigest())
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", program, seed], capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


SMALL = [
    *((name, {"n_users": 1}) for name in sorted(WORLDS)),
    ("boredom", {"n_items": 1, "slate_size": 1}),
    ("interest", {"n_items": 1, "slate_size": 1}),
    ("preference", {"n_items": 1}),
    ("replay", {"n_items": 1}),
    ("bait_trap", {"n_items": 2, "slate_size": 2, "horizon": 2}),
    ("retention", {"n_items": 2, "n_levels": 2, "horizon": 2}),
]


@pytest.mark.parametrize(("name", "given"), SMALL)
@pytest.mark.filterwarnings("error")
def test_the_smallest_worlds_are_whole_ones(name, given):
    env = make_env(name, **given)
    check_env(env, skip_render_check=True)
    card = certify(env.world, n_sessions=5).card()
    assert "best_stationary" in card
    assert "nan" not in card.replace("dynamic", "")


@pytest.mark.parametrize(("name", "given"), [(n, g) for n, g in MADE if "horizon" not in g])
def test_a_session_of_one_step_is_cut_off_by_it(name, given):
    if not accepts_horizon(name):
        pytest.skip("as long as its log")
    env = make_env(name, **given, horizon=1)
    env.reset(seed=0)
    _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert np.isfinite(reward)
    assert truncated != terminated


def dials():
    for name in sorted(WORLDS):
        made = world_class(name)
        drawn = {"preference": drawn_preferences, "replay": drawn_log}.get(name, made.Params)
        for dial, parameter in signature(drawn).parameters.items():
            if isinstance(parameter.default, float):
                yield name, dial


@pytest.mark.parametrize("wrong", [float("nan"), "a lot", None])
@pytest.mark.parametrize(("name", "dial"), list(dials()))
def test_every_dial_wants_a_number_and_is_named(name, dial, wrong):
    with pytest.raises(InvalidParameter, match=rf": {dial} must be .*got {wrong!r}"):
        build_world(name, **{dial: wrong})


def test_unknown_worlds_and_settings_are_named():
    with pytest.raises(UnknownName, match=r"satisfaction"):
        build_world("satisfacton")
    with pytest.raises(InvalidParameter, match=r"world satisfaction:.*sensitivty"):
        build_world("satisfaction", sensitivty=0.1)
