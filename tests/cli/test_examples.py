"""The examples of each command's help: whoever types one where such files and runs are gets what it promises."""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from graphrt.cli.commands import GROUPS
from tests.cli import scenes
from tests.cli.calling import FLOWS, Program
from tests.cli.staged import Stage

EXAMPLES = [example for commands in GROUPS.values() for command in commands for example in command.examples]
SHOP = """
from pydantic import BaseModel
from graphrt import Flow

class Refund(BaseModel):
    order: str
    paid: bool = False

refunds = Flow("refunds", Refund)
refunds.task(writes=refunds.state.paid, name="pay")(lambda order: True)
"""
CHAT = """
from graphrt import Agent, single
from graphrt.testing import ScriptedModel

flow = single(Agent("Talk."), name="talk")
graphrt_resources = [ScriptedModel(lambda request: "Tea is old.")]
"""
FINDS: dict[str, set[int]] = {
    "check": {0, 1},
    "diff": {0, 1},
    "resume": {0, 3},
    "run": {0, 3},
    "fork": {0, 3},
    "cancel": {0},
}
"""Exit codes besides 0 that an example may end with: something was found, the run waits for an answer."""


ASKING = {
    "graphrt answer 4fz": "asks: Send this answer? Say the answer: graphrt answer 4fz1 6 send|drop",
    "graphrt delete latest": "nobody is there who can be asked; --yes deletes 1 run (4fz1)",
    "graphrt delete --conversation tea": "nobody is there who can be asked; --yes deletes 1 run (tea-1)",
}
"""Examples that ask a person, and what they say where none is: no terminal is there in these tests."""


@pytest.fixture
def at_work(program: Program) -> Program:
    """A folder with the files that examples name: flows, chats, inputs, traces, and a run that failed."""
    folder = program.folder
    for name in ("flows", "old", "shop", "graphs", "docs"):
        (folder / name).mkdir()
    for name in ("flows", "old"):
        shutil.copy(FLOWS / "support.py", folder / name)
    (folder / "shop/__init__.py").touch()
    (folder / "shop/flows.py").write_text(SHOP)
    for name in ("languages", "report"):
        (folder / f"graphs/{name}.py").write_text(CHAT)
    (folder / "ticket.json").write_text('{"message": "It crashes"}')
    (folder / "question.txt").write_text("What is tea?\n")
    (folder / "messages.txt").write_text("What is tea?\nAnd coffee?\n")
    program.file("trace.jsonl", scenes.researched())
    for name in ("bug", "good", "monday"):
        program.file(f"{name}.jsonl", scenes.support_run(name, target="flows/support.py:flow").trace)
    for name in ("bad", "tuesday"):
        program.file(f"{name}.jsonl", scenes.support_run(name, scenes.BAD).trace)
    program.keep(scenes.support_run("7ks1", scenes.BAD, "flows/support.py:flow").trace)
    return program


def latest(example: str) -> Stage:
    """Return the run that an example is about: one to resume was stopped, one to delete has ended, others wait."""
    stage = scenes.support_run("4fz1", target="flows/support.py:flow")
    if example.startswith("graphrt delete"):
        return stage.answer("6", "send")
    return stage.cancel() if example.startswith("graphrt resume") else stage


def typed(example: str) -> tuple[list[str], str]:
    """Return the arguments of an example, and what stands on standard input; pipes and files behind it are left out."""
    words = shlex.split(example)
    end = next((k for k, word in enumerate(words) if word in {"|", ">", "<"}), len(words))
    return words[1:end], Path(words[words.index("<") + 1]).read_text("utf-8") if "<" in words else ""


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_of_the_help_works(at_work: Program, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is accepted, ends as such a command ends, and complains of nothing, but that nobody can be asked."""
    at_work.keep(latest(example).trace)
    if "--check" in example.split():
        assert at_work("render", "flows/support.py", "-o", "docs/support.svg").code == 0
    if "delete --conversation" in example:
        assert at_work("chat", "graphs/languages.py", "hello", "--conversation", "tea").code == 0
    args, said = typed(example)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said.encode()), "utf-8"))
    ran = at_work(*args)
    if example in ASKING:
        assert (ran.code, ASKING[example] in ran.err) == (2, True)
        return
    assert ran.code in FINDS.get(args[0], {0}), ran.err
    assert "graphrt: " not in ran.err
