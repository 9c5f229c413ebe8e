"""The command line of send without a data centre: what it would have asked of one is noted instead.

Must not be imported by the package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ftpretrieve.send import commands

TYPE = "seismic_data_miniseed"


class Calls:
    """Stands for what talks to a data centre. `code` or `raises` is what the next call ends with."""

    def __init__(self) -> None:
        self.made: list[tuple[str, tuple[Any, ...]]] = []
        self.code = 0
        self.raises: BaseException | None = None
        self.does: Callable[[], object] = lambda: None

    def named(self, name: str) -> Callable[..., int]:
        def call(settings: Any, *arguments: Any) -> int:
            assert settings.node == "TEST"
            self.made.append((name, tuple(each for each in arguments if each not in (sys.stdout, commands.PROG))))
            self.does()
            if self.raises:
                raise self.raises
            return self.code

        return call


def run(*words: str) -> int:
    return commands.main(list(words))
