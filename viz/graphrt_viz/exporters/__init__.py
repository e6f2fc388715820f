"""The formats: one file each, found by name or by the ending of a file."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from graphrt_viz.errors import FormatError
from graphrt_viz.exporters import (
    dot,
    html,
    json,
    markdown,
    mermaid,
    mermaid_state,
    pdf,
    perfetto,
    plantuml,
    png,
    svg,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.steps import Chronicle
    from graphrt_viz.theme import Theme


class Tell(Protocol):
    """Turns the steps of a run into the content of a file."""

    def __call__(self, chronicle: Chronicle, theme: Theme) -> str | bytes:
        """Return the content: text, or bytes for a binary format."""
        ...


class Export(Protocol):
    """Turns a picture into the content of a file."""

    def __call__(
        self, picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None
    ) -> str | bytes:
        """Return the content: text, or bytes for a binary format."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a picture down."""

    name: str
    endings: tuple[str, ...]
    """Of file names, with the dot, the usual one first; none if the format is chosen by its name alone."""
    export: Export | None
    """None if it is about times, which a picture does not have."""
    tell: Tell | None = None
    """What it makes of a run; None if that is what it makes of the run's picture."""
    themed: bool = True
    """Whether the theme shows."""
    follows: bool = False
    """Whether one file can show both themes, as its reader prefers."""


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        f.name: f
        for f in (
            Format("svg", (".svg",), svg.export, follows=True),
            Format("png", (".png",), png.export),
            Format("pdf", (".pdf",), pdf.export),
            Format("html", (".html", ".htm"), html.export, html.tell, follows=True),
            Format("dot", (".dot", ".gv"), dot.export),
            Format("mermaid", (".mmd", ".mermaid"), mermaid.export),
            Format("mermaid-state", (), mermaid_state.export),
            Format("plantuml", (".puml", ".plantuml"), plantuml.export),
            Format("perfetto", (".perfetto.json", ".perfetto"), None, perfetto.tell, themed=False),
            Format("markdown", (".md",), markdown.export, themed=False),
            Format("text", (".txt",), text.export, themed=False),
            Format("json", (".json",), json.export, themed=False),
        )
    }
)


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises:
        FormatError: there is none of that name.
    """
    if name not in FORMATS:
        raise FormatError(f"format {name!r} is unknown; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def refuse_theme(form: Format, theme: Theme) -> None:
    """Refuse the theme that follows the reader for a format that cannot.

    Raises:
        FormatError: it cannot.
    """
    if theme.dark is not None and form.themed and not form.follows:
        able = " and ".join(f.name for f in FORMATS.values() if f.follows)
        raise FormatError(
            f"theme 'auto' needs a format that follows its reader ({able}); for {form.name} choose light or dark"
        )


def format_of(path: Path) -> Format:
    """Return the format that the name of a file stands for.

    Raises:
        FormatError: no format has that ending.
    """
    ending = path.suffix.lower()
    endings = sorted(((e, f) for f in FORMATS.values() for e in f.endings), key=lambda pair: -len(pair[0]))
    for known_ending, form in endings:
        if path.name.lower().endswith(known_ending):
            return form
    known = ", ".join(e for f in FORMATS.values() for e in f.endings)
    found = f"no format has the ending {ending!r}" if ending else "a name without an ending says no format"
    raise FormatError(f"{path}: {found}; use one of {known}")
