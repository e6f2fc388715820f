"""Options of the commands that drive a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from graphrt.inputs import Limits

ModelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="The model for all agents: a name at the endpoint of the environment, or 'local'.",
        show_default="graphrt_resources beside the flow, what each agent says, GRAPHRT_MODEL",
    ),
]
MaxVisitsOption: TypeAlias = Annotated[
    int | None, typer.Option("--max-visits", min=1, metavar="N", help="Fail when it makes more visits.")
]
MaxSecondsOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-seconds", min=0, metavar="S", help="Fail when its nodes have worked longer, waits not counted."
    ),
]
MaxTokensOption: TypeAlias = Annotated[
    int | None, typer.Option("--max-tokens", min=0, metavar="N", help="Fail when it uses more tokens.")
]
MaxCostOption: TypeAlias = Annotated[
    float | None, typer.Option("--max-cost", min=0, metavar="USD", help="Fail when it costs more.")
]
WaitOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        metavar="S",
        help="Stay so many seconds for answers and deadlines, once only questions are open.",
        show_default="not at all",
    ),
]
DepthOption: TypeAlias = Annotated[
    int, typer.Option("--depth", min=0, help="Tell of visits so deep inside nodes with a graph, such as agents.")
]
EventsOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--events", help="Print each event as a line of JSON, and nothing else; with --json, the result last."
    ),
]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")]
ResultOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def limited(
    known: Limits | None, visits: int | None, seconds: float | None, tokens: int | None, cost: float | None
) -> Limits | None:
    """Return limits in which what was given takes the place of what was known; None if nothing was given."""
    import msgspec

    from graphrt.inputs import Limits

    given = {"visits": visits, "active_s": seconds, "tokens": tokens, "cost_usd": cost}
    said = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(known or Limits(), **said) if said else None
