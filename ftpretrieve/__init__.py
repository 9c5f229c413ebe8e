"""ftpretrieve: every remote file arrives exactly once, whole, and you know when it doesn't."""

__version__ = "1.0.0"
