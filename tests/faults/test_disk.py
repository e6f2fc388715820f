"""Disks that are full and files that may not be written: one sentence, nothing half done, and the run goes on later."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.faults.driven import FAULT
from tests.faults.processes import STORES, Forks, check, effects, finished, fresh, process, recorded, uninterrupted

NOBODY = 65534
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "graphrt-test", str(place)]
    if not IS_ROOT or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("kind", STORES)
def test_a_disk_that_fills_up(kind: str, disk: Path, tmp_path: Path) -> None:
    """The run stops with the fault, its records are whole, and with some room it ends as if there had always been."""
    options = msgspec.structs.replace(fresh(kind, disk), effects=str(tmp_path / "effects"), size=20_000)
    expected = uninterrupted(options)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    driving = process(options)
    said, _ = driving.communicate()
    assert driving.returncode == FAULT, said
    assert said.startswith("StoreFault: cannot write ")
    assert "free some space" in said or "No space left on device" in said
    ballast.unlink()
    trace = recorded(options)
    assert trace is not None
    before, done = effects(options), finished(trace)
    assert done
    again = process(options)
    said, _ = again.communicate()
    assert again.returncode == 0, said
    check(options, expected, before, done)


@pytest.mark.parametrize("kind", STORES)
def test_a_disk_that_is_full_from_the_start(kind: str, disk: Path, tmp_path: Path) -> None:
    """Nothing begins, no node is called, and what stood there is untouched."""
    _fill(disk / "ballast")
    options = msgspec.structs.replace(fresh(kind, disk), effects=str(tmp_path / "effects"))
    driving = process(options)
    said, _ = driving.communicate()
    assert driving.returncode == FAULT, said
    assert said.startswith("StoreFault: ")
    assert not effects(options)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


@pytest.mark.parametrize("kind", STORES)
def test_a_place_that_may_not_be_written(kind: str, folder: Path, forks: Forks) -> None:
    """A store in a folder, or in a file, that this user may not write is refused; nothing is called or changed."""
    options = fresh(kind, folder)
    assert forks.run(options) == 0
    place = Path(options.store.partition(":")[2])
    world = folder / "world"
    world.touch()
    world.chmod(0o666)
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path != world:
            path.chmod(0o555 if path.is_dir() else 0o444)
    user = NOBODY if IS_ROOT else None
    elsewhere = f"{kind}:{folder}/{'other.db' if kind == 'sqlite' else 'others'}"
    before = place.read_bytes() if kind == "sqlite" else (place / "r.jsonl").read_bytes()
    if not IS_ROOT:
        folder.chmod(0o555)
    for store in (options.store, elsewhere):
        refused = msgspec.structs.replace(options, store=store, effects=str(world), user=user, again=True)
        assert forks.run(refused) == FAULT
    folder.chmod(0o755)
    assert not world.read_bytes()
    assert (place.read_bytes() if kind == "sqlite" else (place / "r.jsonl").read_bytes()) == before
