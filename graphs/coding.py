"""A coding loop: write a program, really run it, review what it did, and again until it passes.

The program runs in a process of its own, in a temporary folder, with bounds on time, memory, files and output. These
are limits and no jail: it can still read what you can read. Wants a capable model.

    graphrt run graphs/coding.py --input "Print the first ten prime numbers, one a line."
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from graphrt import Agent, Flow, Limits, NodeTimeout, let

FENCE = re.compile(r"^\s*```\w*\n|\n?```\s*$")
BOUNDED = """\
import resource, runpy
for what, most in (("CPU", 5), ("AS", 512 << 20), ("FSIZE", 256 << 10), ("NOFILE", 64), ("CORE", 0)):
    resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (most, most))
runpy.run_path("program.py", run_name="__main__")
"""
"""What runs the program: it takes its bounds upon itself first. Output goes to a file, so FSIZE bounds that as well."""


class Review(BaseModel):
    """What the reviewer says of a program that ran."""

    passes: bool
    advice: str = ""


class Job(BaseModel):
    """A task, and the program that does it."""

    task: str
    files: list[str] = []
    """Files that the program finds in its folder."""
    code: str = ""
    exit_code: int = 0
    output: str = ""
    review: Review = Review(passes=False)


async def execute(code: str, files: Sequence[str] = ()) -> tuple[int, str]:
    """Run a Python program; return its exit code and what it printed. Cancelled, it leaves no process behind."""
    with TemporaryDirectory(prefix="coding-") as name:
        folder = Path(name)
        for file in files:
            shutil.copy(file, folder)
        (folder / "program.py").write_text(FENCE.sub("", code), "utf-8")
        with (folder / "printed").open("wb") as printed:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", BOUNDED),
                stdin=DEVNULL,
                stdout=printed,
                stderr=STDOUT,
                cwd=folder,
                env={"PYTHONIOENCODING": "utf-8"},
                start_new_session=True,
            )
            try:
                exit_code = await process.wait()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        text = (folder / "printed").read_text("utf-8", "replace").replace(name, ".")
    return exit_code, text[-4000:]


coder = Agent("Write one Python program that does the task, standard library only. Answer with its code alone.")
reviewer = Agent("Does the program do all of the task? Judge by its output; if it fails, say what to change.")

flow = Flow("coding", Job, limits=Limits(visits=40, active_s=300))
s = flow.state

write = flow.agent("write", coder, reads=(s.task, s.files, s.code, s.output, s.review), writes=s.code)


@flow.task(writes=(s.exit_code, s.output), timeout="10s")
async def build(code: str, files: Sequence[str]) -> tuple[int, str]:
    """Run the program."""
    return await execute(code, files)


review = flow.agent("review", reviewer, reads=(s.task, s.code, s.output), writes=s.review)
passed = flow.end("passed")
given_up = flow.end("given up", failure=True)

flow.start(write)
flow.edge(write, build)
flow.edge(build, write, when=s.exit_code != 0, at_most=3)
flow.edge(build, given_up, when=s.exit_code != 0)
flow.edge(build, write, on=NodeTimeout, set=let(s.output).be("It did not end within 10 seconds."), at_most=1)
flow.edge(build, given_up, on=NodeTimeout)
flow.edge(build, review)
flow.edge(review, passed, when=s.review.passes)
flow.edge(review, write, at_most=2)
flow.edge(review, given_up)
