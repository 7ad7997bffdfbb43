"""How long work reports itself and is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

from documents.errors import Cancelled, TooLongError

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``; total is 0 while unknown."""

IsCancelled = Callable[[], bool]
"""A cheap check made between batches: true once somebody asked for a stop."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Report to nobody."""


def never_cancelled() -> bool:
    """Run to the end."""
    return False


def check(cancelled: IsCancelled) -> None:
    """Raise `Cancelled` if somebody asked for a stop."""
    if cancelled():
        raise Cancelled("Stopped.")


def within(seconds: float, cancelled: IsCancelled) -> IsCancelled:
    """``cancelled`` that raises `TooLongError` once ``seconds`` (0: no limit) have passed."""
    begun = time.monotonic()

    def asked() -> bool:
        if seconds and time.monotonic() - begun > seconds:
            raise TooLongError(
                f"A step took longer than {seconds:g} seconds.",
                "Raise LONGDOC_STEP_TIMEOUT_S, or ask of fewer documents.",
            )
        return cancelled()

    return asked
