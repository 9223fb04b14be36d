"""The service: recommends, learns from every event, loses nothing, audits itself."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ServingSettings": "recloop.serving.settings",
        "create_app": "recloop.serving.create",
        "open_service": "recloop.serving.opening",
    },
)
