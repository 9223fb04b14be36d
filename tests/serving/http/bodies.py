"""Bodies as hypothesis makes them: near what is right, mostly, and now and then far from it."""

import json

from hypothesis import strategies as st

WIDTH = 8
numbers = st.one_of(
    st.integers(-5, 120),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([1e9, 1e308, -1e308, 101, -0.0, 1.5, True, 1000, 10**400]),
)
near_numbers = st.one_of(st.floats(-1000, 1000), numbers)
ids = st.one_of(st.text(max_size=140), st.sampled_from(["user_1", "item_1", "item_2", "nope"]))
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def objects(**known: st.SearchStrategy) -> st.SearchStrategy[bytes]:
    """Bodies that hold some of the known fields, mostly of their kind, and now and then others."""
    fields = {name: st.one_of(kind, kind, kind, anything) for name, kind in known.items()}
    given_fields = st.fixed_dictionaries({}, optional=fields | {"unknown": anything})
    written = given_fields.map(lambda one: json.dumps(one).encode("utf-8", "surrogatepass"))
    return st.one_of(written, written, written.map(lambda body: body[:-1]), st.binary())


requests = objects(
    user=ids,
    k=numbers,
    context=st.lists(near_numbers, min_size=WIDTH - 1, max_size=WIDTH + 1),
    candidates=st.lists(ids),
    exclude=st.lists(ids),
    categories=st.lists(st.text(max_size=9)),
    most_per_category=numbers,
    seen=st.sampled_from(["allowed", "never", "days"]),
    request_id=ids,
    defer_activation=st.booleans(),
)
accepted = st.builds(
    lambda user, k, context: json.dumps({"user": user, "k": k, "context": context}).encode(),
    st.text("abc", min_size=1, max_size=9), numbers,
    st.lists(near_numbers, min_size=WIDTH, max_size=WIDTH),
)  # fmt: skip
event = {
    "decision_id": ids, "item": ids, "event": st.sampled_from(["click", "dance"]),
    "reward": near_numbers, "key": ids, "kind": st.sampled_from(["observed", "correction"]),
}  # fmt: skip
feedback = objects(**event, events=st.lists(st.fixed_dictionaries({}, optional=event), max_size=4))
recommended = st.one_of(requests, accepted)
