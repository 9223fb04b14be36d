"""recloop closes the loop of recommendation: log, learn, prove, serve, log."""

__version__ = "0.1.0"
