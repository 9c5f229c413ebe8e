"""How much may be sent: what the data centre asks its nodes to keep to. Pure."""

from ftpretrieve.send.records import Settings

WEEK_SECS = 7 * 86_400


def exceeded(settings: Settings, *, week_gb: float, size_gb: float, files: int) -> list[str]:
    """Return what stands against sending a directory of this size, after `week_gb` in the last seven days."""
    problems = []
    if week_gb + size_gb >= settings.weekly_gb:
        problems.append(
            f"weekly max size: {week_gb:.3f} GB were sent in the last 7 days and this directory has {size_gb:.3f} GB, "
            f"which together must stay under {settings.weekly_gb:g} GB; wait, or send with --ignore-limits"
        )
    if settings.max_gb is not None and size_gb > settings.max_gb:
        problems.append(
            f"datasize max: this directory has {size_gb:.3f} GB, and a transaction may have {settings.max_gb:g} GB; "
            "send its parts one by one, or send with --ignore-limits"
        )
    if settings.max_files is not None and files > settings.max_files:
        problems.append(
            f"datafile max: this directory has {files} files, and a transaction may have {settings.max_files}; "
            "send its parts one by one, or send with --ignore-limits"
        )
    return problems
