"""What /metrics says, as numbers."""

from prometheus_client.parser import text_string_to_metric_families

from recloop.serving.load import ask_once


async def read(address: str) -> dict[str, float]:
    """Each sample by its name and its labels: `recloop_rewards_total{result=stored}`."""
    reply = await ask_once(address, "GET", "/metrics")
    found = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
