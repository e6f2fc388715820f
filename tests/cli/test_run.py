"""`graphrt run`: what is shown while a flow runs, what is told at its end, and what is refused before it begins."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphrt.testing.endpoint import Endpoint, stream
from tests.cli.calling import Program, same_as_golden

GREET = """
from pydantic import BaseModel
from graphrt import Context, Flow
from graphrt.inputs import Usage

class Greeting(BaseModel):
    name: str
    times: int = 1
    text: str = ""

flow = Flow("greet", Greeting)

@flow.task(writes=flow.state.text)
async def greet(name: str, times: int, context: Context) -> str:
    print("a node prints")
    context.emit("Hello ")
    context.report(Usage("toy", 1200, 34, 0.0021))
    return ", ".join(["Hello " + name] * times)

flow.edge(greet, flow.end("greeted"))
"""
BREAKS = """
from typing import Literal
from pydantic import BaseModel
from graphrt import Flow, Retry

class Work(BaseModel):
    n: int = 0
    text: str = ""

flow = Flow("breaks", Work)

@flow.task(writes=flow.state.n)
def first() -> int:
    with open("effects.txt", "a") as effects:
        effects.write("first\\n")
    return 7

@flow.task(writes=flow.state.text, retry=Retry(attempts=2, wait_s=0))
def second(n: int) -> str:
    raise ValueError(f"{n} is\\x1b[2J not enough")

flow.edge(first, second)
"""
AGENT = """
from pydantic import BaseModel
from graphrt import Agent, Flow

class Note(BaseModel):
    text: str
    title: str = ""

flow = Flow("title", Note)
flow.agent("title", Agent("Give the text a title."), reads=flow.state.text, writes=flow.state.title)
"""


def write(program: Program, name: str, text: str) -> None:
    """Put a file into the folder."""
    (program.folder / name).write_text(text, "utf-8")


def timeless(text: str) -> str:
    """Replace what is another each time: how long something took, and times of day."""
    text = re.sub(r" +(?:<1 ms|\d+(?:\.\d)? (?:ms|s))(?=$|  )", " <time>", text, flags=re.MULTILINE)
    text = re.sub(r"(?:<1 ms|\d+(?:\.\d)? (?:ms|s))$", "<time>", text, flags=re.MULTILINE)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<date>", text)


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_a_run_is_shown_line_by_line_and_told_at_its_end(program: Program) -> None:
    """Progress goes to standard error, the result to standard output; neither has colours where nobody sees them."""
    program.flow("support.py")
    ran = program("run", "support.py", "--input", "I was charged twice", "--run-id", "r1")
    assert ran.code == 3
    same_as_golden("run-support.progress.txt", timeless(ran.err))
    same_as_golden("run-support.result.txt", timeless(ran.out))
    assert program.trace("r1").header.target == "support.py:flow"


def test_a_completed_run_ends_with_its_state(program: Program) -> None:
    """The exit code is 0, the fields stand in their order, and what nodes print is kept apart from the result."""
    write(program, "greet.py", GREET)
    ran = program("run", "greet.py", "-i", "Ada", "-f", "times=2", "--run-id", "r1")
    assert (ran.code, "a node prints" in ran.err, "a node prints" in ran.out) == (0, True, False)
    assert timeless(ran.out).splitlines() == [
        '  name   "Ada"',
        "  times  2",
        '  text   "Hello Ada, Hello Ada"',
        "✓ completed at greeted  2 visits · 1 234 tokens · $0.0021 · <time>",
        "graphrt render r1 -o r1.svg  draws it on its flow",
        "graphrt show r1              every step",
    ]


def test_a_failed_run_says_where_and_why(program: Program) -> None:
    """The exit code is 1; the error, its place in the author's code and the way on are told, nothing invisible."""
    write(program, "breaks.py", BREAKS)
    ran = program("run", "breaks.py", "--run-id", "r1")
    assert ran.code == 1
    same_as_golden("run-breaks.progress.txt", timeless(ran.err))
    same_as_golden("run-breaks.result.txt", timeless(ran.out))
    assert "\x1b" not in ran.out + ran.err


