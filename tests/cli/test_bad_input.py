"""Whatever is wrong with a call: one clear line on standard error, exit code 2, no traceback, and nothing changed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graphrt.cli.commands import GROUPS, import_
from graphrt.codec import encode_trace
from graphrt.stores import open_store
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import FLOWS, Program

COMMANDS = [command.name for commands in GROUPS.values() for command in commands]


RUNS_KEPT: list[Callable[[], Trace]] = [
    scenes.suspended,
    scenes.completed,
    scenes.failed,
    scenes.cancelled,
    scenes.researched,
    lambda: scenes.support_run("twin-a").trace,
    lambda: scenes.support_run("twin-b").trace,
    lambda: scenes.support_run("homeless", target=None).trace,
]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of every kind, files that are no traces, and flows that cannot be loaded; made once."""
    folder = tmp_path_factory.mktemp("stock")
    store = open_store(folder / ".graphrt/runs.db")
    try:
        for make in RUNS_KEPT:
            asyncio.run(import_._put(store, make()))
    finally:
        store.close()
    for name in ("support.py", "research.py"):
        shutil.copy(FLOWS / name, folder)
    whole = encode_trace(scenes.suspended())
    lines = whole.splitlines(keepends=True)
    for name, content in {
        "torn.jsonl": whole[:-40],
        "altered.jsonl": whole.replace(b"Sorry!", b"Sorry?"),
        "short.jsonl": b"".join(lines[:3] + lines[4:]),
        "future.jsonl": whole.replace(b'"version":1', b'"version":99'),
        "other.jsonl": b'{"some": "json"}\n',
        "binary.jsonl": bytes(range(256)),
        "empty.jsonl": b"",
        "changed.py": (FLOWS / "support.py").read_bytes().replace(b"s.score < 0.8", b"s.score < 0.7"),
        "broken.py": b"def (:\n",
        "raising.py": b"raise RuntimeError('not today')\n",
        "quitting.py": b"import sys\nsys.exit('bye')\n",
        "none.py": b"x = 1\n",
        "two.py": b"from support import flow\nfrom research import flow as other\n",
        "no.db": b"this is no database, but it is long enough to be looked at as one" * 20,
    }.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    return folder


@pytest.fixture
def shop(program: Program, stock: Path) -> Program:
    """The program in a copy of that folder."""
    shutil.copytree(stock, program.folder, dirs_exist_ok=True)
    return program


