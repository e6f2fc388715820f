"""Write the parts of docs/ that follow from the code: between two marks stands what this program says.

    python tools/references.py            write them again
    python tools/references.py --check    exit 1 if one is out of date, naming it

A page says `<!-- begin generated: NAME -->` … `<!-- end generated -->`; `BLOCKS` says what each NAME becomes. What the
code of a page prints and draws is written as well (see `blocks.py`). All else is written by hand and stays.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

sys.path.insert(0, str(Path(__file__).parent.parent / "viz"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from pydantic import BaseModel

import graphrt
from graphrt import Flow, add, append, extend, let, merge, union
from graphrt.checks import FAMILIES, RULES, Rule, mistakes
from graphrt.checks.rule import PREAMBLE
from graphrt.cli import main as program
from graphrt.cli.commands import GROUPS
from graphrt.codec import encode_header, encode_record
from graphrt.errors import DefinitionError, EnvironmentFault, GraphrtError, RunError, UseError
from graphrt.expressions import Expression, condition_of, contains, is_none, matches, not_, one_of, size
from graphrt.guards import Change, Guard
from graphrt.inputs import AttemptStarted, AttemptSucceeded, Input, Started
from graphrt.stepper import Stepper
from graphrt.trace import Header, Record
from graphrt.tree_forms import tree_to_json
from tools import rules, vocabulary
from tools.blocks import Page, PageFailed
from tools.mistakes import reported
from tools.reading import packages, sources, structs
from tools.writing import described, paragraphs, table

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"(<!-- begin generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


# -- errors ----------------------------------------------------------------------------------------------------------

WHO: tuple[tuple[type[GraphrtError], str, str], ...] = (
    (DefinitionError, "The author of the flow", "The definition is wrong. Nothing has run."),
    (UseError, "The caller", "Something was asked for that cannot be done. Nothing has changed."),
    (EnvironmentFault, "Whoever runs it", "The surroundings failed: disk, lock, packages. A run stops where it is."),
    (
        RunError,
        "The run",
        "Something went wrong inside a run. It is recorded; an edge may catch it, else the run fails with it.",
    ),
)

REMEDY: dict[str, str] = {
    "GraphrtError": "Never raised itself; catch it to catch everything that graphrt raises.",
    "DefinitionError": "Mend what its lines name; each code has an example on the page of [mistakes](mistakes.md).",
    "UseError": "Its message says what was expected. Raised itself where none of the classes below fits better.",
    "InputRefused": "Give every field without a default, and values of the types that the state type declares.",
    "ConversationBusy": 'Wait for the turn that is under way, or let messages queue: `busy="queue"`.',
    "TurnOpen": "`await runtime.resume()` or `.answer(…)` goes on with that turn, `.discard()` gives it up.",
    "TurnStopped": "Nothing, if it was meant; `await runtime.resume()` goes on with the turn.",
    "AnswerRefused": "Give one of the answers that the message lists; the question still waits.",
    "AlreadyAnswered": "Nothing: go on with the run; its facts have the answer that counts (`earlier`).",
    "WrongInput": "For authors of drivers: feed only what answers a command of this run, once.",
    "RunNotFound": "List the runs with `graphrt runs`; look whether `--store` or the working folder is the right one.",
    "GraphChanged": (
        "Resume with the code that recorded the run, or allow the change: the past is then taken as recorded, and only"
        " what comes after follows the new definition."
    ),
    "ResourceMissing": "Pass it as `resources=[…]`, or name it beside the flow as `graphrt_resources`; then resume.",
    "TraceInvalid": (
        "A torn last line is what a crash leaves, and resuming cuts it off. An altered line means that the file was"
        " edited or damaged: fetch it again; what stands before the line is sound."
    ),
    "EnvironmentFault": "Its message names what failed. Raised itself where none of the classes below fits better.",
    "StoreFault": "Make room or mend the permissions, then resume: nothing that was acknowledged is lost.",
    "RunLocked": "Wait until the other process is done, or end it; what you want to tell the run can be posted to it.",
    "MissingExtra": "Install the extra that the message names.",
    "RunError": "Never raised itself; `on=RunError` catches whatever graphrt itself finds wrong in a run.",
    "NoRoute": "Add a last edge without a guard, or widen a guard; then resume: the visit tries to go on again.",
    "GuardError": "Let the guard cope with every state that can come by (ask `is_none` first); then resume.",
    "WriteRefused": "Return what the field takes; the message names the field, the type expected and the value found.",
    "WriteConflict": (
        "Give the field a reducer, let the branches write different fields, or make it `local` to the branches."
    ),
    "NodeTimeout": "Give the node more time (`timeout=`), another attempt (`retry=`), or an edge `on=NodeTimeout`.",
    "DeadlinePassed": "Lead an edge with `on=DeadlinePassed` away from the question, or ask again.",
    "LimitReached": "Resume with higher limits, or lead an edge `on=LimitReached` away from where it may happen.",
    "JoinShort": "Lead an edge `on=JoinShort` away from the join, or wait for fewer branches.",
    "InDoubt": "Find out whether the effect took place. If it did not, fork the run at the visit, which makes the"
    " attempt in a run of its own. Resumed, the run fails again, or asks again if a person gave the attempt up.",
    "EndedInFailure": "The flow says so itself: the run came to an end that was declared with `failure=True`.",
    "RunFailed": "Look at its run: `graphrt show RUN`, `graphrt why RUN VISIT`; mend the cause and resume.",
    "ModelError": "`on=ModelError` catches whatever goes wrong with a model.",
    "NoModel": "Give the agent a model, set `OPENAI_API_KEY` or `OPENAI_BASE_URL`, or install `graphrt[local]`.",
    "LocalModelFault": "The message says which step failed; free memory or disk, or reinstall `graphrt[local]`.",
    "EndpointError": "`on=EndpointError` catches whatever goes wrong between here and an endpoint.",
    "ModelUnavailable": "Tried again. If it stays: is the address right, does the server run?",
    "RateLimited": "Tried again, after the wait that the endpoint asks for. If it stays: send less at once.",
    "QuotaExhausted": "Not tried again. Top the account up, or use another key; then resume.",
    "ModelTimeout": "Tried again. If it stays: allow a longer read timeout, or ask for shorter answers.",
    "TruncatedStream": "Tried again; what had come is in `partial` and never counts as an answer.",
    "AuthenticationFailed": "Set the right key; then resume.",
    "RequestRejected": "The message quotes what the endpoint says: a wrong model name, an unknown option.",
    "CallCancelled": "Look into the tool: a task or a scope that it opened was cancelled, and took the tool along.",
    "ContextTooLong": "Send less: fewer messages, shorter tool results (`max_chars`), or a model that reads more.",
    "MalformedResponse": "Most often `OPENAI_BASE_URL` lacks its `/v1`, or names a web page.",
    "ModelBehavior": "Tried again. If it stays: give examples, or a model that follows instructions.",
    "UsageLimit": "Raise the limit, fall back to another model, or catch it with an edge `on=UsageLimit`.",
    "OutputTruncated": "Raise `max_tokens` of the agent.",
    "Refused": "Ask differently, or lead an edge `on=Refused` to a person.",
    "OutputRefused": "Give examples, raise `repairs`, or make the field's type easier to meet.",
    "CallRefused": "Describe the tool better, give examples of calls, raise `repairs`, or catch it by an edge.",
    "GuardrailTimeout": "Make the guardrail faster, or give it more time (`timeout=`).",
    "GuardrailTripped": "Lead an edge `on=GuardrailTripped` away; the message says which guardrail blocked, and why.",
    "GuardrailDefinitionError": "Give the guardrail a name, and a function that takes one text.",
    "TurnLimit": "Raise `max_turns`, or lead an edge `on=TurnLimit` away from the agent.",
    "ToolError": "The model is told and may do better; it fails no run by itself.",
    "ArgumentsRefused": "The model is told which arguments are wrong and why.",
    "ToolTimeout": "The model is told. Raise the tool's `timeout_s` if it needs longer.",
    "ToolFailed": "It is tried again by itself; the model is told once no attempt is left.",
    "ToolReported": "The model is told what the server said.",
    "ToolServerFailed": "Check the command or the address; its message has the last words of the process.",
    "ToolResultRefused": "Return text, or something with a JSON form, from the tool.",
    "ToolDefinitionError": "Give every parameter a type that JSON can carry, and the function a name.",
    "ScriptExhausted": "Add a turn to the script, or find out why the flow asks once more than the test expected.",
}
"""What to do, by class; a test fails if a public error has none."""


def errors() -> list[type[GraphrtError]]:
    """Return every public error class of the runtime, parents before children, in the order of the source."""
    list(packages())
    found: list[type[GraphrtError]] = []

    def visit(kind: type[GraphrtError]) -> None:
        if kind.__module__.startswith("graphrt.") and not kind.__name__.startswith("_") and kind not in found:
            found.append(kind)
        children = [c for c in kind.__subclasses__() if c.__bases__[0] is kind]
        for child in sorted(children, key=lambda c: (c.__module__ != "graphrt.errors", c.__module__, _line(c))):
            visit(child)

    visit(GraphrtError)
    return found


def _line(kind: type) -> int:
    return inspect.getsourcelines(kind)[1]


def who(kind: type[GraphrtError]) -> int:
    """Return the place in `WHO` of whoever must act on an error; -1 for the root."""
    return next((i for i, (root, _, _) in enumerate(WHO) if issubclass(kind, root)), -1)


def facts() -> dict[str, list[str]]:
    """Return the names of the facts that each error class is raised with."""
    found: dict[str, list[str]] = {}
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                found.setdefault(name, []).extend(k.arg for k in node.keywords if k.arg)
    return {name: list(dict.fromkeys(keys)) for name, keys in found.items()}


def error_tree() -> str:
    """Write the classes as a tree with links."""
    lines: list[str] = []
    for kind in errors():
        depth = sum(1 for k in kind.__mro__ if issubclass(k, GraphrtError)) - 1
        doc = inspect.cleandoc(kind.__doc__ or "").splitlines()[0].replace("``", "`")
        lines.append(f"{'  ' * depth}- [`{kind.__name__}`](#{kind.__name__.lower()}): {doc}")
    return "\n".join(lines) + "\n"


def error_pages() -> str:
    """Write one section per error class, grouped by who must act."""
    known = facts()
    parts: list[str] = []
    group = None
    for kind in errors():
        place = who(kind)
        if place != group:
            group = place
            title, says = ("Root", "") if place < 0 else WHO[place][1:]
            parts.append(f"## {title}\n" + (f"\n{says}\n" if says else ""))
        bases = ", ".join(f"`{b.__name__}`" for b in kind.__bases__)
        module = "graphrt" if getattr(graphrt, kind.__name__, None) is kind else kind.__module__
        rows = [("code", f"`{kind.code}`"), ("import from", f"`{module}`"), ("derives from", bases)]
        if getattr(kind, "retryable", None) is not None:
            says = "yes" if getattr(kind, "retryable", False) else "no"
            rows.append(("tried again by an agent's own policy", says))
        if known.get(kind.__name__):
            rows.append(("facts", ", ".join(f"`{k}`" for k in sorted(known[kind.__name__]))))
        rows.append(("what to do", REMEDY.get(kind.__name__, "")))
        parts.append(f"### {kind.__name__}\n\n{paragraphs(kind.__doc__ or '')}\n{table(('', ''), rows)}")
    return "\n".join(parts)


# -- mistakes of a definition ----------------------------------------------------------------------------------------


def mistake_codes() -> set[str]:
    """Return every code that the source reports mistakes under."""
    codes: set[str] = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in {"wrong", "Mistake"} and isinstance(first, ast.Constant) and isinstance(first.value, str):
                codes.add(first.value)
    return codes


def mistake_pages() -> str:
    """Write each mistake with an example and what graphrt says about it."""
    parts: list[str] = []
    for group, kinds in mistakes.KINDS.items():
        parts.append(f"## {group}\n")
        for code, kind in kinds.items():
            found = next((m for m in reported(kind.example) if m.code == code), None)
            if found is None:
                raise SystemExit(f"graphrt/checks/mistakes.py: the example of {code!r} does not earn it")
            if found.message != kind.says:
                raise SystemExit(f"graphrt/checks/mistakes.py: of {code!r} is said now: {found.message}")
            code_block = f"<!-- mistake: {code} -->\n```python\n{kind.example.strip()}\n```"
            parts.append(f"### {code}\n\n{kind.summary}\n\n{code_block}\n\n```text\n{found}\n```\n")
    return "\n".join(parts)


def mistake_setup() -> str:
    """Write what stands above every example."""
    return f"<!-- setup -->\n```python\n{mistakes.SETUP}```\n"


# -- rules of the checker --------------------------------------------------------------------------------------------


def rule_tables() -> str:
    """Write one table per family."""
    parts: list[str] = []
    for family, title in FAMILIES.items():
        rows = [
            (f"[{r.code}](#{r.code.lower()}-{r.name})", f"`{r.name}`", r.severity, r.summary)
            for r in RULES
            if r.code.startswith(family)
        ]
        parts.append(f"**{title}**\n\n{table(('code', 'name', 'severity', 'finds'), rows)}")
    return "\n".join(parts)


def rule_setup() -> str:
    """Write what stands above every example of a rule."""
    return f"<!-- example -->\n```python\n{PREAMBLE}```\n"


def rule_pages() -> str:
    """Write each rule: what it finds, why, an example, what the checker says about it, and the same mended."""
    parts: list[str] = []
    for family, title in FAMILIES.items():
        parts.append(f"## {title}\n")
        parts += [_rule_page(r) for r in RULES if r.code.startswith(family)]
    return "\n".join(parts)


def _rule_page(rule: Rule) -> str:
    said = "".join(f"{f}\n" for f in rules.found(rule, rule.example) if f.code == rule.code)
    if not said:
        raise SystemExit(f"{rule.code}: its example does not earn it")
    text = f"### {rule.code} {rule.name}\n\n{rule.summary}\n\n{rule.why}\n"
    if rule.mistakes:
        known = ", ".join(f"[{m}](mistakes.md#{m})" for m in rule.mistakes)
        text += f"\nFreezing a flow reports it too: {known}.\n"
    if rule.recorded:
        text += f"\nA run is recorded:\n\n<!-- example -->\n```python\n{rule.recorded}```\n"
    text += f"\n<!-- example -->\n```python\n{rule.example}```\n\n```text\n{said}```\n"
    return f"{text}\nInstead:\n\n<!-- example -->\n```python\n{rule.instead}```\n"


# -- records ---------------------------------------------------------------------------------------------------------


def union_members(alias: Any) -> list[str]:  # noqa: ANN401 - a union type
    """Return the names of the classes in a union, in order."""
    return [kind.__name__ for kind in alias.__args__]


def event_pages() -> str:
    """Write one section per event."""
    events = importlib.import_module("graphrt.events")
    known = structs(events)
    return "\n".join(described(known[name]) for name in union_members(events.Event))


def event_parts() -> str:
    """Write the structs that stand inside events."""
    events = importlib.import_module("graphrt.events")
    inside = [s for name, s in structs(events).items() if name not in union_members(events.Event)]
    return "\n".join(described(s) for s in inside)


def input_pages() -> str:
    """Write one section per input."""
    known = structs(importlib.import_module("graphrt.inputs"))
    return "\n".join(described(known[name]) for name in union_members(Input))


def input_parts() -> str:
    """Write the structs that stand inside inputs."""
    known = structs(importlib.import_module("graphrt.inputs"))
    return "\n".join(described(s) for name, s in known.items() if name not in union_members(Input))


def command_pages() -> str:
    """Write one section per command."""
    commands = importlib.import_module("graphrt.commands")
    known = structs(commands)
    return "\n".join(described(known[name]) for name in union_members(commands.Command))


def trace_parts() -> str:
    """Write header and record."""
    return "\n".join(described(s) for s in structs(importlib.import_module("graphrt.trace")).values())


# -- a trace, line by line -------------------------------------------------------------------------------------------


class Note(BaseModel):
    """The state of the example."""

    text: str
    words: int = 0


def sample_trace() -> list[bytes]:
    """Run a flow of one node on a clock that stands still, and return the lines of its trace."""
    flow = Flow("count", Note)

    @flow.task(writes=flow.state.words)
    def count(text: str) -> int:
        return len(text.split())

    graph, start = flow.freeze(), 1_700_000_000.0
    stepper = Stepper(graph)
    given: list[Input] = [
        Started("k3v9x2mq7p", {"text": "three short words", "words": 0}),
        AttemptStarted("0", 1),
        AttemptSucceeded("0", 1, {"words": 3}, 0.002),
    ]
    line, digest = encode_header(Header("k3v9x2mq7p", graph.name, graph.digest, graph.json, start))
    lines = [line]
    for seq, each in enumerate(given):
        at = start + seq / 1000
        line, digest = encode_record(Record(seq, at, each, stepper.feed(at, each)[0]), digest)
        lines.append(line)
    return lines


def trace_header() -> str:
    """Show the header, indented."""
    return f"```json\n{json.dumps(json.loads(sample_trace()[0]), indent=2)}\n```\n"


def trace_records() -> str:
    """Show the records as they stand in the file."""
    return "```json\n" + b"\n".join(sample_trace()[1:]).decode() + "\n```\n"


# -- expressions -----------------------------------------------------------------------------------------------------


class Address(BaseModel):
    """A model inside the state."""

    city: str = "Oslo"


class Ticket(BaseModel):
    """The state that the examples read."""

    message: str = "I was charged twice"
    topic: Literal["billing", "bug"] | None = "billing"
    facts: Annotated[list[str], append] = ["one", "two"]
    tags: dict[str, int] = {"vip": 1}
    address: Address = Address()
    score: float = 0.62
    rounds: int = 1
    urgent: bool = False


CONDITIONS = (
    "s.score < 0.8",
    "s.rounds + 1 >= 3",
    's.topic == "billing"',
    's.address.city != "Oslo"',
    's.tags["vip"] == 1',
    "s.urgent",
    "not_(s.urgent)",
    "(s.score < 0.8) & (s.rounds < 3)",
    "(s.score >= 0.8) | s.urgent",
    "size(s.facts) > 2",
    "is_none(s.topic)",
    'one_of(s.topic, "billing", "bug")',
    'contains(s.facts, "two")',
    r'matches(s.message, r"\bcharged\b")',
)
ACTIONS = (
    "let(s.rounds).be(s.rounds + 1)",
    "let(s.facts).be([])",
    'let(s.facts).take("late")',
    "let(s.facts).be([s.message])",
    'let(s.topic).be("bug")',
    "let(s.score).be(-s.score / 2)",
)
REFUSED = (
    "s.score < 0.8 and s.urgent",
    "0 < s.score < 1",
    '"two" in s.facts',
    "len(s.facts) > 2",
    'f"{s.message}"',
    "s.score < 0.8 & s.urgent",
    "s.message > 3",
    "s.message + 1",
)


def _space() -> dict[str, Any]:
    there: dict[str, Any] = {f.__name__: f for f in (size, not_, is_none, one_of, contains, matches, let)}
    there["s"] = Flow("support", Ticket).state
    return there


def conditions() -> str:
    """Evaluate conditions on one state; show spelling, print, verdict and values read."""
    rows: list[tuple[str, ...]] = []
    state = {name: getattr(Ticket(), name) for name in Ticket.model_fields}
    for source in CONDITIONS:
        found: Expression = eval(source, _space())  # noqa: S307 - our own examples
        guard = Guard(condition_of(found))
        verdict, values = guard.evaluate(state)
        read = ", ".join(f"`{k}` = `{json.dumps(v)}`" for k, v in (values or {}).items())
        rows.append((f"`{source}`", f"`{guard.text}`", str(verdict).lower(), read))
    return table(("you write", "it prints", "verdict", "values read"), rows)


def actions() -> str:
    """Show what actions print and store."""
    rows: list[tuple[str, ...]] = []
    for source in ACTIONS:
        change: Change = eval(source, _space())  # noqa: S307 - our own examples
        rows.append((f"`{source}`", f"`{change.text}`", f"`{json.dumps(tree_to_json(change.tree))}`"))
    return table(("you write", "it prints", "JSON form of the value"), rows)


def refused() -> str:
    """Show what is refused while the flow is being written, and what is said."""
    rows: list[tuple[str, ...]] = []
    for source in REFUSED:
        try:
            eval(source, _space())  # noqa: S307 - our own examples
        except TypeError as error:
            rows.append((f"`{source}`", str(error)))
        else:
            raise SystemExit(f"{source} is not refused")
    return table(("you write", "you are told"), rows)


def functions() -> str:
    """Write the functions for what operators cannot say."""
    rows: list[tuple[str, ...]] = []
    for fn in (size, is_none, one_of, contains, matches, not_, let):
        doc = inspect.cleandoc(fn.__doc__ or "").splitlines()[0]
        rows.append((f"`{fn.__name__}`", doc))
    return table(("function", "meaning"), rows)


def reducers() -> str:
    """Write the reducers known by name."""
    known = (append, extend, add, merge, union)
    rows = [(f"`{fn.__name__}`", inspect.cleandoc(fn.__doc__ or "").splitlines()[0]) for fn in known]
    return table(("reducer", "meaning"), rows)


# -- the command line ------------------------------------------------------------------------------------------------


def command_line() -> str:
    """Write the help of the program and of each of its commands, a section a command."""
    parts = [_help([])]
    for title, found in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [f"### graphrt {command.name}\n\n{_help([command.name])}" for command in found]
    return "\n".join(parts)


def _help(of: list[str]) -> str:
    """Return what `--help` prints, a hundred columns wide, on every machine."""
    printed = io.StringIO()
    known = {name: os.environ.get(name) for name in ("COLUMNS", "GRAPHRT_STORE")}
    os.environ["COLUMNS"] = "100"
    os.environ.pop("GRAPHRT_STORE", None)
    try:
        with contextlib.redirect_stdout(printed):
            program([*of, "--help"])
    finally:
        for name, value in known.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    return f"```text\n{printed.getvalue()}```\n"


BLOCKS: dict[str, Callable[[], str]] = {
    **vocabulary.BLOCKS,
    "error-tree": error_tree,
    "errors": error_pages,
    "mistake-setup": mistake_setup,
    "mistakes": mistake_pages,
    "rule-tables": rule_tables,
    "rule-setup": rule_setup,
    "rules": rule_pages,
    "events": event_pages,
    "event-parts": event_parts,
    "inputs": input_pages,
    "input-parts": input_parts,
    "commands": command_pages,
    "command-line": command_line,
    "trace": trace_parts,
    "trace-header": trace_header,
    "trace-records": trace_records,
    "conditions": conditions,
    "actions": actions,
    "refused": refused,
    "functions": functions,
    "reducers": reducers,
}


_made: dict[str, str] = {}


def page_now(path: Path) -> str:
    """Return a page as it should be: parts between marks written, and what follows from its own code.

    Raises:
        PageFailed: the code of the page does not do what the page says.
    """

    def block(match: re.Match[str]) -> str:
        name = match[2]
        if name not in BLOCKS:
            raise PageFailed(f"{path}: no block is named {name!r}; there are {', '.join(BLOCKS)}")
        if name not in _made:
            _made[name] = BLOCKS[name]()
        return f"{match[1]}{_made[name]}{match[3]}"

    text = MARK.sub(block, path.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        return Page(path, text).run(Path(folder))


def every_page() -> list[Path]:
    """Return the pages of the documentation."""
    return sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])


def main(args: list[str]) -> int:
    """Write the pages, or tell which are out of date. Exit code 1 if one was, or if the code of one fails."""
    wrong = 0
    for path in every_page():
        name = path.relative_to(ROOT)
        try:
            now = page_now(path)
        except PageFailed as error:
            print(error)
            wrong = 1
            continue
        if now == path.read_text("utf-8"):
            continue
        if "--check" in args:
            print(f"{name} is out of date; run: python tools/references.py")
            wrong = 1
        else:
            path.write_text(now, "utf-8")
            print(f"wrote {name}")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
