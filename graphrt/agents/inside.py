"""The graph inside an agent: which nodes it has, and what they do.

    text, label:   model
    data:          model ◀──refused, ≤ repairs── model ──▶ answered            (or ──▶ refused, an error)
    tools:         model ──each call──▶ tool ──▶ results ──each act──▶ act ──▶ done ──▶ model … ──▶ answered
                   and where the written field is no text:  model ──▶ answer ──▶ answered, repaired as data is
    approval:      …results ──each act──▶ consent ──tool──▶ approve ──approve──▶ act,  ──decline──▶ declined ──▶ done

Every node makes at most one request, or one call, so each is recorded for itself, and nothing that was paid for is
asked again after a crash. Calls that change the world, or that a person must agree to, come after the others of their
turn. What a person approves is the very call that is carried out: it belongs to the branch, and nothing can change it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python

from graphrt import hints
from graphrt.agents import errors
from graphrt.agents.errors import ModelBehavior, OutputRefused, TurnLimit
from graphrt.agents.messages import (
    CONCLUDE,
    GO_ON,
    MEND,
    RUNTIME,
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    user,
)
from graphrt.agents.model import Model, ModelRequest, resolve_model
from graphrt.agents.tools import Tool, untitled
from graphrt.context import Context
from graphrt.drafts import Expansion, ExpansionSpec
from graphrt.fields import fields_of
from graphrt.graph import Each, Edge, Graph, Node, Work
from graphrt.guards import Change, Compare, Constant, Guard, Or, Read, Size
from graphrt.inputs import Usage
from graphrt.openers import place_joins
from graphrt.reducers import extend

if TYPE_CHECKING:
    from graphrt.agents.agent import Agent
    from graphrt.agents.model import Choice, Reply
    from graphrt.guards import Tree
    from graphrt.inputs import Json

PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_OWN: Final = ("messages", "calls", "acts", "call", "output", "refused", "consent", "verdict")
_AT_ONCE: Final = 8
"""How many tools one agent runs at the same time."""
_FREELY: Final = "no question"
"""A call that needs nobody's consent; no tool can have a name with a space."""
_SAID: Final[tuple[Any, ...]] = (hints.bare(Message), AssistantMessage)


