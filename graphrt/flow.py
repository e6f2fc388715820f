"""Authoring: a `Flow` takes nodes and edges and becomes a checked `Graph`.

    flow = Flow("support", Ticket)
    s = flow.state
    triage = flow.router("triage", Agent("Sort the ticket."), reads=s.message, writes=s.topic)
    flow.edge(triage, invoice, on="billing")

`flow.state` is typed as the state type and hands out expressions. Nothing is judged while a flow is written; `freeze`
(which `run` calls) looks at everything and reports all mistakes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    LiteralString,
    ParamSpec,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from pydantic import BaseModel

from graphrt.definition import Definition
from graphrt.drafts import (
    Choice,
    EdgeDraft,
    Expands,
    Expansion,
    ExpansionSpec,
    Node,
    NodeDraft,
    Place,
    Policy,
    Task,
    place_of_call,
)
from graphrt.errors import DefinitionError, Mistake, UseError
from graphrt.expressions import Space
from graphrt.fields import check_state_type, fields_of
from graphrt.freezing import freeze
from graphrt.graph import Graph, NodeKind, OnCrash, Retry
from graphrt.guards import Change
from graphrt.showing import displayed
from graphrt.signatures import signature_of
from graphrt.values import brief

if TYPE_CHECKING:
    from pathlib import Path

    from graphrt.inputs import Limits
    from graphrt.ports import Store
    from graphrt.runtime import Options, Result, ResumeOptions, RunStream

__all__ = [
    "Choice",
    "Expands",
    "Expansion",
    "ExpansionSpec",
    "Flow",
    "Node",
    "NodeOptions",
    "Task",
    "Writes",
    "WritesList",
    "WritesSeveral",
]

S = TypeVar("S", bound=BaseModel)  # state of a flow
V = TypeVar("V")  # type of a field
E = TypeVar("E")  # item of a list field
L = TypeVar("L", bound=LiteralString | Enum | None)  # this bound keeps Literal["a", "b"] from being widened to str
M = TypeVar("M", bound=tuple[Any, ...] | Mapping[str, Any])  # values of several fields: in their order, or by name
P = ParamSpec("P")
R = TypeVar("R")

Async: TypeAlias = Coroutine[Any, Any, R]
When: TypeAlias = bool | Callable[..., bool]
"""A guard: an expression over `flow.state`, or a named function whose parameters read fields."""
Changes: TypeAlias = Change | Sequence[Change]
Error: TypeAlias = type[Exception]
Ignore: TypeAlias = tuple[str, str] | Sequence[tuple[str, str]]
"""A rule of the checker that is not to speak of a node, and why: `("GR301", "an empty text is fine")`; or several."""


class NodeOptions(TypedDict, total=False):
    """What every node that works may be given."""

    retry: Retry | int
    """How failed attempts are repeated; a number is the attempts in total."""
    timeout: float | str | None
    """Bound of each attempt: seconds, or a text like `30s`, `5m`."""
    on_crash: OnCrash
    """What becomes of an attempt that a crash cut off: `retry` (default), `ask`, `fail`."""
    policies: Sequence[Policy]
    """What wraps the models that are asked in the node, outermost first; see `graphrt.policies`."""
    ignore: Ignore
    """A rule of the checker that is not to speak of this node, with the reason; or several."""


class Writes(Generic[V]):
    """Decorator that makes a task of a function which returns what one field takes."""

    def __init__(self, make: Callable[[Callable[..., Any]], Any]) -> None:
        self._make = make

    @overload
    def __call__(self, fn: Callable[P, Async[V]], /) -> Task[P, Async[V]]: ...
    @overload
    def __call__(self, fn: Callable[P, V], /) -> Task[P, V]: ...
    def __call__(self, fn: Callable[P, Any], /) -> Task[P, Any]:
        """Make the task."""
        return cast("Task[P, Any]", self._make(fn))


class WritesList(Generic[E]):
    """Decorator for a task that writes a list field: one item (append) or a list; `freeze` tells which."""

    def __init__(self, make: Callable[[Callable[..., Any]], Any]) -> None:
        self._make = make

    @overload
    def __call__(self, fn: Callable[P, Async[E]], /) -> Task[P, Async[E]]: ...
    @overload
    def __call__(self, fn: Callable[P, Async[list[E]]], /) -> Task[P, Async[list[E]]]: ...
    @overload
    def __call__(self, fn: Callable[P, list[E]], /) -> Task[P, list[E]]: ...
    @overload
    def __call__(self, fn: Callable[P, E], /) -> Task[P, E]: ...
    def __call__(self, fn: Callable[P, Any], /) -> Task[P, Any]:
        """Make the task."""
        return cast("Task[P, Any]", self._make(fn))


class WritesSeveral:
    """Decorator for a task that writes several fields: it returns a tuple in their order, or a mapping by name."""

    def __init__(self, make: Callable[[Callable[..., Any]], Any]) -> None:
        self._make = make

    @overload
    def __call__(self, fn: Callable[P, Async[M]], /) -> Task[P, Async[M]]: ...
    @overload
    def __call__(self, fn: Callable[P, M], /) -> Task[P, M]: ...
    def __call__(self, fn: Callable[P, Any], /) -> Task[P, Any]:
        """Make the task."""
        return cast("Task[P, Any]", self._make(fn))


class Flow(Generic[S]):
    """A flow under construction, over a state of type `S`.

    Args:
        name: what traces, pictures and the command line call it.
        state: a pydantic model; its fields are what nodes read and write.
        limits: bounds of each run, unless the run is given its own.

    Raises:
        DefinitionError: `state` is not a pydantic model with named fields.
    """

    def __init__(self, name: str, state: type[S], *, limits: Limits | None = None) -> None:
        problem = check_state_type(state)
        if problem is not None:
            raise DefinitionError(str(name), (Mistake("state-type", problem),))
        self.name = name
        self.state_type = state
        self.limits = limits
        self.space = Space(name, state.__name__, {f.name: f for f in fields_of(state)[0]})
        self._nodes: list[NodeDraft] = []
        self._edges: list[EdgeDraft] = []
        self._start: tuple[object, Place] | None = None
        self._graph: Graph | None = None
        self._freezing = False
        self._policies: tuple[Policy, ...] = ()

    @property
    def state(self) -> S:
        """The fields of the state as expressions; typed as the state itself."""
        return cast("S", self.space)

    # --- nodes ---

    def _add(self, draft: NodeDraft) -> int:
        self._graph = None
        self._nodes.append(draft)
        return len(self._nodes) - 1

    def _node(self, kind: NodeKind, name: str, **written: Any) -> Node:  # noqa: ANN401 - attributes of a draft
        return Node(self, self._add(NodeDraft(kind, name, place_of_call(), **written)), name)

    @overload
    def task(self, fn: Callable[P, Async[None]], /) -> Task[P, Async[None]]: ...
    @overload
    def task(self, fn: Callable[P, None], /) -> Task[P, None]: ...
    @overload
    def task(
        self, /, *, reads: dict[str, Any] = ..., name: str | None = None, **options: Unpack[NodeOptions]
    ) -> Writes[None]: ...
    @overload
    # A list is also a V: the overlap is meant, the first match wins.
    def task(  # type: ignore[overload-overlap]
        self,
        /,
        *,
        writes: list[E],
        reads: dict[str, Any] = ...,
        name: str | None = None,
        **options: Unpack[NodeOptions],
    ) -> WritesList[E]: ...
    @overload
    # A tuple is one as well.
    def task(  # type: ignore[overload-overlap]
        self,
        /,
        *,
        writes: tuple[Any, ...],
        reads: dict[str, Any] = ...,
        name: str | None = None,
        **options: Unpack[NodeOptions],
    ) -> WritesSeveral: ...
    @overload
    def task(
        self, /, *, writes: V, reads: dict[str, Any] = ..., name: str | None = None, **options: Unpack[NodeOptions]
    ) -> Writes[V]: ...
    def task(
        self,
        fn: Callable[..., Any] | None = None,
        /,
        *,
        writes: Any = None,
        reads: dict[str, Any] | None = None,
        name: str | None = None,
        **options: Unpack[NodeOptions],
    ) -> Any:
        """Make a task of a function: its parameters name the fields it reads, what it returns is what it writes.

        Args:
            fn: the function, where `@flow.task` stands bare above one that writes nothing.
            writes: the field that takes what is returned; a tuple of fields takes a tuple.
            reads: fields for parameters that are named otherwise: `reads={"text": s.draft}`.
            name: the function's name by default.
            **options: see `NodeOptions`.
        """

        def make(given: Callable[P, R]) -> Task[P, R]:
            fn = given.fn if isinstance(given, Task) else given  # a task of another flow, shared
            called = name
            if called is None:
                called = signature_of(fn).name
            draft = NodeDraft("task", called, place_of_call(), fn=fn, reads=reads, writes=writes, options=options)
            return Task(self, self._add(draft), called, fn)

        return Writes[Any](make) if fn is None else make(fn)

    def agent(
        self, name: str, agent: Expands, *, reads: object = (), writes: object, **options: Unpack[NodeOptions]
    ) -> Node:
        """Add an agent: a model with instructions and tools, which reads some fields and writes one."""
        return self._node("agent", name, agent=agent, reads=reads, writes=writes, options=options)

    def router(
        self,
        name: str,
        chooser: Expands | Callable[..., L] | Callable[..., Async[L]],
        *,
        reads: object = (),
        writes: L,
        **options: Unpack[NodeOptions],
    ) -> Choice[L]:
        """Add a router: an agent or a function that answers one value of the Literal or Enum field it writes.

        Edges from it name the answer: `flow.edge(triage, invoice, on="billing")`.
        """
        fn = chooser if callable(chooser) and not hasattr(chooser, "expand") else None
        agent = chooser if fn is None else None
        draft = NodeDraft("router", name, place_of_call(), fn, agent, reads=reads, writes=writes, options=options)
        return Choice(self, self._add(draft), name)

    @overload
    def ask(
        self,
        name: str,
        question: str,
        *,
        reads: object = (),
        writes: L,
        deadline: float | str | None = None,
        ignore: Ignore = ...,
    ) -> Choice[L]: ...
    @overload
    def ask(
        self,
        name: str,
        question: str,
        *,
        reads: object = (),
        writes: object,
        deadline: float | str | None = None,
        ignore: Ignore = ...,
    ) -> Node: ...
    def ask(
        self,
        name: str,
        question: str,
        *,
        reads: object = (),
        writes: Any,
        deadline: float | str | None = None,
        ignore: Ignore = (),
    ) -> Any:
        """Add a question to a person or another program; the visit waits for the answer, which is written to a field.

        Args:
            name: name of the node.
            question: what is asked.
            reads: fields to show beside the question.
            writes: the field for the answer. A Literal or an Enum offers its values, and edges name them by `on=`.
            deadline: how long it waits: seconds, or a text like `24h`; then an edge with `on=DeadlinePassed` is taken.
            ignore: see `NodeOptions`.
        """
        draft = NodeDraft(
            "ask",
            name,
            place_of_call(),
            question=question,
            reads=reads,
            writes=writes,
            deadline=deadline,
            options={"ignore": ignore},
        )
        return Choice[Any](self, self._add(draft), name)

    def join(
        self, name: str, *, wait: Literal["all", "any"] | int = "all", of: Node | None = None, ignore: Ignore = ()
    ) -> Node:
        """Add a join: it waits for the branches of a fork, and the flow goes on in one line.

        Args:
            name: name of the node.
            wait: `all` branches, `any` one, or so many; what is left of the others is then cancelled.
            of: the node whose branches it gathers, where that is not the nearest fork.
            ignore: see `NodeOptions`.
        """
        return self._node("join", name, wait=wait, of=of, options={"ignore": ignore})

    def end(self, name: str, *, stop: bool = False, failure: bool = False, ignore: Ignore = ()) -> Node:
        """Add an end. A branch without one ends as well.

        Args:
            name: name of the node.
            stop: whether reaching it ends the whole run and cancels what else is live.
            failure: whether reaching it fails the run.
            ignore: see `NodeOptions`.
        """
        return self._node("end", name, stop=stop, failure=failure, options={"ignore": ignore})

    def subflow(
        self,
        name: str,
        flow: Flow[Any],
        *,
        inputs: Changes | None = None,
        outputs: Changes | None = None,
        **options: Unpack[NodeOptions],
    ) -> Node:
        """Add another flow as a node, with a state of its own inside the same run.

        Args:
            name: name of the node.
            flow: the flow inside.
            inputs: what fills its state: `let(inner.question).be(outer.topic)`. By default, fields of the same name.
            outputs: what it writes: `let(outer.text).be(inner.answer)`, or one item of a list that is appended to:
                `let(outer.answers).take(inner.answer)`. By default, what it writes under the same name.
            **options: see `NodeOptions`; they hold for the nodes inside that say nothing else.
        """
        return self._node("subgraph", name, inner=flow, inputs=inputs, outputs=outputs, options=options)

    def start(self, node: Node | Sequence[Node], /) -> None:
        """Say where the flow begins. Needed only if not exactly one node has no incoming edge.

        Several nodes begin side by side, as branches of a bar in front of them: a join named `start`, which has the
        run's own line to gather and forks.
        """
        if isinstance(node, list | tuple):
            bar = self.join("start")
            self.fork(bar, node)
            node = bar
        self._graph = None
        self._start = node, place_of_call()

    # --- edges ---

    @overload
    def edge(
        self,
        source: Choice[L],
        target: Node,
        *,
        on: L,
        when: When | None = None,
        set: Changes = (),
        at_most: int | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: Node | Sequence[Node],
        target: Node,
        *,
        on: Error | None = None,
        when: When | None = None,
        set: Changes = (),
        at_most: int | None = None,
    ) -> None: ...
    def edge(
        self,
        source: Any,
        target: Node,
        *,
        on: Any = None,
        when: When | None = None,
        set: Changes = (),  # noqa: A002 - the word of the notation `on [when] / set`
        at_most: int | None = None,
    ) -> None:
        """Lead from a node to another. Of a node's edges, the first that matches is taken, in the order of definition.

        Args:
            source: a node, or several, each of which gets such an edge.
            target: where it leads.
            on: what triggers it: an answer of a router or ask, or the type of an error that the node ended with.
            when: its guard, a condition over `flow.state` or a named function.
            set: assignments made while crossing: `let(s.rounds).be(s.rounds + 1)`.
            at_most: how often a line may cross it; after that the next edge is tried.
        """
        self._connect(EdgeDraft("edge", source, target, place_of_call(), on=on, when=when, set=set, at_most=at_most))

    def fork(
        self,
        source: Node,
        targets: Node | Sequence[Node],
        *,
        when: When | None = None,
        set: Changes = (),  # noqa: A002 - as above
        local: Sequence[object] = (),
    ) -> None:
        """Lead from a node to several at once: a branch for each edge that matches.

        Args:
            source: the node that forks.
            targets: where the branches begin.
            when: a guard, the same for each of these edges.
            set: assignments made while crossing.
            local: fields that belong to each branch and are dropped at the join.
        """
        self._connect(EdgeDraft("fork", source, targets, place_of_call(), when=when, set=set, local=local))

    def each(
        self,
        source: Node,
        target: Node,
        *,
        item: E | None,
        of: list[E] | None,
        when: When | None = None,
        set: Changes = (),  # noqa: A002 - as above
        local: Sequence[object] = (),
        at_once: int | None = None,
    ) -> None:
        """Lead from a node to another once per item of a list: a branch for each.

        Args:
            source: the node that is left.
            target: where each branch begins.
            item: the field that holds the item in its branch; it is local to the branch, and may be None elsewhere.
            of: the list field.
            when: a guard, asked once for all items.
            set: assignments made while crossing.
            local: further fields that belong to each branch and are dropped at the join.
            at_once: how many branches may be under way at the same time; None for all.
        """
        self._connect(
            EdgeDraft(
                "each",
                source,
                target,
                place_of_call(),
                when=when,
                set=set,
                item=item,
                of=of,
                local=local,
                at_once=at_once,
            )
        )

    def _connect(self, draft: EdgeDraft) -> None:
        self._graph = None
        self._edges.append(draft)

    def use(self, *policies: Policy) -> Self:
        """Let policies hold for every model that is asked in this flow, outermost first; returns the flow.

        They are no part of the definition: the digest stays, and runs that were recorded without them can be resumed.

        Args:
            *policies: see `graphrt.policies`; they stand inside of those given before.

        Raises:
            UseError: one of them is no policy.
        """
        for each in policies:
            if not hasattr(each, "wrap"):
                message = f"flow {self.name!r} cannot use {brief(each)}, which is no policy; see graphrt.policies"
                raise UseError(message, flow=self.name)
        self._policies += policies
        self._graph = None
        return self

    # --- use ---

    def freeze(self) -> Graph:
        """Return the checked graph; the same one until something is added.

        Raises:
            DefinitionError: with every mistake in the definition.
        """
        if self._graph is None:
            if self._freezing:
                raise DefinitionError(
                    self.name,
                    (
                        Mistake(
                            "flow-in-itself",
                            f"flow {self.name!r} contains itself; repeat it by an edge that leads back",
                        ),
                    ),
                )
            self._freezing = True
            try:
                definition = Definition(self.name, self.state_type, self.space, self._nodes, self)
                graph = freeze(definition, self._edges, self._start, self.limits)
                self._graph = replace(graph, policies=self._policies) if self._policies else graph
            finally:
                self._freezing = False
        return self._graph

    def check(self) -> tuple[Mistake, ...]:
        """Return every mistake for which the flow cannot be frozen; nothing if it can be.

        What would go wrong in a run, `graphrt check` finds, and `graphrt.checks.check`.
        """
        try:
            self.freeze()
        except DefinitionError as wrong:
            return wrong.mistakes
        return ()

    async def run(self, state: S, /, **options: Unpack[Options]) -> Result[S]:
        """Run the flow on a state until it ends, or until only questions are left; see `graphrt.runtime.run`.

        Raises:
            DefinitionError: the flow cannot be frozen.
            InputRefused: the state does not fit its type.
        """
        from graphrt import runtime  # noqa: PLC0415 - a driver lies above; who only defines flows needs none

        return await runtime.run(self.freeze(), state, **options)

    def run_sync(self, state: S, /, **options: Unpack[Options]) -> Result[S]:
        """Do the same as `run` in code that is not asynchronous; also in a notebook."""
        from graphrt import runtime  # noqa: PLC0415 - as above

        return runtime.run_sync(self.freeze(), state, **options)

    def stream(self, state: S, /, **options: Unpack[Options]) -> RunStream[S]:
        """Run the flow and iterate over its events and pieces of text as they come; see `graphrt.runtime.stream`.

        The run begins with the first iteration; `flow.stream(…).begin()` lets it begin at once, for whoever iterates
        later.
        """
        from graphrt import runtime  # noqa: PLC0415 - as above

        return runtime.stream(self.freeze(), state, **options)

    async def resume(self, run_id: str, /, *, store: Store | str | Path, **options: Unpack[ResumeOptions]) -> Result[S]:
        """Go on with a run that was cut off, suspended, failed or cancelled; see `graphrt.runtime.resume`."""
        from graphrt import runtime  # noqa: PLC0415 - as above

        return await runtime.resume(store, run_id, self.freeze(), **options)

    def stream_resume(
        self, run_id: str, /, *, store: Store | str | Path, **options: Unpack[ResumeOptions]
    ) -> RunStream[S]:
        """Go on with a run and iterate over what happens from here on; see `graphrt.runtime.stream_resume`."""
        from graphrt import runtime  # noqa: PLC0415 - as above

        return runtime.stream_resume(store, run_id, self.freeze(), **options)

    def __repr__(self) -> str:
        return f"Flow({self.name!r}, {self.state_type.__name__}: {len(self._nodes)} nodes)"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show the flow in a notebook: as what is registered under `graphrt.display` draws it, else as text."""
        del include, exclude
        return displayed(self, repr(self))
