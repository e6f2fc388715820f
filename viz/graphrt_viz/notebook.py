"""How flows, runs and pictures show themselves in a notebook: as SVG that follows its colours, and as text elsewhere.

It is found by the entry point `graphrt.display`, so a flow need not know the visualiser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from graphrt.flow import Flow
    from graphrt.trace import Trace
    from graphrt_viz.picture import Picture


_CELL_WIDE: Final = 660.0
"""Points that a cell of a notebook is wide, about; notebooks cut off what is wider."""


def bundle(picture: Picture) -> dict[str, str]:
    """Return a picture by MIME type; without Graphviz only as text."""
    from graphrt_viz import LayoutError, render  # noqa: PLC0415 - the package imports the pictures

    shown = {"text/plain": render(picture, "text")}
    try:
        return {"image/svg+xml": _fitting(render(picture, "svg", theme="auto")), **shown}
    except LayoutError:
        return shown


def _fitting(svg: str) -> str:
    """Return a drawing no wider than a cell."""
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    assert size is not None, "every drawing says how large it is"
    width, height = float(size[1]), float(size[2])
    if width <= _CELL_WIDE:
        return svg
    small = f'width="{_CELL_WIDE:g}pt" height="{height * _CELL_WIDE / width:.2f}pt"'
    return svg[: size.start()] + small + svg[size.end() :]


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
