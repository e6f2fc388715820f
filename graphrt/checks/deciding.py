"""What can become of the edges of one node: which can never be taken, and in which state none of them matches.

Every case that the guards can tell apart is tried as a run would try it (`graphrt.checks.cases`), within what is known
at that place (`graphrt.checks.knowledge`). What no case shows is impossible. What a case shows is only believed when a
real state does the same with the real guards; otherwise the question is *not decided*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from graphrt import guards, trees
from graphrt.checks.cases import Cases, TooMany, decoded
from graphrt.recorded import label_of
from graphrt.trees import Predicate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.checks.cases import Case, Holding
    from graphrt.checks.knowledge import Facts
    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge, Graph, Node
    from graphrt.inputs import Json
    from graphrt.trees import Tree

Why: TypeAlias = Literal["guard", "covered"]

MOST_TRIES: Final = 40
"""So many cases are tried for a state that shows what they show."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A state in which something happens."""

    state: dict[str, Json]
    """The whole state, in JSON."""
    read: tuple[str, ...]
    """The fields that matter."""
    answer: str | None = None
    used: tuple[int, ...] = ()
    """Edges of which `at_most` must have been used up."""

    @property
    def witness(self) -> dict[str, Json]:
        """The fields that matter, with their values."""
        return {name: self.state[name] for name in self.read}


@dataclass(slots=True)
class Decision:
    """What can become of the edges of a node when it has completed."""

    never: dict[int, Why] = field(default_factory=dict[int, "Why"])
    """Edges that can never be taken: because of their own guard, or because earlier edges cover it."""
    gap: Shown | None = None
    """A state in which no edge matches."""
    is_open: bool = False
    """Whether it is not decided that some edge always matches."""
    raising: dict[int, tuple[Shown, str]] = field(default_factory=dict[int, tuple[Shown, str]])
    """Edges whose guard raises, with a state and the error."""
    always: set[int] = field(default_factory=set[int])
    """Edges whose guard holds in every state in which it is asked, whatever the edges before it say."""
    together: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    """Pairs of edges of a fork that may match together."""
    all_together: bool = False
    """Whether any two edges of the fork may."""
    is_complete: bool = True
    """Whether all cases were looked at; if not, nothing is known beyond what stands here."""


def decide(at: Subject, node: Node) -> Decision:
    """Return what can become of a node's edges."""
    edges = [e for e in node.edges if e.on_error is None]
    if not edges:
        return Decision()
    if all(e.when is None and e.at_most is None and e.on is None for e in edges):
        return _plain(node, edges)
    asked = [e.when.tree for e in edges if e.when is not None]
    for strict, trusting in ((at.known.at_exit(node.index), at.trusted.at_exit(node.index)), ((), ())):
        try:
            return _Trial(at, node, edges, _relevant(strict, asked), _relevant(trusting, asked)).decision()
        except TooMany:
            continue
    return Decision(is_open=all(e.when is not None for e in edges), is_complete=False)


def _plain(node: Node, edges: Sequence[Edge]) -> Decision:
    """Decide about edges without any condition."""
    if node.fork:
        return Decision(all_together=True)
    return Decision(never={e.index: "covered" for e in edges[1:]})


def _relevant(facts: Facts, conditions: Sequence[Tree]) -> Facts:
    """Return the facts that share a field with what is asked, or with such a fact."""
    fields = {name for c in conditions for name in trees.reads_of(c)}
    found: list[Tree] = []
    for _ in range(2):
        more = [f for f in facts if f not in found and fields & set(trees.reads_of(f))]
        found += more
        fields |= {name for f in more for name in trees.reads_of(f)}
    return tuple(found)


