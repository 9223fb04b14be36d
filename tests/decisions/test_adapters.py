"""Open Bandit files and CSV logs become decisions."""

import gzip

import numpy as np
import pytest

from recloop.decisions import (
    add_to_log,
    open_bandit_vocabulary,
    open_log,
    read_csv_log,
    read_open_bandit,
)
from recloop.errors import InvalidData, MissingData

HEADER = (
    ",timestamp,item_id,position,click,propensity_score,"
    "user_feature_0,user_feature_1,user_feature_2,user_feature_3,"
    "user-item_affinity_0,user-item_affinity_1,user-item_affinity_2\n"
)
RANDOM = [
    "0,2019-11-24 00:00:34.5+00:00,2,3,0,0.25,a,x,m,s,0.0,0.0,1.0\n",
    "1,2019-11-24 00:00:35+00:00,0,1,1,0.25,b,x,m,s,0.0,2.0,0.0\n",
]
BTS = ["0,2019-11-24 00:00:36+00:00,1,2,0,0.125,c,x,m,s,0.0,0.0,0.0\n"]


@pytest.fixture
def bandit(tmp_path):
    """Two policies' logs of one campaign; only one of them met the word "c"."""
    for policy, rows in (("random", RANDOM), ("bts", BTS)):
        folder = tmp_path / policy / "men"
        folder.mkdir(parents=True)
        with gzip.open(folder / "men.csv.gz", "wt") as file:
            file.writelines([HEADER, *rows])
    return tmp_path


def test_a_row_of_open_bandit_is_a_decision_of_one_slot(bandit):
    read = read_open_bandit(bandit / "random" / "men")
    found = read.decisions
    assert found.ids.tolist() == ["random/men/0", "random/men/1"]
    assert found.timestamps.tolist() == [1574553634.5, 1574553635.0]
    assert found.sizes.tolist() == [1, 1]
    assert found.items.tolist() == [2, 0]
    assert found.positions.tolist() == [2, 0]
    assert found.propensities.tolist() == [0.25, 0.25]
    assert found.propensity_kinds.texts() == ["marginal", "marginal"]
    assert found.rewards.tolist() == [0.0, 1.0]
    assert (found.policies.texts()[0], found.catalogues.texts()[0]) == ("random", "men")
    assert read.item_ids == ["0", "1", "2"]
    assert read.user_ids == ["a|x|m|s", "b|x|m|s"]
    assert found.context_names == (
        "user_feature_0=a", "user_feature_0=b", "user_feature_1=x", "user_feature_2=m",
        "user_feature_3=s", "user-item_affinity_0", "user-item_affinity_1", "user-item_affinity_2",
    )  # fmt: skip
    assert found.contexts.tolist() == [[1, 0, 1, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 0, 2, 0]]
    assert read.event == "click"


def test_two_logs_share_one_vocabulary(bandit, tmp_path):
    places = [bandit / policy / "men" for policy in ("random", "bts")]
    words = open_bandit_vocabulary(places)
    assert words == (("a", "b", "c"), ("x",), ("m",), ("s",))
    one, two = (read_open_bandit(p, vocabulary=words, affinities=False) for p in places)
    assert one.decisions.context_names == two.decisions.context_names
    assert one.decisions.contexts.tolist() == [[1, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1]]
    assert two.decisions.contexts.tolist() == [[0, 0, 1, 1, 1, 1]]
    with open_log(tmp_path / "log.db") as log:
        assert add_to_log(log, one) == {"decision.stored": 2, "reward.stored": 2}
        assert add_to_log(log, two) == {"decision.stored": 1, "reward.stored": 1}
        assert add_to_log(log, one) == {"decision.duplicate": 2, "reward.duplicate": 2}
        read = log.read()
    assert read.policies.texts() == ["random", "random", "bts"]
    assert read.contexts.shape == (3, 6)
    assert read.rewards.tolist() == [0.0, 1.0, 0.0]


def test_a_word_outside_of_the_vocabulary_has_zeros_and_is_noted(bandit):
    words = open_bandit_vocabulary([bandit / "random" / "men"])
    read = read_open_bandit(bandit / "bts" / "men", vocabulary=words, affinities=False)
    assert read.decisions.contexts.tolist() == [[0, 0, 1, 1, 1]]
    assert "user_feature_0: 1 rows have a word that is not in the vocabulary." in read.notes