FILES = [
    ("torn.jsonl", "the trace is torn: line 17 is incomplete"),
    ("altered.jsonl", "was altered"),
    ("short.jsonl", "was altered"),
    ("future.jsonl", "version 99"),
    ("other.jsonl", "other.jsonl|line 1"),
    ("binary.jsonl", "line 1"),
    ("empty.jsonl", "the file is empty"),
    ("gone.jsonl", "there is no trace file gone.jsonl"),
    ("./folder", "cannot read folder: Is a directory"),
]
READERS = ["show", "why", "replay", "render", "export"]
RUNS = [
    ("nobody", "the store has no run 'nobody'"),
    ("deskk", "the store has no run 'deskk'; did you mean desk?"),
    ("twin", "2 runs begin with 'twin': twin-b, twin-a; give more of the id"),
]
STORED = ["show", "why", "replay", "export", "answer", "cancel", "fork", "resume"]
TARGETS = [
    ("gone.py", "there is no file gone.py"),
    ("suport.py", "did you mean support.py?"),
    ("none.py", "none.py has no flow"),
    ("two.py", "two.py has 2 flows; name one: two.py:flow, two.py:other"),
    ("support.py:flo", "did you mean support.py:flow?"),
    ("support.py:", "'support.py:' names no flow"),
    ("no.such:flow", "there is no module 'no'"),
    ("folder.py", "there is no file folder.py"),
]
LOADERS = ["run", "check", "render"]
MORE: list[tuple[tuple[str, ...], str]] = [
    # -- what the options cannot be
    (("nonsense",), "no such command 'nonsense'"),
    (("shw", "desk"), "no such command 'shw'; did you mean 'show'?"),
    (("--nonsense",), "no such option: --nonsense"),
    (("run", "support.py", "--set", "x=1"), "no such option: --set; did you mean --field?"),
    (("fork", "desk", "--field", "x=1"), "no such option: --field; did you mean --set?"),
    (("show", "desk", "--dept", "1"), "no such option: --dept; did you mean --depth or --help?"),
    (("show", "desk", "--depth", "x"), "invalid value for '--depth'"),
    (("show", "desk", "--depth", "-1"), "invalid value for '--depth'"),
    (("show", "desk", "more"), "unexpected extra argument"),
    (("runs", "--limit", "many"), "invalid value for '--limit'"),
    (("runs", "--status", "done"), "--status 'done' is unknown; expected one of running, suspended, completed"),
    (("runs", "--parent", "nobody"), "the store has no run 'nobody'"),
    (("cancel", "desk", "--wait", "-1"), "invalid value for '--wait'"),
    # -- stores
    (("show", "desk", "--store", "gone.db"), "there is no store at gone.db"),
    (("runs", "--store", "gone/"), "there is no store at gone"),
    (("runs", "--store", "no.db"), "no.db"),
    (("runs", "--store", "what:ever"), "'what:ever' names no store"),
    (("show", "latest", "--store", "folder"), "the store has no runs yet"),
    # -- visits
    (("why", "desk", "99"), "run desk has no visit '99'; its visits: 0 (triage)"),
    (("why", "desk", "revue"), "run desk has no visit 'revue'; did you mean 'review'?"),
    (("why", "desk", "review #9"), "'review' has no visit #9 in run desk; its last is #2"),
    (("replay", "desk", "--at", "99"), "run desk has no visit '99'"),
    (("fork", "desk", "--at", "99"), "run desk has no visit '99'"),
    (
        ("fork", "desk", "--at", "draft"),
        "run desk visited 'draft' 2 times; say which: 'draft #1' (visit 2), 'draft #2' (visit 4)",
    ),
    # -- replay
    (("replay", "--verify"), "say which run"),
    (("replay", "desk", "--all"), "--all stands for every run of the store"),
    (("replay", "desk", "--verify", "--all"), "--all stands for every run of the store"),
    (("replay", "desk", "--verify", "--at", "3"), "--at is a place to walk from"),
    (("replay", "desk", "--target", "support.py"), "--target is the code to check against with --verify"),
    (("replay", "homeless", "--verify"), "run homeless does not say where its flow 'support' is"),
    (("replay", "desk", "--verify", "--target", "gone.py"), "there is no file gone.py"),
    (("replay", "--verify", "--all", "--target", "gone.py"), "there is no file gone.py"),
    # -- answer, cancel, fork, resume
    (("answer", "desk", "maybe"), "expected one of 'send', 'drop'"),
    (("answer", "desk", "0", "send"), "triage (visit 0) asks nothing now"),
    (("answer", "desk", "99", "send"), "run desk has no visit '99'"),
    (("answer", "desk", "6", "send", "more"), "expected RUN VISIT ANSWER, got 3 words behind RUN"),
    (("answer", "desk"), "Say the answer: graphrt answer desk 6 send|drop"),
    (("answer", "sent", "send"), "run sent is completed, so it takes no answer"),
    (("answer", "study", "publish"), "run study asks 2 things; say which"),
    (("answer", "study", "rate", "lots", "--no-resume"), "expected int"),
    (("answer", "desk", "send", "--target", "changed.py"), "flow 'support' has changed since run desk"),
    (("answer", "desk", "send", "--target", "research.py:flow"), "flow 'research' has changed since run desk"),
    (("answer", "torn.jsonl", "send"), "torn.jsonl is no run of the store"),
    (("cancel", "sent"), "run sent is completed already"),
    (("cancel", "broken"), "run broken is failed already"),
    (("cancel", "./desk.jsonl"), "is no run of the store"),
    (("fork", "desk"), "say where the new run leaves the old one"),
    (("fork", "desk", "--at", "draft #2", "--set", "rounds=x"), "--set rounds: field 'rounds' takes int, got 'x'"),
    (("fork", "desk", "--at", "draft #2", "--set", "nothing=1"), "flow 'support' has no field 'nothing'"),
    (("fork", "desk", "--at", "draft #2", "--set", "rounds"), "expected FIELD=VALUE"),
    (("fork", "desk", "--at", "draft #2", "--run-id", "sent"), "already has a run 'sent'"),
    (("fork", "desk", "--at", "draft #2", "--run-id", "../x"), "'../x' cannot be the id of a run"),
    (("fork", "homeless", "--at", "draft #2"), "run homeless does not say where its flow 'support' is"),
    (("fork", "desk", "--at", "draft #2", "--target", "research.py:flow"), "run desk has gone a way"),
    (("fork", "torn.jsonl", "--at", "draft #2"), "torn.jsonl is no run of the store"),
    (("resume", "sent"), "run sent has completed"),
    (("resume", "homeless"), "run homeless does not say where its flow 'support' is"),
    (("resume", "desk", "--target", "changed.py"), "flow 'support' has changed since run desk"),
    # -- run
    (("run", "support.py"), "flow 'support' cannot begin: field 'message' (str) has no value and no default"),
    (("run", "support.py", "--input", "{"), "--input is not JSON"),
    (("run", "support.py", "--field", "message"), "--field 'message' gives no value"),
    (("run", "support.py", "-i", "hello", "--run-id", "desk"), "already has a run 'desk'"),
    # -- pictures and files
    (("render", "desk", "-f", "jpeg"), "format 'jpeg' is unknown; choose one of"),
    (("render", "desk", "-o", "x.jpeg"), "no format has the ending '.jpeg'"),
    (("render", "desk", "--view", "inside-out"), "view 'inside-out' is unknown; choose one of"),
    (("render", "support.py", "--view", "timeline"), "shows a run"),
    (("render", "support.py", "--check"), "--check compares a file"),
    (("render", "desk", "-o", "gone/x.svg"), "cannot write gone/x.svg: No such file or directory"),
    (("export", "desk", "-o", "folder"), "folder is a folder; give the name of a file in it"),
    (("export", "desk", "-o", "gone/x.jsonl"), "cannot write gone/x.jsonl: No such file or directory"),
    (("import", "torn.jsonl"), "the trace is torn"),
    (("import", "altered.jsonl"), "was altered"),
    (("import", "gone.jsonl"), "there is no trace file gone.jsonl"),
    (("import", "folder"), "cannot read folder: Is a directory"),
]


