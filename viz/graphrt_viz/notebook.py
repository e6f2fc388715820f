"""How flows, runs and pictures show themselves in a notebook: as SVG that follows its colours, and as text elsewhere.

It is found by the entry point `graphrt.display`, so a flow need not know the visualiser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphrt.flow import Flow
    from graphrt.trace import Trace
    from graphrt_viz.picture import Picture


def bundle(picture: Picture) -> dict[str, str]:
    """Return a picture by MIME type; without Graphviz only as text."""
    from graphrt_viz import LayoutError, render  # noqa: PLC0415 - the package imports the pictures

    shown = {"text/plain": render(picture, "text")}
    try:
        return {"image/svg+xml": render(picture, "svg", theme="auto"), **shown}
    except LayoutError:
        return shown


def display(shown: Flow[Any] | Trace) -> dict[str, str]:
    """Return the picture of a flow, or of a run on its flow, by MIME type; of what cannot be drawn, why."""
    from graphrt.errors import GraphrtError  # noqa: PLC0415 - a notebook pays when it shows something
    from graphrt.trace import Trace  # noqa: PLC0415 - as above
    from graphrt_viz.extract import picture_of  # noqa: PLC0415 - as above
    from graphrt_viz.overlay import picture_of_run  # noqa: PLC0415 - as above

    try:
        return bundle(picture_of_run(shown) if isinstance(shown, Trace) else picture_of(shown.freeze()))
    except GraphrtError as error:
        named = f"run {shown.header.run}" if isinstance(shown, Trace) else repr(shown)
        return {"text/plain": f"{named}\n{error}"}
