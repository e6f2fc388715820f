"""`graphrt render`: the picture of a flow, of a run on its flow, of what differs, or of many runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption, targets_or_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Graph
    from graphrt.trace import Trace
    from graphrt_viz.exporters import Format
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import ThemeName
    from graphrt_viz.views.heat import Measure

EXAMPLES = (
    "graphrt render flows/support.py",
    "graphrt render flows/support.py -o docs/support.svg",
    "graphrt render latest -o run.svg --theme dark",
    "graphrt render latest -o report.html",
    "graphrt render bug.jsonl --view timeline",
    "graphrt render good.jsonl bad.jsonl -o differ.svg",
    "graphrt render flows/support.py --heat time -o heat.svg",
    "graphrt render flows/support.py -o docs/support.svg --check",
    "graphrt render flows/support.py -o found.svg --check-marks",
)


def choices() -> dict[str, list[tuple[str, str]]]:
    """Return the formats and the views, for the help."""
    from graphrt_viz import FORMATS, VIEWS

    return {
        "Formats": [(f.name, ", ".join(f.endings) or "by its name alone") for f in FORMATS.values()],
        "Views of a run": [(v.name, v.about) for v in VIEWS.values()],
    }


def _formats(incomplete: str) -> list[str]:
    from graphrt_viz import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def _views(incomplete: str) -> list[tuple[str, str]]:
    from graphrt_viz import VIEWS

    return [(view.name, view.about) for view in VIEWS.values() if view.name.startswith(incomplete)]


def render(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET|RUN...",
            help="A flow (file.py, file.py:name, package.module:name), or a run (id, 'latest', trace file); two of a "
            "kind to see what differs, or many runs with --heat.",
            autocompletion=targets_or_runs,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; - or none: standard output.", show_default=False),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="How to write it; see below.",
            autocompletion=_formats,
            show_default="by the ending of the file; text",
        ),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            metavar="NAME",
            help="How to look at a run; see below.",
            autocompletion=_views,
            show_default="the usual one of the format",
        ),
    ] = None,
    theme: Annotated[
        Literal["light", "dark", "auto"] | None,
        typer.Option(
            "--theme",
            help="Colours for this background; auto, of svg and html, follows the reader.",
            show_default="auto for html, else light",
        ),
    ] = None,
    direction: Annotated[Literal["down", "right"], typer.Option("--direction", help="Where the flow goes.")] = "down",
    opened: Annotated[
        Literal["none", "subgraphs", "agents"],
        typer.Option("--open", help="What is drawn with the graph inside it: nothing, subgraphs, agents too."),
    ] = "subgraphs",
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=0, help="Open so many levels, however much is inside.", show_default="all"),
    ] = None,
    heat: Annotated[
        Literal["visits", "time", "failures", "tokens", "cost"] | None,
        typer.Option("--heat", help="Draw many runs, coloured by this; of a flow, all its runs in the store."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit with 1 if the file shows another definition than today's."),
    ] = False,
    check_marks: Annotated[
        bool,
        typer.Option("--check-marks", help="Mark what `graphrt check` finds at the nodes and edges it is about."),
    ] = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Draw a flow, or a run on its flow: what was taken and why, what was not, attempts, times, tokens, errors.

    A run is drawn from its trace alone. Of two flows or two runs it draws what differs. A picture carries the digest of
    what it shows, so that --check can tell in CI that a committed picture is out of date; nothing else is compared. A
    report (html) of several runs is of the first, with what differs from the second and what all of them did.
    """
    from graphrt.cli.pictures import STANDARD_OUTPUT
    from graphrt.errors import UseError
    from graphrt_viz import FormatError, PictureError

    named = " ".join(what)
    if output == STANDARD_OUTPUT:
        output = None
    try:
        chosen = _format(form, output)
        known = [shown_now(one, store) for one in what]
        given = [one for one, _ in known]
        look = _Look(view, theme, direction, _opened(given[-1], opened, depth), heat, known[0][1], marks=check_marks)
        if check:
            return _check(_compared(_together(given, what, look, store), look), output, named, marks=check_marks)
        content = _content(given, what, chosen.name, look, store)
    except FormatError as error:
        raise UseError(str(error)) from error
    except PictureError as error:
        raise UseError(f"cannot draw {named}: {error}") from error
    return _written(content, output, chosen.name)


