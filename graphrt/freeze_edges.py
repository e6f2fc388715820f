"""From drafts of edges to edges: who leads where, on what outcome, under which guard; and where the flow begins."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, get_args, get_origin

from graphrt import hints
from graphrt.definition import Definition, is_nothing, listed, place_text
from graphrt.drafts import EdgeDraft, NodeDraft, Place
from graphrt.errors import type_name
from graphrt.expressions import did_you_mean
from graphrt.graph import Each, Edge
from graphrt.recorded import label_of
from graphrt.signatures import fits


class EdgeFreezer:
    """Makes the edges of a flow whose nodes have been made."""

    def __init__(self, flow: Definition, made: Sequence[dict[str, Any]]) -> None:
        self.flow = flow
        self.made = made
        self.out: list[list[Edge]] = [[] for _ in made]
        """Edges by the index of their source."""
        self.left_by: dict[str, set[int]] = {"edge": set(), "fork": set()}
        """The nodes that are left by each of these verbs when they completed."""

    def edges(self, draft: EdgeDraft) -> None:
        """Make the edges that one call of `edge`, `fork` or `each` asked for."""
        place = draft.place
        sources = self.flow.ends(draft.source, f"the source of {_article(draft.verb)}", place)
        targets = self.flow.ends(draft.target, f"the target of {_article(draft.verb)}", place)
        if draft.verb == "edge" and len(targets) > 1:
            self.flow.wrong("several-targets", "an edge has one target; use fork to take several at once", place)
        if not sources or not targets:
            return
        what = f"{draft.verb} {_names_of(self.flow.drafts, sources)} -> {_names_of(self.flow.drafts, targets)}"
        when = None if draft.when is None else self.flow.guard(draft.when, what, place)
        changes = self.flow.changes(draft.set, f"set= of {what}", place)
        local = () if is_nothing(draft.local) else self.flow.several(draft.local, f"local of {what}", place)
        each = self._each(draft, what) if draft.verb == "each" else None
        at_most = self.flow.count(draft.at_most, "at_most", what, place)
        if draft.verb == "each" and each is None:
            return
        text, names = place_text(place), tuple([f.name for f in local])
        for source in sources:
            if self.flow.drafts[source].kind == "end":
                name = self.flow.drafts[source].name
                self.flow.wrong(
                    "end-goes-on", f"{what}: {name!r} is an end, so nothing follows it; make it a task or a join", place
                )
                continue
            on, on_error = self._trigger(source, draft, what)
            if draft.verb != "each" and on_error is None:
                self.left_by[draft.verb].add(source)
            if draft.verb == "fork":
                self._fork(source, what, place)
            out = self.out[source]
            out += [
                Edge(source, target, index, on, on_error, when, changes, each, at_most, names, text)
                for index, target in enumerate(targets, len(out))
            ]

    def _fork(self, source: int, what: str, place: Place) -> None:
        draft = self.flow.drafts[source]
        if self.made[source].get("answers"):
            self.flow.wrong(
                "fork-of-choice",
                f"{what}: {draft.name!r} chooses one way by its answer, so it cannot fork;"
                " lead an edge to a node that forks",
                place,
            )
        self.made[source]["fork"] = True

    def _each(self, draft: EdgeDraft, what: str) -> Each | None:
        item = self.flow.own(draft.item, f"item= of {what}", draft.place)
        of = self.flow.own(draft.of, f"of= of {what}", draft.place)
        at_once = self.flow.count(draft.at_once, "at_once", what, draft.place)
        if item is None or of is None:
            return None
        kinds = hints.without_none(of.annotation)
        if not all((get_origin(k) or k) is list for k in kinds):
            self.flow.wrong(
                "each-of", f"{what}: of={of.name} is {of.type_text}, but a branch per item needs a list", draft.place
            )
        elif kinds and get_args(kinds[0]) and not fits(inside := get_args(kinds[0])[0], item.annotation):
            self.flow.wrong(
                "each-item",
                f"{what}: an item of {of.name!r} is {hints.text_of(inside)}, but item={item.name} is {item.type_text}",
                draft.place,
            )
        if item is of:
            self.flow.wrong(
                "each-item", f"{what}: item= and of= are both {of.name!r}; an item needs its own field", draft.place
            )
        return Each(of.name, item.name, at_once)

    def _trigger(self, source: int, draft: EdgeDraft, what: str) -> tuple[str | None, str | None]:
        """Return the answer or the error type that an edge waits for."""
        on, place, node = draft.on, draft.place, self.flow.drafts[source]
        if on is None:
            return None, None
        if isinstance(on, type):
            if issubclass(on, Exception):
                return None, type_name(on)
            if not issubclass(on, Enum):
                self.flow.wrong(
                    "on-error", f"{what}: on={on.__name__} is not an exception type that derives from Exception", place
                )
                return None, None
        answers: tuple[str, ...] = self.made[source].get("answers", ())
        if not answers:
            if node.kind not in {"router", "ask"}:
                self.flow.wrong(
                    "on-answer",
                    f"{what}: on={on!r}, but {node.name!r} is {_article(node.kind)}, which gives no answer;"
                    " use when=, or an exception type",
                    place,
                )
            elif node.kind == "ask":
                self.flow.wrong(
                    "on-answer",
                    f"{what}: on={on!r}, but {node.name!r} admits any answer; use when=, or make its field a Literal",
                    place,
                )
            return None, None
        label = label_of(on.value if isinstance(on, Enum) else on) if isinstance(on, (str, int, Enum)) else repr(on)
        if label not in answers:
            self.flow.wrong(
                "impossible-answer",
                f"{what}: {node.name!r} never answers {label!r}; it can answer {listed(answers)}."
                f"{did_you_mean(label, answers)}",
                place,
            )
        return label, None

    def choices(self) -> None:
        """Check that every answer leads somewhere, if one does, and that forks and plain edges do not mix."""
        mixed = self.left_by["edge"] & self.left_by["fork"]
        for index, draft in enumerate(self.flow.drafts):
            if index in mixed:
                self.flow.wrong(
                    "fork-and-edge",
                    f"{draft.name!r} has both fork and edge: a fork takes all that match, an edge the first;"
                    " use one of them",
                    draft.place,
                )
            answers: tuple[str, ...] = self.made[index].get("answers", ())
            if not answers:
                continue
            edges = [e for e in self.out[index] if e.on_error is None]
            if not edges or any(e.on is None for e in edges):
                continue
            silent = [a for a in answers if all(e.on != a for e in edges)]
            if silent:
                self.flow.wrong(
                    "unanswered",
                    f"{draft.name!r} can answer {listed(silent)}, but no edge says where to go;"
                    " add an edge with on= for each, or one edge without on= for the rest",
                    draft.place,
                )

    def start(self, chosen: tuple[object, Place] | None) -> int | None:
        """Return the index of the first node: the chosen one, else the only one that nothing leads to."""
        flow = self.flow
        if chosen is not None:
            return flow.index(chosen[0], "flow.start", chosen[1])
        entered = {e.target for out in self.out for e in out if e.target != e.source}
        free = [i for i in range(len(flow.drafts)) if i not in entered]
        if len(free) == 1:
            return free[0]
        if free:
            names = listed(flow.drafts[i].name for i in free[:5]) + (" …" if len(free) > 5 else "")
            found = f"nothing leads to {names}, so each of them could be the start"
            remedy = "say which: flow.start(node), and lead edges to the others, or flow.start([…]) to begin at several"
        else:
            found, remedy = "every node has an edge that leads to it", "say where the flow begins: flow.start(node)"
        flow.wrong("no-start", f"{found}; {remedy}", None)
        return None


def _names_of(drafts: Sequence[NodeDraft], indices: Sequence[int]) -> str:
    if len(indices) == 1:
        return repr(drafts[indices[0]].name)
    return f"[{listed(drafts[i].name for i in indices[:4])}{', …' if len(indices) > 4 else ''}]"


def _article(verb: str) -> str:
    return f"an {verb}" if verb[0] in "aeio" else f"a {verb}"