def refused(shop: Program, args: tuple[str, ...], says: str, *, lines: int = 1) -> None:
    """See that a call is refused as it should be."""
    before = shop.contents()
    ran = shop(*args)
    assert (ran.code, ran.out) == (2, ""), ran
    assert any(part in ran.err for part in says.split("|")), ran.err
    assert ran.err.startswith("graphrt: ")
    assert ran.err.count("\n") <= lines, ran.err
    assert len(ran.err) < 600
    assert "Traceback" not in ran.err
    assert shop.contents() == before


@pytest.mark.parametrize(("args", "says"), MORE, ids=[" ".join(args) for args, _ in MORE])
def test_what_is_wrong_is_told_in_a_line(shop: Program, args: tuple[str, ...], says: str) -> None:
    """The line says what was found, where, and what to do; nothing is done by halves."""
    refused(shop, args, says)


@pytest.mark.parametrize(("file", "says"), FILES)
@pytest.mark.parametrize("command", READERS)
def test_a_file_that_is_no_sound_trace(shop: Program, command: str, file: str, says: str) -> None:
    """Torn, altered, of another version or none at all: every command that reads a file says which, and where."""
    refused(shop, (command, file), says)


@pytest.mark.parametrize(("run", "says"), RUNS)
@pytest.mark.parametrize("command", STORED)
def test_a_run_that_is_not_there(shop: Program, command: str, run: str, says: str) -> None:
    """An unknown run proposes those like it, and a beginning that fits several lists them, in every command."""
    refused(shop, (command, run, *(("--at", "0") if command == "fork" else ())), says)


@pytest.mark.parametrize(("target", "says"), TARGETS)
@pytest.mark.parametrize("command", LOADERS)
def test_a_flow_that_is_not_there(shop: Program, command: str, target: str, says: str) -> None:
    """A file, module or name that does not exist is told by each command that loads flows."""
    if command == "check" and target == "two.py":
        pytest.skip("a file stands for all its flows here")
    refused(shop, (command, target), says)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("broken.py", "broken.py:1: invalid syntax"),
        ("raising.py", "cannot load raising.py: RuntimeError: not today"),
        ("quitting.py", "cannot load quitting.py: SystemExit: bye"),
    ],
)
@pytest.mark.parametrize("command", LOADERS)
def test_a_file_that_cannot_be_loaded(shop: Program, command: str, target: str, says: str) -> None:
    """What the author's own file raises is told with its place in that file, and no other frame."""
    refused(shop, (command, target), says, lines=3)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "runs"])
def test_a_command_without_its_arguments_prints_its_help(shop: Program, command: str) -> None:
    """Who types a command alone gets its help, on standard error, and exit code 2."""
    before = shop.contents()
    ran = shop(command)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"Usage: graphrt {command} ")
    assert "\nExamples:\n" in ran.err
    assert shop.contents() == before


def test_a_store_that_cannot_be_written_is_told(shop: Program) -> None:
    """Where a store cannot be made, the line says so, and nothing begins."""
    Path("readonly").write_text("a file")
    refused(shop, ("run", "support.py", "-i", "hello", "--store", "readonly/runs.db"), "readonly")
    refused(shop, ("import", "good.jsonl", "--store", "readonly/runs.db"), "good.jsonl|readonly")