@dataclass(frozen=True, slots=True)
class _Look:
    """How what was named is to be looked at."""

    view: str | None
    theme: ThemeName | None
    direction: Literal["down", "right"]
    opened: Opened
    heat: Measure | None
    live: bool | None
    """Whether somebody drives the first run now; None if it is none of the store."""
    marks: bool
    """Whether what the checker finds is marked."""


def _format(name: str | None, output: Path | None) -> Format:
    """Return the format that was named, else the one of the file's ending, else text.

    Raises:
        UseError: the ending is that of an exported run.
        FormatError: there is no such format.
    """
    from graphrt.errors import UseError
    from graphrt_viz.exporters import format_named, format_of

    if output is not None and name is None and output.name.lower().endswith((".otlp.json", ".jsonl")):
        raise UseError(f"{output} has the ending of an exported run, not of a picture: graphrt export RUN -o {output}")
    if name:
        return format_named(name)
    return format_of(output) if output is not None else format_named("text")


def _content(given: Sequence[Graph | Trace], what: Sequence[str], form: str, look: _Look, store: str) -> str | bytes:
    """Return what the file is to hold: the report of several runs, or one thing drawn, perhaps with marks."""
    from graphrt.trace import Trace
    from graphrt_viz import render as draw
    from graphrt_viz import report_of

    runs = [one for one in given if isinstance(one, Trace)]
    if form == "html" and len(runs) == len(given) > 1 and not look.marks:
        theme, by = look.theme or "auto", look.heat or "time"
        return report_of(runs, theme=theme, by=by, opened=look.opened, live=look.live)
    drawn = _together(given, what, look, store)
    if look.marks and isinstance(drawn, Trace) and form == "html" and look.view in {None, "run"}:
        return _marked_report(drawn, look)
    view = look.view
    if look.marks:
        drawn, view = _marked(drawn, look), None
    way: Literal["LR", "TB"] = "LR" if look.direction == "right" else "TB"
    return draw(drawn, form, theme=look.theme, direction=way, view=view, opened=look.opened, live=look.live)


_COLLAPSED: Final = re.compile(r"^%% (collapsed: .*)$", re.MULTILINE)
"""The line in which a text for a drawer with limits says how much of the picture it leaves out."""


def _written(content: str | bytes, output: Path | None, form: str) -> int:
    """Write a picture to its file, or to standard output."""
    from graphrt.cli.pictures import print_picture, write_picture
    from graphrt.cli.screen import note

    if isinstance(content, str) and (hidden := _COLLAPSED.search(content)) is not None:
        note(hidden[1])
    if output is None:
        print_picture(content, form)
        return 0
    write_picture(content, output)
    note(f"wrote {output}")
    return 0


def shown(what: str, store: str) -> Graph | Trace:
    """Return the flow or the run that `what` means."""
    return shown_now(what, store)[0]


def shown_now(what: str, store: str) -> tuple[Graph | Trace, bool | None]:
    """Return the flow or the run that `what` means, and of a run of the store whether somebody drives it."""
    from graphrt.cli.target import is_target, load
    from graphrt.cli.which import read_known

    if is_target(what):
        return load(what).graph(), None
    trace, info = read_known(what, store)
    return trace, info.live if info is not None else None


def _opened(last: Graph | Trace, opened: str, depth: int | None) -> Opened:
    """Return which nodes to draw open."""
    from graphrt.graph import Graph
    from graphrt.trace import graph_of
    from graphrt_viz import opened_to

    if opened == "none" or depth == 0:
        return "none"
    if depth is None:
        return "all" if opened == "agents" else None
    return opened_to(last if isinstance(last, Graph) else graph_of(last), depth, agents=opened == "agents")


