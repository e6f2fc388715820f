"""The asyncio driver: runs graphs in this process, takes them up again, answers and stops them."""

from graphrt.ports import Clock, RunInfo, Store
from graphrt.runtime.attempts import idempotency_key
from graphrt.runtime.clock import SYSTEM_CLOCK, SystemClock
from graphrt.runtime.listeners import Delta, Item, Listener, event_json
from graphrt.runtime.options import ForkOptions, Options, ResumeOptions, Surroundings
from graphrt.runtime.requests import answer, cancel, leave
from graphrt.runtime.result import Result
from graphrt.runtime.runs import (
    fork,
    resume,
    resume_due,
    run,
    run_sync,
    stream,
    stream_fork,
    stream_resume,
    wait_for,
)
from graphrt.runtime.stream import RunStream

__all__ = [
    "SYSTEM_CLOCK",
    "Clock",
    "Delta",
    "ForkOptions",
    "Item",
    "Listener",
    "Options",
    "Result",
    "ResumeOptions",
    "RunInfo",
    "RunStream",
    "Store",
    "Surroundings",
    "SystemClock",
    "answer",
    "cancel",
    "event_json",
    "fork",
    "idempotency_key",
    "leave",
    "resume",
    "resume_due",
    "run",
    "run_sync",
    "stream",
    "stream_fork",
    "stream_resume",
    "wait_for",
]
