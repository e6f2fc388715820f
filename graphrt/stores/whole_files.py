"""Files that appear complete or not at all: written beside, then put in the place of what was there.

Knows nothing of what they hold: traces, pictures and spans are written alike.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_OF_THE_SYSTEM: Final = (("/", "dev"), ("/", "proc"))
"""Folders whose names lead to what is open already, such as `/dev/stdout`."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; where that fails, what was there before stays, and nothing stands beside it.

    A link is followed, and what has permissions keeps them. What is no plain file, a pipe or a device, is written to as
    it is; so is a file in a folder where no other can be made.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.parts[:2] in _OF_THE_SYSTEM or (target.exists() and not target.is_file()):
        path.write_bytes(data)
        return
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        file = part.open("wb")
    except PermissionError:
        if before is None:
            raise
        target.write_bytes(data)
        return
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            part.chmod(stat.S_IMODE(before.st_mode))
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