class Inside:
    """Makes the graph of one agent in one place of a flow, and does the work of its nodes."""

    def __init__(self, agent: Agent, spec: ExpansionSpec) -> None:
        """Look at what the node reads and writes."""
        self.agent = agent
        self.spec = spec
        self.output: Any = spec.writes[0].takes if spec.writes else str
        self.speaks = not spec.answers and hints.bare(self.output) in _SAID
        """Whether it writes what it says as a message of a conversation."""
        self.is_text = self.speaks or (self.output is str and not spec.answers)
        self.heard = tuple(f.name for f in spec.reads if _is_conversation(f.annotation))
        """The fields that are the conversation so far, one behind the other."""
        self.names = {f.name: f.name if f.name not in _OWN else f"{f.name}_" for f in spec.reads}
        """Outer field to inner field."""
        self.adapter: TypeAdapter[Any] = TypeAdapter(self.output)
        self.ending = {t.name for t in agent.tools if t.ends}
        self.asking = tuple(t for t in agent.tools if t.approval != "never" and not t.ends)
        self.acting = tuple(t for t in agent.tools if (t.writes or t in self.asking) and not t.ends)
        self.reading = tuple(t for t in agent.tools if t not in self.acting and not t.ends)

    def expansion(self) -> Expansion:
        """Return the graph, and how its state meets that of the flow."""
        state_type = self._state_type()
        fields, mistakes = fields_of(state_type)
        nodes, shape = place_joins(self._nodes(), 0)
        agent = self.agent
        about: dict[str, Any] = {"instructions": agent.instructions}
        if agent.tools:
            about["tools"] = [t.name for t in agent.tools]
        if self.speaks:
            about["speaks"] = True
        if agent.model is not None:
            about["model"] = agent.model if isinstance(agent.model, str) else agent.model.name
        return Expansion(
            graph=Graph(self.spec.node, fields, nodes, 0, None, state_type),
            inputs=tuple(Change(self.names[f.name], Read(f.name)) for f in self.spec.reads),
            outputs=tuple(Change(f.name, Read("output")) for f in self.spec.writes),
            about=about,
            mistakes=(*self._mistakes(), *mistakes, *shape),
        )

    # -- mistakes -----------------------------------------------------------------------------------------------------

    def _mistakes(self) -> tuple[str, ...]:
        agent = self.agent
        found: list[str] = []
        if len(self.spec.writes) > 1:
            found.append("an agent writes one field; give the node one field in writes=")
        names = [t.name for t in agent.tools]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            found.append(f"two tools of the agent are named {twice[0]!r}; name one of them with tool(name=…)")
        known = {f.name for f in self.spec.reads}
        reads = ", ".join(sorted(known)) or "nothing"
        found += [
            f"the agent's prompt names {{{name}}}, but the node reads {reads}; add it to reads="
            for name in PLACEHOLDER.findall(agent.prompt or "")
            if name not in known
        ]
        if self.ending and not self.speaks:
            found.append(
                f"tool {min(self.ending)!r} ends the agent's work, so the call itself must be written;"
                " let the node write a field of messages"
            )
        if agent.max_turns < 1:
            found.append(f"max_turns is {agent.max_turns}; an agent needs at least 1 request")
        if agent.repairs < 0:
            found.append(f"repairs is {agent.repairs}; it is how often an answer is given back, 0 or more")
        for number, example in enumerate(agent.examples, start=1):
            if (problem := self._problem_of(example, known)) is not None:
                found.append(f"example {number} of the agent {problem}")
        return tuple(found)

    def _problem_of(self, example: object, known: set[str]) -> str | None:
        """Say what is wrong with an example; None if it shows what the agent may meet and answer."""
        pair = cast("tuple[Any, ...]", example)
        if not isinstance(example, tuple | list) or len(pair) != 2:
            return "is no pair of an input and the output wanted for it"
        given, wanted = pair
        if isinstance(given, Mapping):
            names = sorted(str(name) for name in cast("Mapping[Any, Any]", given) if name not in known)
            if names:
                return f"gives {names[0]!r}, but the node reads {', '.join(sorted(known)) or 'nothing'}"
        elif not isinstance(given, str):
            return f"has an input of type {type(given).__name__}; give a text, or values of fields by their names"
        if (call := _call_in(wanted)) is not None:
            tools = {t.name for t in self.agent.tools}
            return None if call in tools else f"calls {call!r}, which is none of its tools"
        if self.spec.answers:
            if wanted not in self.spec.answers and not self._fits(wanted):
                return f"answers {wanted!r}, which is none of {', '.join(self.spec.answers)}"
        elif not isinstance(wanted, str) and not self.speaks and not self._fits(wanted):
            return f"wants {wanted!r}, which does not fit {self.spec.writes[0].takes_text}"
        return None

    def _fits(self, wanted: Any) -> bool:  # noqa: ANN401 - whatever the author gave
        try:
            self.adapter.validate_python(wanted)
        except ValidationError:
            return False
        return True

    # -- shape --------------------------------------------------------------------------------------------------------

    def _state_type(self) -> type[BaseModel]:
        fields: dict[str, Any] = {self.names[f.name]: (f.annotation, ...) for f in self.spec.reads}
        is_data = not self.is_text and not self.spec.answers
        if self.agent.tools or is_data:
            fields["messages"] = (Annotated[list[Message], extend], [])
        if self.agent.tools:
            fields["calls"] = (list[ToolCall], [])
            fields["call"] = (ToolCall | None, None)
            if self.acting:
                fields["acts"] = (list[ToolCall], [])
        if self.asking:
            ways: Any = Literal[(_FREELY, *(t.name for t in self.asking))]
            fields["consent"] = (ways | None, None)
            fields["verdict"] = (Literal["approve", "decline"] | None, None)
        if is_data:
            fields["refused"] = (str, "")
        fields["output"] = (self.output | None, None)
        name = "".join(part.capitalize() for part in re.split(r"\W+", self.spec.node)) or "Agent"
        return create_model(f"{name}State", **fields)

    def _nodes(self) -> tuple[Node, ...]:
        sketch = _Sketch()
        retry = self.spec.retry or self.agent.retry
        reads = tuple(self.names.values())
        if self.agent.tools:
            self._tool_loop(sketch)
        elif self.is_text or self.spec.answers:
            work = Work(self._once, _params(reads), "context", is_async=True)
            sketch.add(Node(0, "model", "task", reads, ("output",), retry=retry, work=work))
        else:
            self._data(sketch, "model")
        return sketch.wired()

    def _data(self, sketch: _Sketch, name: str) -> None:
        """Ask for data until it fits, or the repairs are used up."""
        reads = (*self.names.values(), "messages", "refused")
        work = Work(self._filled, _params(reads), "context", is_async=True)
        writes = ("messages", "refused", "output")
        retry = self.spec.retry or self.agent.retry
        bad = Guard(Compare("!=", Read("refused"), Constant("")))
        sketch.add(
            Node(0, name, "task", reads, writes, retry=retry, work=work),
            _To(name, when=bad, at_most=self.agent.repairs) if self.agent.repairs else None,
            _To("refused", when=bad),
            _To("answered"),
        )
        sketch.add(Node(0, "refused", "task", ("refused",), work=Work(self._refuse, (("refused", "refused"),))))
        sketch.add(Node(0, "answered", "end"))

    def _tool_loop(self, sketch: _Sketch) -> None:
        retry = self.spec.retry or self.agent.retry
        reads = (*self.names.values(), "messages")
        lists = ("calls", "acts") if self.acting else ("calls",)
        turn = Work(self._turn, _params(reads), "context", is_async=True)
        writes = ("messages", *lists, "output") if self.is_text else ("messages", *lists)
        sketch.add(
            Node(0, "model", "task", reads, writes, retry=retry, work=turn),
            _To("tool", when=_any_left(lists), each=Each("calls", "call", _AT_ONCE)),
            _To("answered" if self.is_text else "answer"),
        )
        again = (_To("model", at_most=self.agent.max_turns - 1), _To("turn limit"))
        sketch.add(self._calls("tool", self.reading), _To("results"))
        if not self.acting:
            sketch.add(Node(0, "results", "join"), *again)
        else:
            local = ("consent", "verdict") if self.asking else ()
            first = "consent" if self.asking else "act"
            acts = Each("acts", "call", _AT_ONCE)
            sketch.add(Node(0, "results", "join"), _To(first, each=acts, local=local))
            if self.asking:
                self._approval(sketch)
            sketch.add(replace(self._calls("act", self.acting), on_crash="ask"), _To("done"))
            sketch.add(Node(0, "done", "join"), *again)
        sketch.add(Node(0, "turn limit", "task", work=Work(self._over)))
        if self.is_text:
            sketch.add(Node(0, "answered", "end"))
        elif self.spec.answers:
            work = Work(self._chosen, _params(reads), "context", is_async=True)
            sketch.add(Node(0, "answer", "task", reads, ("output",), retry=retry, work=work))
        else:
            self._data(sketch, "answer")

    def _approval(self, sketch: _Sketch) -> None:
        """Ask a person about each call that needs it."""
        ways = (_FREELY, *(t.name for t in self.asking))
        work = Work(self._consent, (("call", "call"),))
        sketch.add(
            Node(0, "consent", "router", ("call",), ("consent",), answers=ways, work=work),
            _To("act", on=_FREELY),
            *(_To(f"approve {t.name}", on=t.name) for t in self.asking),
        )
        for tool in self.asking:
            question = f"May {self.spec.node!r} call {tool.name} with these arguments?"
            answers = ("approve", "decline")
            sketch.add(
                Node(0, f"approve {tool.name}", "ask", ("call",), ("verdict",), answers=answers, question=question),
                _To("act", on="approve"),
                _To("declined", on="decline"),
            )
        declined = Work(self._declined, (("call", "call"),))
        sketch.add(Node(0, "declined", "task", ("call",), ("messages",), work=declined), _To("done"))

    def _calls(self, name: str, tools: Sequence[Tool]) -> Node:
        work = Work(self._call, (("call", "call"),), "context", is_async=True)
        about: dict[str, Json] = {"tools": [t.name for t in tools]}
        if keyed := [t.name for t in tools if t.context is not None and t in self.acting]:
            about["keyed"] = keyed  # they may hand on the key that is the same for every attempt
        return Node(0, name, "task", ("call",), ("messages",), about=about, work=work)

    # -- requests to the model ----------------------------------------------------------------------------------------

    async def _once(self, context: Context, **values: Any) -> Any:  # noqa: ANN401 - a value of the written field
        """Make the one request of an agent that writes text or a label, and has no tools."""
        if self.spec.answers:
            return await self._choice(context, self._request(values, ()))
        model = self._model(context)
        reply = await model.respond(self._request(values, ()), context.emit)
        _report(context, model, reply)
        return self._as_said(reply.text)

    async def _turn(
        self,
        context: Context,
        messages: Sequence[Message],
        **values: Any,  # noqa: ANN401 - values of the fields read
    ) -> dict[str, Any]:
        """Make the next request of a tool-calling agent: it ends in calls, or in the last words."""
        model = self._model(context)
        request = self._request(values, messages)
        reply = await model.respond(request, context.emit)
        _report(context, model, reply)
        said = AssistantMessage(text=reply.text, tool_calls=reply.tool_calls, name=self.spec.node)
        asked = self._asked(request, messages)
        if (last := next((c for c in reply.tool_calls if c.name in self.ending), None)) is not None:
            # It comes alone: what else was asked for in the same breath has nobody left to hear its result.
            said = said.model_copy(update={"tool_calls": (last,)})
            none: dict[str, Any] = {"calls": [], "acts": []} if self.acting else {"calls": []}
            return {"messages": [*asked, said], "output": said, **none}
        acting = {t.name for t in self.acting}
        out: dict[str, Any] = {
            "messages": [*asked, said],
            "calls": [c for c in reply.tool_calls if c.name not in acting],
        }
        if self.acting:
            out["acts"] = [c for c in reply.tool_calls if c.name in acting]
        if self.is_text and not reply.tool_calls:
            out["output"] = self._as_said(reply.text)
        return out

    async def _chosen(self, context: Context, messages: Sequence[Message], **values: Any) -> Any:  # noqa: ANN401 - values of fields
        """Choose the answer of a tool-calling agent, when it has heard enough."""
        return await self._choice(context, self._concluding(self._request(values, messages), is_said=False))

    async def _choice(self, context: Context, request: ModelRequest) -> Any:  # noqa: ANN401 - a value of the written field
        model = self._model(context)
        choice = await model.choose(request, self.spec.answers)
        _report(context, model, choice)
        return value_of_answer(self.adapter, choice.label)

    async def _filled(
        self,
        context: Context,
        messages: Sequence[Message],
        refused: str,
        **values: Any,  # noqa: ANN401 - values of the fields read
    ) -> dict[str, Any]:
        """Ask for data; what does not fit is kept with the reason, to be given back."""
        model = self._model(context)
        before = self._request(values, messages)
        request = self._concluding(before, is_said=bool(refused)) if self.agent.tools else before
        try:
            reply = await model.fill(request, untitled(self.adapter.json_schema()))
        except ModelBehavior as error:
            answered, wrong = str(error.facts.get("text", "")), error.message
            problem = wrong
        else:
            _report(context, model, reply)
            try:
                return {"output": self.adapter.validate_json(json.dumps(reply.data)), "refused": ""}
            except ValidationError as error:
                answered = reply.text or json.dumps(reply.data, ensure_ascii=False)
                wrong = _wrong(error)
                field = self.spec.writes[0]
                problem = (
                    f"model {model.name} answered {errors.excerpt(answered)}, which does not fit field {field.name!r}"
                    f" ({field.takes_text}): {wrong}"
                )
        new = request.messages[len(before.messages) :]
        said = AssistantMessage(text=answered, name=self.spec.node)
        mend = user(f"{MEND} {wrong}", name=RUNTIME)
        return {"messages": [*self._asked(before, messages), *new, said, mend], "refused": problem}

    def _refuse(self, refused: str) -> None:
        tries = f", {self.agent.repairs + 1} times over" if self.agent.repairs else ""
        message = f"{refused}{tries}; give examples, a type that is easier to fill, or another model"
        raise OutputRefused(message, node=self.spec.node, field=self.spec.writes[0].name)

    def _over(self) -> None:
        message = (
            f"agent {self.spec.node!r} made {self.agent.max_turns} requests and still wants to call tools;"
            " raise max_turns, or lead an edge away from it with on=TurnLimit"
        )
        raise TurnLimit(message, node=self.spec.node, turns=self.agent.max_turns)

    def _as_said(self, text: str) -> str | AssistantMessage:
        """Return text as the written field takes it."""
        return AssistantMessage(text=text.strip(), name=self.spec.node) if self.speaks else text.strip()

    # -- calls of tools -----------------------------------------------------------------------------------------------

    def _consent(self, call: ToolCall) -> str:
        """Say who has to agree to a call; one that cannot be carried out harms nobody."""
        tool = next((t for t in self.asking if t.name == call.name), None)
        if tool is None or call.raw is not None:
            return _FREELY
        try:
            values = tool.check(call.arguments)
        except errors.ArgumentsRefused:
            return _FREELY
        return tool.name if tool.needs_approval(values) else _FREELY

    def _declined(self, call: ToolCall) -> list[Message]:
        return [_failed(call, f"A person declined this call of {call.name}. Do without it.")]

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

    # -- what a request says ------------------------------------------------------------------------------------------

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

    def _concluding(self, request: ModelRequest, *, is_said: bool) -> ModelRequest:
        """Return the request that ends a tool-calling agent: no more calls, and no examples of them."""
        examples = tuple(e for e in request.examples if _call_in(e[1]) is None)
        last = () if is_said else (user(CONCLUDE, name=RUNTIME),)
        return request.asking(tools=(), examples=examples, messages=(*request.messages, *last))

    def _asked(self, request: ModelRequest, since: Sequence[Message]) -> list[Message]:
        """Return what the first request begins with, to be kept; a conversation is in the state already."""
        return [] if since or self.heard else list(request.messages)

    def _conversation(self, outer: Mapping[str, Any], since: Sequence[Message]) -> tuple[Message, ...]:
        """Return what the model is to react to: the conversation so far, or the fields read as a message."""
        if not self.heard:
            return tuple(since) or (user(self._text(outer)),)
        before: list[Message] = [message for name in self.heard for message in outer[name]]
        rest = {name: value for name, value in outer.items() if name not in self.heard}
        if rest or self.agent.prompt is not None:
            before.append(user(self._text(rest), name=RUNTIME))
        elif not before or before[-1].role == "assistant":
            before.append(user(GO_ON, name=RUNTIME))
        return (*before, *since)

    def _text(self, given: str | Mapping[str, Any]) -> str:
        """Return values of the fields read as the model's input."""
        if isinstance(given, str):
            return given
        if self.agent.prompt is not None:
            return PLACEHOLDER.sub(
                lambda m: _plain(given[m.group(1)]) if m.group(1) in given else m.group(0), self.agent.prompt
            )
        if len(given) == 1:
            return _plain(next(iter(given.values())))
        return "\n".join(f"{name}: {_plain(value)}" for name, value in given.items())

    def _example(self, wanted: Any) -> JsonValue:  # noqa: ANN401 - whatever the author gave
        if _call_in(wanted) is not None:
            return dict(cast("Mapping[str, JsonValue]", wanted))
        if isinstance(wanted, str):
            return wanted
        if self.speaks and isinstance(wanted, AssistantMessage):
            return wanted.text
        value: JsonValue = self.adapter.dump_python(self.adapter.validate_python(wanted), mode="json")
        return value if isinstance(value, str) or not self.spec.answers else json.dumps(value)


