"""PDF: the SVG on a page of its size, with text that can be selected and searched. Needs the extra `pdf`.

The same picture gives the same bytes: no time is written, and the fonts are those of this machine.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final

from graphrt_viz.errors import PictureError
from graphrt_viz.exporters import svg
from graphrt_viz.wording import visible

if TYPE_CHECKING:
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme

_MOST_POINTS: Final = 14_400
"""Readers of PDF refuse larger pages; a larger picture is made smaller."""
_PAGE: Final = b"""
#let given = sys.inputs
#set document(title: given.title, keywords: (given.stamp,))
#set page(width: float(given.width) * 1pt, height: float(given.height) * 1pt, margin: 0pt)
#image(bytes(given.svg), format: "svg", width: 100%, alt: given.title)
"""


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> bytes:
    """Return the picture as PDF, with its digest among the keywords.

    Raises:
        LayoutError: Graphviz is missing or refuses.
        PictureError: the extra `pdf` is not installed.
    """
    stamp = f"graphrt-picture sha256:{picture.digest}"
    return of_svg(svg.export(picture, theme, direction, room), picture.title, stamp)


def of_svg(drawn: str, title: str, stamp: str) -> bytes:
    """Return a drawing on a page of its size, with a title and a comment among the keywords.

    Raises:
        PictureError: the extra `pdf` is not installed.
    """
    try:
        typst: Any = importlib.import_module("typst")
    except ImportError as error:
        raise PictureError("PDF needs the extra `pdf`: pip install 'graphrt[pdf]'; or choose svg or png") from error
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
    assert box is not None, "an SVG of ours says how large it is"
    width, height = float(box[1]), float(box[2])
    shrunk = min(1.0, _MOST_POINTS / max(width, height))
    given = {
        "svg": drawn,
        "title": visible(title) or "picture",
        "stamp": stamp,
        "width": f"{width * shrunk:.2f}",
        "height": f"{height * shrunk:.2f}",
    }
    return bytes(typst.compile(_PAGE, format="pdf", sys_inputs=given, timestamp=0))
