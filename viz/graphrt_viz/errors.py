"""What can go wrong in drawing.

PictureError
├── LayoutError    Graphviz is missing or refuses
└── FormatError    a format or an option that does not exist
"""

from __future__ import annotations


class PictureError(Exception):
    """A picture cannot be drawn."""


class LayoutError(PictureError):
    """Graphviz is missing, refuses a text or does not end."""


class FormatError(PictureError):
    """A format, theme or direction is unknown."""


class GlyphsMissing(UserWarning):
    """A PNG shows boxes instead of some characters, because no font at hand has them."""

    def __init__(self, characters: str) -> None:
        """Name the characters, at most twenty of them."""
        self.characters = characters
        super().__init__(
            f"no font for {characters[:20]!r} at hand: the PNG shows boxes; write SVG, or install resvg-py and a font"
            " that has them (such as Noto)"
        )
