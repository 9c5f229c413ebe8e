"""Where the package is. Nothing else belongs here: a user's settings live in the configuration file."""

PACKAGE_PATH = "."
"""The relative path to the top of the package tree: what a script beside `ftpretrieve/` puts on `sys.path`."""
