"""`graphrt chat`: a conversation with a flow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption, TargetArgument
from graphrt.cli.drive_options import (
    MaxCostOption,
    MaxSecondsOption,
    MaxTokensOption,
    MaxVisitsOption,
    ModelOption,
)

if TYPE_CHECKING:
    from graphrt.chat import ChatRuntime
    from graphrt.cli.chat.displays import Display
    from graphrt.cli.chat.reading import Reader
    from graphrt.cli.surroundings import Around
    from graphrt.cli.target import Loaded
    from graphrt.graph import Graph

EXAMPLES = (
    "graphrt chat graphs/languages.py",
    "graphrt chat graphs/languages.py --conversation tea",
    "graphrt chat graphs/report.py 'The history of tea' > report.txt",
    "graphrt chat graphs/report.py - < question.txt",
    "graphrt chat graphs/languages.py --json < messages.txt | jq -c .type",
)


def chat(
    target: TargetArgument,
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE", help="What is said first; - reads it from standard input.", show_default=False
        ),
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation",
            "-c",
            metavar="ID",
            help="The conversation to go on with, or the name of a new one.",
            show_default="made up",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, metavar="N", help="How many messages a turn sees at most.", show_default="200"),
    ] = None,
    model: ModelOption = None,
    max_visits: MaxVisitsOption = None,
    max_seconds: MaxSecondsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event of the conversation as a line of JSON.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print replies only; a terminal shows all.")] = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Talk to a flow whose state is a conversation: replies as they come, tools, questions, who hands over to whom.

    Each turn is a run in the store. Ctrl-C stops a turn, Ctrl-D leaves; --conversation goes on, also with a turn that
    was cut off or waits for an answer. /help lists the commands. Limits are those of one turn.

    Without a terminal each line of standard input is a message, or the answer to what was asked; with MESSAGE nothing
    else is read. Replies go to standard output, all else to standard error. The exit code is that of the last turn.
    """
    from graphrt.chat import ChatRuntime
    from graphrt.chat.runtime import KEEP
    from graphrt.cli.chat.reading import whole
    from graphrt.cli.drive_options import limited
    from graphrt.cli.surroundings import find_around
    from graphrt.cli.which import opened
    from graphrt.ports import new_run_id

    loaded, graph = _talkable(target)
    around = find_around(loaded, graph, model)
    limits = limited(graph.limits, max_visits, max_seconds, max_tokens, max_cost)
    first = whole(sys.stdin) if message == "-" else message
    if first is not None and not first.strip():
        raise typer.BadParameter("it says nothing", param_hint="MESSAGE")
    with opened(store, create=True) as open_:
        runtime = ChatRuntime(
            loaded.flow,
            store=open_,
            conversation=conversation or new_run_id(),
            resources=around.resources,
            policies=around.policies,
            keep=keep or KEEP,
            limits=limits,
            target=loaded.target,
        )
        _same_flow(runtime, loaded)
        if not quiet and not as_json:
            around.tell()
        return _talk(runtime, loaded, first, model, around, store, as_json=as_json, quiet=quiet)


def _talkable(target: str) -> tuple[Loaded, Graph]:
    """Return a flow that can be talked to, and its graph.

    Raises:
        UseError: it is none, and what it lacks.
    """
    from graphrt.cli.target import load
    from graphrt.configurations.state import hears
    from graphrt.errors import UseError
    from graphrt.flow import Flow

    loaded = load(target)
    graph = loaded.graph()
    cannot = f"{loaded.target} cannot be talked to"
    if not isinstance(loaded.flow, Flow):
        raise UseError(f"{cannot}: it is a Graph, expected the Flow that it was made from")
    if not hears(graph.field.get("messages")):
        state = "" if graph.state_type is None else f" {graph.state_type.__name__}"
        raise UseError(
            f"{cannot}: its state{state} has no field messages: Annotated[list[Message], append]; derive it from"
            f" ChatState, or run it: graphrt run {target}"
        )
    return loaded, graph


def _same_flow(runtime: ChatRuntime, loaded: Loaded) -> None:
    """See that a conversation is gone on with by the flow that it is with.

    Raises:
        UseError: it is with another.
    """
    from graphrt.chat.conversation import CLEARED
    from graphrt.errors import UseError

    for run in reversed(runtime.runs):
        info = runtime.store.info(run)
        if info.flow not in {CLEARED, runtime.flow.name}:
            where = f" ({info.target})" if info.target else ""
            message = f"conversation {runtime.conversation!r} is with flow {info.flow!r}{where}"
            raise UseError(f"{message}, but {loaded.target} is flow {runtime.flow.name!r}", run=run)
        if info.flow != CLEARED:
            return


def _talk(
    runtime: ChatRuntime,
    loaded: Loaded,
    first: str | None,
    spec: str | None,
    around: Around,
    store: str,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Sit down to a conversation, and close what it has opened."""
    import shlex

    from graphrt.cli.chat.session import Again, Session
    from graphrt.cli.chat.turns import Turns
    from graphrt.cli.outcome import again

    words = ["chat", loaded.target, "--conversation", runtime.conversation, *(["--model", spec] if spec else [])]
    reader = _reader(runtime, as_json=as_json)
    display = _display(as_json=as_json, quiet=quiet)
    only = first is not None and not reader.is_person
    with Turns(runtime) as turns:
        session = Session(runtime, reader, display, turns, Again(again(shlex.join(words), store), store))
        try:
            return session.run(first, only=only)
        finally:
            if around.holds:
                turns.run(around.aclose())


def _reader(runtime: ChatRuntime, *, as_json: bool) -> Reader:
    """Return where the messages come from."""
    from graphrt.cli.chat.reading import Lines, Person
    from graphrt.cli.chat.slash import SLASHES

    if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
        said = [m.text for m in runtime.messages if m.role == "user"]
        return Person(said, [f"/{name}" for name in SLASHES])
    return Lines(sys.stdin, quoted=as_json)


def _display(*, as_json: bool, quiet: bool) -> Display:
    """Return what shows the turns."""
    from graphrt.cli.chat.displays import EventLines, Plain
    from graphrt.cli.chat.screen import Screen
    from graphrt.cli.screen import Lasting

    if as_json:
        return EventLines(Lasting.over(sys.stdout))
    if sys.stdout.isatty():
        return Screen(Lasting.over(sys.stdout))
    return Plain(Lasting.over(sys.stdout), Lasting.over(sys.stderr), quiet=quiet)
