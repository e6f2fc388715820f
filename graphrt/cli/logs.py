"""The log of the runtime on the command line: warnings go to standard error, but for what it tells itself."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def each_once() -> Generator[None]:
    """Let what stores warn of be told once a command, however often it comes across it."""
    told: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = message in told
        told.add(message)
        return not known

    log = logging.getLogger("graphrt.stores")
    log.addFilter(is_new)
    try:
        yield
    finally:
        log.removeFilter(is_new)


def tell_failures_ourselves() -> None:
    """Keep failures of runs from standard error, where no log is set up: each command tells them in its own words."""
    log = logging.getLogger("graphrt.runtime.failures")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