class _Trial:
    """All cases of one node."""

    def __init__(self, at: Subject, node: Node, edges: Sequence[Edge], strict: Facts, trusting: Facts) -> None:
        self.graph: Graph = at.graph
        self.node, self.edges = node, edges
        self.more = tuple(f for f in trusting if f not in strict)
        self.strict_facts = strict
        conditions: list[Tree] = [e.when.tree for e in edges if e.when is not None]
        self.cases = Cases(at.graph, [*conditions, *strict, *self.more])
        self.read = tuple(f.name for f in at.graph.fields if any(f.name in trees.reads_of(c) for c in conditions))
        self.holding: list[Holding | None] = [
            None if e.when is None else self.cases.compiled(e.when.tree) for e in edges
        ]
        self.facts = [self.cases.compiled(f) for f in strict]
        self.trusted = [self.cases.compiled(f) for f in self.more]
        self.used: list[int | None] = [
            self.cases.add(f"used {e.index}", (False, True)) if e.at_most is not None and at.may_repeat(e) else None
            for e in edges
        ]
        answers = node.answers if any(e.on is not None for e in edges) else ()
        self.answer = self.cases.add("answer", answers) if answers else None
        self.answered = self.cases.place(node.writes[0]) if self.answer is not None and len(node.writes) == 1 else None

    def decision(self) -> Decision:
        """Try all cases."""
        taken: set[int] = set()
        true: set[int] = set()
        false: set[int] = set()
        decision = Decision()
        gaps: list[Case] = []
        raised: dict[int, list[Case]] = {}
        for case in self.cases.all():
            if not self._is_possible(case, self.facts):
                continue
            believed = self._is_possible(case, self.trusted)
            matched: list[int] = []
            for k, e in enumerate(self.edges):
                if self.answer is not None and e.on is not None and e.on != case[self.answer]:
                    continue
                holds, holding = True, self.holding[k]
                if holding is not None:
                    try:
                        holds = bool(holding(case))
                    except Exception:  # noqa: BLE001 - whatever a comparison raises
                        false.add(e.index)
                        if believed and (not matched or self.node.fork):
                            raised.setdefault(e.index, []).append(case)
                        if not matched or self.node.fork:
                            matched.append(-1)
                            break
                        continue
                (true if holds else false).add(e.index)
                place = self.used[k]
                if holds and not (place is not None and case[place]) and (not matched or self.node.fork):
                    matched.append(e.index)
            taken.update(i for i in matched if i >= 0 and (matched[-1] >= 0))
            if self.node.fork:
                decision.together.update((i, k) for i in matched for k in matched if 0 <= i < k)
            if not matched and believed:
                gaps.append(case)
        decision.never = {
            e.index: "covered" if e.index in true else "guard" for e in self.edges if e.index not in taken
        }
        decision.always = {
            e.index for e in self.edges if e.when is not None and e.index in true and e.index not in false
        }
        decision.gap = self._first(gaps, self._shows_gap)
        decision.is_open = bool(gaps) and decision.gap is None
        for index, cases in raised.items():
            self._raises(decision, index, cases)
        return decision

    def _is_possible(self, case: Case, facts: Sequence[Holding]) -> bool:
        try:
            if not all(f(case) for f in facts):
                return False
        except Exception:  # noqa: BLE001 - a fact was computed by a run, so it cannot have raised
            return False
        if self.answer is None or self.answered is None:
            return True
        field_ = self.graph.field[self.node.writes[0]]
        value = case[self.answered]
        return value is not None and label_of(field_.encode_whole(value)) == case[self.answer]

    # -- states that show it ------------------------------------------------------------------------------------------

    def _first(self, cases: Sequence[Case], shows: Any) -> Shown | None:  # noqa: ANN401 - a method below
        for case in cases[:MOST_TRIES]:
            shown = self._shown(case)
            if shown is not None and shows(shown):
                return shown
        return None

    def _shown(self, case: Case) -> Shown | None:
        state = self.cases.state(case)
        if state is None:
            return None
        used = tuple(
            e.index for e, place in zip(self.edges, self.used, strict=True) if place is not None and case[place]
        )
        answer = None if self.answer is None else case[self.answer]
        if answer is not None and self.answered is None and len(self.node.writes) == 1:
            state |= self._as_answered(answer)
        return Shown(state, self.read, answer, used)

    def _as_answered(self, answer: str) -> dict[str, Json]:
        """Return the value of the answer's field, as far as it is simple."""
        field_ = self.graph.field[self.node.writes[0]]
        try:
            return {field_.name: field_.encode_whole(answer)}
        except ValueError:
            return {}

    def _holds(self, tree: Tree, state: dict[str, Any]) -> bool | None:
        """Compute a condition on a real state; None if it calls a function."""
        if any(isinstance(t, Predicate) for t in trees.walk(tree)):
            return None
        return bool(guards.compiled(tree, noting=False)(state, {}))

    def _real(self, shown: Shown) -> dict[str, Any] | None:
        """Return the state as guards see it, if everything that is known holds in it."""
        try:
            state = decoded(self.graph, shown.state)
            if all(self._holds(f, state) for f in (*self.strict_facts, *self.more)):
                return state
        except Exception:  # noqa: BLE001 - then it is no state that a run can have
            return None
        return None

    def _shows_gap(self, shown: Shown) -> bool:
        state = self._real(shown)
        if state is None:
            return False
        for e in self._tried(shown):
            try:
                if e.when is None or self._holds(e.when.tree, state) is not False:
                    return False
            except Exception:  # noqa: BLE001 - it raises, so the run does not come to the question
                return False
        return True

    def _tried(self, shown: Shown) -> list[Edge]:
        return [e for e in self.edges if e.index not in shown.used and e.on in {None, shown.answer}]

    def _raises(self, decision: Decision, index: int, cases: Sequence[Case]) -> None:
        for case in cases[:MOST_TRIES]:
            shown = self._shown(case)
            state = None if shown is None else self._real(shown)
            if shown is None or state is None:
                continue
            error = self._error(index, shown, state)
            if error is not None:
                decision.raising[index] = shown, error
                return

    def _error(self, index: int, shown: Shown, state: dict[str, Any]) -> str | None:
        """Return what the guard of an edge raises, if a run comes to ask it in this state."""
        for e in self._tried(shown):
            try:
                holds = True if e.when is None else self._holds(e.when.tree, state)
            except Exception as error:  # noqa: BLE001 - whatever a comparison raises
                return f"{type(error).__name__}: {error}" if e.index == index else None
            if holds is None or (holds and not self.node.fork):
                return None
        return None
