"""An agent: instructions, examples and tools around a model. It is no runner of its own, but a small graph.

    model ──each call──▶ tool ──▶ results ──▶ model … ──▶ (no calls left) end

So every request to a model and every call of a tool is a visit: recorded before it happens, never repeated once it has
a result, retried, cancelled and drawn like any other. An agent without tools is a graph of one node.

What a request contains follows from the written field's type: text for `str` and for `Message`, one of the labels for a
router, data that fits a schema for everything else. Fields of the type `list[Message]` among those it reads are not
quoted: they are the conversation that the model goes on with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError, create_model

from graphrt import hints
from graphrt.agents import errors
from graphrt.agents.cost import cost_usd
from graphrt.agents.errors import ModelError
from graphrt.agents.messages import RUNTIME, AssistantMessage, Message, ToolCall, ToolMessage, user
from graphrt.agents.model import Model, ModelRequest, resolve_model
from graphrt.agents.tools import Tool, tool_from
from graphrt.context import Context
from graphrt.drafts import Expansion, ExpansionSpec
from graphrt.errors import RunError
from graphrt.fields import fields_of
from graphrt.graph import Each, Edge, Graph, Node, Retry, Work
from graphrt.guards import Change, Compare, Constant, Guard, Or, Read, Size
from graphrt.inputs import Usage
from graphrt.openers import place_joins
from graphrt.recorded import type_name
from graphrt.reducers import extend

if TYPE_CHECKING:
    from graphrt.agents.model import Choice, Reply
    from graphrt.graph import OnCrash
    from graphrt.guards import Tree
    from graphrt.inputs import Json

Example: TypeAlias = "tuple[str | Mapping[str, Any], Any]"
"""An input (a text, or the values of the fields that the agent reads, by name) and the output wanted for it."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_OWN = ("messages", "calls", "acts", "call", "output")
_AT_ONCE = 8
"""How many tools one agent runs at the same time."""
_CONCLUDE = "Now give the final answer in the form asked for."
_GO_ON = "Now it is your turn."
"""Closes a conversation in which another agent spoke last: endpoints want something to react to."""


class TurnLimit(RunError):
    """An agent wanted to call tools more often than it may."""

    code = "turn-limit"


class OutputRefused(ModelError):
    """What a model answered does not fit the type of the field that the agent writes."""

    code = "output-refused"
    retryable = True


def _retryable() -> tuple[str, ...]:
    """Return the names of the model errors that another attempt may mend."""
    found: list[str] = []
    todo: list[type[ModelError]] = [ModelError]
    while todo:
        kind = todo.pop()
        todo.extend(kind.__subclasses__())
        if kind.retryable:
            found.append(type_name(kind))
    return tuple(sorted(found))


class Agent:
    """What a model is to do, with what, and how often.

    Args:
        instructions: what the model should do; the system prompt.
        name: what configurations call it, where no node has named it.
        tools: typed functions that the model may call; see `graphrt.agents.tools`.
        model: a model object, the name of a model at the endpoint of the environment, or `"local"`. None takes the
        `Model` among the
            run's resources, else what `resolve_model` finds. A model among the run's resources comes before all of
            these.
        examples: pairs of input and wanted output. Small models need them, large ones are steered by them.
        prompt: how the fields that the node reads become the model's input, with `{field}` for each; by default the
        value alone, or
            a line `field: value` for each of several. Behind a conversation it is the last message.
        temperature: 0 for the likeliest answer; None leaves it to the model.
        seed: for models that can repeat themselves.
        max_tokens: longest answer, in tokens.
        max_turns: how many requests one visit may make, tool calls in between.
        retry: how often a request that failed for a passing reason is repeated; each failure is an event.
    """

    def __init__(
        self,
        instructions: str,
        *,
        name: str | None = None,
        tools: Sequence[Callable[..., Any] | Tool] = (),
        model: str | Model | None = None,
        examples: Sequence[Example] = (),
        prompt: str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
        max_turns: int = 10,
        retry: Retry | int = 3,
    ) -> None:
        """Keep what was given; the fields it works on are known when it becomes a node."""
        self.instructions = instructions
        self.name = name
        self.tools = tuple(t if isinstance(t, Tool) else tool_from(t) for t in tools)
        self.model = model
        self.examples = tuple(examples)
        self.prompt = prompt
        self.temperature = temperature
        self.seed = seed
        self.max_tokens = max_tokens
        self.max_turns = max_turns
        self.retry = retry if isinstance(retry, Retry) else Retry(attempts=retry, on=_retryable())

    def expand(self, spec: ExpansionSpec) -> Expansion:
        """Return the graph of this agent as a node that reads and writes the fields in `spec`."""
        return _Expander(self, spec).expansion()

    def __repr__(self) -> str:
        """Show what tells agents apart."""
        tools = f", tools={[t.name for t in self.tools]}" if self.tools else ""
        return f"Agent({self.instructions[:40]!r}{tools})"


