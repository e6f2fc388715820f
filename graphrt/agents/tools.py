"""A typed function as something a model may call: its schema, its checks, its limits.

    @tool(writes=True, approval="always", timeout_s=10)
    def refund(order: str, cents: Annotated[int, Field(gt=0)], context: Context) -> str:
        "Refund an order."

The signature is the only source: parameters and their types become the JSON schema, the docstring the description, and
a parameter annotated ``Context`` is handed in and never shown to the model. Nothing a model sends reaches the function
unchecked, and no exception's message reaches the model unless the tool says so, because messages leak.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import re
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import (
    Any,
    TypeVar,
    Union,
    Unpack,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PydanticUserError, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError, to_json

from graphrt.agents.deadline import Deadline
from graphrt.agents.errors import (
    ArgumentsRefused,
    ToolDefinitionError,
    ToolFailed,
    ToolReported,
    ToolResultRefused,
    ToolTimeout,
)
from graphrt.agents.model import JsonSchema, ToolSpec, joined
from graphrt.agents.tool_options import Approval, Options, RemoteOptions, check_options, is_async
from graphrt.context import Context
from graphrt.graph import Retry
from graphrt.recorded import error_info
from graphrt.retrying import is_worth_retrying
from graphrt.runtime.leaving import GRACE_S, stopped
from graphrt.runtime.threads import TOOL_THREADS
from graphrt.values import brief

F = TypeVar("F", bound=Callable[..., Any])

MAX_CHARS = 20_000
"""Longest result that a model is shown, in characters."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_OPTIONS = "__graphrt_tool__"
_log = logging.getLogger("graphrt.agents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function with all that a model and a runner need to know about it; made by ``tool_from``."""

    name: str
    description: str
    parameters: JsonSchema
    """JSON schema of the arguments."""
    fn: Callable[..., Any]
    writes: bool = False
    approval: Approval = "never"
    timeout_s: float | None = None
    retry: Retry | None = None
    show_errors: bool = False
    max_chars: int = MAX_CHARS
    ends: bool = False
    accepts: type[BaseModel] | None = field(default=None, repr=False)
    """Checks the arguments; ``None`` passes them on as they are, for functions that check them themselves."""
    context: str | None = None
    """Name of the parameter that receives the ``Context``."""
    ask: Callable[[], Awaitable[ToolSpec]] | None = field(default=None, repr=False)
    """Asks elsewhere for description and parameters, where these are not known before it runs."""

    @classmethod
    def remote(
        cls,
        fn: Callable[..., Any],
        ask: Callable[[], Awaitable[ToolSpec]],
        **options: Unpack[RemoteOptions],
    ) -> Tool:
        """Make a tool that somebody else describes, and whose arguments somebody else checks.

        Raises:
            ToolDefinitionError: it has no usable name, or an option is wrong.
        """
        name = _name(fn, options.get("name"))
        check_options(options, RemoteOptions, name)
        rest: dict[str, Any] = {**options, "name": name, "retry": _retry(options.get("retry", 1))}
        return cls(description="", parameters={"type": "object"}, fn=fn, ask=ask, **rest)

    async def offered(self) -> ToolSpec:
        """Return the tool as a model sees it, also where somebody else describes it.

        Raises:
            ToolServerFailed: its server does not say.
        """
        return self.spec if self.ask is None else (await self.ask()).model_copy(update={"name": self.name})

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model sees it."""
        return ToolSpec(name=self.name, description=self.description, parameters=self.parameters)

    def check(self, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Turn a model's arguments into the values of the parameters.

        Raises:
            ArgumentsRefused: they do not fit; its message tells the model which and why.
        """
        if self.accepts is None:
            return dict(arguments)
        try:
            given = self.accepts.model_validate(dict(arguments))
        except ValidationError as error:
            problems = [_problem(found["loc"], found["msg"]) for found in error.errors(include_url=False)]
            raise ArgumentsRefused(
                f"the arguments of {self.name} are wrong: {'; '.join(problems)}. Call it again with arguments that fit "
                "its schema",
                tool=self.name,
                problems=problems,
            ) from None
        fields = type(given).model_fields
        return {entry.alias or key: getattr(given, key) for key, entry in fields.items()}

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a person must agree to a call with these checked arguments; yes if the predicate raises."""
        if self.approval in {"never", "always"}:
            return self.approval == "always"
        decide = cast("Callable[[Mapping[str, Any]], bool]", self.approval)
        try:
            return bool(decide(arguments))
        except Exception:  # noqa: BLE001 - whatever goes wrong in deciding, the safe answer is to ask
            return True

    async def run(self, arguments: Mapping[str, JsonValue], context: Context | None = None) -> str:
        """Check the arguments, call the function, and return its result as the text a model is shown.

        A function that is not a coroutine runs in a worker thread, and its time counts from when it has one; when the
        call times out or is cancelled, its thread runs on to its own end, which nothing can prevent. A coroutine that
        does not end when it is cancelled is left behind after a grace.

        Raises:
            ArgumentsRefused: the arguments do not fit.
            ToolTimeout: it took longer than ``timeout_s``.
            ToolResultRefused: the result is neither text nor JSON.
            Exception: whatever the function raises, unchanged.
        """
        values = self.check(arguments)
        if self.context is not None:
            values[self.context] = context
        call = _Call(self.fn, self.timeout_s, context)
        try:
            result = await call.result(values)
        except TimeoutError:
            if not call.expired():
                raise
            late = f"tool {self.name} took longer than {self.timeout_s:g} s"
            late += "" if call.has_ended else f", did not end within {GRACE_S:g} s of being stopped, and runs on"
            raise ToolTimeout(late, tool=self.name, timeout_s=self.timeout_s) from None
        except asyncio.CancelledError:
            if not call.has_ended:
                _log.warning("tool %s did not end within %g s of being cancelled, and runs on", self.name, GRACE_S)
            raise
        return self.shown(result)

    def shown(self, result: object) -> str:
        """Write a result as a model is shown it: text as it is, anything else as JSON, cut to ``max_chars``.

        Raises:
            ToolResultRefused: it is neither.
        """
        if isinstance(result, str):
            text = joined(result)
        else:
            try:
                text = to_json(result, inf_nan_mode="strings").decode()
            except (PydanticSerializationError, ValueError, RecursionError) as error:
                raise ToolResultRefused(
                    f"tool {self.name} returned a value of type {type(result).__name__}, which is neither text nor JSON"
                    f" ({error}); return a str, a number, a list, a dict or a pydantic model",
                    tool=self.name,
                ) from error
        cut = len(text) - self.max_chars
        return text if cut <= 0 else f"{text[: self.max_chars]}… [{cut} more characters cut]"

    def again(self, error: Exception, attempt: int) -> ToolFailed | None:
        """Return what to raise so that a failed call is tried again; None if this was its last attempt."""
        retry = self.retry
        if retry is None or attempt >= retry.attempts:
            return None
        if isinstance(error, ArgumentsRefused | ToolReported | ToolResultRefused):
            return None
        info = error_info(error)
        if not is_worth_retrying(retry, info):
            return None
        wait = min(retry.wait_s * retry.factor ** (attempt - 1), retry.most_s)
        said = f"attempt {attempt} of {retry.attempts} of tool {self.name} failed with {info.type}: {info.message}"
        return ToolFailed(said, tool=self.name, retry_after_s=max(wait, info.retry_after_s or 0.0))

    def feedback(self, error: BaseException) -> str:
        """Say what went wrong in the words that a model may read."""
        if isinstance(error, ArgumentsRefused | ToolTimeout | ToolReported | ToolResultRefused):
            return str(error)[: self.max_chars]
        if self.show_errors:
            return joined(f"tool {self.name} failed with {type(error).__name__}: {error}")[: self.max_chars]
        return f"tool {self.name} failed; its arguments were in order, so calling it again may not help"


class _Call:
    """One call of a function, which may take so long."""

    def __init__(self, fn: Callable[..., Any], timeout_s: float | None, context: Context | None) -> None:
        self.has_ended = True
        """Whether nothing that could be stopped was left behind."""
        self._fn = fn
        self._deadline = Deadline(timeout_s, context)

    def expired(self) -> bool:
        """Say if it took too long."""
        return self._deadline.expired()

    async def result(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a tool returns what it likes
        """Return what the function does.

        Raises:
            TimeoutError: it took too long, if `expired`.
        """
        async with self._deadline:
            if is_async(self._fn):
                self._deadline.begin()
                return await self._ended(self._fn(**values))
            result = await TOOL_THREADS.run(functools.partial(self._fn, **values), self._deadline.begin)
            return await self._ended(result) if inspect.isawaitable(result) else result

    async def _ended(self, work: Awaitable[Any]) -> Any:  # noqa: ANN401 - a tool returns what it likes
        """Wait for the end of something, and after a cancellation not for long."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            self.has_ended = await stopped(task)
            raise
        return task.result()


@overload
def tool(fn: F, /) -> F: ...
@overload
def tool(**options: Unpack[Options]) -> Callable[[F], F]: ...
def tool(fn: F | None = None, /, **options: Unpack[Options]) -> F | Callable[[F], F]:
    """Say how a function behaves as a tool; it stays the plain function. Without options, `@tool` alone will do.

    Raises:
        ToolDefinitionError: there is no such option, or it cannot have this value. That the function cannot be a tool
            is said when it is used as one.
    """

    def mark(fn: F) -> F:
        check_options(options, Options, options.get("name") or str(getattr(fn, "__name__", type(fn).__name__)))
        setattr(fn, _OPTIONS, {**options_of(fn), **options})
        return fn

    return mark if fn is None else mark(fn)


def options_of(fn: Callable[..., Any]) -> Options:
    """Return what ``@tool`` said about a function, or nothing."""
    found = getattr(fn, _OPTIONS, None) or getattr(getattr(fn, "func", None), _OPTIONS, None)
    return cast("Options", dict(found or {}))


def is_context(annotation: object) -> bool:
    """Tell whether a parameter of this type receives the ``Context``, also when it may be ``None``."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return any(is_context(part) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, Context)


def tool_from(
    fn: Callable[..., Any] | Tool, *, injects: Callable[[object], bool] = is_context, **options: Unpack[Options]
) -> Tool:
    """Make a tool of a typed function, method or partial; options given here win over those of ``@tool``.

    ``injects`` says which annotations mark the parameter for the ``Context``.

    Raises:
        ToolDefinitionError: the function has no usable name, or a parameter without type, or one no model can fill;
            or an option is wrong.
    """
    if isinstance(fn, Tool):
        check_options(options, Options, fn.name)
        changes: dict[str, Any] = {**options}
        if "name" in options:
            _name(fn.fn, options["name"])
        if "retry" in options:
            changes["retry"] = _retry(options["retry"])
        return replace(fn, **changes)
    given: object = fn  # whatever it is that the author wrote
    if not callable(given):
        kind = type(given).__name__
        hint = f'; name its tools: {kind}(…).tools("…")' if hasattr(given, "tools") else ""
        raise ToolDefinitionError(f"{brief(given)} is no function, so it is no tool{hint}", name=kind)
    said: Options = {**options_of(fn), **options}
    name = _name(fn, said.get("name"))
    check_options(said, Options, name)
    accepts, context = _parameters(fn, name, injects)
    return Tool(
        name=name,
        description=said.get("description") or _description(fn),
        parameters=_schema(accepts, name),
        fn=fn,
        writes=said.get("writes", False),
        approval=said.get("approval", "never"),
        timeout_s=said.get("timeout_s"),
        retry=_retry(said.get("retry", 1)),
        show_errors=said.get("show_errors", False),
        max_chars=said.get("max_chars", MAX_CHARS),
        ends=said.get("ends", False),
        accepts=accepts,
        context=context,
    )


def _retry(given: Retry | int) -> Retry | None:
    policy = given if isinstance(given, Retry) else Retry(attempts=given)
    return policy if policy.attempts > 1 else None


def untitled(schema: JsonSchema) -> JsonSchema:
    """Leave out titles, which repeat the names and cost tokens with every request."""
    out: JsonSchema = {}
    for key, part in schema.items():
        if key in {"properties", "$defs", "patternProperties"} and isinstance(part, dict):  # names are the author's
            out[key] = {name: untitled(each) if isinstance(each, dict) else each for name, each in part.items()}
        elif isinstance(part, dict) and key not in {"default", "const"}:
            out[key] = untitled(part)
        elif isinstance(part, list) and key not in {"default", "enum", "examples"}:
            out[key] = [untitled(each) if isinstance(each, dict) else each for each in part]
        elif key != "title":
            out[key] = part
    return out


def _name(fn: Callable[..., Any], given: str | None) -> str:
    name = given if given is not None else str(getattr(fn, "__name__", ""))
    if _NAME.fullmatch(name):
        return name
    found = "a lambda" if name == "<lambda>" else f"{name!r}" if name else f"a {type(fn).__name__} without a name"
    raise ToolDefinitionError(
        f"{found} cannot name a tool; expected a letter or _, then letters, digits, _ or -, at most 64 in all; "
        "use a named function, or tool_from(fn, name='…')",
        name=name,
    )


def _description(fn: Callable[..., Any]) -> str:
    plain = fn.func if isinstance(fn, functools.partial) else fn
    return inspect.getdoc(plain) or ""


def _parameters(
    fn: Callable[..., Any], name: str, injects: Callable[[object], bool]
) -> tuple[type[BaseModel], str | None]:
    """Return the model of the parameters, and the name of the one for the context."""
    hints = _hints(fn, name)
    fields: dict[str, Any] = {}
    context: str | None = None
    bound: dict[str, Any] = fn.keywords if isinstance(fn, functools.partial) else {}
    for parameter in inspect.signature(cast("Any", fn)).parameters.values():
        if parameter.name in bound:
            continue  # what the author has fixed is not the model's to choose
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise ToolDefinitionError(
                f"parameter {parameter} of tool {name} cannot be filled by name; expected ordinary named parameters",
                tool=name,
            )
        if parameter.name not in hints:
            raise ToolDefinitionError(
                f"parameter {parameter.name!r} of tool {name} has no type; annotate it, the model needs it",
                tool=name,
            )
        annotation = hints[parameter.name]
        if injects(annotation):
            context = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        # The field has a neutral name and the parameter's as alias: pydantic refuses names such as `schema` or `_id`.
        fields[f"p{len(fields)}"] = (annotation, Field(default, alias=parameter.name))
    try:
        model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticUserError as error:
        raise ToolDefinitionError(
            f"tool {name} has a parameter of a type that cannot be checked: {error.message}", tool=name
        ) from error
    return model, context


def _hints(fn: Callable[..., Any], name: str) -> dict[str, Any]:
    plain: Any = fn.func if isinstance(fn, functools.partial) else fn
    if not inspect.isroutine(plain):
        plain = type(plain).__call__
    try:
        return get_type_hints(plain, include_extras=True)
    except (NameError, TypeError) as error:
        raise ToolDefinitionError(
            f"the types of tool {name} cannot be read: {error}; define them where the function's module can see them",
            tool=name,
        ) from error


def _schema(accepts: type[BaseModel], name: str) -> JsonSchema:
    try:
        return untitled(accepts.model_json_schema())
    except PydanticInvalidForJsonSchema as error:
        raise ToolDefinitionError(
            f"tool {name} has a parameter that JSON cannot carry: {error.message}; use text, numbers, lists, models",
            tool=name,
        ) from error


def _problem(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(step) for step in place) or "arguments"
    return f"{where}: {message}"
