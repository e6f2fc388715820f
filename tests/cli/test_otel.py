"""`--otel`: what OpenTelemetry is told of a run that a command drives, and what becomes of it where nobody listens."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graphrt.cli import otel
from graphrt.stores import whole_files
from graphrt.telemetry import otlp_of
from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import environment, start
from tests.telemetry.collector import Collector

ASKS = """
from typing import Literal
from pydantic import BaseModel
from graphrt import Flow

class Work(BaseModel):
    text: str = "a secret"
    ok: Literal["yes", "no"] | None = None

flow = Flow("asks", Work)
work = flow.task(writes=flow.state.text, name="work")(lambda text: text.upper())
flow.edge(work, flow.ask("ask", "Good?", reads=flow.state.text, writes=flow.state.ok))
"""


def spans(file: Path) -> list[list[dict[str, Any]]]:
    """Return the spans of each run in a file."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [line["resourceSpans"][0]["scopeSpans"][0]["spans"] for line in lines]


def test_a_run_is_written_as_spans(program: Program) -> None:
    """The file has what `export` writes, after each command that drove the run; content only where it is asked for."""
    (program.folder / "asks.py").write_text(ASKS)
    ran = program("run", "asks.py", "-q", "--run-id", "one", "--otel", "one.json")
    assert (ran.code, ran.err) == (3, "")
    assert (program.folder / "one.json").read_text() == otlp_of(program.trace("one"))
    assert len(spans(program.folder / "one.json")[0]) == 3
    assert "a secret" not in (program.folder / "one.json").read_text()
    assert program("answer", "one", "yes", "-q", "--otel", "one.json").code == 0
    assert (program.folder / "one.json").read_text() == otlp_of(program.trace("one"))
    assert program("fork", "one", "--at", "work", "-q", "--run-id", "two", "--otel", "two.json").code == 3
    assert (program.folder / "two.json").read_text() == otlp_of(program.trace("two"))


DELETED = """
import subprocess, sys
from graphrt import Agent, single
from graphrt.testing import ScriptedModel, Turn

flow = single(Agent("Talk.", name="talker"), name="talk")

class Last(ScriptedModel):
    async def aclose(self):
        delete = [sys.executable, "-m", "graphrt", "delete", "gone", "--yes"]
        subprocess.run(delete, check=True, stdout=subprocess.DEVNULL)

def graphrt_resources():
    return [Last([Turn.say("hello")])]
"""
"""A flow whose run is deleted by another process as soon as it has completed."""


@pytest.mark.parametrize("options", [(), ("--otel", "one.json")], ids=["no spans", "spans"])
def test_a_run_that_is_deleted_at_its_end_is_told_all_the_same(program: Program, options: tuple[str, ...]) -> None:
    """The result is printed with its exit code; only spans that were asked for are missed, in a line."""
    (program.folder / "talk.py").write_text(DELETED)
    ran = program("run", "talk.py", "-i", "hi", "-q", "--run-id", "gone", *options)
    assert program("show", "gone").code == 2
    assert ran.code == 0
    assert "hello" in ran.out
    missed = "graphrt: --otel: one.json has no spans of run gone: the store .graphrt/runs.db has no run 'gone'\n"
    assert ran.err == (missed if options else "")


def test_content_is_told_where_the_environment_asks_for_it(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is the one that OpenTelemetry's conventions have for prompts and answers."""
    (program.folder / "asks.py").write_text(ASKS)
    monkeypatch.setenv(otel.CONTENT, "true")
    assert program("run", "asks.py", "-q", "--otel", "one.json").code == 3
    assert "a secret" in (program.folder / "one.json").read_text()


def test_several_runs_stand_one_behind_the_other(program: Program) -> None:
    """`resume --due` drives many; each has its line, as in a collector's files."""
    program.flow("support.py")
    program.keep(scenes.support_run("one").trace, scenes.support_run("two").trace)
    program("resume", "--due", "-q", "--otel", "due.json")
    assert len(spans(program.folder / "due.json")) == 2


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("none/one.json", "--otel: there is no folder none; make it, or name another file"),
        (".", "--otel: . is a folder; give the name of a file in it, or 'live'"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_run(program: Program, where: str, says: str) -> None:
    """One line and exit code 2, and no run."""
    (program.folder / "asks.py").write_text(ASKS)
    ran = program("run", "asks.py", "-q", "--otel", where)
    assert (ran.code, ran.out, ran.err) == (2, "", f"graphrt: {says}\n")
    assert not (program.folder / ".graphrt").exists()


def test_a_file_that_fails_at_the_end_does_not_hide_how_the_run_ended(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is on record and its exit code stands; what to do is said."""
    (program.folder / "asks.py").write_text(ASKS)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_files, "write_whole", full)
    ran = program("run", "asks.py", "-q", "--run-id", "one", "--otel", "one.json")
    assert ran.code == 3
    assert "one.json could not be written: No space left on device" in ran.err
    assert "`graphrt export one -f otlp -o FILE` writes it" in ran.err


def test_a_collector_hears_a_run_as_it_goes_on(tmp_path: Path) -> None:
    """`--otel live` sends to the endpoint of the environment; the spans are those of the trace."""
    (tmp_path / "asks.py").write_text(ASKS)
    with Collector() as collector:
        url = collector.url.removesuffix("/v1/traces")
        ran = subprocess.run(
            [sys.executable, "-m", "graphrt", "run", "asks.py", "-q", "--otel", "live"],
            cwd=tmp_path,
            env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=url),
            capture_output=True,
            text=True,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (3, "")
    names = [s.name for r in collector.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
    assert sorted(names) == ["graphrt.node ask", "graphrt.node work", "invoke_workflow asks"]


def test_where_nobody_listens_it_is_told_in_a_line(tmp_path: Path) -> None:
    """A run does not fail because of its spans, and the libraries' own complaints are not printed."""
    (tmp_path / "asks.py").write_text(ASKS)
    env = environment(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    command = [sys.executable, "-m", "graphrt", "run", "asks.py", "-q", "--otel", "live"]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr.startswith("graphrt: --otel live: spans could not be sent to http://127.0.0.1:9: ")
    assert ran.stderr.count("\n") == 1


def test_a_run_that_is_stopped_is_told_as_far_as_it_came(program: Program) -> None:
    """Ctrl-C stops the run, and the file has what is on record."""
    (program.folder / "slow.py").write_text(
        "import asyncio, pathlib\n" + ASKS + "\n@flow.task(writes=flow.state.text)\nasync def late(text: str) -> str:\n"
        "    pathlib.Path('reached').touch()\n    await asyncio.sleep(60)\n    return text\n\n"
        "flow.edge(late, work)\n"
    )
    process = start(program.folder, "run", "slow.py", "-q", "--otel", "one.json")
    while not (program.folder / "reached").exists():
        assert process.poll() is None, "it ended before its work began"
        time.sleep(0.01)
    process.send_signal(2)
    process.communicate()
    assert process.returncode == 130
    names = [s["name"] for s in spans(program.folder / "one.json")[0]]
    assert names == ["graphrt.node late", "invoke_workflow asks"]
