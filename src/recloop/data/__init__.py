"""Data: read, check, split and encode interactions; make synthetic ones."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "DatasetLoader": "recloop.data.loader",
        "EncodedSplit": "recloop.data.dataset",
        "IdMap": "recloop.data.ids",
        "Split": "recloop.data.splitting",
        "SyntheticSettings": "recloop.data.synthetic",
        "encode": "recloop.data.dataset",
        "generate": "recloop.data.synthetic",
        "k_folds": "recloop.data.folds",
        "sliding_windows": "recloop.data.folds",
        "split": "recloop.data.splitting",
    },
)
