"""What stands against sending a directory, and that the message has the figures and the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.passwords import Secret
from ftpretrieve.send.limits import Week, exceeded
from ftpretrieve.send.records import Settings


def settings(**changes: Any) -> Settings:
    """Return settings that matter here, the rest as it has to be."""
    usual = Settings(
        node="TEST", password=Secret("x"), data_types=("t",), working_directory=Path("/tmp"), logbook=Path("/b"),
        log_file=None, log_level="WARNING", du=None, du_arguments=(), rsync=None, server="h", port=873, compress=False,
        timeout_secs=10, extra_arguments=(), retries=3, status_module="TRANSACTION_XML", max_secs=60,
        bandwidth_kb=None, weekly_gb=50, max_files=None, max_gb=None,
    )  # fmt: skip
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("week_gb", "size_gb", "fits"),
    [(0, 0.5, True), (49, 0.999, True), (49, 1, False), (49, 1.5, False), (50, 0, False), (0, 50, False)],
)
def test_the_week_and_this_directory_must_stay_under_the_weekly_limit(
    week_gb: float, size_gb: float, fits: bool
) -> None:
    """Under, not at: the limit itself is too much."""
    assert (exceeded(settings(), Week(week_gb), size_gb=size_gb, files=1) == []) is fits


def test_the_message_has_all_three_figures() -> None:
    """Whoever plans the week needs what was sent, what is to be sent, and the limit."""
    (problem,) = exceeded(settings(), Week(49.25), size_gb=1.5, files=1)
    assert all(figure in problem for figure in ("49.250 GB", "1.500 GB", "50 GB", "--ignore-limits"))
    assert "being sent" not in problem


def test_what_others_send_now_counts_and_is_said() -> None:
    """Whoever waits for the week to go by need only wait for another process."""
    (problem,) = exceeded(settings(), Week(45.5, 3), size_gb=1.5, files=1)
    assert "45.500 GB sent in the last 7 days + 3.000 GB being sent now + 1.500 GB of this directory" in problem
    assert exceeded(settings(), Week(45.5, 2.5), size_gb=1.5, files=1) == []


def test_a_transaction_has_limits_of_its_own() -> None:
    """Each is named as in the configuration, and all are said at once."""
    problems = exceeded(settings(max_files=10, max_gb=1.0), Week(0), size_gb=1.001, files=11)
    assert [problem.split(":")[0] for problem in problems] == ["datasize max", "datafile max"]
    assert exceeded(settings(max_files=10, max_gb=1.0), Week(0), size_gb=1.0, files=10) == []