def test_quiet_shows_no_progress(program: Program) -> None:
    """Only the result is printed."""
    write(program, "greet.py", GREET.replace('print("a node prints")', "pass"))
    ran = program("run", "greet.py", "-i", "Ada", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert "✓ completed" in ran.out


def test_json_is_the_result_for_programs(program: Program) -> None:
    """Standard output is one JSON object with run, status, state, questions and totals."""
    program.flow("support.py")
    ran = program("run", "support.py", "-i", "it does crash", "--run-id", "r1", "--json")
    told = json.loads(ran.out)
    assert ran.code == 3
    assert {k: told[k] for k in ("run", "flow", "status", "state", "error", "in_doubt")} == {
        "run": "r1",
        "flow": "support",
        "status": "suspended",
        "state": None,
        "error": None,
        "in_doubt": [],
    }
    assert told["partial"]["topic"] == "bug"
    assert list(told["partial"]) == ["message", "topic", "facts", "draft", "score", "rounds", "decision"]
    (question,) = told["questions"]
    assert (question["node"], question["answers"]) == ("approve", ["send", "drop"])
    assert told["totals"]["visits"] == 7


def test_events_are_all_of_standard_output(program: Program) -> None:
    """Each line is an event or a piece of text as JSON, in order; with `--json` the last line is the result."""
    write(program, "greet.py", GREET)
    ran = program("run", "greet.py", "-i", "Ada", "--run-id", "r1", "--events", "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    kinds = [line.get("type") for line in lines]
    assert kinds[0] == "run_started"
    assert kinds[-2:] == ["run_completed", None]
    assert {"visit_started", "visit_completed", "routed", "delta"} <= set(kinds)
    assert [line["seq"] for line in lines if "seq" in line] == sorted(line["seq"] for line in lines if "seq" in line)
    assert lines[-1]["state"]["text"] == "Hello Ada"
    assert ran.err == "a node prints\n"
    assert program("run", "greet.py", "-i", "Ada", "--events").out.splitlines()[-1].count('"run_completed"') == 1


def test_depth_opens_nodes_with_a_graph_inside(program: Program) -> None:
    """Visits inside a node are told only on request, behind the name of that node."""
    program.flow("research.py")
    args = ("run", "research.py:flow", "-f", 'questions=["why?"]')
    assert "look up › search" not in program(*args).err
    assert "look up › search" in program(*args, "--depth", "1").err


def test_the_store_is_named_in_what_is_proposed(program: Program) -> None:
    """A command that is shown can be copied, also if the store is not the default one."""
    write(program, "greet.py", GREET)
    out = program("run", "greet.py", "-i", "Ada", "--run-id", "r1", "--store", "my runs/").out
    assert "graphrt show r1 --store 'my runs/'" in out
    assert program("show", "r1", "--store", "my runs/").code == 0


def test_a_limit_of_the_command_line_bounds_the_run(program: Program) -> None:
    """A run that passes it fails with the limit's name, and can go on with a wider one."""
    program.flow("support.py")
    ran = program("run", "support.py", "-i", "x", "--run-id", "r1", "--max-visits", "2")
    assert ran.code == 1
    assert "LimitReached: the run used 3 visits, 2 are allowed" in ran.out
    assert "limit passed: 3 visits used, 2 allowed" in ran.err
    assert program("resume", "r1").code == 1
    assert program("resume", "r1", "--max-visits", "50").code == 3


# -- what it begins with ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "state"),
    [
        (["-i", '{"name": "Ada", "times": 2}'], {"name": "Ada", "times": 2}),
        (["-i", "Ada {and} Ben"], {"name": "Ada {and} Ben"}),
        (["-i", "42"], {"name": "42"}),
        (["-i", '"quoted"'], {"name": "quoted"}),
        (["-i", "@ada.json"], {"name": "Ada", "times": 3}),
        (["-i", "@ada.txt"], {"name": "Ada\nof London"}),
        (["-i", "-"], {"name": "from a pipe"}),
        (["-f", "name=a=b", "-f", "times=4"], {"name": "a=b", "times": 4}),
        (["-f", 'name="quoted"'], {"name": '"quoted"'}),
        (["-i", '{"name": "Ada", "times": 2}', "-f", "times=5"], {"name": "Ada", "times": 5}),
    ],
    ids=str,
)
def test_a_run_begins_with_what_was_given(
    program: Program, monkeypatch: pytest.MonkeyPatch, args: list[str], state: dict[str, object]
) -> None:
    """A JSON object, a file, standard input, plain text for the one required text field, or single fields."""
    write(program, "greet.py", GREET)
    write(program, "ada.json", '\ufeff{"name": "Ada", "times": 3}\n')
    write(program, "ada.txt", "Ada\nof London\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe\n")))
    ran = program("run", "greet.py", "--run-id", "r1", *args)
    assert ran.code == 0, ran.err
    started = program.trace("r1").records[0].input
    assert {k: v for k, v in started.state.items() if k in state} == state  # type: ignore[union-attr]  # it is Started


