"""One of several agents answers: a router chooses it by what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from graphrt.agents.agent import Agent
from graphrt.agents.errors import ModelBehavior
from graphrt.agents.messages import Message
from graphrt.agents.model import match_label
from graphrt.configurations.members import Crew, Member, Seat, Speaker, add, awaited, sit
from graphrt.configurations.state import ChatState, name_of, state_with
from graphrt.context import Context
from graphrt.errors import NoRoute
from graphrt.flow import Flow
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.drafts import Choice

Router: TypeAlias = "Agent | Callable[[Sequence[Message]], object]"
"""An agent, or a function of the conversation that returns a name, or a score for each name."""

NONE_OF_THEM = "(none of them)"
"""What a router's function answers when it named nobody and there is somebody to fall back on."""


def switching(
    agents: Mapping[str, Speaker | Member] | Sequence[Speaker | Member],
    *,
    router: Router | None = None,
    fallback: str | None = None,
    at_least: float = 0.0,
    name: str = "switching",
) -> Flow[ChatState]:
    """Return a flow in which a router chooses who answers.

    Case, white space and punctuation around a name do not count. A router that names nobody is an error, or takes the
    turn to `fallback`: by a node of its own, so that the trace, the picture and the events show it.

    Args:
        agents: who may answer: by name, or members that have names.
        router: an agent that chooses; or a function of the messages that returns a name, or a score for each name, of
            which the highest wins (the scores are in the record). By default an agent that is told what each one is
            for.
        fallback: name of the agent that answers when the router names none of them.
        at_least: a function's scores below this name nobody.
        name: name of the flow.

    Raises:
        DefinitionError: a member or the router cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    seats = crew.seats(cast("Any", agents), least=2, named=True)
    names = [seat.name for seat in seats]
    for seat in seats:
        if seat.output is not None:
            crew.problem(f"member {seat.name!r} has output=, which only sequential hands on")
    if fallback is not None and fallback not in names:
        crew.problem(f"fallback={fallback!r} is none of the agents {', '.join(names)}")
    if at_least and (router is None or isinstance(router, Agent)):
        crew.problem(f"at_least={at_least!r} is for a router that is a function; an agent answers with a name")
    check_router(crew, router)
    crew.refuse()
    labels = [*names, NONE_OF_THEM] if fallback is not None and not agentic(router) else names
    flow = Flow(name, state_with("SwitchingState", {"choice": (name_of(labels), None)}))
    s: Any = flow.state
    choose = add_router(flow, router, seats, writes=s.choice, fallback=fallback, at_least=at_least)
    nodes = {seat.name: sit(flow, seat, reads=(s.messages,), writes=s.messages) for seat in seats}
    for called, node in nodes.items():
        flow.edge(choose, node, on=called)
    if fallback is not None:
        fall_back = add(flow, _fall_back, "fall back", writes=None)
        flow.edge(choose, fall_back, on=cast("Any", ModelBehavior if agentic(router) else NONE_OF_THEM))
        flow.edge(fall_back, nodes[fallback])
    return crew.checked(flow)


def _fall_back() -> None:
    """Show that nobody was chosen."""


def agentic(router: Router | None) -> bool:
    """Tell whether an agent routes."""
    return router is None or isinstance(router, Agent)


def check_router(crew: Crew, router: object) -> None:
    """Note what is wrong with a router."""
    if router is not None and not isinstance(router, Agent) and (isinstance(router, Flow) or not callable(router)):
        found = brief(cast("object", router))
        crew.problem(f"router={found}; expected an agent, or a function of the messages that returns a name")


def add_router(
    flow: Flow[Any],
    router: Router | None,
    seats: Sequence[Seat],
    *,
    writes: object,
    fallback: str | None = None,
    at_least: float = 0.0,
) -> Choice[Any]:
    """Add the node that chooses one of the seats by the conversation."""
    s: Any = flow.state
    if router is None or isinstance(router, Agent):
        agent = router or Agent(_told(seats))
        return flow.router("choose", agent, reads=s.messages, writes=cast("Any", writes))
    names = [seat.name for seat in seats]
    work = _chooser(router, names, at_least, NONE_OF_THEM if fallback is not None else None)
    return flow.router("choose", cast("Any", work), writes=cast("Any", writes))


def _told(seats: Iterable[Seat]) -> str:
    """Return instructions for a router that knows the agents by their own instructions."""
    lines = "\n".join(
        f"- {seat.name}: {seat.who.instructions if isinstance(seat.who, Agent) else seat.who.name}" for seat in seats
    )
    return f"Choose who should answer the last message:\n{lines}"


def _chooser(
    router: Callable[[Sequence[Message]], object], names: Sequence[str], at_least: float, otherwise: str | None
) -> Callable[..., object]:
    def chosen(said: object, context: Context) -> str:
        if isinstance(said, Mapping):
            scores = {str(k): float(v) for k, v in cast("Mapping[object, Any]", said).items()}
            context.report(scores=scores)
            best = max(scores, key=lambda label: scores[label], default="")
            found = match_label(best, names) if best and scores[best] >= at_least else None
            text = f"scores {scores} (at least {at_least:g} is wanted)"
        else:
            found = match_label(said, names) if isinstance(said, str) else None
            text = brief(said)
        if found is not None:
            return found
        context.report(said=text)
        if otherwise is not None:
            return otherwise
        message = f"the router answered {text}, which choose none of {', '.join(names)}; name one, or give a fallback="
        raise NoRoute(message, node=context.node, visit=context.visit)

    async def choose(messages: Sequence[Message], context: Context) -> str:
        return chosen(await awaited(router, messages), context)

    return choose
