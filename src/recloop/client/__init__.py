"""A client of the service: asks, sends feedback, retries safely; `Client` and `AsyncClient`."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AsyncClient": "recloop.client.calls",
        "Client": "recloop.client.calls",
        "Feedback": "recloop.client.messages",
        "Outcome": "recloop.client.messages",
        "Recommendation": "recloop.client.messages",
        "RecommendedItem": "recloop.client.messages",
        "ServiceError": "recloop.client.messages",
    },
)
