"""What the tests of processes share: stores of their own, and a server that forks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.driven import Options
from tests.faults.processes import STORES, Forks, fresh


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """Fork processes that have loaded everything."""
    server = Forks()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where stores are: in memory where the system offers that, since only processes die here, not machines."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.fixture(params=STORES)
def options(request: pytest.FixtureRequest, folder: Path) -> Options:
    """A run in a store of its own."""
    return fresh(request.param, folder)
