"""Plan and code: look at the data from several sides, plan a step, have it coded and run, until the answer is known.

Each step is a whole flow of its own (`graphs/coding.py`): a program is written, run and reviewed. A step that was given
up is told to the planner, which may try another way. Wants a capable model.

    graphrt run graphs/analyst.py --input "Which month has the most rain, and how warm is it then?"
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

from graphrt import Agent, EndedInFailure, Flow, Limits, append, let
from graphs import coding


def first_rows(file: str, count: int) -> list[list[str]]:
    """Read the beginning of a table, the names of its columns first."""
    with Path(file).open(encoding="utf-8", newline="") as lines:
        return list(islice(csv.reader(lines), count))


class Plan(BaseModel):
    """What the planner wants next."""

    known: bool
    """True if the results are enough to answer."""
    step: str = ""
    """Otherwise what the next program should find out and print."""


class Analysis(BaseModel):
    """A question about some tables, and what was found out."""

    question: str
    files: list[str] = ["graphs/library/rain.csv"]
    context: Annotated[list[str], append] = []
    plan: Plan = Plan(known=False)
    results: Annotated[list[str], append] = []
    answer: str = ""


planner = Agent("Plan how to answer the question by small Python programs that read the file; one step at a time.")
speaker = Agent("Answer the question from the results, in one or two sentences.")

flow = Flow("analyst", Analysis, limits=Limits(visits=200, active_s=900))
s, job = flow.state, coding.flow.state


@flow.task
def look() -> None:
    """Begin to gather what a planner should know."""


@flow.task(writes=s.context)
def columns(files: Sequence[str]) -> str:
    """Read the names of the columns."""
    return "; ".join(f"{Path(file).name} has the columns {', '.join(first_rows(file, 1)[0])}" for file in files)


@flow.task(writes=s.context)
def sample(files: Sequence[str]) -> str:
    """Read a few rows."""
    return "; ".join(f"{Path(file).name} begins {first_rows(file, 4)[1:]}" for file in files)


@flow.task(writes=s.context)
def tools() -> str:
    """Say what the programs can count on."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"Programs run on Python {version}, standard library only; they find the files in their folder."


context = flow.join("context")
plan = flow.agent("plan", planner, reads=(s.question, s.context, s.results), writes=s.plan)


execute = flow.subflow(
    "execute",
    coding.flow,
    inputs=[let(job.task).be(s.plan.step), let(job.files).be(s.files)],
    outputs=let(s.results).take(job.output),
)


@flow.task(writes=s.results)
def set_back(plan: Plan) -> str:
    """Tell the planner that a step came to nothing."""
    return f"This step was given up: {plan.step}"


answer = flow.agent("answer", speaker, reads=(s.question, s.results), writes=s.answer)

flow.fork(look, [columns, sample, tools])
flow.edge([columns, sample, tools], context)
flow.edge(context, plan)
flow.edge(plan, answer, when=s.plan.known)
flow.edge(plan, execute, at_most=5)
flow.edge(plan, answer)
flow.edge(execute, plan)
flow.edge(execute, set_back, on=EndedInFailure)
flow.edge(set_back, plan)