CHAT = """
from graphrt import ChatState, Flow
from graphrt.agents.messages import AssistantMessage, Message

flow = Flow("chat", ChatState)


@flow.task(writes=flow.state.messages)
def echo(messages: list[Message]) -> Message:
    return AssistantMessage(text=messages[-1].text.upper())
"""


@pytest.mark.parametrize("said", ["Hello, you!", '"Hello, you!"'])
def test_plain_text_is_said_to_a_conversation(program: Program, said: str) -> None:
    """A flow over a chat state begins with the text as the message of a user."""
    write(program, "chat.py", CHAT)
    ran = program("run", "chat.py", "--run-id", "r1", "-i", said, "--json")
    assert ran.code == 0, ran.err
    assert "HELLO, YOU!" in ran.out
    started = program.trace("r1").records[0].input
    assert started.state["messages"] == [{"role": "user", "content": "Hello, you!", "name": None}]  # type: ignore[union-attr]  # it is Started


TALKS = """
from typing import Annotated
from graphrt import ChatState, Flow, append
from graphrt.agents.messages import AssistantMessage, Message

class Talk(ChatState):
    mood: str = ""
    aside: Annotated[list[Message], append] = []

flow = Flow("talk", Talk)
s = flow.state


@flow.task(writes=(s.messages, s.mood, s.aside))
def answer(messages: list[Message]) -> tuple[Message, str, Message]:
    if messages[-1].text == "boom":
        raise ValueError("no")
    text = "Line one.\\n\\n  - a point \\x1b[2J\\n" + "word " * 60 + "end."
    return AssistantMessage(text=text, name="ann"), "calm", AssistantMessage(text="hm, {}")
"""


def test_a_person_is_shown_the_reply_of_a_conversation(program: Program) -> None:
    """The reply is printed as it reads, whole and harmless, behind the other fields; `--json` has all messages."""
    write(program, "talk.py", TALKS)
    ran = program("run", "talk.py", "--run-id", "r1", "-i", "Hello", "--quiet")
    assert ran.code == 0, ran.err
    rows = ran.out.splitlines()
    assert rows[:5] == ['  mood   "calm"', "  aside  assistant  hm, {}", "  Line one.", "", "    - a point \\x1b[2J"]
    assert rows[5].startswith("  word word")
    assert all(len(row) <= 100 for row in rows)
    assert ran.out.count("word") == 60
    assert "role" not in ran.out
    said = json.loads(program("run", "talk.py", "-i", "Hello", "--quiet", "--json").out)["state"]["messages"]
    assert [m["role"] for m in said] == ["user", "assistant"]


def test_a_conversation_that_got_no_reply_is_shown_as_it_is(program: Program) -> None:
    """A run that failed has no reply: its state so far shows who said what."""
    write(program, "talk.py", TALKS)
    ran = program("run", "talk.py", "-i", "boom", "--quiet")
    assert ran.code == 1
    assert ran.out.splitlines()[:2] == ["state so far:", "  messages  user  boom"]


def no_package(_name: str) -> None:
    """Find nothing, as if the local model were not installed."""


