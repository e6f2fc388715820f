"""Who owns a run: a name for this process that others can check for life.

A lease that its owner does not renew runs out. On the same machine nobody needs to wait for that: the name says which
process it is (machine, boot, process namespace, number, start), so a dead one is known at once, also when its number
was used again.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from functools import cache
from pathlib import Path
from typing import TypeGuard

LEASE_S = 30.0
"""Seconds after which a lease that was not renewed may be taken."""
RENEW_S = LEASE_S / 3
"""Seconds between renewals."""
_ENDED = "ended"


def new_owner() -> str:
    """Return a name for one store object of this process."""
    pid = os.getpid()
    return f"{_place()} {pid} {_started(pid) or '-'} {secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Say whether the process behind the name has certainly ended; False if that cannot be known from here."""
    place, _, rest = owner.partition(" ")
    pid, started, *_ = [*rest.split(" "), "", ""]
    if place != _place() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    now = _started(int(pid))
    return now == _ENDED or (now is not None and started not in {"-", now})


def lives(owner: str | None, until: float) -> TypeGuard[str]:
    """Say whether a run has an owner whose lease (seconds since the epoch) has not run out, and who has not ended."""
    return owner is not None and until > time.time() and not is_dead(owner)


def process_of(owner: str) -> str:
    """Return which process the name means, in words."""
    place, _, rest = owner.partition(" ")
    return f"process {rest.partition(' ')[0] or '?'} on {place.partition('/')[0]}"


@cache
def _place() -> str:
    """Name the machine since its last boot and the process namespace: process numbers mean something only within."""
    parts = [socket.gethostname().replace(" ", "_")]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        parts.append("-")
    return "/".join(parts)


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None where the system does not say.

    A process that has ended and that its parent has not noticed yet still has its number, and no start.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return _ENDED if fields[0] in {"Z", "X"} else fields[19]
