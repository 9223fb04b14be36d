"""Lists and truth as tables of anybody's ids: the one place in evaluation that needs pandas."""

from recloop.utils.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "ScoredLists": "recloop.evaluation.frames.scored",
        "score_files": "recloop.evaluation.frames.files",
        "score_frames": "recloop.evaluation.frames.scoring",
    },
)
