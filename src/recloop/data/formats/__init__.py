"""Public layouts, read straight from an unpacked folder."""

from recloop.data.formats.table import FORMATS, detect, read_format

__all__ = ["FORMATS", "detect", "read_format"]
