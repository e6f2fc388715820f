"""Magentic: a planner says who is needed, the first helper that matches works, and so on until nobody is needed.

The guards overlap: several helpers may be needed at once, and the first in the order of the edges goes first. The web
is a folder of pages, `graphs/library`; files and commands are confined to a folder of their own; what writes asks a
person. Wants a capable model.

    graphrt run graphs/magentic.py --input "Write what the library says about tea to tea.txt, and count its words."
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, EndedInFailure, Flow, Limits, append, contains, let, tool
from graphs import coding

LIBRARY = Path(__file__).parent / "library"
FOLDER = Path(".graphrt/magentic")
COMMANDS = ("ls", "wc", "head", "grep")


class Plan(BaseModel):
    """Who is needed, and for what."""

    needs: list[Literal["web", "files", "coder", "terminal"]] = []
    """Empty if the task can be answered now."""
    order: str = ""
    """What the next of them should do."""


class Task(BaseModel):
    """A task, and what the helpers brought."""

    task: str
    plan: Plan = Plan()
    ordered: Annotated[list[str], append] = []
    results: Annotated[list[str], append] = []
    setback: str = ""
    answer: str = ""


def search(words: str) -> list[str]:
    """Search the pages of the library; return the lines that have the most of these words."""
    wanted = set(re.findall(r"\w{3,}", words.lower()))
    lines = [line for page in sorted(LIBRARY.glob("*.md")) for line in page.read_text("utf-8").splitlines() if line]
    found = {line: len(wanted.intersection(re.findall(r"\w{3,}", line.lower()))) for line in lines}
    return sorted((line for line in lines if found[line]), key=lambda line: -found[line])[:8]


def inside(name: str) -> Path:
    """Return a path of the folder; refuse what lies outside."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER.resolve()):
        raise PermissionError(f"{name} lies outside the folder")
    return path


@tool(show_errors=True)
def read_file(name: str) -> str:
    """Read a file of the folder."""
    return inside(name).read_text("utf-8")


@tool(writes=True, approval="always", show_errors=True)
def write_file(name: str, text: str) -> str:
    """Write a file of the folder."""
    return f"{inside(name).write_text(text, 'utf-8')} characters were written to {name}"


@tool(show_errors=True)
def run(command: str) -> str:
    """Run one of the commands ls, wc, head and grep in the folder, on names of files there."""
    program, *arguments = shlex.split(command)
    if program not in COMMANDS:
        raise PermissionError(f"{program} is none of {', '.join(COMMANDS)}")
    if any("/" in each or ".." in each for each in arguments):
        raise PermissionError("paths are not allowed, only names of files")
    done = subprocess.run(  # noqa: S603 - no shell, and only what the list above allows
        [program, *arguments],
        cwd=inside("."),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    return done.stdout[:4000] or done.stderr[:4000]


flow = Flow("magentic", Task, limits=Limits(visits=200))
s, job = flow.state, coding.flow.state


planner = Agent("Say which helpers are still needed for the task, and what the next is to do; none if it is done.")
surfer = Agent("Find out what the order wants, by searching the web.", tools=[search])
clerk = Agent("Do what the order says with files.", tools=[read_file, write_file])
operator = Agent("Do what the order says by commands.", tools=[run])
speaker = Agent("Answer the task from the results.")

plan = flow.agent("plan", planner, reads=(s.task, s.ordered, s.results, s.setback), writes=s.plan)
web = flow.agent("web", surfer, reads=(s.plan, s.results), writes=s.results)
files = flow.agent("files", clerk, reads=(s.plan, s.results), writes=s.results)
coder = flow.subflow(
    "coder", coding.flow, inputs=let(job.task).be(s.plan.order), outputs=let(s.results).take(job.output)
)
terminal = flow.agent("terminal", operator, reads=(s.plan, s.results), writes=s.results)
answer = flow.agent("answer", speaker, reads=(s.task, s.results), writes=s.answer)


@flow.task(writes=s.ordered)
def ledger(plan: Plan) -> str:
    """Note what was ordered; the planner looks at it beside the results, and decides anew."""
    return plan.order


flow.start(plan)
flow.edge(plan, web, when=contains(s.plan.needs, "web"))
flow.edge(plan, files, when=contains(s.plan.needs, "files"))
flow.edge(plan, coder, when=contains(s.plan.needs, "coder"))
flow.edge(plan, terminal, when=contains(s.plan.needs, "terminal"))
flow.edge(plan, answer)
flow.edge([web, files, coder, terminal], ledger)
flow.edge(coder, ledger, on=EndedInFailure, set=let(s.setback).be("no program did it"))
flow.edge(ledger, plan, at_most=7)
flow.edge(ledger, answer)
