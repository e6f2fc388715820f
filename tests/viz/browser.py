"""A real browser for the tests that need one: which it is, and what it may do.

CI must have it, so there a missing one is an error; elsewhere its tests are skipped, and say what to install.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from tests.conftest import IN_CI

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), "")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_MISSING = [
    what
    for what, there in (
        ("Chromium on the PATH (Debian: apt-get install chromium)", bool(CHROMIUM)),
        ("playwright (pip install playwright)", importlib.util.find_spec("playwright") is not None),
    )
    if not there
]


class Open(Protocol):
    """Opens a page from a file, at a place of it."""

    def __call__(self, content: str, place: str = "") -> Page:
        """Return the page."""
        ...


Test = TypeVar("Test", bound=Callable[..., None])


def browsed(test: Test) -> Test:
    """Mark a test that needs a browser."""
    skipped = pytest.mark.skipif(bool(_MISSING) and not IN_CI, reason=f"needs {' and '.join(_MISSING)}")
    for mark in (pytest.mark.slow, pytest.mark.xdist_group("browser"), skipped):
        test = mark(test)
    return test


def demanded() -> str:
    """Return the path of the browser.

    Raises:
        AssertionError: it, or what drives it, is missing.
    """
    assert not _MISSING, f"CI needs {' and '.join(_MISSING)}; .ci/run installs it"
    return CHROMIUM
