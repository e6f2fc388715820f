"""Every error that graphrt raises or records, one tree, grouped by who must act.

An error carries facts in fields and a message that says what was found, where (graph, node, visit), what was expected
and what to do. Errors of a run (the last group) are also *recorded*: an edge may catch them by type
(`on=LimitReached`).

    GraphrtError
    ├── DefinitionError            author of the flow: all mistakes of a definition, reported together
    ├── UseError                   caller: wrong input, wrong call, unknown thing
    │   ├── InputRefused           the initial state does not fit the state type
    │   ├── AnswerRefused          an answer does not fit its question; the question stays open
    │   ├── AlreadyAnswered        a question was answered otherwise before
    │   ├── WrongInput             a driver fed an input that the run cannot take now
    │   ├── RunNotFound            no such run in the store
    │   ├── GraphChanged           the run was recorded under another definition
    │   ├── ResourceMissing        a node asks for a resource that the run was not given
    │   └── TraceInvalid           a trace is torn, altered or of an unknown version
    ├── EnvironmentFault           surroundings: disk, lease, missing package
    │   ├── StoreFault             the store could not read or write
    │   ├── RunLocked              another process drives this run
    │   └── MissingExtra           an optional package is not installed
    └── RunError                   a run: recorded in its trace, catchable by an edge where that makes sense
        ├── NoRoute                no edge matched
        ├── GuardError             a guard raised, or another expression over the state
        ├── WriteRefused           a returned value does not fit the field it is written to
        ├── WriteConflict          two branches wrote one plain field
        ├── NodeTimeout            an attempt exceeded its time (also a TimeoutError)
        ├── DeadlinePassed         nobody answered in time
        ├── LimitReached           visits, active seconds, tokens or cost ran over
        ├── JoinShort              fewer branches arrived than the join waits for
        ├── InDoubt                an attempt was cut off and its node says not to try again
        ├── EndedInFailure         the run reached a failure end
        └── RunFailed              what `Result.unwrap()` raises for a run that did not complete
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


class GraphrtError(Exception):
    """Root of all errors of graphrt; `code` is stable and names its page in docs/errors.md."""

    code: ClassVar[str] = "graphrt"

    def __init__(self, message: str, **facts: Any) -> None:  # noqa: ANN401 - facts differ in type
        """Keep the facts beside the message: they are what programs read."""
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = facts


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a definition: what, where it was written, and how to mend it."""

    code: str
    message: str
    place: str | None = None

    def __str__(self) -> str:
        """Print place first, as compilers do."""
        return f"{self.place}: {self.message} [{self.code}]" if self.place else f"{self.message} [{self.code}]"


class DefinitionError(GraphrtError):
    """A flow cannot be frozen; lists every mistake that was found, not only the first."""

    code = "definition"

    def __init__(self, graph: str, mistakes: tuple[Mistake, ...], *, of: str | None = None) -> None:
        """Name the graph, or in words what else they are `of`, and keep its mistakes in the order of the definition."""
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "\n".join(f"  - {m}" for m in mistakes)
        codes = list(dict.fromkeys(m.code for m in mistakes))
        more = f"`graphrt explain {codes[0]}` shows an example" + (", and so for the others" if len(codes) > 1 else "")
        super().__init__(f"{of or f'flow {graph!r}'} has {count}:\n{lines}\n{more}", graph=graph)
        self.graph = graph
        self.mistakes = mistakes


class UseError(GraphrtError):
    """The caller asked for something that cannot be done; nothing was changed."""

    code = "use"


class InputRefused(UseError):
    """The initial state does not fit the state type of the flow."""

    code = "input-refused"


class AnswerRefused(UseError):
    """An answer does not fit its question; the question stays open."""

    code = "answer-refused"


class WrongInput(UseError):
    """An input came that the run cannot take in its present state (a mistake of a driver)."""

    code = "wrong-input"


class AlreadyAnswered(UseError):
    """A question was answered otherwise before; the first answer counts."""

    code = "already-answered"


class RunNotFound(UseError):
    """The store has no run of that id."""

    code = "run-not-found"


class GraphChanged(UseError):
    """The run was recorded under another definition than the one given."""

    code = "graph-changed"


class ResourceMissing(UseError):
    """A node asks for a resource that the run was not given."""

    code = "resource-missing"


class TraceInvalid(UseError):
    """A trace is torn, altered, or of a version that this release does not read."""

    code = "trace-invalid"


class EnvironmentFault(GraphrtError):
    """The surroundings failed: disk, lock, missing package."""

    code = "environment"


class StoreFault(EnvironmentFault):
    """The store could not read or write; the run stopped where it was and can be resumed."""

    code = "store-fault"


class RunLocked(EnvironmentFault):
    """Another process drives this run."""

    code = "run-locked"


class MissingExtra(EnvironmentFault):
    """An optional package is needed and not installed."""

    code = "missing-extra"


class RunError(GraphrtError):
    """Something went wrong inside a run; recorded in its trace."""

    code = "run"


class NoRoute(RunError):
    """A visit ended with an outcome that has edges, and none of them matched."""

    code = "no-route"


class GuardError(RunError):
    """A guard, the value of an action, or the part of a field that a node reads, raised."""

    code = "guard-error"


class WriteRefused(RunError):
    """A node returned a value that does not fit the field it writes."""

    code = "write-refused"


class WriteConflict(RunError):
    """Two branches, neither behind the other, wrote the same plain field."""

    code = "write-conflict"


class NodeTimeout(RunError, TimeoutError):
    """An attempt took longer than its node allows."""

    code = "node-timeout"


class DeadlinePassed(RunError):
    """A question was not answered before its deadline."""

    code = "deadline-passed"


class LimitReached(RunError):
    """The run used more visits, active seconds, tokens or money than its limits allow."""

    code = "limit-reached"


class JoinShort(RunError):
    """Fewer branches arrived at a join than it waits for, and no more can."""

    code = "join-short"


class InDoubt(RunError):
    """An attempt was cut off by a crash and its node declares that it must not be tried again."""

    code = "in-doubt"


class EndedInFailure(RunError):
    """The run reached an end that is declared a failure."""

    code = "ended-in-failure"


class RunFailed(RunError):
    """A run did not complete; raised where a caller asks for its result."""

    code = "run-failed"


def type_name(kind: type[BaseException]) -> str:
    """Return an exception type's name as traces, policies and error edges have it: its own, without a module.

    The module is left out because the same flow is loaded as a file here and as a package there, and must keep its
    digest.
    """
    return kind.__qualname__.rpartition("<locals>.")[2]
