"""The log of the runtime on the command line: warnings go to standard error, but for what it tells itself."""

from __future__ import annotations

import logging


def tell_failures_ourselves() -> None:
    """Keep failures of runs from standard error, where no log is set up: each command tells them in its own words."""
    log = logging.getLogger("graphrt.runtime.failures")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