# -- sketching the graph ----------------------------------------------------------------------------------------------


class _To:
    """An edge by the name of its target."""

    def __init__(
        self,
        target: str,
        *,
        on: str | None = None,
        when: Guard | None = None,
        each: Each | None = None,
        at_most: int | None = None,
        local: tuple[str, ...] = (),
    ) -> None:
        self.target = target
        self.facts: dict[str, Any] = {"on": on, "when": when, "each": each, "at_most": at_most, "local": local}


class _Sketch:
    """Nodes in the order in which they are added, with edges by name."""

    def __init__(self) -> None:
        self._nodes: list[tuple[Node, tuple[_To, ...]]] = []

    def add(self, node: Node, *edges: _To | None) -> None:
        self._nodes.append((node, tuple(edge for edge in edges if edge is not None)))

    def wired(self) -> tuple[Node, ...]:
        index = {node.name: i for i, (node, _) in enumerate(self._nodes)}
        return tuple(
            replace(
                node,
                index=i,
                edges=tuple(Edge(i, index[to.target], k, **to.facts) for k, to in enumerate(edges)),
            )
            for i, (node, edges) in enumerate(self._nodes)
        )


def _params(fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in fields)


def _any_left(lists: Sequence[str]) -> Guard:
    some: list[Tree] = [Compare(">", Size(Read(name)), Constant(0)) for name in lists]
    return Guard(Or(tuple(some)) if len(some) > 1 else some[0])


