"""`graphrt diff` and `graphrt stats`: two runs or flows compared, and many runs counted."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.agents import Reply, Usage
from graphrt.runtime import run
from graphrt.testing import ScriptedModel
from tests.cli import scenes
from tests.cli.calling import Program


def test_two_runs_are_compared_in_words(program: Program) -> None:
    """Where they part, what each has there, how the state differs; the exit code says that they do."""
    good, bad = program.file("good.jsonl", scenes.completed()), program.file("bad.jsonl", scenes.failed())
    ran = program("diff", good, bad)
    assert (ran.code, ran.err) == (1, "")
    assert "first difference at triage (visit 0):\n  first:  answers billing\n  second: answers bug\n" in ran.out
    assert 'topic: "billing" → "bug"' in ran.out
    told = json.loads(program("diff", good, bad, "--json").out)
    assert told["parted"] == {"visit": "0", "name": "triage", "first": "answers billing", "second": "answers bug"}
    assert not told["same"]


def test_equal_runs_exit_with_nothing_found(program: Program) -> None:
    """A script can ask whether two runs are the same."""
    run = program.file("run.jsonl", scenes.completed())
    ran = program("diff", run, run)
    assert (ran.code, ran.err) == (0, "")
    assert "both runs went the same way with the same results" in ran.out
    assert json.loads(program("diff", run, run, "--json").out)["same"]


def test_two_flows_are_compared_part_by_part(program: Program) -> None:
    """A line for each node and edge that is new, gone or changed, and what changed about it."""
    old, new = program.flow("support.py"), program.flow("support.py", ("0.8", "0.9"), to="stricter.py")
    ran = program("diff", f"{old}:flow", f"{new}:flow")
    assert ran.code == 1
    assert "guard: score < 0.8 → score < 0.9" in ran.out
    told = json.loads(program("diff", f"{old}:flow", f"{new}:flow", "--json").out)
    assert [c["change"] for c in told["changes"]] == ["changed"]
    assert program("diff", f"{old}:flow", f"{old}:flow").code == 0


def test_a_flow_and_a_run_cannot_be_compared(program: Program) -> None:
    """One clear line, exit 2."""
    ran = program("diff", f"{program.flow('support.py')}:flow", program.file("run.jsonl", scenes.completed()))
    assert (ran.code, ran.out) == (2, "")
    assert "two of a kind" in ran.err


def test_runs_are_counted_node_by_node_and_edge_by_edge(program: Program) -> None:
    """A row for each node with its numbers, one for each edge with its share; what no run reached is there too."""
    good, bad = program.file("good.jsonl", scenes.completed()), program.file("bad.jsonl", scenes.failed())
    ran = program("stats", good, good, bad)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("support · 3 runs · 2 completed · 1 failed")
    rows = [line.split() for line in ran.out.splitlines() if line]
    assert ["triage", "invoice", "billing", "2", "67", "%"] in rows
    assert next(row[:4] for row in rows if row[0] == "triage") == ["triage", "3", "100", "%"]
    told = json.loads(program("stats", good, good, bad, "--json").out)
    draft = next(n for n in told["nodes"] if n["node"] == "draft")
    assert (draft["visits"], draft["runs"], draft["failures"]) == (4, 2, 0)
    loop = next(e for e in told["edges"] if (e["from"], e["to"]) == ("review", "draft"))
    assert loop["times"] == 2
    assert told["statuses"] == {"completed": 2, "failed": 1}


def test_a_flow_stands_for_its_runs_in_the_store(program: Program) -> None:
    """No run need be named; a flow without runs is told how to begin."""
    program.keep(scenes.completed(), scenes.failed())
    flow = program.flow("support.py")
    assert program("stats", f"{flow}:flow").out.startswith("support · 2 runs")
    other = program("stats", f"{program.flow('research.py')}:flow")
    assert other.code == 2
    assert "has no run of flow" in other.err


def test_nodes_inside_others_stand_below_them(program: Program) -> None:
    """The graph of an agent or a subgraph is counted too, indented."""
    out = program("stats", program.file("run.jsonl", scenes.researched())).out
    assert any(line.startswith("  ") and line.strip() for line in out.splitlines())
    rows = out.split("\n\n")[1].splitlines()[1:]
    names = [row[: len(row) - len(row.lstrip())] + row.split()[0] for row in rows]
    assert all(name.strip() not in {"–", ""} for name in names), "where a graph begins is no node"
    first = next(k for k, name in enumerate(names) if name.startswith("  "))
    assert not names[first - 1].startswith("  "), "the node around comes first"


class Note(BaseModel):
    text: str = "m"
    title: str = ""


def test_what_nobody_said_is_unknown(program: Program) -> None:
    """Tokens and prices that a run does not tell are not counted as none."""
    flow = Flow("notes", Note)
    flow.agent("title", Agent("Name it."), reads=flow.state.text, writes=flow.state.title)
    some, none = Reply(text="a", usage=Usage(input_tokens=7, output_tokens=1)), Reply(text="b")
    for reply, counted in ((some, 8), (none, None)):
        result = asyncio.run(run(flow.freeze(), Note(), resources=[ScriptedModel([reply])]))
        file = program.file("note.jsonl", result.trace)
        title = next(n for n in json.loads(program("stats", file, "--json").out)["nodes"] if n["node"] == "title")
        assert (title["tokens"], title["cost_usd"]) == (counted, None)
        row = next(line for line in program("stats", file).out.splitlines() if line.startswith("title"))
        assert row.split()[-2:] == [str(counted or "unknown"), "unknown"]


def test_one_damaged_run_does_not_keep_the_others_from_being_counted(program: Program) -> None:
    """What cannot be read is left out and said so, on standard error; the rest is told."""
    program.flow("support.py")
    program.keep(scenes.completed(), scenes.failed())
    with closing(sqlite3.connect(program.folder / ".graphrt" / "runs.db")) as db, db:
        changed = db.execute(
            "update records set lines = replace(lines, 'billing', 'billinG') where rowid in"
            " (select max(rowid) from records where lines like '%billing%')"
        ).rowcount
    assert changed == 1
    ran = program("stats", "support.py", "--json")
    assert ran.code == 0
    assert ran.err.startswith("left out: ")
    assert ran.err.count("\n") == 1
    assert json.loads(ran.out)["runs"] == 1
