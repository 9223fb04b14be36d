"""The service judges itself: what it says of the uniform policy, which can be worked out."""

import numpy as np
import pytest

from recloop.serving.audit import audit
from recloop.serving.service import config_control
from recloop.utils.seeding import stream
from serving.house import Visits, run, serving, settings_in, small

NEW = [{"id": f"n{n}", "title": "", "category": "", "features": []} for n in range(8)]


@pytest.mark.parametrize("k", [1, 2])
def test_a_policy_that_draws_uniformly_earns_what_the_uniform_one_does_as_the_catalogue_grows(
    k, tmp_path
):
    async def test():
        async with serving(settings_in(tmp_path, floor=1.0), small("random")) as service:
            visits, rng = Visits(service), stream(0, "audit")
            for turn in range(400):
                if turn == 200:  # which the policy does not know and does not show
                    await service.control(config_control("items", add=NEW, hide=["i0"]))
                asked = {"candidates": np.array([1, 2, 3])} if turn % 4 == 0 else {}
                shown = await visits.ask(f"u{turn % 6}", k, **asked)
                await visits.tell(shown, 0, float(rng.random() < 0.5))
            catalogue = service.state.catalogue
            return await service.ask(
                lambda log: audit(
                    log,
                    n_items=len(catalogue),
                    shadow=None,
                    decided_before=visits.now,
                    default=0.0,
                    sizes=catalogue.sizes,
                )
            )

    own, uniform = run(test())["policies"]
    assert own["estimates"]
    for one, other in zip(own["estimates"], uniform["estimates"], strict=True):
        assert one["value"] == pytest.approx(other["value"], rel=1e-12)
