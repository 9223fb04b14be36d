"""Public layouts, read straight from an unpacked folder."""

from recloop.data.formats.table import FORMATS, detect, fitting, read_format

__all__ = ["FORMATS", "detect", "fitting", "read_format"]