def _together(given: Sequence[Graph | Trace], what: Sequence[str], look: _Look, store: str) -> Picture | Graph | Trace:
    """Return the one thing to draw: what was given, what differs between two, or many runs at once."""
    from graphrt.errors import UseError
    from graphrt.graph import Graph
    from graphrt_viz import difference_of, difference_of_runs, picture_of_heat

    if look.heat is not None:
        return picture_of_heat(runs_of(given, store), by=look.heat, opened=look.opened)
    match given:
        case [one]:
            return one
        case [Graph() as first, Graph() as second]:
            return difference_of(first, second, opened=look.opened)
        case [first, second] if not isinstance(first, Graph) and not isinstance(second, Graph):
            return difference_of_runs(first, second, opened=look.opened).picture
        case [_, _]:
            raise UseError(f"{what[0]} and {what[1]} are a flow and a run; what differs is drawn of two of a kind")
        case _:
            raise UseError(f"{len(given)} given; two show what differs, more than two runs need --heat time")


def runs_of(given: Sequence[Graph | Trace], store: str) -> list[Trace]:
    """Return the runs that were given, or all of the store that are of the flow that was."""
    from graphrt.cli.screen import note
    from graphrt.cli.which import opened
    from graphrt.errors import TraceInvalid, UseError
    from graphrt.graph import Graph

    runs = [one for one in given if not isinstance(one, Graph)]
    flows = [one for one in given if isinstance(one, Graph)]
    if runs and flows:
        raise UseError("name runs, or one flow for all its runs; not both at once")
    if not flows:
        return runs
    if len(flows) > 1:
        raise UseError("name one flow; its runs are looked at")
    found: list[Trace] = []
    with opened(store) as open_:
        for info in reversed(open_.runs(flow=flows[0].name)):
            try:
                found.append(open_.trace(info.run))
            except TraceInvalid as damaged:  # one run is no reason to tell nothing of the others
                note(f"left out: {damaged.message}")
    if not found:
        raise UseError(f"the store has no run of flow {flows[0].name!r}; start one with `graphrt run TARGET`")
    return found


def _compared(shown: Picture | Graph | Trace, look: _Look) -> Picture:
    """Return the picture whose digest a file of this has."""
    return _marked(shown, look) if look.marks else _picture(shown, look)


def _picture(shown: Picture | Graph | Trace, look: _Look) -> Picture:
    """Return the picture of what is shown, without what the checker finds."""
    from graphrt.graph import Graph
    from graphrt.trace import Trace
    from graphrt_viz import chronicle_of, picture_of, picture_of_run
    from graphrt_viz.views import view_named

    if isinstance(shown, Trace):
        draw = view_named(look.view).draw if look.view is not None else None
        if draw is None:
            return picture_of_run(shown, opened=look.opened, live=look.live)
        return draw(chronicle_of(shown, opened=look.opened, live=look.live))
    return picture_of(shown, opened=look.opened) if isinstance(shown, Graph) else shown


def _marked(shown: Picture | Graph | Trace, look: _Look) -> Picture:
    """Return the picture of one flow or run, with what the checker finds about the definition.

    Raises:
        UseError: it is of several, or another view of a run.
    """
    from graphrt.cli.marks import marked
    from graphrt.errors import UseError
    from graphrt.trace import Trace, graph_of
    from graphrt_viz import Picture

    if isinstance(shown, Picture) or look.view not in {None, "run"}:
        raise UseError("--check-marks needs the picture of one definition: one flow or run, no --heat, no other view")
    return marked(_picture(shown, look), graph_of(shown) if isinstance(shown, Trace) else shown)


def _marked_report(run: Trace, look: _Look) -> str:
    """Return the report of a run, its drawings with what the checker finds about the definition."""
    from dataclasses import replace

    from graphrt.cli.marks import marked
    from graphrt.trace import graph_of
    from graphrt_viz import chronicle_of
    from graphrt_viz.exporters.html import report
    from graphrt_viz.theme import theme_named

    told = chronicle_of(run, opened=look.opened, live=look.live)
    return report(replace(told, picture=marked(told.picture, graph_of(run))), theme_named(look.theme or "auto"))


def _check(picture: Picture, output: Path | None, what: str, *, marks: bool) -> int:
    """Compare the digest in a file with that of the picture it would be today."""
    from graphrt.cli.screen import say
    from graphrt.errors import UseError
    from graphrt_viz import digest_in

    if output is None:
        raise UseError("--check compares a file; name it with -o")
    again = f"draw it again: graphrt render {what} -o {output}{' --check-marks' if marks else ''}"
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
