"""The nodes of an agent that ask its model: one request each."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from graphrt import hints
from graphrt.agents import errors
from graphrt.agents.errors import CallRefused, ModelBehavior, ModelError, NoModel, OutputRefused, TurnLimit
from graphrt.agents.inside.calling import refusal
from graphrt.agents.inside.requests import Requests
from graphrt.agents.messages import MEND, RUNTIME, AssistantMessage, Message, user
from graphrt.agents.model import Emit, Missing, Model, Reply, discard, resolve_model
from graphrt.agents.refusals import refusable
from graphrt.agents.sent import told
from graphrt.agents.tools import untitled
from graphrt.inputs import Usage

if TYPE_CHECKING:
    from graphrt.agents.agent import Agent
    from graphrt.agents.inside.place import Place
    from graphrt.agents.model import Choice, ModelRequest, ToolSpec
    from graphrt.context import Context


class Asking:
    """Does the work of these nodes for one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Ask for an agent in `place`."""
        self.place = place
        self.requests = Requests(place)

    def _emit(self, context: Context) -> Emit:
        """Return where the pieces of an answer go as they arrive: nowhere, if it may yet be held back."""
        return discard if self.place.releasing else context.emit

    def _request(
        self,
        context: Context,
        values: Mapping[str, Any],
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
    ) -> ModelRequest:
        """Return the next request; what goes on record of it may refer to what it is made of."""
        # What is handed out of the state may be copies, made when they are looked at: these are the ones to refer to.
        seen = {name: _held(value) for name, value in {**values, "messages": messages}.items()}
        context.seen = seen
        return self.requests.request(seen, seen["messages"], tools)

    async def once(self, context: Context, **values: Any) -> Any:  # noqa: ANN401 - a value of the written field
        """Make the one request of an agent that writes text or a label, and has no tools."""
        if self.place.spec.answers:
            return await self._choice(context, self._request(context, values, ()))
        model = model_of(self.place.agent, context)
        with self._settled(), _spending(context, model):
            reply = await model.respond(self._request(context, values, ()), self._emit(context))
        _report(context, model, reply)
        _mark_silence(context, reply)
        return self._as_said(reply.text)

    async def turn(
        self,
        context: Context,
        messages: Sequence[Message],
        wrong_calls: Sequence[str],
        **values: Any,  # noqa: ANN401 - values of the fields read
    ) -> dict[str, Any]:
        """Make the next request of a tool-calling agent: it ends in calls, or in the last words."""
        model = model_of(self.place.agent, context)
        tools = [await t.offered() for t in self.place.agent.tools]
        request = self._request(context, values, messages, tools)
        with refusable() as refuse, self._settled(), _spending(context, model):
            reply = await model.respond(request, self._emit(context))
        _report(context, model, reply)
        _mark_silence(context, reply)
        said = AssistantMessage(text=reply.text, tool_calls=reply.tool_calls, name=self.place.spec.node)
        asked = self.requests.asked(request, messages)
        if (last := next((c for c in reply.tool_calls if c.name in self.place.ending), None)) is not None:
            # It comes alone: what else was asked for in the same breath has nobody left to hear its result.
            said = said.model_copy(update={"tool_calls": (last,)})
            return {"messages": [*asked, said], "output": said, **{name: [] for name in self.place.lists}}
        acting = {t.name for t in self.place.acting}
        wrong = [why for call in reply.tool_calls if (why := refusal(self.place, call)) is not None]
        if wrong:
            await refuse()
        out: dict[str, Any] = {
            "messages": [*asked, said],
            "wrong_calls": [*wrong_calls, wrong[0]] if wrong else [],
            "calls": [c for c in reply.tool_calls if c.name not in acting],
        }
        if self.place.acting:
            out["acts"] = [c for c in reply.tool_calls if c.name in acting]
        if self.place.is_text and not reply.tool_calls:
            out["output"] = self._as_said(reply.text)
        return out

    async def chosen(self, context: Context, messages: Sequence[Message], **values: Any) -> Any:  # noqa: ANN401 - values of fields
        """Choose the answer of a tool-calling agent, when it has heard enough."""
        before = self._request(context, values, messages)
        return await self._choice(context, self.requests.concluding(before, is_said=False))

    async def _choice(self, context: Context, request: ModelRequest) -> Any:  # noqa: ANN401 - a value of the written field
        model = model_of(self.place.agent, context)
        with self._settled(), _spending(context, model):
            choice = await model.choose(request, self.place.spec.answers)
        _report(context, model, choice)
        return value_of_answer(self.place.adapter, choice.label)

    async def filled(
        self,
        context: Context,
        messages: Sequence[Message],
        refused: str,
        **values: Any,  # noqa: ANN401 - values of the fields read
    ) -> dict[str, Any]:
        """Ask for data; what does not fit is kept with the reason, to be given back."""
        model = model_of(self.place.agent, context)
        before = self._request(context, values, messages)
        request = self.requests.concluding(before, is_said=bool(refused)) if self.place.agent.tools else before
        try:
            with refusable() as refuse, _spending(context, model):
                reply = await model.fill(request, untitled(self.place.adapter.json_schema()))
        except ModelBehavior as error:
            answered, wrong = str(error.facts.get("text", "")), error.message
            problem = wrong
        else:
            _report(context, model, reply)
            try:
                return {"output": self.place.adapter.validate_json(json.dumps(reply.data)), "refused": ""}
            except ValidationError as error:
                await refuse()
                answered = reply.text or json.dumps(reply.data, ensure_ascii=False)
                wrong = _wrong(error)
                field = self.place.spec.writes[0]
                problem = (
                    f"model {model.name} answered {errors.excerpt(answered)}, which does not fit field {field.name!r}"
                    f" ({hints.text_of(self.place.output)}): {wrong}"
                )
        new = request.messages[len(before.messages) :]
        said = AssistantMessage(text=answered, name=self.place.spec.node)
        mend = user(f"{MEND} {wrong}", name=RUNTIME)
        return {"messages": [*self.requests.asked(before, messages), *new, said, mend], "refused": problem}

    def refuse(self, refused: str) -> None:
        """Fail: what came does not fit, also after all repairs."""
        tries = f", {self.place.agent.repairs + 1} times over" if self.place.agent.repairs else ""
        message = f"{refused}{tries}; give examples, a type that is easier to fill, or another model"
        raise OutputRefused(message, node=self.place.spec.node, field=self.place.spec.writes[0].name)

    def refuse_calls(self, wrong_calls: Sequence[str]) -> None:
        """Fail: the model does not learn how its tools are called."""
        place = self.place
        message = (
            f"agent {place.spec.node!r} asked {len(wrong_calls)} times in a row for calls that cannot be carried out;"
            f" the last: {wrong_calls[-1]} Describe the tool better, give examples of calls, raise repairs, or lead an"
            " edge away from it with on=CallRefused"
        )
        raise CallRefused(message, node=place.spec.node, turns=len(wrong_calls))

    def over(self) -> None:
        """Fail: it still wants to call tools."""
        message = (
            f"agent {self.place.spec.node!r} made {self.place.agent.max_turns} requests and still wants to call tools;"
            " raise max_turns, or lead an edge away from it with on=TurnLimit"
        )
        raise TurnLimit(message, node=self.place.spec.node, turns=self.place.agent.max_turns)

    @contextmanager
    def _settled(self) -> Generator[None]:
        """Turn an answer that comes again however often it is asked for into an error that nobody tries to outwait."""
        try:
            yield
        except ModelBehavior as error:
            if not error.fixed:
                raise
            raise OutputRefused(error.message, **{**error.facts, "node": self.place.spec.node}) from error

    def _as_said(self, text: str) -> str | AssistantMessage:
        """Return text as the written field takes it."""
        return AssistantMessage(text=text.strip(), name=self.place.spec.node) if self.place.speaks else text.strip()


def _held(value: Any) -> Any:  # noqa: ANN401 - a value of the state
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def model_of(agent: Agent, context: Context) -> Model:
    """Find the model that an agent asks: the run's own before the agent's, and that before the environment's.

    It stands inside of the agent's policies, and those inside of what holds in the node, the flow and the run.
    """
    model = context.find_bare(Model)
    if model is None:
        try:
            model = resolve_model(agent.model)
        except NoModel as missing:
            if not (context.policies or agent.policies):
                raise
            model = Missing(
                missing, agent.model if isinstance(agent.model, str) else None
            )  # a pool takes its place, or a fallback does
    return context.under_policies(told(model), *agent.policies)


def value_of_answer(adapter: TypeAdapter[Any], label: str) -> Any:  # noqa: ANN401 - a value of the written field
    """Return the value that an answer's text stands for: itself, an Enum member, or the JSON value it spells."""
    try:
        return adapter.validate_python(label)
    except ValidationError:
        return adapter.validate_python(json.loads(label))


