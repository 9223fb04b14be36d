"""Ids and codes: an order that anyone can predict, and no silent unknown."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.data.ids import IdMap, sorted_ids
from recloop.errors import UnknownName


def test_digit_only_ids_sort_as_numbers_and_others_by_text():
    assert sorted_ids(["10", "9", "1", "9"]) == ["1", "9", "10"]
    assert sorted_ids(["10", "9", "a"]) == ["10", "9", "a"]
    assert sorted_ids([3, 20]) == ["3", "20"]
    assert sorted_ids(["01", "1"]) == ["01", "1"]
    assert sorted_ids(["٣", "10"]) == ["10", "٣"]


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, unique=True))
def test_codes_and_ids_are_inverse(ids):
    known = IdMap("user", sorted_ids(ids))
    codes = known.codes_of(known.ids)
    assert codes.tolist() == list(range(len(known)))
    assert known.ids_of(codes) == known.ids


def test_an_unknown_id_is_named_with_the_nearest():
    known = IdMap("user", ["user_1", "user_2"])
    with pytest.raises(UnknownName, match=r"No user with the id 'user_3' among 2\. Did you mean"):
        known.codes_of(["user_1", "user_3"])
    with pytest.raises(UnknownName, match=r"the id 'xyz' among 2\.$"):
        known.codes_of(["xyz"])
    assert known.known_codes_of(["user_2", "x"]).tolist() == [1, -1]
    assert known.known_codes_of(["user_2"]).dtype == np.int64
    assert known.known_codes_of([]).tolist() == []


def test_ids_are_looked_up_as_text_and_nothing_is_no_id():
    known = IdMap("item", ["1", "2", "nan"])
    assert known.known_codes_of(pd.Series([2, 1, 2])).tolist() == [1, 0, 1]
    assert known.known_codes_of([None, "1", None]).tolist() == [-1, 0, -1]
