"""The branches of one graph in a run, and what a visit there has to do with the graphs around and inside it.

Nothing here changes a run: these are answers to questions that the stepper asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from graphrt.abbreviation import show_asked
from graphrt.branches import Branches
from graphrt.errors import GuardError

if TYPE_CHECKING:
    from graphrt.fields import Field
    from graphrt.graph import Edge
    from graphrt.guards import Change
    from graphrt.inputs import Json
    from graphrt.lines import Line, Visit
    from graphrt.routing import Plan


class Frame(Branches):
    """The branches of one graph in a run, and the visit whose node that graph is inside of."""

    __slots__ = ("exits", "outer", "plan")

    def __init__(self, plan: Plan, state: dict[str, Any], prefix: str, outer: Visit | None) -> None:
        super().__init__(plan.graph, plan.joins, state, prefix)
        self.plan = plan
        self.exits = plan.exits
        self.outer = outer


def frame_of(branches: Branches) -> Frame:
    """Return branches as what they are."""
    assert isinstance(branches, Frame), "the stepper makes frames only"
    return branches


def shown(frame: Frame, visit: Visit) -> dict[str, Json]:
    """Return what somebody who is asked at a visit has to see: what its node reads."""
    field, state = frame.graph.field, visit.line.state
    if visit.node.kind == "ask" and visit.node.inputs:
        return {c.field: show_asked(_part(c, state)) for c in visit.node.inputs}
    return {name: show_asked(field[name].encode_state_value(state[name])) for name in visit.node.reads}


def _part(change: Change, state: dict[str, Any]) -> object:
    """Return a part of a field; None where what it should be a part of is not there, since the question still holds."""
    try:
        return change.value(state)
    except (AttributeError, LookupError, TypeError):
        return None


def policy(visit: Visit, frame: Frame, name: str) -> Any:  # noqa: ANN401 - the policies differ in type
    """Return a node's own policy, else that of the nearest node around it that has one."""
    default = "retry" if name == "on_crash" else None
    own = getattr(visit.node, name)
    at = frame
    while own == default and at.outer is not None:
        own = getattr(at.outer.node, name)
        at = frame_of(at.outer.outer)
    return own


def policies(visit: Visit, frame: Frame) -> tuple[object, ...]:
    """Return what was said about requests to models in a node and around it, outermost first."""
    found = frame.exits[visit.node.index].policies
    at = frame
    while at.outer is not None:
        outer = at.outer
        at = frame_of(outer.outer)
        found = (*at.exits[outer.node.index].policies, *found)
    return found


class Assigned(NamedTuple):
    """What the action of an edge comes to."""

    replaced: list[tuple[Field, Any]]
    taken: list[tuple[Field, Any]]
    """What goes through the reducers of fields."""

    def write(self, frame: Frame, line: Line, left: Visit) -> None:
        """Write it to the line that crosses, as what the visit wrote that was left."""
        if self.replaced:
            frame.write(line, self.replaced, left, replace=True)
        if self.taken:
            frame.write(line, self.taken, left)


def changes(frame: Frame, visit: Visit, edge: Edge) -> Assigned:
    """Evaluate the action of an edge.

    Raises:
        GuardError: an expression or a reducer raised, or gave what does not fit its field; nothing was written.
    """
    state = visit.line.state
    found = Assigned([], [])
    reduced_so_far: dict[str, Any] = {}
    for change in edge.set:
        field = frame.graph.field[change.field]
        try:
            if change.reducer is None:
                found.replaced.append((field, field.decode_whole(field.encode_whole(change.value(state)))))
                continue
            value = field.decode(field.encode(change.value(state)))
            # Tried here, since nothing may raise once the line has left its visit.
            reduced_so_far[field.name] = field.reduce(reduced_so_far.get(field.name, state[field.name]), value)
            found.taken.append((field, value))
        except Exception as error:
            target = frame.graph.nodes[edge.target].name
            message = (
                f"the action {change.text!r} of edge {visit.node.name!r} -> {target!r} (visit {visit.id}) raised"
                f" {type(error).__name__}: {error}"
            )
            raise GuardError(message, node=visit.node.name, visit=visit.id, edge=edge.index) from error
    return found
