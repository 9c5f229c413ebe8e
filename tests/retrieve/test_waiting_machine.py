"""The machine of `test_identity_machine`, with every rule on that lets files wait: still each version exactly once."""

import pytest
from hypothesis import HealthCheck, settings

from ftpretrieve.retrieve.mailbox import Rules
from tests.retrieve.memory_remote import LIST, LIST_ASK, MLSD, Style
from tests.retrieve.test_identity_machine import Machine


class WaitingMachine(Machine):
    """Kills, limits, truncated listings and rewrites, while first sights are remembered and digests compared."""

    def __init__(self) -> None:
        super().__init__()
        self.world.rules = Rules(settle_secs=5.0, settle_polls=True, min_age_secs=30.0, verify_hash=True)


@pytest.mark.slow
@pytest.mark.parametrize("style", [MLSD, LIST_ASK, LIST], ids=lambda style: style.name)
def test_each_version_comes_exactly_once_when_files_wait(style: Style) -> None:
    """The same examples in every run; without `derandomize` it goes on searching."""
    machine = type("Machine", (WaitingMachine,), {"style": style}).TestCase
    machine.settings = settings(
        max_examples=200,
        stateful_step_count=30,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
    )
    machine().runTest()
