"""Write the pages that list what Python code may say: each public name with its signature, meaning, fields and methods.

`PAGES` says which names stand in which block. All that is written of a name comes from its source: what is missing on a
page is missing in a docstring.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final, is_typeddict

from tools.reading import Field, fields_of
from tools.writing import COMMON, paragraphs, table

_WIDE: Final = 100

PAGES: Final[dict[str, tuple[str, ...]]] = {
    "flow": ("graphrt:Flow",),
    "flow-parts": ("graphrt.flow:NodeOptions", "graphrt:Node", "graphrt:Graph"),
    "retry-and-limits": ("graphrt:Retry", "graphrt:Limits"),
    "context": ("graphrt:Context",),
    "run": tuple(
        f"graphrt.runtime:{name}"
        for name in ("Surroundings", "Options", "ResumeOptions", "ForkOptions", "Result", "RunStream", "Delta")
    ),
    "run-parts": tuple(
        f"graphrt.runtime:{name}"
        for name in ("Item", "event_json", "Listener", "Clock", "SystemClock", "SYSTEM_CLOCK", "idempotency_key")
    ),
    "run-verbs": tuple(
        f"graphrt.runtime:{name}"
        for name in (
            "run",
            "run_sync",
            "stream",
            "resume",
            "stream_resume",
            "answer",
            "cancel",
            "fork",
            "stream_fork",
            "resume_due",
            "leave",
            "wait_for",
        )
    ),
    "agent": ("graphrt:Agent",),
    "tools": ("graphrt:tool", "graphrt.agents.tool_options:Options"),
    "mcp": ("graphrt.agents.mcp:MCPServer",),
    "guardrails": ("graphrt.agents:on_input", "graphrt.agents:on_output", "graphrt.agents:Guardrail"),
    "models": (
        "graphrt.agents:resolve_model",
        "graphrt.agents.models.openai.model:OpenAIModel",
        "graphrt.agents.models.local.model:LocalModel",
        "graphrt.agents:Model",
        "graphrt.agents:ModelRequest",
        "graphrt.agents:Reply",
        "graphrt.agents:Choice",
        "graphrt.agents:ToolSpec",
        "graphrt.agents:Usage",
    ),
    "messages": tuple(
        f"graphrt.agents:{name}"
        for name in (
            "Message",
            "system",
            "user",
            "assistant",
            "tool_result",
            "SystemMessage",
            "UserMessage",
            "AssistantMessage",
            "ToolMessage",
            "ToolCall",
            "TextPart",
            "ImagePart",
            "FilePart",
        )
    ),
    "chat": ("graphrt:ChatRuntime", "graphrt.chat:ChatStream", "graphrt:ChatState"),
    "configurations": tuple(
        f"graphrt:{name}"
        for name in (
            "single",
            "sequential",
            "concurrent",
            "switching",
            "handoff",
            "refine",
            "supervisor",
            "member",
        )
    ),
    "chat-events": tuple(
        f"graphrt.chat.events:{name}"
        for name in (
            "TurnStarted",
            "AgentStarted",
            "AgentCompleted",
            "AgentFailed",
            "AgentCancelled",
            "OutputDelta",
            "ToolRequested",
            "ToolReturned",
            "ToolCancelled",
            "AttemptFailed",
            "PolicyActed",
            "RouteChosen",
            "FellBack",
            "HandedOver",
            "TurnCompleted",
            "TurnFailed",
            "TurnCancelled",
            "TurnSuspended",
        )
    ),
    "policies": tuple(
        f"graphrt.policies:{name}" for name in ("cache", "context", "fallback", "limit", "pool", "retry", "timeout")
    ),
    "policy-types": tuple(
        f"graphrt.policies:{name}"
        for name in (
            "Policy",
            "Around",
            "mark",
            "Cache",
            "Fallback",
            "Limit",
            "Pool",
            "Retrying",
            "Timeout",
            "Window",
        )
    ),
    "scripted": ("graphrt.testing:ScriptedModel", "graphrt.testing:Turn"),
    "asserting": (
        "graphrt.testing:assert_path",
        "graphrt.testing:assert_clean",
        "graphrt.testing:ManualClock",
    ),
    "endpoint": tuple(f"graphrt.testing.endpoint:{name}" for name in ("Endpoint", "Answer", "Received")),
    "stores": ("graphrt.stores:open_store", "graphrt.ports:Store", "graphrt.ports:RunInfo"),
    "pruning": (
        "graphrt.stores.pruning:to_prune",
        "graphrt.stores.pruning:prune",
        "graphrt.stores.pruning:Pruning",
        "graphrt.stores.pruning:Kept",
        "graphrt.stores.pruning:to_delete",
        "graphrt.stores.pruning:turns_of",
        "graphrt.stores.pruning:carry_out",
    ),
    "store-kinds": (
        "graphrt.stores.sqlite:SqliteStore",
        "graphrt.stores.jsonl:JsonlStore",
        "graphrt.stores.memory:MemoryStore",
    ),
}
"""The names in each block, as `module:name`, in the order in which the page has them."""


HANDED_OUT: Final = frozenset({"ChatStream", "Context", "Node", "Received", "Result", "RunStream"})
"""Classes that nobody makes by hand: how they are made is no part of what a page says."""


INTERNAL: Final[dict[str, set[str]]] = {
    "Agent": {"expand", "retries"},
    "Cache": {"key", "respond"},
    "Context": {"notes", "marks", "usage"},
    "Limit": {"begin", "end", "learn"},
    "Window": {"cut", "known", "learn", "remember"},
}
"""Members that other modules of the runtime use, and nobody else."""


def block(name: str) -> str:
    """Write the entries of a block."""
    return "\n".join(entry(*place.split(":")) for place in PAGES[name])


BLOCKS: Final[dict[str, Callable[[], str]]] = {name: functools.partial(block, name) for name in PAGES}


def entry(module: str, name: str) -> str:
    """Write one name: a class with its fields and methods, a function, or a name for a type."""
    found = getattr(importlib.import_module(module), name)
    if inspect.isclass(found):
        return _class(name, found)
    if inspect.isfunction(found):
        return f"### {name}\n\n{_shown(name, found)}\n{paragraphs(found.__doc__ or '')}"
    return _alias(module, name)


def signature(name: str, fn: Callable[..., Any]) -> str:
    """Return a signature as its source has it, without `self`; one that is long has a line for each parameter."""
    found = _tree(fn)
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = found.args
    every = [*arguments.posonlyargs, *arguments.args]
    if every and every[0].arg in {"self", "cls"}:
        (arguments.posonlyargs or arguments.args).pop(0)
    returns = "" if found.returns is None or fn.__name__ == "__init__" else f" -> {ast.unparse(found.returns)}"
    name = f"async {name}" if isinstance(found, ast.AsyncFunctionDef) else name
    line = f"{name}({ast.unparse(arguments)}){returns}"
    if len(line) <= _WIDE:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in _parameters(arguments)), f"){returns}"])


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    """Yield each parameter as its source has it, and the marks between them."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [*([None] * (len(plain) - len(arguments.defaults))), *arguments.defaults]
    for number, (each, default) in enumerate(zip(plain, defaults, strict=True), 1):
        yield _parameter(each, default)
        if number == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield f"*{ast.unparse(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(each, default)
    if arguments.kwarg:
        yield f"**{ast.unparse(arguments.kwarg)}"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + ("" if default is None else f" = {ast.unparse(default)}")


