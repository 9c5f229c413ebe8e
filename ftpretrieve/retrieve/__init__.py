"""The polling daemon: it collects files from one directory of a server, exactly once and whole.

`poller` is the page to read first.
"""