def _wrong(error: ValidationError) -> str:
    """List what is wrong with data, for a person and a model to read."""
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the value'}: {each['msg']}" for each in found)


def _mark_silence(context: Context, reply: Reply) -> None:
    """Put on record that a model said nothing: that may be meant, so it is no error, but people want to see it."""
    if not reply.text.strip() and not reply.tool_calls:
        context.mark("model", "silent", "answered nothing", finish=reply.finish)


@contextmanager
def _spending(context: Context, model: Model) -> Generator[None]:
    """Put into the record what was spent on an answer that is of no use, also if that is not known."""
    try:
        yield
    except ModelError as error:
        if error.usage is not None:
            _report(context, model, Reply(usage=error.usage))
        elif isinstance(error, ModelBehavior):
            context.report(Usage(model.name))
        raise


def _report(context: Context, model: Model, answer: Reply | Choice) -> None:
    """Put into the record what a request consumed, the scores of a choice, and whether the answer was cut."""
    tokens = answer.usage
    usage = Usage(answer.model or model.name, tokens.input_tokens, tokens.output_tokens, model.cost_usd(answer))
    context.report(usage)
    if answer.scores is not None:
        context.report(scores={label: round(score, 4) for label, score in answer.scores.items()})
    if getattr(answer, "finish", "stop") == "length":
        context.report(finish="length")
