"""The gallery as a whole: each flow has its case, its picture and its line, can be replayed and taken up anywhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from graphrt import ChatState
from graphrt.account import account
from graphrt.replay import verify
from graphrt.runtime import resume
from graphrt.stores.memory import MemoryStore
from graphrt.stores.trace_files import read_trace
from graphrt.testing.scripted import ScriptedModel
from graphrt.trace import Trace
from graphrt_viz import render
from tests.graphs import record
from tests.graphs.cases import CASES, GALLERY, finished, played
from tests.graphs.record import RECORDED

pytestmark = pytest.mark.anyio


def names(trace: Trace) -> dict[str, str]:
    """Return the names of the nodes by the ids of their visits."""
    return {visit.id: visit.node.name for visit in account(trace).visits.values()}


def test_every_flow_has_a_case() -> None:
    """No file of the gallery is left out below: each Python file that holds a flow has its case."""
    assert {path.stem for path in GALLERY.glob("*.py") if "\nflow = " in path.read_text("utf-8")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_every_flow_has_its_place_in_the_index(name: str) -> None:
    """A row in the table, and a section with the first line of the file, a link to it and the picture."""
    index = (GALLERY / "README.md").read_text("utf-8")
    first, *lines = (ast.get_docstring(ast.parse((GALLERY / f"{name}.py").read_text("utf-8"))) or "").splitlines()
    assert f"| [{name}](#{name}) | " in index
    assert f"## {name}\n\n{first} [The code]({name}.py)\n\n![{name}]({name}.svg)\n" in index
    verb, says = ("chat", "") if issubclass(CASES[name].flow.state_type, ChatState) else ("run", "--input ")
    assert any(line.strip().startswith(f"graphrt {verb} graphs/{name}.py {says}") for line in lines)
    if (GALLERY / "runs" / f"{name}.jsonl").exists():
        assert f"![a run of {name}](runs/{name}.svg)" in index


def test_the_index_shows_nothing_else() -> None:
    """Each file that the index names is there, and no picture or run is kept that it does not show."""
    named = set(re.findall(r"\]\(((?:runs/)?\w+\.(?:py|svg))\)", (GALLERY / "README.md").read_text("utf-8")))
    pictures = {str(path.relative_to(GALLERY)) for path in GALLERY.rglob("*.svg")}
    assert {name for name in named if name.endswith(".svg")} == pictures
    assert {name.removesuffix(".py") for name in named if name.endswith(".py")} == set(CASES)
    assert {path.stem for path in (GALLERY / "runs").glob("*.jsonl")} == {
        path.stem for path in (GALLERY / "runs").glob("*.svg")
    }


@pytest.mark.parametrize("name", CASES)
def test_a_flow_is_short(name: str) -> None:
    """A file that people copy from fits on three screens; the demo, which shows most of it together, on six."""
    lines = (GALLERY / f"{name}.py").read_text("utf-8").count("\n")
    assert lines < (300 if name == "support" else 150)


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_that_of_the_flow(name: str) -> None:
    """The committed picture is what today's flow is drawn as, byte for byte; `make graphs` draws it again."""
    drawn = render(CASES[name].flow.freeze(), "svg")
    assert drawn == (GALLERY / f"{name}.svg").read_text("utf-8"), f"graphs/{name}.svg is old; run: make graphs"


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_replays_and_is_drawn_as_it_is(name: str) -> None:
    """Today's flow goes the way that was recorded, and the committed picture is that of the committed trace."""
    trace = read_trace(GALLERY / "runs" / f"{name}.jsonl")
    found = verify(trace, CASES[name].flow.freeze())
    assert found is None, f"{found}\nif this is meant: python -m tests.graphs.record, then make graphs"
    drawn = render(trace, "svg", opened="none")
    assert drawn == (GALLERY / "runs" / f"{name}.svg").read_text("utf-8"), f"runs/{name}.svg is old; run: make graphs"


def test_recording_makes_the_runs_that_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that records them goes the same ways as the committed traces."""
    monkeypatch.setattr(record, "RUNS", tmp_path)
    record.main()
    for name in RECORDED:
        made, kept = read_trace(tmp_path / f"{name}.jsonl"), read_trace(GALLERY / "runs" / f"{name}.jsonl")
        assert names(made) == names(kept)


@pytest.mark.parametrize("name", CASES)
async def test_a_run_goes_its_way_and_replays(name: str) -> None:
    """It completes by the nodes that the case names, and today's code goes the same way without a model."""
    case = CASES[name]
    result = await played(case)
    assert result.status == "completed", result.error
    way = tuple(v.node.name for v in account(result.trace).visits.values() if "/" not in v.id)
    assert case.nodes in {(), way}
    assert verify(result.trace, case.flow.freeze()) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
async def test_a_run_that_is_cut_off_anywhere_ends_the_same(name: str, tmp_path: Path) -> None:
    """Stopped after any of its records and taken up again, it has the final state of the run that was never stopped."""
    case = CASES[name]
    whole = await played(case)
    records = whole.trace.records
    for count in range(1, len(records)):
        if name == "memory":  # what it begins with is what was left there
            (tmp_path / "memory-memory").unlink()
        store = MemoryStore()
        lease = store.create(whole.trace.header)
        store.append(lease, records[:count], "running")
        store.release(lease)
        result = await resume(store, whole.run, case.flow.freeze(), resources=[ScriptedModel(case.model)])
        result = await finished(case, store, result)
        assert result.status == "completed", f"cut after record {count}: {result.error}"
        assert result.state == whole.state, f"cut after record {count}"
