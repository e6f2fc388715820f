"""`graphrt why --prompt`: what was sent to models, for people and for programs, without the code of the flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.cli import main
from graphrt.stores import open_store
from graphrt.testing import ScriptedModel, Turn


class Ticket(BaseModel):
    message: str = "You charged me twice for A-17"
    team: Literal["billing", "bugs"] | None = None
    reply: str = ""


def status(number: str) -> str:
    """Look an order up."""
    return f"order {number} was paid twice"


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a run of two agents in the store of this folder."""
    monkeypatch.chdir(tmp_path)
    flow = Flow("desk", Ticket)
    s = flow.state
    route = flow.router(
        "route", Agent("Which team?", examples=[("It crashes.", "bugs")]), reads=s.message, writes=s.team
    )
    agent = Agent("Help with {team}.", tools=[status], temperature=0)
    clerk = flow.agent("clerk", agent, reads=[s.message, s.team], writes=s.reply)
    flow.edge(route, clerk, on="billing")
    flow.edge(route, flow.end("no bug"), on="bugs")
    model = ScriptedModel([Turn.choose("billing", 0.9), Turn.call("status", number="A-17"), "You get it back."])
    store = open_store(".graphrt/runs.db")
    flow.run_sync(Ticket(), resources=[model], store=store, run_id="one")
    store.close()


def test_each_request_is_told_as_it_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """Of an agent all requests inside it: instructions filled in, the conversation so far, tools and settings."""
    assert main(["why", "one", "clerk", "--prompt"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert first == (
        "model (visit 1/0, attempt 1) sent to scripted\n"
        "  instructions\n"
        "    Help with billing.\n"
        "  user\n"
        "    You charged me twice for A-17\n"
        "  may call status\n"
        "    Look an order up.\n"
        '    {"additionalProperties": false, "properties": {"number": {"type": "string"}}, "required": ["number"],'
        ' "type": "object"}\n'
        "  settings\n"
        "    temperature = 0.0"
    )
    assert (
        '  assistant clerk\n    calls status {"number": "A-17"}\n  tool status\n    order A-17 was paid twice' in second
    )


def test_examples_and_labels_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What steers a choice stands there too; `why` itself says that there is something to see."""
    assert main(["why", "one", "route", "--prompt"]) == 0
    out = capsys.readouterr().out
    assert "  example\n    It crashes.\n    → bugs\n" in out
    assert "  one of\n    billing, bugs\n" in out
    assert main(["why", "one", "0/0"]) == 0
    assert "sent        a request to scripted (--prompt tells all of it)" in capsys.readouterr().out


def test_programs_get_the_whole_request(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, by visit and attempt, and whether it is exact."""
    assert main(["why", "one", "1", "--prompt", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["run"], told["visit"]) == ("one", "1")
    assert [(r["visit"], r["attempt"], r["model"], r["exact"]) for r in told["requests"]] == [
        ("1/0", 1, "scripted", True),
        ("1/2", 1, "scripted", True),
    ]
    assert [m["role"] for m in told["requests"][1]["request"]["messages"]] == ["user", "assistant", "tool"]


def test_a_visit_that_asked_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """A tool sends nothing to a model, and that is said."""
    assert main(["why", "one", "1/0.0-0.0", "--prompt"]) == 0
    assert "nothing was sent to a model in tool" in capsys.readouterr().out