def agents_in(graph: Graph) -> Iterator[Agent]:
    """Yield the agents at work in a graph and in the graphs inside it, each once."""
    seen: set[int] = set()
    todo = [graph]
    while todo:
        for node in todo.pop().nodes:
            if node.graph is not None:
                todo.append(node.graph)
            expander = getattr(node.work.fn, "__self__", None) if node.work is not None else None
            if isinstance(expander, _Expander) and id(expander.agent) not in seen:
                seen.add(id(expander.agent))
                yield expander.agent


class _Expander:
    """Makes the graph of one agent in one place of a flow."""

    def __init__(self, agent: Agent, spec: ExpansionSpec) -> None:
        self.agent = agent
        self.spec = spec
        self.output: Any = spec.writes[0].takes if spec.writes else str
        self.speaks = not spec.answers and hints.bare(self.output) in _SAID
        """Whether it writes what it says as a message of a conversation."""
        self.is_text = self.speaks or self.output is str
        self.heard = tuple(f.name for f in spec.reads if _is_conversation(f.annotation))
        """The fields that are the conversation so far, one behind the other."""
        names = {f.name: f.name if f.name not in _OWN else f"{f.name}_" for f in spec.reads}
        self.names = names
        """Outer field to inner field."""
        self.adapter: TypeAdapter[Any] = TypeAdapter(self.output)
        self.writing = tuple(t for t in agent.tools if t.writes)
        self.reading = tuple(t for t in agent.tools if not t.writes)
        self.ending = {t.name for t in agent.tools if t.ends}

    def expansion(self) -> Expansion:
        fields, mistakes = fields_of(self._state_type())
        nodes, shape = place_joins(tuple(self._nodes()), 0)
        agent = self.agent
        about: dict[str, Any] = {"instructions": agent.instructions}
        if agent.tools:
            about["tools"] = [t.name for t in agent.tools]
        if agent.model is not None:
            about["model"] = agent.model if isinstance(agent.model, str) else agent.model.name
        written = [Change(f.name, Read("output")) for f in self.spec.writes]
        return Expansion(
            graph=Graph(self.spec.node, fields, nodes, 0, None, self._state_type()),
            inputs=tuple(Change(self.names[f.name], Read(f.name)) for f in self.spec.reads),
            outputs=tuple(written),
            about=about,
            mistakes=(*self._mistakes(), *mistakes, *shape),
        )

    # -- shape --------------------------------------------------------------------------------------------------------

    def _mistakes(self) -> tuple[str, ...]:
        found: list[str] = []
        if len(self.spec.writes) > 1:
            found.append("an agent writes one field; give the node one field in writes=")
        names = [t.name for t in self.agent.tools]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            found.append(f"two tools of the agent are named {twice[0]!r}; name one of them with tool(name=…)")
        known = {f.name for f in self.spec.reads}
        for name in _PLACEHOLDER.findall(self.agent.prompt or ""):
            if name not in known:
                reads = ", ".join(sorted(known)) or "nothing"
                found.append(f"the agent's prompt names {{{name}}}, but the node reads {reads}; add it to reads=")
        if self.ending and not self.speaks:
            found.append(
                f"tool {min(self.ending)!r} ends the agent's work, so the call itself must be written;"
                " let the node write a field of messages"
            )
        if self.agent.max_turns < 1:
            found.append(f"max_turns is {self.agent.max_turns}; an agent needs at least 1 request")
        return tuple(found)

    def _state_type(self) -> type[BaseModel]:
        fields: dict[str, Any] = {self.names[f.name]: (f.annotation, ...) for f in self.spec.reads}
        if self.agent.tools:
            fields["messages"] = (Annotated[list[Message], extend], [])
            fields["calls"] = (list[ToolCall], [])
            fields["call"] = (ToolCall | None, None)
            if self.writing:
                fields["acts"] = (list[ToolCall], [])
        fields["output"] = (self.output | None, None)
        name = "".join(part.capitalize() for part in re.split(r"\W+", self.spec.node)) or "Agent"
        return create_model(f"{name}State", **fields)

    def _nodes(self) -> list[Node]:
        retry = self.spec.retry or self.agent.retry
        reads = tuple(self.names.values())
        if not self.agent.tools:
            once = Work(self._once, tuple((n, n) for n in reads), "context", is_async=True)
            return [Node(0, "model", "task", reads, ("output",), retry=retry, work=once)]
        lists = ("calls", "acts") if self.writing else ("calls",)
        limit, answered = (5, 6) if self.writing else (3, 4)
        turn = Work(self._turn, tuple((n, n) for n in (*reads, "messages")), "context", is_async=True)
        again = self.agent.max_turns - 1
        edges = (
            Edge(0, 1, 0, when=_any_left(lists), each=Each("calls", "call", _AT_ONCE)),
            Edge(0, answered, 1),
        )
        writes = ("messages", *lists, "output")
        nodes = [
            Node(0, "model", "task", (*reads, "messages"), writes, edges, retry=retry, work=turn),
            self._tool_node(1, "tool", self.reading, 2),
        ]
        if self.writing:  # Calls that change the world come after the others of their turn.
            nodes.append(Node(2, "results", "join", edges=(Edge(2, 3, 0, each=Each("acts", "call", _AT_ONCE)),)))
            nodes.append(self._tool_node(3, "act", self.writing, 4, on_crash="ask"))
        last = len(nodes)
        back = (Edge(last, 0, 0, at_most=again), Edge(last, limit, 1))
        nodes.append(Node(last, "done" if self.writing else "results", "join", edges=back))
        nodes.append(Node(limit, "turn limit", "task", work=Work(self._over)))
        nodes.append(Node(answered, "answered", "end"))
        return nodes

    def _tool_node(self, index: int, name: str, tools: Sequence[Tool], join: int, on_crash: OnCrash = "retry") -> Node:
        work = Work(self._call, (("call", "call"),), "context", is_async=True)
        about: dict[str, Json] = {"tools": [t.name for t in tools]}
        edges = (Edge(index, join, 0),)
        return Node(index, name, "task", ("call",), ("messages",), edges, on_crash=on_crash, about=about, work=work)

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _once(self, context: Context, **values: Any) -> Any:  # noqa: ANN401 - a value of the written field
        """Make the one request of an agent without tools."""
        model = self._model(context)
        request = self._request(values, ())
        if self.spec.answers:
            choice = await model.choose(request, self.spec.answers)
            _report(context, model, choice)
            return value_of_answer(self.adapter, choice.label)
        if self.is_text:
            reply = await model.respond(request, context.emit)
            _report(context, model, reply)
            return self._said(reply.text)
        reply = await model.fill(request, self._schema())
        _report(context, model, reply)
        return self._validated(reply, model)

    async def _turn(
        self,
        context: Context,
        messages: Sequence[Message],
        **values: Any,  # noqa: ANN401 - values of the fields read
    ) -> dict[str, Any]:
        """Make the next request of a tool-calling agent: it ends in calls, or in the output."""
        model = self._model(context)
        request = self._request(values, messages)
        reply = await model.respond(request, context.emit)
        _report(context, model, reply)
        said = AssistantMessage(text=reply.text, tool_calls=reply.tool_calls, name=self.spec.node)
        # A conversation is in the state already, and is put before what came since with every request.
        asked = [] if messages or self.heard else list(request.messages)
        if (last := next((c for c in reply.tool_calls if c.name in self.ending), None)) is not None:
            # It comes alone: what else was asked for in the same breath has nobody left to hear its result.
            said = said.model_copy(update={"tool_calls": (last,)})
            return {"messages": [*asked, said], "output": said}
        acting = {t.name for t in self.writing}
        out: dict[str, Any] = {
            "messages": [*asked, said],
            "calls": [c for c in reply.tool_calls if c.name not in acting],
        }
        if self.writing:
            out["acts"] = [c for c in reply.tool_calls if c.name in acting]
        if not reply.tool_calls:
            out["output"] = await self._concluded(context, model, request, reply)
        return out

    async def _concluded(self, context: Context, model: Model, request: ModelRequest, reply: Reply) -> Any:  # noqa: ANN401 - a value of the written field
        """Turn the last words of a tool-calling agent into a value of the written field."""
        if self.is_text:
            return self._said(reply.text)
        asked = request.asking(tools=(), messages=(*request.messages, reply.message, user(_CONCLUDE)))
        if self.spec.answers:
            choice = await model.choose(asked, self.spec.answers)
            _report(context, model, choice)
            return value_of_answer(self.adapter, choice.label)
        filled = await model.fill(asked, self._schema())
        _report(context, model, filled)
        return self._validated(filled, model)

    def _said(self, text: str) -> str | AssistantMessage:
        """Return text as the written field takes it."""
        return AssistantMessage(text=text.strip(), name=self.spec.node) if self.speaks else text.strip()

    async def _call(self, context: Context, call: ToolCall) -> list[Message]:
        """Carry out one call; what goes wrong with it is told to the model."""
        tool = next((t for t in self.agent.tools if t.name == call.name), None)
        if tool is None:
            names = ", ".join(t.name for t in self.agent.tools)
            return [_failed(call, f"There is no tool {call.name!r}. The tools are: {names}.")]
        if call.raw is not None:
            return [_failed(call, f"The arguments of {call.name} are not a JSON object: {errors.excerpt(call.raw)}.")]
        try:
            text = await tool.run(call.arguments, context)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model, which may do better
            return [_failed(call, tool.feedback(error))]
        return [ToolMessage(call_id=call.id, name=call.name, text=text)]

    def _over(self) -> None:
        message = (
            f"agent {self.spec.node!r} made {self.agent.max_turns} requests and still wants to call tools; raise"
            " max_turns, or lead"
            " an edge away from it with on=TurnLimit"
        )
        raise TurnLimit(message, node=self.spec.node, turns=self.agent.max_turns)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _model(self, context: Context) -> Model:
        return context.find(Model) or resolve_model(self.agent.model)

    def _request(self, values: Mapping[str, Any], messages: Sequence[Message]) -> ModelRequest:
        agent = self.agent
        outer = {name: values[inner] for name, inner in self.names.items()}
        return ModelRequest(
            instructions=agent.instructions,
            examples=tuple((self._text(given), self._example(wanted)) for given, wanted in agent.examples),
            messages=self._conversation(outer, messages),
            tools=tuple(t.spec for t in agent.tools),
            model=agent.model if isinstance(agent.model, str) and agent.model != "local" else None,
            temperature=agent.temperature,
            seed=agent.seed,
            max_tokens=agent.max_tokens,
        )

    def _conversation(self, outer: Mapping[str, Any], since: Sequence[Message]) -> tuple[Message, ...]:
        """Return what the model is to react to: the conversation so far, or the fields read as a message."""
        if not self.heard:
            return tuple(since) or (user(self._text(outer)),)
        before: list[Message] = [message for name in self.heard for message in outer[name]]
        rest = {name: value for name, value in outer.items() if name not in self.heard}
        if rest or self.agent.prompt is not None:
            before.append(user(self._text(rest), name=RUNTIME))
        elif not before or before[-1].role == "assistant":
            before.append(user(_GO_ON, name=RUNTIME))
        return (*before, *since)

    def _text(self, given: str | Mapping[str, Any]) -> str:
        """Return values of the fields read as the model's input."""
        if isinstance(given, str):
            return given
        if self.agent.prompt is not None:
            return _PLACEHOLDER.sub(
                lambda m: _plain(given[m.group(1)]) if m.group(1) in given else m.group(0), self.agent.prompt
            )
        if len(given) == 1:
            return _plain(next(iter(given.values())))
        return "\n".join(f"{name}: {_plain(value)}" for name, value in given.items())

    def _example(self, wanted: Any) -> JsonValue:  # noqa: ANN401 - whatever the author gave
        if isinstance(wanted, Mapping) and "tool" in wanted:
            return dict(cast("Mapping[str, JsonValue]", wanted))
        out: JsonValue = self.adapter.dump_python(wanted, mode="json") if not isinstance(wanted, str) else wanted
        return out

    def _schema(self) -> dict[str, Any]:
        """Return the schema of the output; endpoints want an object, so other values stand in one."""
        schema = self.adapter.json_schema()
        if schema.get("type") == "object":
            return schema
        inner = {k: v for k, v in schema.items() if k != "$defs"}
        wrapped: dict[str, Any] = {"type": "object", "properties": {"value": inner}, "required": ["value"]}
        wrapped["additionalProperties"] = False
        if "$defs" in schema:
            wrapped["$defs"] = schema["$defs"]
        return wrapped

    def _validated(self, reply: Reply, model: Model) -> Any:  # noqa: ANN401 - a value of the written field
        data = reply.data
        if self.adapter.json_schema().get("type") != "object" and isinstance(data, dict):
            data = data.get("value")
        try:
            return self.adapter.validate_python(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the value"
            message = (
                f"model {model.name} answered {errors.excerpt(reply.text or json.dumps(data))}, which does not fit"
                " field"
                f" {self.spec.writes[0].name!r} ({self.spec.writes[0].takes_text}): {where}: {first['msg']}"
            )
            raise OutputRefused(message, model=model.name) from error


_SAID: tuple[Any, ...] = (hints.bare(Message), AssistantMessage)


def _is_conversation(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    plain = hints.bare(annotation)
    return get_origin(plain) is list and hints.bare(get_args(plain)[0]) == _SAID[0]


def value_of_answer(adapter: TypeAdapter[Any], label: str) -> Any:  # noqa: ANN401 - a value of the written field
    """Return the value that an answer's text stands for: itself, an Enum member, or the JSON value it spells."""
    try:
        return adapter.validate_python(label)
    except ValidationError:
        return adapter.validate_python(json.loads(label))


def _any_left(lists: Sequence[str]) -> Guard:
    some: list[Tree] = [Compare(">", Size(Read(name)), Constant(0)) for name in lists]
    return Guard(Or(tuple(some)) if len(some) > 1 else some[0])


def _failed(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(call_id=call.id, name=call.name, text=text, failed=True)


def _plain(value: Any) -> str:  # noqa: ANN401 - a value of the state
    """Return a value as text for a model: text as it is, lists as lines, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, Sequence):
        return "\n".join(f"- {_plain(item)}" for item in cast("Sequence[object]", value))
    return json.dumps(value, ensure_ascii=False, default=str)


def _report(context: Context, model: Model, answer: Reply | Choice) -> None:
    """Put what a request consumed, and the scores of a choice, into the record of the attempt."""
    tokens = answer.usage
    name = answer.model or model.name
    usage = Usage(name, tokens.input_tokens, tokens.output_tokens, cost_usd(tokens, name))
    before = context.usage
    if before is not None:
        usage = Usage(
            name,
            _plus(before.input_tokens, usage.input_tokens),
            _plus(before.output_tokens, usage.output_tokens),
            _plus(before.cost_usd, usage.cost_usd),
        )
    if answer.scores is not None:
        context.report(usage, scores={label: round(score, 4) for label, score in answer.scores.items()})
    else:
        context.report(usage)


def _plus(one: Any, other: Any) -> Any:  # noqa: ANN401 - int or float or None
    return None if one is None or other is None else one + other
