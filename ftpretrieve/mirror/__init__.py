"""mirror: keep two directories alike through the `lftp` program, with reports, mails and backups.

Must not import another system. Begin reading at `job`.
"""
