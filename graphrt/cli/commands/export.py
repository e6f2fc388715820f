"""`graphrt export`: a run as a file, for graphrt or for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer

from graphrt.cli.arguments import DEFAULT_STORE, RunArgument, StoreOption

if TYPE_CHECKING:
    from graphrt.trace import Trace

EXAMPLES = (
    "graphrt export latest -o bug.jsonl",
    "graphrt export 4fz | gzip > 4fz.jsonl.gz",
    "graphrt export latest -o run.otlp.json",
    "graphrt export latest -o run.perfetto.json",
)

Form: TypeAlias = Literal["jsonl", "otlp", "perfetto"]
_ENDINGS: Final[dict[str, Form]] = {
    ".jsonl": "jsonl",
    ".otlp.json": "otlp",
    ".perfetto.json": "perfetto",
    ".perfetto": "perfetto",
}


def choices() -> dict[str, list[tuple[str, str]]]:
    """Return the formats, for the help."""
    about: dict[Form, str] = {
        "jsonl": "the trace itself; also with endings that mean nothing else",
        "otlp": "spans for OpenTelemetry",
        "perfetto": "slices of time for Perfetto and Chrome's tracing page",
    }
    endings = {form: [e for e, known in _ENDINGS.items() if known == form] for form in about}
    return {"Formats": [(form, f"{', '.join(endings[form])}: {says}") for form, says in about.items()]}


def export(
    run: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; - or none: standard output.", show_default=False),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", "-f", help="How to write it; see below.", show_default="by the ending of the file; jsonl"
        ),
    ] = None,
    content: Annotated[
        bool,
        typer.Option("--content", help="With otlp: tell prompts, answers, state and messages of errors as well."),
    ] = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Write a run to a file: its trace, or its spans for other tools.

    A trace is JSON lines, sealed by hashes, with the whole definition: it can stand wherever a RUN is expected, on any
    machine and without the code of the flow. Spans for OpenTelemetry (OTLP JSON) say what lay in what and when, how
    each attempt ended, what models used and how each edge was judged; of what the run worked on they tell nothing,
    unless --content asks for it. Pictures and reports are made by `graphrt render`.
    """
    from graphrt.cli.pictures import STANDARD_OUTPUT
    from graphrt.cli.screen import note
    from graphrt.cli.which import read_run
    from graphrt.errors import UseError
    from graphrt.stores.whole_files import write_whole

    if output == STANDARD_OUTPUT:
        output = None
    chosen = form or (_form_of(output, run) if output is not None else "jsonl")
    if content and chosen != "otlp":
        raise UseError(f"--content is about otlp; {chosen} always tells all of a run")
    trace = read_run(run, store)
    if output is None:
        if sys.stdout.isatty():
            raise UseError(f"this is made for files; add -o FILE{_ending(chosen)}, or redirect the output")
        sys.stdout.buffer.write(_written(trace, chosen, content=content))
        sys.stdout.flush()
        return 0
    if output.is_dir():
        file = output / f"{trace.header.run}{_ending(chosen)}"
        raise UseError(f"{output} is a folder; give the name of a file in it: -o {file}")
    try:
        write_whole(output, _written(trace, chosen, content=content))
    except OSError as error:
        raise UseError(f"cannot write {output}: {error.strerror or error}") from error
    note(f"wrote {len(trace.records)} records to {output}")
    return 0


def _form_of(output: Path, run: str) -> Form:
    """Return the format that the name of a file stands for; one that stands for a picture is a mistake."""
    from graphrt.errors import UseError
    from graphrt_viz import FormatError
    from graphrt_viz.exporters import format_of

    for ending, form in _ENDINGS.items():
        if output.name.lower().endswith(ending):
            return form
    try:
        picture = format_of(output).name
    except FormatError:
        return "jsonl"
    raise UseError(
        f"{output} has the ending of a picture ({picture}): graphrt render {run} -o {output} draws it; "
        "to write the trace to it all the same, add --format jsonl"
    )


def _ending(form: Form) -> str:
    return next(ending for ending, known in _ENDINGS.items() if known == form)


def _written(trace: Trace, form: Form, *, content: bool) -> bytes:
    match form:
        case "jsonl":
            from graphrt.codec import encode_trace

            return encode_trace(trace)
        case "otlp":
            from graphrt.telemetry.otlp import otlp_of

            return otlp_of(trace, content=content).encode()
        case "perfetto":
            from graphrt_viz import render

            return render(trace, "perfetto").encode()
