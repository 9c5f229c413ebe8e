"""send: a directory as one transaction to a data centre's rsync server, and what became of it.

Must not: import another system, or speak anything but rsync.
"""
