"""How a contender measures itself: time of the process and on the wall, memory, bytes, start-up.

Standard library only: it runs in the contenders' own environments. A contender is a module with one coroutine function
per workload, which gives `{figure: Reading}`; `main` runs the one that is asked for and prints it as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

from tests.benchmarks.workloads import BY_KEY, IDLE_RUNS


class Reading(NamedTuple):
    """One figure: the median of several samples, and the least of them."""

    cpu: float
    wall: float
    least: float
    """Of the processor time."""


Readings: TypeAlias = dict[str, Reading]
Doing: TypeAlias = Callable[[], Coroutine[Any, Any, Readings]]
SAMPLES = 5
ENOUGH_S = 0.02
"""How long one sample takes at least: short work is repeated within it."""
MOST_S = 4.0
"""When no further sample is begun."""


class WrongResult(Exception):
    """A contender did not do the work."""


def expect(found: object, wanted: object) -> None:
    """Refuse a figure of work that was not done.

    Raises:
        WrongResult: the two differ.
    """
    if found != wanted:
        raise WrongResult(f"expected {wanted!r}, got {found!r}")


def number(value: float) -> Reading:
    """Return a figure that is no time."""
    return Reading(value, value, value)


async def timed(
    work: Callable[[], Awaitable[object]], units: int, *, wanted: object, samples: int = SAMPLES, warm: int = 1
) -> Reading:
    """Return how long a unit of `work` takes, in µs; its result is compared with `wanted` each time.

    `warm` calls come before; the last of them says how often the work fits into one sample.
    """
    for _ in range(warm - 1):
        expect(await work(), wanted)
    begun = time.perf_counter()
    expect(await work(), wanted)
    first = time.perf_counter() - begun
    times = max(1, int(ENOUGH_S / max(first, 1e-7)))
    spent = 0.0
    cpu: list[float] = []
    wall: list[float] = []
    while len(cpu) < samples and (not cpu or spent < MOST_S):
        gc.collect()
        at, process_at = time.perf_counter(), time.process_time()
        found = None
        for _ in range(times):
            found = await work()
        process, took = time.process_time() - process_at, time.perf_counter() - at
        expect(found, wanted)
        spent += took
        cpu.append(process / (times * units) * 1e6)
        wall.append(took / (times * units) * 1e6)
    return Reading(statistics.median(cpu), statistics.median(wall), min(cpu))


async def timed_once(
    work: Callable[[], Awaitable[object]], units: int, *, wanted: object, scale: float = 1e6
) -> Reading:
    """As `timed`, for work that takes long: once, and not warmed up."""
    gc.collect()
    at, process_at = time.perf_counter(), time.process_time()
    found = await work()
    process, took = time.process_time() - process_at, time.perf_counter() - at
    expect(found, wanted)
    return Reading(process / units * scale, took / units * scale, process / units * scale)


def resident() -> int:
    """Return the bytes of this process that are in memory now."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except OSError:  # elsewhere the greatest so far has to do; macOS counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Traced:
    """Counts the bytes that Python objects take from here on; resident pages say little about small amounts."""

    def __enter__(self) -> Self:
        """Begin to count."""
        gc.collect()
        tracemalloc.start()
        self._was = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop counting."""
        tracemalloc.stop()

    def grown(self) -> int:
        """Return the bytes that were taken and are still held."""
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self._was


class Gate:
    """Runs that wait inside their nodes: what each holds in memory. `wait` is what the node awaits."""

    def __init__(self) -> None:
        """Make the gate that all wait at."""
        self._open = asyncio.Event()
        self._waiting = 0

    async def wait(self) -> None:
        """Wait, as a node."""
        self._waiting += 1
        await self._open.wait()

    async def measure(self, start: Callable[[], Awaitable[object]], runs: int = IDLE_RUNS) -> Reading:
        """Start runs, look when all wait, let them go; return the kilobytes a run."""
        await self._let_go(await self._started(start, 20))  # what only the first runs load and cache
        with Traced() as traced:
            tasks = await self._started(start, runs)
            took = traced.grown()
        await self._let_go(tasks)
        return number(took / runs / 1000)

    async def _started(self, start: Callable[[], Awaitable[object]], runs: int) -> list[asyncio.Task[object]]:
        async def one() -> object:
            return await start()

        self._open.clear()
        self._waiting = 0
        tasks = [asyncio.create_task(one()) for _ in range(runs)]
        while self._waiting < runs:
            await asyncio.sleep(0.005)
            for task in tasks:
                if task.done():
                    task.result()
                    raise WrongResult("a run ended that was to wait")
        return tasks

    async def _let_go(self, tasks: list[asyncio.Task[object]]) -> None:
        self._open.set()
        await asyncio.gather(*tasks)


async def kept(make: Callable[[], Awaitable[object]], runs: int = IDLE_RUNS) -> Reading:
    """Return the kilobytes that each of many results of `make` keeps in memory."""
    for _ in range(20):
        await make()
    with Traced() as traced:
        results = [await make() for _ in range(runs)]
        took = traced.grown()
    expect(len(results), runs)
    return number(took / runs / 1000)


def child(*arguments: str, times: int = 5) -> Reading:
    """Return the milliseconds that a new Python process takes with these arguments."""
    cpu: list[float] = []
    wall: list[float] = []
    for turn in range(times + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        at = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        took = time.perf_counter() - at
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if turn:  # the first one reads files from the disk
            cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)
            wall.append(took * 1e3)
    return Reading(statistics.median(cpu), statistics.median(wall), min(cpu))


def start_up(statement: str) -> Readings:
    """Return what importing costs beyond an empty process (ms), and what is resident after it (MiB)."""
    empty = child("-c", "pass")
    full = child("-c", statement)
    found = {"import": Reading(*(max(0.0, one - other) for one, other in zip(full, empty, strict=True)))}
    if Path("/proc/self/statm").exists():
        # Not `resident`: this module would load half of what asyncio is made of.
        tell = "; print(open('/proc/self/statm').read().split()[1])"
        said = subprocess.run([sys.executable, "-c", statement + tell], check=True, capture_output=True, text=True)
        found["rss"] = number(int(said.stdout) * resource.getpagesize() / 2**20)
    return found


def size_of(folder: str) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder on the disk of the checkout: the system's temporary folder may be in memory."""
    here = Path(".venv-bench")
    here.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=here.resolve(), prefix="scratch-", ignore_cleanup_errors=True)


def main(packages: tuple[str, ...], does: Mapping[str, Doing], cannot: Mapping[str, str]) -> None:
    """Do the workload that the command line names, and print its figures.

    Args:
        packages: the distributions whose versions are told.
        does: by the workload's name.
        cannot: by the workload's name, why not, for those that `does` lacks; for others, what a reader must know.
    """
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.simplefilter("ignore")
    workload = BY_KEY[sys.argv[1]]
    said: dict[str, Any] = {
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }
    if workload.name in does:
        said["figures"] = {key: tuple(each) for key, each in asyncio.run(does[workload.name]()).items()}
    if workload.name in cannot:
        said["cannot" if workload.name not in does else "note"] = cannot[workload.name]
    print(json.dumps(said))
