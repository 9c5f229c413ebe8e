"""Durations and byte sizes as people write them: `600`, `10 min`, `64 MiB`.

Pure. One number and one unit; no sums like `1h30m`, which nobody needs in a configuration and which have to be guessed
at (`1m30`). Numbers are plain decimals: no signs, exponents, `inf` or `nan`.
"""

import re
from decimal import Decimal

SECONDS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}
"""Seconds in each unit of time; no unit means seconds."""

BYTES = {
    **dict.fromkeys(("", "b", "byte", "bytes"), 1),
    **{name: 1024**power for power, letter in enumerate("kmgt", 1) for name in (letter, letter + "ib")},
    **{letter + "b": 1000**power for power, letter in enumerate("kmgt", 1)},
}
"""Bytes in each unit, in small letters. A lone letter counts in 1024s as it does for `ls`, `du` and `df`."""

_NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def parse_duration(text: str) -> float:
    """Return the seconds that `text` means.

    Raises: ValueError, with words that continue a sentence about the text.
    """
    number, per_unit = _split(text, SECONDS, "a number of seconds, or one with a unit such as '10 min', '2 h', '7 d'")
    return float(Decimal(number) * per_unit)


def parse_bytes(text: str) -> int:
    """Return the bytes that `text` means, rounded down.

    Raises: ValueError, with words that continue a sentence about the text.
    """
    number, per_unit = _split(text, BYTES, "a number of bytes, or one with a unit such as '64 MiB', '1 GB'")
    return int(Decimal(number) * per_unit)  # a float would round sizes beyond 2**53


def format_duration(secs: float) -> str:
    """Write seconds for people, in the largest unit that does not lose anything visible: `90 s`, `5 min`, `1.5 h`."""
    for unit in ("d", "h", "min"):
        if secs >= SECONDS[unit] and (secs * 10) % SECONDS[unit] == 0:
            return f"{secs / SECONDS[unit]:.15g} {unit}"
    return f"{secs:.15g} s"


def format_bytes(size_bytes: int) -> str:
    """Write a byte size for people with three digits or so: `64 MiB`, `1.5 GiB`, `17 B`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes >= BYTES[unit.lower()]:
            return f"{size_bytes / BYTES[unit.lower()]:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size_bytes} B"


def _split(text: str, units: dict[str, int], wanted: str) -> tuple[str, int]:
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        raise ValueError(f"is not understood; give {wanted}")
    return match[1], units[match[2].lower()]
