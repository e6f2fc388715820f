"""Magentic: the first of several helpers that match, the ledger's bound, and what its tools refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphrt.account import account
from graphrt.agents import ModelRequest
from graphrt.runtime import answer, resume
from graphrt.stores.memory import MemoryStore
from graphrt.testing.scripted import Scripted, ScriptedModel
from graphs import magentic
from graphs.magentic import Task, flow, read_file, run, search, write_file
from tests.graphs.cases import CASES, of_magentic, played

pytestmark = pytest.mark.anyio


async def test_the_first_of_several_that_match_goes_first() -> None:
    """The plan needs files and the web; the web's edge stands first, and the other was not even tried."""
    result = await played(CASES["magentic"])
    first = account(result.trace).of_node("plan")[0]
    assert first.writes["plan"]["needs"] == ["files", "web"]
    assert [(edge.target, edge.result) for edge in first.routed] == [
        ("web", "taken"),
        ("files", "not tried"),
        ("coder", "not tried"),
        ("terminal", "not tried"),
        ("answer", "not tried"),
    ]


async def test_the_file_is_written_when_a_person_agrees() -> None:
    """The file does not exist before, holds the text after, and the terminal has counted its words."""
    store, model = MemoryStore(), ScriptedModel(of_magentic)
    result = await flow.run(Task(task="?"), store=store, resources=[model])
    assert (result.status, magentic.FOLDER.joinpath("tea.txt").exists()) == ("suspended", False)
    await answer(store, result.run, result.questions[0].visit, "approve")
    result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert result.status == "completed"
    assert read_file("tea.txt") == "Tea is made from leaves."
    assert "5 tea.txt" in result.state.results[-1]


async def test_a_planner_who_is_never_content_is_bounded() -> None:
    """After eight rounds the task is answered with what there is."""

    def restless(request: ModelRequest) -> Scripted:
        if request.output_schema:
            return {"needs": ["web"], "order": "More!"}
        return "Enough."

    result = await flow.run(Task(task="?"), resources=[ScriptedModel(restless)])
    assert result.status == "completed", result.error
    assert len(account(result.trace).of_node("web")) == 8
    assert result.state.answer == "Enough."


async def test_a_coder_who_gives_up_is_no_end() -> None:
    """The subflow's failure is told to the planner, who decides anew."""

    def clumsy(request: ModelRequest) -> Scripted:
        if request.instructions.startswith("Say which"):
            done = "no program did it" in request.messages[-1].text
            return {"needs": [] if done else ["coder"], "order": "Count to three."}
        return "1 / 0" if "Python" in request.instructions else "It cannot be done."

    result = await flow.run(Task(task="?"), resources=[ScriptedModel(clumsy)])
    assert (result.status, result.state.answer) == ("completed", "It cannot be done.")
    assert result.state.setback == "no program did it"


def test_the_library_is_searched() -> None:
    """The lines with the most of the words come first."""
    assert search("caffeine in a cup of tea")[0] == "A cup of black tea of 240 ml holds about 50 mg of caffeine."
    assert search("zzz") == []


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_files_outside_the_folder_are_refused(name: str) -> None:
    """Neither reading nor writing leaves the folder."""
    with pytest.raises(PermissionError, match="outside the folder"):
        read_file(name)
    with pytest.raises(PermissionError, match="outside the folder"):
        write_file(name, "x")


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    """A symbolic link in the folder is followed before it is judged."""
    (tmp_path / "secret").write_text("x")
    magentic.inside(".")
    (magentic.FOLDER / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(PermissionError, match="outside the folder"):
        read_file("link")


@pytest.mark.parametrize(
    "command", ["rm -r .", "cat x; rm x", "grep x /etc/passwd", "wc ../x", "head --lines=1 /x", "bash"]
)
def test_other_commands_and_paths_are_refused(command: str) -> None:
    """Only four programs, only names of files, and no shell that would read a semicolon."""
    with pytest.raises(PermissionError):
        run(command)


def test_a_command_really_runs() -> None:
    """It sees the files of the folder."""
    write_file("a.txt", "one two\nthree\n")
    assert run("wc -w a.txt").split() == ["3", "a.txt"]
    assert run("grep -c o a.txt").strip() == "1"