def test_bad_open_bandit_rows_are_all_named(tmp_path):
    rows = [RANDOM[0], RANDOM[1].replace("0.25", "1.25").replace(",1,1,", ",0,yes,")]
    (tmp_path / "all.csv").write_text(HEADER + "".join(rows))
    with pytest.raises(InvalidData) as told:
        read_open_bandit(tmp_path)
    text = str(told.value)
    assert text.startswith("3 bad values in")
    assert "row 2 (line 3), column 'propensity_score': must be above 0 and at most 1" in text
    assert "row 2 (line 3), column 'position': must be a whole number from 1, got '0.0'" in text
    assert "row 2 (line 3), column 'click': must be a finite number, got 'yes'" in text


def test_what_is_no_open_bandit_log_is_refused(tmp_path):
    with pytest.raises(MissingData, match=r"must hold the log of one campaign.* got 0"):
        read_open_bandit(tmp_path)
    (tmp_path / "all.csv").write_text("user_id,item_id\n1,2\n")
    with pytest.raises(InvalidData, match="needs the column 'timestamp'"):
        read_open_bandit(tmp_path)


@pytest.mark.real
def test_the_sample_of_open_bandit_is_read_as_it_is_known(real_data):
    """Sizes, clicks and inverse propensities of the sample, and one width of contexts for both."""
    places = [real_data / "obd" / policy / "all" for policy in ("random", "bts")]
    words = open_bandit_vocabulary(places)
    assert [len(one) for one in words] == [3, 5, 9, 9]
    for place, clicks in zip(places, (38, 42), strict=True):
        found = read_open_bandit(place, vocabulary=words).decisions
        assert found.contexts.shape == (10_000, 26 + 80)
        assert sorted(set(found.positions.tolist())) == [0, 1, 2]
        assert found.rewards.sum() == clicks
    random = read_open_bandit(places[0], vocabulary=words).decisions
    assert np.unique(random.propensities).tolist() == [1 / 80]


# CSV


def csv(tmp_path, text):
    file = tmp_path / "shown.csv"
    file.write_text(text)
    return file


def test_rows_with_one_decision_id_are_one_slate(tmp_path):
    file = csv(
        tmp_path,
        "decision_id,user_id,item_id,propensity,reward,position,timestamp,context_age,note\n"
        "a,007,9,0.5,1,2,1970-01-01T00:00:10Z,33,x\n"
        "b,12,10,0.25,,1,20,44,y\n"
        "a,007,10,0.125,0,1,1970-01-01T00:00:10Z,33,z\n".replace("1970-01-01T00:00:10Z", "10"),
    )
    read = read_csv_log(file, policy="old", propensity_kind="marginal")
    found = read.decisions
    assert found.ids.tolist() == ["a", "b"]
    assert found.offsets.tolist() == [0, 2, 3]
    assert [read.item_ids[code] for code in found.items] == ["10", "9", "10"]
    assert [read.user_ids[code] for code in found.users] == ["007", "12"]
    assert found.propensities.tolist() == [0.125, 0.5, 0.25]
    assert found.positions.tolist() == [0, 1, 0]
    assert found.rewards.tolist()[:2] == [0.0, 1.0]
    assert np.isnan(found.rewards[2])
    assert found.reward_kinds.texts() == ["observed", "observed", ""]
    assert found.timestamps.tolist() == [10.0, 20.0]
    assert found.contexts.tolist() == [[33.0], [44.0]]
    assert found.policies.texts() == ["old", "old"]
    assert found.propensity_kinds.texts() == ["marginal", "marginal"]
    assert read.notes == [f"{file}: columns left out: note."]


def test_a_row_may_hold_a_whole_slate(tmp_path):
    file = csv(
        tmp_path,
        "user_id,items,propensities,rewards,scores,candidates,excluded,policy,version,timestamp\n"
        "u1,7 3 9,0.5 0.25 1,1 - 0,3 2 1,1 3 7 9,,a,1,2024-05-01T12:00:00\n"
        "u2,3,0.5,2.5,,,7 11,b,2,2024-05-01T12:00:01+00:00\n",
    )
    read = read_csv_log(file)
    found = read.decisions
    assert found.ids.tolist() == ["shown/0", "shown/1"]
    assert [read.item_ids[code] for code in found.items] == ["7", "3", "9", "3"]
    assert repr(found.rewards.tolist()) == "[1.0, nan, 0.0, 2.5]"
    assert repr(found.scores.tolist()) == "[3.0, 2.0, 1.0, nan]"
    assert found.timestamps.tolist() == [1714564800.0, 1714564801.0]
    assert read.item_ids == ["1", "3", "7", "9", "11"]
    assert [one.tolist() for one in found.candidates.lists()] == [[0, 1, 2, 3], []]
    assert [one.tolist() for one in found.excluded.lists()] == [[], [2, 4]]
    assert found.policies.texts() == ["a", "b"]
    assert found.versions.texts() == ["1", "2"]


