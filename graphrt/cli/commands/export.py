"""`graphrt export`: a run as a trace file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from graphrt.cli.arguments import DEFAULT_STORE, RunArgument, StoreOption

EXAMPLES = (
    "graphrt export latest -o bug.jsonl",
    "graphrt export 4fz | gzip > 4fz.jsonl.gz",
)


def export(
    run: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; standard output without it.", show_default=False),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Write a run to a trace file: JSON lines, sealed by hashes, with the whole definition.

    Such a file can stand wherever a RUN is expected, on any machine and without the code of the flow.
    """
    from graphrt.cli.screen import note
    from graphrt.cli.which import read_run
    from graphrt.codec import encode_trace
    from graphrt.errors import UseError
    from graphrt.stores.jsonl import write_trace

    trace = read_run(run, store)
    if output is None:
        if sys.stdout.isatty():
            raise UseError("a trace is made for files; add -o FILE.jsonl, or redirect the output")
        sys.stdout.buffer.write(encode_trace(trace))
        sys.stdout.flush()
        return 0
    if output.is_dir():
        file = output / f"{trace.header.run}.jsonl"
        raise UseError(f"{output} is a folder; give the name of a file in it: -o {file}")
    write_trace(output, trace)
    note(f"wrote {len(trace.records)} records to {output}")
    return 0