FIELDS = "expected a JSON object with fields of flow"
WRONG_INPUTS = [
    pytest.param(
        "greet.py",
        ["-i", '{"name": "Ada", times: 2}'],
        "--input is not JSON: expecting property name enclosed in double quotes at column 17, near",
        id="broken JSON",
    ),
    pytest.param(
        "greet.py",
        ["-i", '{"name": "Ada",\n "times": }'],
        "--input is not JSON: expecting value at line 2, column 11, near",
        id="broken JSON of several lines",
    ),
    pytest.param(
        "greet.py",
        ["-i", '{"name": "Ada"'],
        f"--input is not JSON: expecting ',' delimiter at its end; {FIELDS} 'greet' (name, times, text)",
        id="JSON cut off",
    ),
    pytest.param(
        "greet.py",
        ["-i", '{"name": "a", "name": "b"}'],
        f"--input is not JSON: an object has 'name' twice; {FIELDS} 'greet' (name, times, text)",
        id="a key twice",
    ),
    pytest.param("greet.py", ["-i", '{"nam": "Ada"}'], "there is no field 'nam'; did you mean 'name'?", id="misspelt"),
    pytest.param(
        "greet.py",
        ["-i", '{"name": "Ada", "zzz": 1}'],
        "there is no field 'zzz'; its fields are name, times, text",
        id="unknown field",
    ),
    pytest.param(
        "greet.py",
        ["-i", '{"name": "Ada", "times": "two"}'],
        "field 'times' takes int, got 'two' (str): Input should be a valid integer",
        id="wrong type",
    ),
    pytest.param("greet.py", [], "field 'name' (str) has no value and no default", id="nothing given"),
    pytest.param("greet.py", ["-i", "@nada.json"], "--input @nada.json: there is no file nada.json", id="no file"),
    pytest.param(
        "greet.py",
        ["-i", "@greet.pi"],
        "--input @greet.pi: there is no file greet.pi; did you mean @greet.py?",
        id="no file, but one like it",
    ),
    pytest.param("greet.py", ["-i", "@."], "--input @.: . is a folder, expected a file", id="a folder"),
    pytest.param("greet.py", ["-i", "@blob"], "blob is not UTF-8 text: byte 1 is 0xff", id="no text"),
    pytest.param("greet.py", ["-i", "@deep"], "deep is not JSON: it is nested too deeply", id="too deep"),
    pytest.param("greet.py", ["-f", "name"], "--field 'name' gives no value; expected NAME=VALUE", id="no value"),
    pytest.param("greet.py", ["-f", "name=a", "-f", "name=b"], "--field name is given twice", id="a field twice"),
    pytest.param("breaks.py", ["-i", "hello"], "--input is not JSON: expecting value at column 1", id="text for none"),
    pytest.param("breaks.py", ["-i", "[1]"], "--input is a JSON list; expected a JSON object", id="no object"),
    pytest.param("greet.py", ["-i", "a", "--run-id", "a/b"], "'a/b' cannot be the id of a run", id="no run id"),
    pytest.param("greet.py", ["-i", "a", "--run-id", "taken"], "already has a run 'taken'", id="a run id in use"),
    pytest.param("greet.py", ["-i", "a", "--max-visits", "0"], "invalid value for '--max-visits'", id="no limit"),
    pytest.param("gret.py", ["-i", "a"], "there is no file gret.py; did you mean greet.py?", id="no target"),
    pytest.param("empty.py", [], "empty.py has no flow", id="no flow"),
    pytest.param(
        "research.py", [], "research.py has 2 flows; name one: research.py:look, research.py:flow", id="two flows"
    ),
    pytest.param(
        "greet.py:fow", [], "greet.py has nothing named 'fow'; did you mean greet.py:flow?", id="no such name"
    ),
    pytest.param("raises.py", [], "cannot load raises.py: RuntimeError: at once", id="raises"),
    pytest.param(
        "title.py", ["-i", "a"], "flow 'title' needs a model: no model is configured; do one of", id="no model"
    ),
    pytest.param(
        "title.py",
        ["-i", "a", "--model", "gpt"],
        "--model gpt: model 'gpt' is wanted, but no endpoint",
        id="no endpoint",
    ),
    pytest.param("greet.py", ["-i", "a", "--store", "greet.py"], "file is not a database", id="no store"),
    pytest.param("greet.py", ["-i", "a", "--store", "greet.py/x.db"], "cannot open greet.py/x.db", id="no place"),
    pytest.param("greet.py", ["-i", "a", "--store", "sqlite:."], "is it a folder", id="a folder as a store"),
    pytest.param("greet.py", ["-i", "a", "--store", "ftp:x"], "'ftp:x' names no store", id="no kind of store"),
]


