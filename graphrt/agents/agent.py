"""An agent: instructions, examples and tools around a model. It is no runner of its own, but a small graph.

    model ──each call──▶ tool ──▶ results ──▶ model … ──▶ (no calls left) end

So every request to a model and every call of a tool is a visit: recorded before it happens, never repeated once it has
a result, retried, cancelled and drawn like any other. `graphrt.agents.inside` has the whole picture.

What a request contains follows from the written field's type: text for `str` and for `Message`, one of the labels for a
router, data that fits a schema for everything else. Fields of the type `list[Message]` among those it reads are not
quoted: they are the conversation that the model goes on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec

from graphrt.agents.errors import (
    CallRefused,
    GuardrailDefinitionError,
    GuardrailTripped,
    ModelError,
    OutputRefused,
    TurnLimit,
)
from graphrt.agents.given import misgiven
from graphrt.agents.guardrails import Guardrail
from graphrt.agents.inside import agent_at, expansion_of
from graphrt.agents.model import Model
from graphrt.agents.tools import Tool, tool_from
from graphrt.definition import place_text
from graphrt.drafts import place_of_call
from graphrt.errors import DefinitionError, Mistake, type_name
from graphrt.graph import Graph, Retry
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.drafts import Expansion, ExpansionSpec, Policy

_VERDICTS: Final = (CallRefused, GuardrailTripped, OutputRefused, TurnLimit)

Example: TypeAlias = "tuple[str | Mapping[str, Any], Any]"
"""An input (a text, or the values of the fields that the agent reads, by name) and the output wanted for it: text, a
label, data, or a call of a tool as ``{"tool": name, "arguments": {…}}``."""


def passing_faults(attempts: int) -> Retry:
    """Return a policy that repeats what another attempt may mend: no connection, a busy endpoint, a broken stream."""
    on: list[str] = []
    never: list[str] = []
    todo: list[tuple[type[ModelError], bool]] = [(ModelError, False)]
    while todo:
        kind, is_within = todo.pop()
        todo.extend((each, is_within or kind.retryable) for each in kind.__subclasses__())
        if kind.retryable:
            on.append(type_name(kind))
        elif is_within:  # a kind of a passing fault that does not pass, such as a quota that is used up
            never.append(type_name(kind))
    return Retry(attempts=attempts, on=tuple(sorted(on)), never=tuple(sorted(never)))


class Agent:
    """What a model is to do, with what, and how often.

    Args:
        instructions: what the model should do; the system prompt. `{field}` stands for the value of a field that the
            node reads, which is not in the model's input then; all other braces stay as they are.
        name: what configurations call it, where no node has named it.
        tools: typed functions that the model may call; see `graphrt.agents.tools`.
        model: a model object, the name of a model at the endpoint of the environment, or `"local"`. None takes what
            `resolve_model` finds. A model among the run's resources comes before all of these.
        examples: pairs of input and wanted output. Small models need them, large ones are steered by them.
        prompt: how the fields that the node reads become the model's input, with `{field}` for each; by default the
            value alone, or a line `field: value` for each of several. Behind a conversation it is the last message.
        temperature: 0 for the likeliest answer; None leaves it to the model.
        seed: for models that can repeat themselves.
        max_tokens: longest answer, in tokens.
        guardrails: who looks at what goes in and at what comes out, and may stop it; see `graphrt.agents.guardrails`.
        max_turns: how many requests one visit may make, tool calls in between.
        repairs: how often data that does not fit the written field is given back to the model, with what is wrong; and
            how many turns in a row it may ask for calls that cannot be carried out.
        at_once: how many calls of one turn run at the same time.
        retry: how often a request that failed for a passing reason is made, in total; each failure is an event. A
            `Retry` says itself which failures are worth another attempt.
        policies: what wraps the model, outermost first: a cache, a fallback, limits; see `graphrt.policies`.
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
        guardrails: Sequence[Guardrail] = (),
        max_turns: int = 10,
        repairs: int = 2,
        at_once: int = 8,
        retry: Retry | int = 3,
        policies: Sequence[Policy] = (),
    ) -> None:
        """Keep what was given; the fields it works on are known when it becomes a node.

        Raises:
            DefinitionError: what was given is of a wrong kind; with everything that is.
            ToolDefinitionError: a function cannot serve as a tool.
            GuardrailDefinitionError: something is no guardrail.
        """
        given = {
            "instructions": instructions,
            "name": name,
            "tools": tools,
            "model": model,
            "examples": examples,
            "prompt": prompt,
            "temperature": temperature,
            "seed": seed,
            "max_tokens": max_tokens,
            "guardrails": guardrails,
            "max_turns": max_turns,
            "repairs": repairs,
            "at_once": at_once,
            "retry": retry,
            "policies": policies,
        }
        if found := misgiven(given):
            place = place_text(place_of_call())
            raise DefinitionError("agent", tuple(Mistake("agent", message, place) for message in found), of="an agent")
        self.instructions = instructions
        self.name = name
        self.tools = tuple(t if isinstance(t, Tool) else tool_from(t) for t in tools)
        self.model = model
        self.examples = tuple(examples)
        self.prompt = prompt
        self.temperature = temperature
        self.seed = seed
        self.max_tokens = max_tokens
        self.guardrails = tuple(guardrails)
        for each in cast("tuple[object, ...]", self.guardrails):
            if not isinstance(each, Guardrail):
                raise GuardrailDefinitionError(
                    f"guardrails= holds {brief(each)}; say on which side it looks: on_input(…) or on_output(…)"
                )
        self.max_turns = max_turns
        self.repairs = repairs
        self.at_once = at_once
        self.retry = retry if isinstance(retry, Retry) else passing_faults(retry)
        self.policies = tuple(policies)

    def expand(self, spec: ExpansionSpec) -> Expansion:
        """Return the graph of this agent as a node that reads and writes the fields in `spec`."""
        return expansion_of(self, spec)

    @staticmethod
    def retries(said: Retry | int) -> Retry:
        """Return what a policy means at its node; one for all errors is not for the agent's own verdicts.

        A number means the same as `retry=` of the agent. That a guardrail blocked, that the turns or the repairs are
        used up: the node that says so would say so again.
        """
        if not isinstance(said, Retry):
            return passing_faults(said)
        if said.on:
            return said
        return msgspec.structs.replace(said, never=(*said.never, *map(type_name, _VERDICTS)))

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
            agent = agent_at(node)
            if agent is not None and id(agent) not in seen:
                seen.add(id(agent))
                yield agent


def policies_in(graph: Graph) -> Iterator[Policy]:
    """Yield what wraps models in a graph and in the graphs inside it, but for what the agents say themselves."""
    yield from graph.policies
    for node in graph.nodes:
        yield from node.policies
        if node.graph is not None:
            yield from policies_in(node.graph)
