"""How much may be sent: what the data centre asks its nodes to keep to. Pure."""

from dataclasses import dataclass

from ftpretrieve.send.records import Settings

WEEK_SECS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Week:
    """What counts towards the weekly limit besides what is to be sent."""

    sent_gb: float  # in the last seven days
    sending_gb: float = 0.0  # by other processes, at this moment

    @property
    def gb(self) -> float:
        """Return the sum."""
        return self.sent_gb + self.sending_gb

    def __str__(self) -> str:
        """Return the figures in words."""
        sending = f" + {self.sending_gb:.3f} GB being sent now" if self.sending_gb else ""
        return f"{self.sent_gb:.3f} GB sent in the last 7 days{sending}"


def exceeded(settings: Settings, week: Week, *, size_gb: float, files: int) -> list[str]:
    """Return what stands against sending a directory of this size after this week."""
    problems = []
    if week.gb + size_gb >= settings.weekly_gb:
        problems.append(
            f"weekly max size: {week} + {size_gb:.3f} GB of this directory must stay under {settings.weekly_gb:g} GB; "
            "wait, or send with --ignore-limits"
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