@pytest.mark.parametrize(("target", "args", "says"), WRONG_INPUTS)
def test_what_cannot_be_run_is_told_and_nothing_happens(
    program: Program, monkeypatch: pytest.MonkeyPatch, target: str, args: list[str], says: str
) -> None:
    """One line on standard error, exit code 2, no traceback; neither a store nor a run comes into being."""
    monkeypatch.setattr("graphrt.agents.models.local.weights.find_spec", no_package)
    write(program, "greet.py", GREET.replace('print("a node prints")', "__import__('pathlib').Path('ran').touch()"))
    write(program, "breaks.py", BREAKS)
    write(program, "title.py", AGENT)
    write(program, "empty.py", "")
    write(program, "raises.py", "raise RuntimeError('at once')")
    program.flow("research.py")
    (program.folder / "blob").write_bytes(b"{\xff}")
    write(program, "deep", '{"name": ' + "[" * 100_000)
    if "taken" in args:
        assert program("run", "greet.py", "-i", "x", "--run-id", "taken").code == 0
        (program.folder / "ran").unlink()
    before = program.contents()
    ran = program("run", target, *args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("graphrt: ")
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) <= (1 if target != "raises.py" else 3)
    assert program.contents() == before


def test_all_that_is_wrong_with_an_input_is_told_at_once(program: Program) -> None:
    """Several mistakes are several lines, each with its field, what it takes and what it got."""
    program.flow("support.py")
    ran = program("run", "support.py", "-i", '{"message": 5, "topic": "bil", "rouns": 1}')
    assert ran.code == 2
    takes = 'Literal["billing", "bug", "other"] | None'
    assert ran.err.splitlines() == [
        "graphrt: flow 'support' cannot begin:",
        "  - there is no field 'rouns'; did you mean 'rounds'?",
        "  - field 'message' takes str, got 5 (int): Input should be a valid string",
        "  - field 'topic' takes " + takes + ", got 'bil' (str): Input should be 'billing', 'bug' or 'other'",
    ]
    assert not (program.folder / ".graphrt").exists()


def test_every_mistake_of_a_definition_is_told(program: Program) -> None:
    """A flow with mistakes is not run; all of them are listed with their places."""
    wrong = GREET.replace(
        "flow.edge(greet,", "flow.edge(greet, greet, on='x')\nflow.edge(greet, greet, when=True)\nflow.edge(greet,"
    )
    write(program, "greet.py", wrong)
    ran = program("run", "greet.py", "-i", "Ada")
    assert ran.code == 2
    assert re.match(r"graphrt: flow 'greet' has \d+ mistakes:\n  - greet\.py:\d+: ", ran.err)
    assert not (program.folder / ".graphrt").exists()


def test_the_validators_of_the_state_type_are_heard(program: Program) -> None:
    """What only the whole model can tell is refused like a wrong field."""
    check = """    text: str = ""

    @model_validator(mode="after")
    def odd(self):
        assert self.times % 2, "times must be odd"
        return self
"""
    text = GREET.replace('    text: str = ""', check).replace("import BaseModel", "import BaseModel, model_validator")
    write(program, "greet.py", text)
    ran = program("run", "greet.py", "-i", "Ada", "-f", "times=2")
    assert (ran.code, ran.err) == (2, "graphrt: flow 'greet' cannot begin: Assertion failed, times must be odd\n")


# -- the model --------------------------------------------------------------------------------------------------------


@contextmanager
def endpoint() -> Generator[Endpoint]:
    """An endpoint in a thread of its own, so that the program can be called in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    double = Endpoint([stream("Rain", " again")] * 2)
    asyncio.run_coroutine_threadsafe(double.__aenter__(), loop).result()
    try:
        yield double
    finally:
        asyncio.run_coroutine_threadsafe(double.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_an_explicit_model_comes_before_the_environment(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--model` names the model of all agents; without it, the environment does."""
    write(program, "title.py", AGENT)
    with endpoint() as double:
        monkeypatch.setenv("OPENAI_BASE_URL", double.url)
        monkeypatch.setenv("GRAPHRT_MODEL", "of-the-environment")
        assert program("run", "title.py", "-i", "It rains.").code == 0
        ran = program("run", "title.py", "-i", "It rains.", "--model", "explicit", "--json")
    assert json.loads(ran.out)["state"]["title"] == "Rain again"
    assert [request.json["model"] for request in double.requests] == ["of-the-environment", "explicit"]


def test_a_flow_may_lie_in_another_folder(program: Program) -> None:
    """The target of a run is noted as it was given."""
    folder = Path("flows")
    folder.mkdir()
    write(program, "flows/greet.py", GREET)
    assert program("run", "flows/greet.py", "-i", "Ada", "--run-id", "r1").code == 0
    assert program.trace("r1").header.target == "flows/greet.py:flow"
