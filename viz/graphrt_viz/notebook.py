"""How flows and pictures show themselves in a notebook: as SVG that follows its colours, and as text elsewhere.

It is found by the entry point `graphrt.display`, so a flow need not know the visualiser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphrt.flow import Flow
    from graphrt_viz.picture import Picture


def bundle(picture: Picture) -> dict[str, str]:
    """Return a picture by MIME type; without Graphviz only as text."""
    from graphrt_viz import LayoutError, render  # noqa: PLC0415 - the package imports the pictures

    shown = {"text/plain": render(picture, "text")}
    try:
        return {"image/svg+xml": render(picture, "svg", theme="auto"), **shown}
    except LayoutError:
        return shown


def display(flow: Flow[Any]) -> dict[str, str]:
    """Return the picture of a flow by MIME type; of one that cannot be frozen, its mistakes."""
    from graphrt.errors import GraphrtError  # noqa: PLC0415 - a notebook pays when it shows something
    from graphrt_viz.extract import picture_of  # noqa: PLC0415 - as above

    try:
        return bundle(picture_of(flow.freeze()))
    except GraphrtError as error:
        return {"text/plain": f"{flow!r}\n{error}"}
