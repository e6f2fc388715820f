"""`graphrt render`: the picture of a flow, or of a run on its flow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption, targets_or_runs

if TYPE_CHECKING:
    from graphrt.graph import Graph
    from graphrt.trace import Trace
    from graphrt_viz.picture import Picture

EXAMPLES = (
    "graphrt render flows/support.py",
    "graphrt render flows/support.py -o docs/support.svg",
    "graphrt render latest -o run.svg --theme dark",
    "graphrt render bug.jsonl --view timeline",
    "graphrt render flows/support.py -o docs/support.svg --check",
)


def _formats(incomplete: str) -> list[str]:
    from graphrt_viz import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def _views(incomplete: str) -> list[tuple[str, str]]:
    from graphrt_viz import VIEWS

    return [(view.name, view.about) for view in VIEWS.values() if view.name.startswith(incomplete)]


_STAMP: Final = "graphrt-picture "
"""Begins the line of a text that only --check reads."""


def render(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TARGET|RUN",
            help="A flow (file.py, file.py:name, package.module:name), or a run (id, 'latest', trace file).",
            autocompletion=targets_or_runs,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; standard output without it.", show_default=False),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="svg, png, dot, mermaid, mermaid-state, plantuml, markdown, text, json; of a run also perfetto.",
            autocompletion=_formats,
            show_default="by the ending of the file; text",
        ),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            help="How to look at a run: run (on its flow), unrolled, timeline, states.",
            autocompletion=_views,
            show_default="the usual one of the format",
        ),
    ] = None,
    theme: Annotated[
        Literal["light", "dark", "auto"],
        typer.Option("--theme", help="Colours for this background; auto, of an svg, follows its reader."),
    ] = "light",
    direction: Annotated[Literal["down", "right"], typer.Option("--direction", help="Where the flow goes.")] = "down",
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit with 1 if the file shows another definition than today's."),
    ] = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Draw a flow, or a run on its flow: what was taken and why, what was not, attempts, times, tokens, errors.

    A run is drawn from its trace alone. A picture carries the digest of what it shows, so that --check can tell in CI
    that a committed picture is out of date; nothing else of the file is compared.
    """
    from graphrt.cli.screen import note
    from graphrt.errors import UseError
    from graphrt_viz import FormatError, PictureError
    from graphrt_viz import render as draw
    from graphrt_viz.exporters import format_named, format_of

    try:
        chosen = format_named(form) if form else format_of(output) if output is not None else format_named("text")
        shown = _shown(what, store)
        if check:
            return _check(_picture(shown), output, what)
        content = draw(shown, chosen.name, theme=theme, direction="LR" if direction == "right" else "TB", view=view)
    except FormatError as error:
        raise UseError(str(error)) from error
    except PictureError as error:
        raise UseError(f"cannot draw {what}: {error}") from error
    if output is None:
        _to_screen(content, chosen.name)
        return 0
    try:
        output.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise UseError(f"cannot write {output}: {error.strerror or error}") from error
    note(f"wrote {output}")
    return 0


def _shown(what: str, store: str) -> Graph | Trace:
    """Return the flow or the run to draw."""
    from graphrt.cli.target import is_target, load
    from graphrt.cli.which import read_run

    return load(what).graph() if is_target(what) else read_run(what, store)


def _picture(shown: Graph | Trace) -> Picture:
    from graphrt.graph import Graph
    from graphrt_viz import picture_of, picture_of_run

    return picture_of(shown) if isinstance(shown, Graph) else picture_of_run(shown)


def _to_screen(content: str | bytes, form: str) -> None:
    from graphrt.cli.screen import console, framed, say, write
    from graphrt.errors import UseError

    if isinstance(content, str):
        screen = console()
        if form == "text" and screen.is_terminal:
            rows = content.rstrip("\n").split("\n")
            say(*(part for row in rows if not row.startswith(_STAMP) for part in framed(row, screen.width)))
            return
        write(content if content.endswith("\n") else content + "\n")
        return
    if sys.stdout.isatty():
        raise UseError(f"{form} is no text; add -o FILE.{form}, or redirect the output")
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def _check(picture: Picture, output: Path | None, what: str) -> int:
    """Compare the digest in a file with that of the picture it would be today."""
    from graphrt.cli.screen import say
    from graphrt.errors import UseError
    from graphrt_viz import digest_in

    if output is None:
        raise UseError("--check compares a file; name it with -o")
    again = f"draw it again: graphrt render {what} -o {output}"
    if not output.exists():
        say(f"{output} does not exist; {again}")
        return 1
    digest = digest_in(output.read_bytes())
    if digest is None:
        say(f"{output} carries no digest, so it is no picture of graphrt or was edited; {again}")
        return 1
    if digest != picture.digest:
        say(f"{output} is out of date: it shows {digest[:7]}, {what} is {picture.digest[:7]}; {again}")
        return 1
    say(f"{output} is up to date")
    return 0
