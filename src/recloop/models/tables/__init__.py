"""Tables of values with the maximum of every row kept: storage, kernels, and the table itself."""

from recloop.models.tables.table import QTable

__all__ = ["QTable"]