# -- texts ------------------------------------------------------------------------------------------------------------


def value_of_answer(adapter: TypeAdapter[Any], label: str) -> Any:  # noqa: ANN401 - a value of the written field
    """Return the value that an answer's text stands for: itself, an Enum member, or the JSON value it spells."""
    try:
        return adapter.validate_python(label)
    except ValidationError:
        return adapter.validate_python(json.loads(label))


def _is_conversation(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    plain = hints.bare(annotation)
    return get_origin(plain) is list and hints.bare(get_args(plain)[0]) == _SAID[0]


def _call_in(wanted: object) -> str | None:
    """Return the name of the tool that an example calls; None if its output is none."""
    if not isinstance(wanted, Mapping):
        return None
    call = cast("Mapping[str, object]", wanted)
    return str(call["tool"]) if set(call) <= {"tool", "arguments"} and "tool" in call else None


def _wrong(error: ValidationError) -> str:
    """List what is wrong with data, for a person and a model to read."""
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the value'}: {each['msg']}" for each in found)


def _failed(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(call_id=call.id, name=call.name, text=text, failed=True)


def _plain(value: Any) -> str:  # noqa: ANN401 - a value of the state
    """Return a value as text for a model: text as it is, lists as lines, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(f"- {_plain(item)}" for item in cast("Sequence[object]", value))
    return json.dumps(to_jsonable_python(value), ensure_ascii=False)


def _report(context: Context, model: Model, answer: Reply | Choice) -> None:
    """Put into the record what a request consumed, the scores of a choice, and whether the answer was cut."""
    tokens = answer.usage
    usage = Usage(answer.model or model.name, tokens.input_tokens, tokens.output_tokens, model.cost_usd(answer))
    context.report(usage)
    if answer.scores is not None:
        context.report(scores={label: round(score, 4) for label, score in answer.scores.items()})
    if getattr(answer, "finish", "stop") == "length":
        context.report(finish="length")