def _tree(thing: Any) -> ast.stmt:  # noqa: ANN401 - a class or a function
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def _shown(name: str, fn: Callable[..., Any]) -> str:
    return f"```text\n{signature(name, fn)}\n```\n"


def _class(name: str, kind: type) -> str:
    parts = [f"### {name}\n"]
    init = vars(kind).get("__init__") if name not in HANDED_OUT else None
    if inspect.isfunction(init) and init.__module__ == kind.__module__ and init.__doc__ is not None:
        parts.append(_shown(name, init))
    parts.append(paragraphs(kind.__doc__ or ""))
    if len(parts) > 2 and "Args:" not in (kind.__doc__ or ""):  # what making one says beyond what the class says
        parts.append(paragraphs(init.__doc__ or ""))
    if rows := [_row(field) for field in fields_in(name, kind)]:
        parts.append(table(("field", "type", "default", "meaning"), rows))
    return "\n".join([*parts, *_methods(name, kind)])


def _row(field: Field) -> tuple[str, str, str, str]:
    default = "" if field.default is None else f"`{field.default}`"
    return f"`{field.name}`", f"`{field.type}`", default, (field.doc or COMMON.get(field.name, "")).replace("``", "`")


def fields_in(name: str, kind: type) -> list[Field]:
    """Return the public fields of a class, those of the classes of this project that it is made of first."""
    found: dict[str, Field] = {}
    for each in _line_of(kind):
        tree = _tree(each)
        assert isinstance(tree, ast.ClassDef)
        fields = [*fields_of(tree), *_set_in_init(tree)]
        found |= {f.name: f for f in fields if not f.name.startswith("_") and "ClassVar" not in f.type}
    return [field for field in found.values() if field.name not in INTERNAL.get(name, ())]


