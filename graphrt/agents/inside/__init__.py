"""The graph inside an agent: which nodes it has, and what they do.

    text, label:   model
    data:          model ◀──refused, ≤ repairs── model ──▶ answered            (or ──▶ refused, an error)
    tools:         model ──each call──▶ tool ──▶ results ──each act──▶ act ──▶ done ──▶ model … ──▶ answered
                   and where the written field is no text:  model ──▶ answer ──▶ answered, repaired as data is
    approval:      …results ──each act──▶ consent ──tool──▶ approve ──approve──▶ act,  ──decline──▶ declined ──▶ done
    guardrails:    input ──fork──▶ model, each check; all ──▶ admitted ──▶ what follows the first request above
                   and with first=True:  input ──▶ check ──allow──▶ check … ──▶ model (or cleared ──fork──▶ as above)
                   … ──▶ output ──fork──▶ each check ──allow──▶ released ──▶ answered,  ──block──▶ stop, an error

Every node makes at most one request, or one call, so each is recorded for itself, and nothing that was paid for is
asked again after a crash. Calls that change the world, or that a person must agree to, come after the others of their
turn. What a person approves is the very call that is carried out: it belongs to the branch, and nothing can change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrt.agents.inside.asking import Asking
from graphrt.agents.inside.calling import Calling
from graphrt.agents.inside.mistakes import mistakes_of
from graphrt.agents.inside.place import Place
from graphrt.agents.inside.shape import Shape
from graphrt.drafts import Expansion, ExpansionSpec
from graphrt.fields import fields_of
from graphrt.graph import Graph
from graphrt.guards import Change
from graphrt.openers import place_joins
from graphrt.trees import Read

if TYPE_CHECKING:
    from graphrt.agents.agent import Agent
    from graphrt.graph import Node


def expansion_of(agent: Agent, spec: ExpansionSpec) -> Expansion:
    """Return the graph of an agent in one place of a flow, and how its state meets that of the flow."""
    place = Place(agent, spec)
    shape = Shape(place)
    state_type = shape.state_type()
    fields, mistakes = fields_of(state_type)
    nodes, unjoined = place_joins(shape.nodes(fields), 0)
    about: dict[str, Any] = {"instructions": agent.instructions}
    if agent.tools:
        about["tools"] = [t.name for t in agent.tools]
    if some := [t.name for t in place.asking if t.approval != "always"]:
        about["asks_some"] = some
    if agent.guardrails:
        about["guardrails"] = [f"{g.name} ({g.side}{', first' if g.first else ''})" for g in agent.guardrails]
    if place.speaks:
        about["speaks"] = True
    if agent.model is not None:
        about["model"] = agent.model if isinstance(agent.model, str) else agent.model.name
    return Expansion(
        graph=Graph(spec.node, fields, nodes, 0, None, state_type),
        inputs=tuple(Change(place.names[f.name], Read(f.name)) for f in spec.reads),
        outputs=tuple(Change(f.name, Read("output")) for f in spec.writes),
        about=about,
        mistakes=(*mistakes_of(place), *shape.mistakes, *mistakes, *unjoined),
    )


def agent_at(node: Node) -> Agent | None:
    """Return the agent that a node works for; None if it is no node inside an agent."""
    worker = getattr(node.work.fn, "__self__", None) if node.work is not None else None
    return worker.place.agent if isinstance(worker, Asking | Calling) else None
