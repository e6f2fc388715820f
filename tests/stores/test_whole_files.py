"""Files that appear complete or not at all, whatever is at their place already."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from graphrt.stores.whole_files import write_whole
from tests.cli.processes import environment

SMALL = 1_000
"""Bytes that a file may have in a process for which the disk is full."""


def full() -> None:
    """Let a process write no more into a file than a nearly full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


def test_what_was_there_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    """The new content is there under the old name, and nothing beside it."""
    path = tmp_path / "file.txt"
    write_whole(path, b"first")
    path.chmod(0o640)
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file that a link leads to gets the content, and the link stays one."""
    (tmp_path / "there").mkdir()
    path = tmp_path / "link"
    path.symlink_to("there/file.txt")
    write_whole(path, b"content")
    write_whole(path, b"other")
    assert path.is_symlink()
    assert (tmp_path / "there/file.txt").read_bytes() == b"other"


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    """What reads from a named pipe gets the content; the pipe is not replaced."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
    write_whole(path, b"content")
    assert reader.communicate(timeout=10)[0] == b"content"
    assert path.is_fifo()


def test_standard_output_by_its_name_is_not_replaced(tmp_path: Path) -> None:
    """`/dev/stdout` is what is open there, also where it leads to a file."""
    out = tmp_path / "out.txt"
    code = "from pathlib import Path; from graphrt.stores.whole_files import write_whole as w; "
    with out.open("wb") as file:
        inode = os.fstat(file.fileno()).st_ino
        command = [sys.executable, "-c", code + "w(Path('/dev/stdout'), b'content')"]
        subprocess.run(command, env=environment(), stdout=file, check=True)
    assert (out.read_bytes(), out.stat().st_ino) == (b"content", inode)


@pytest.mark.parametrize("before", [None, b"older"])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, before: bytes | None) -> None:
    """On a full disk the file is as it was, or not there; what was half written is removed."""
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_bytes(before)
    code = "from pathlib import Path; from graphrt.stores.whole_files import write_whole as w; "
    command = [sys.executable, "-c", code + "w(Path('file.txt'), b'x' * 5_000)"]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),  # Python itself would leave halves
        capture_output=True,
        check=False,
        preexec_fn=full,
    )
    assert b"OSError: [Errno 27] File too large" in ran.stderr
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({} if before is None else {"file.txt": before})


def test_a_folder_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    """A folder is no file, and no folder is made."""
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"content")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none/file.txt", b"content")
    assert list(tmp_path.iterdir()) == []
