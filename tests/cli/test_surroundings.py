"""What a run from the command line finds around it: what its module gives, and models that nobody has named."""

from __future__ import annotations

import sys

import pytest

from tests.cli.calling import Program

SHOP = """
from typing import Literal
from pydantic import BaseModel
from graphrt import Agent, Context, Flow
from graphrt.testing import ScriptedModel

class Client:
    def buy(self, what): return "bought " + what

class Order(BaseModel):
    what: str = "tea"
    go: Literal["yes", "no"] | None = None
    thanks: str = ""
    done: str = ""

flow = Flow("shop", Order)
s = flow.state
ask = flow.ask("ask", "Buy it?", reads=s.what, writes=s.go)
thank = flow.agent("thank", Agent("Thank."), reads=s.what, writes=s.thanks)

@flow.task(writes=s.done)
def buy(what: str, context: Context) -> str:
    return context.resource(Client).buy(what)

flow.edge(ask, buy, on="yes")
flow.edge(ask, flow.end("left"), on="no")
flow.edge(buy, thank)
"""
BESIDE = """
def graphrt_resources():
    print("made")
    return [Client(), ScriptedModel(["Thank you."] * 9, name="scripted")]
"""


def shop(program: Program, *more: str) -> None:
    """Write the flow, with what is said beside it."""
    (program.folder / "shop.py").write_text("\n".join([SHOP, *more, ""]))
    sys.modules.pop("shop", None)


def test_resources_beside_a_flow_serve_every_command(program: Program) -> None:
    """`graphrt_resources` gives its clients and its model to run, answer, resume and fork."""
    shop(program, BESIDE)
    assert program("run", "shop.py", "--run-id", "one").code == 3
    answered = program("answer", "one", "yes")
    assert answered.code == 0, answered.err
    assert "bought tea" in answered.out
    assert "made" not in answered.out
    assert "nothing names another" not in answered.err
    forked = program("fork", "one", "--at", "buy", "--run-id", "two", "--quiet")
    assert (forked.code, forked.err) == (0, "made\n")


def test_a_missing_resource_leaves_the_run_to_be_resumed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the run fails as ResourceMissing, which says how to give it; then `resume` goes on from there."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GRAPHRT_MODEL", "none-such")
    shop(program)
    assert program("run", "shop.py", "--run-id", "one").code == 3
    answered = program("answer", "one", "yes")
    assert answered.code == 1
    assert "ResourceMissing: node 'buy' asks for a Client" in answered.out
    assert "name it beside the flow: graphrt_resources = […]; then resume the run" in answered.out
    assert "asks the model none-such, for nothing names another" in answered.err
    shop(program, BESIDE)
    resumed = program("resume", "one")
    assert resumed.code == 0, resumed.err
    assert "bought tea" in resumed.out


def test_what_is_no_list_beside_a_flow_is_refused(program: Program) -> None:
    """One line and exit code 2, before anything is stored."""
    for beside, says in (
        ("graphrt_resources = 3", "graphrt_resources gives a int; expected a list"),
        ("graphrt_policies = [3]", "graphrt_policies= has 3, which is no policy"),
        ("graphrt_resources = [Client]", "graphrt_resources= has the class Client"),
        ("def graphrt_resources(x): return []", "graphrt_resources needs x; expected a function without parameters"),
    ):
        shop(program, beside)
        ran = program("run", "shop.py")
        assert ran.code == 2
        assert says in ran.err
        assert len(ran.err.splitlines()) == 1
        assert not (program.folder / ".graphrt").exists()


def test_a_model_that_nobody_named_is_told(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one, and which the run asked so far; a model that was named is not told, and --quiet says nothing."""
    shop(program, BESIDE)
    assert program("run", "shop.py", "--run-id", "one").code == 3
    assert program("answer", "one", "yes").code == 0
    shop(program, "graphrt_resources = [Client()]")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GRAPHRT_MODEL", "other")
    forked = program("fork", "one", "--at", "ask")
    assert "asks the model other, for nothing names another (--model); so far the run asked scripted" in forked.err
    named = program("fork", "one", "--at", "ask", "--model", "other")
    assert "nothing names another" not in named.err
    quiet = program("fork", "one", "--at", "ask", "--quiet")
    assert quiet.err == ""