def _line_of(kind: type) -> list[type]:
    """Return a class and the classes of this project that it is made of, the first of them first."""
    if not is_typeddict(kind):
        return [each for each in reversed(kind.__mro__) if each.__module__.startswith("graphrt")]
    tree = _tree(kind)  # a typed dict forgets what it was made of
    assert isinstance(tree, ast.ClassDef)
    bases = [vars(sys.modules[kind.__module__]).get(ast.unparse(base)) for base in tree.bases]
    return [*(each for base in bases if base is not None and is_typeddict(base) for each in _line_of(base)), kind]


def _set_in_init(tree: ast.ClassDef) -> list[Field]:
    """Read what `__init__` sets and says something about."""
    found: list[Field] = []
    init = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"), None)
    body = init.body if init else []
    for statement, after in itertools.pairwise(body):
        said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Attribute):
            doc = " ".join(str(said).split()) if said else ""
            found.append(Field(statement.target.attr, ast.unparse(statement.annotation), None, doc))
    return found


def _methods(name: str, kind: type) -> list[str]:
    """Write the methods: those with one sentence in a table, the others one by one below it."""
    rows: list[tuple[str, str]] = []
    parts: list[str] = []
    for member, value in vars(kind).items():
        plain: Any = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if (
            member.startswith("_")
            or member in INTERNAL.get(name, ())
            or not inspect.isfunction(plain)
            or not plain.__doc__
        ):
            continue
        doc = inspect.cleandoc(plain.__doc__)
        if "\n" not in doc or isinstance(value, property):
            line = member if isinstance(value, property) else " ".join(signature(member, plain).split())
            rows.append((f"`{line.replace('( ', '(').replace(', )', ')')}`", _sentence(doc)))
        else:
            parts.append(f"#### {name}.{member}\n\n{_shown(member, plain)}\n{paragraphs(doc)}")
    return [*([table(("", "meaning"), rows)] if rows else []), *parts]


def _sentence(doc: str) -> str:
    return " ".join(doc.split("\n\n", maxsplit=1)[0].replace("``", "`").split())


def _alias(module: str, name: str) -> str:
    """Write a name for a type: what it stands for, and the string below it."""
    body = ast.parse(inspect.getsource(importlib.import_module(module))).body
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and any(a.name == name for a in node.names):
            return _alias(node.module, name)
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert node.value is not None
            said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            return f"### {name}\n\n```text\n{name} = {ast.unparse(node.value)}\n```\n\n{paragraphs(str(said))}"
    raise LookupError(f"{module} does not say what {name} is")