def test_a_bare_file_has_a_decision_a_row(tmp_path):
    found = read_csv_log(csv(tmp_path, "user_id,item_id,propensity\nu,i,1\nv,j,0.5\n")).decisions
    assert found.sizes.tolist() == [1, 1]
    assert found.timestamps.tolist() == [0.0, 1.0]
    assert (found.rewards, found.contexts, found.positions) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user_id,item_id\nu,1\n", "needs the column 'propensity', which is missing."),
        ("user,item_id,propensity\nu,1,1\n", "'user_id', which is missing. Is it 'user'?"),
        ("user_id,item_id,propensity\n", "has no rows"),
        ("user_id,item_id,propensity,item_id\nu,1,1,2\n", "'item_id' stands twice in its header"),
        ("user_id,item_id,propensity\nu,1,half\n",
         "row 1 (line 2), column 'propensity': must be a finite number, got 'half'"),
        ("user_id,item_id,propensity\nu,1,0.5\nu,1,0\n",
         "row 2 (line 3), column 'propensities': must be a probability above 0"),
        ("user_id,item_id,propensity\n,1,0.5\n", "column 'user_id': must be not empty"),
        ("user_id,item_id,propensity,reward\nu,1,0.5,nan\n",
         "column 'reward': must be a finite number or empty, got 'nan'"),
        ("user_id,item_id,propensity,timestamp\nu,1,1,yesterday\n",
         "must be seconds since 1970, or an ISO 8601 time, got 'yesterday'"),
        ("user_id,item_id,propensity,timestamp\nu,1,1,1700000000000\n",
         "must be seconds since 1970, or an ISO 8601 time, got '1700000000000'"),
        ("user_id,item_id,propensity,context_x\nu,1,1,\n",
         "column 'context_x': must be a finite number, got ''"),
        ("user_id,item_id,propensity,decision_id\nu,1,.5,a\nv,2,.5,a\n",
         "row 2 (line 3), column 'user_id': must be the same in all rows of a decision, got 'v'"),
        ("user_id,item_id,propensity,decision_id\nu,1,.5,a\nu,1,.5,a\n",
         "row 2 (line 3), column 'items': must be an item that stands once"),
        ("user_id,item_id,propensity,propensity_kind\nu,1,.5,exact\n",
         "column 'propensity_kinds': must be one of conditional, marginal, estimated, got 'exact'"),
        ("user_id,items,propensities\nu,1 2,0.5\n",
         "column 'propensities': must be as many values as there are items, got '0.5'"),
        ("user_id,items,propensities\nu,1 2,0.5 -\n",
         "column 'propensities': must be numbers separated by blanks, got '0.5 -'"),
        ("user_id,items,propensities,positions\nu,1 2,0.5 1,0 1.5\n",
         "row 1 (line 2), column 'positions': must be whole numbers, got '0 1.5'"),
        ("user_id,items,propensities,positions\nu,1 2,0.5 1,- 1\n",
         "column 'positions': must be numbers separated by blanks, got '- 1'"),
        ("user_id,items,propensities\nu,,\n", "must be item ids separated by blanks, got ''"),
    ],
)  # fmt: skip
def test_a_bad_csv_log_is_refused_with_row_and_column(tmp_path, text, sentence):
    with pytest.raises(InvalidData) as told:
        read_csv_log(csv(tmp_path, text))
    assert sentence in str(told.value)


def test_every_bad_row_is_counted_and_the_first_twenty_are_shown(tmp_path):
    rows = "".join(f"u,{row},2\n" for row in range(50))
    with pytest.raises(InvalidData) as told:
        read_csv_log(csv(tmp_path, f"user_id,item_id,propensity\n{rows}"))
    lines = str(told.value).splitlines()
    assert lines[0].startswith("50 bad values")
    assert len(lines) == 22
    assert lines[-1] == "... and 30 more."
