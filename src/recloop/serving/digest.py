"""One sum over everything a service knows: equal for equal states, bit by bit."""

import hashlib
import json

import numpy as np

from recloop.serving.registry import fingerprint
from recloop.serving.snapshots import Frozen
from recloop.serving.state import ServiceState


def state_digest(state: ServiceState) -> str:
    """The sha256 of policies, people, counts, catalogue and rules."""
    frozen = Frozen(state)
    digest = hashlib.sha256(json.dumps(frozen.json, sort_keys=True).encode())
    for name, array in sorted(frozen.arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for name, policy in sorted(frozen.policies.items()):
        digest.update(f"{name} {fingerprint(policy)}".encode())
    return digest.hexdigest()
