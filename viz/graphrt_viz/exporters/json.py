"""JSON: the picture itself, for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from graphrt_viz.picture import canonical

if TYPE_CHECKING:
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture's JSON form with its digest, indented; theme, direction and room have no meaning here."""
    del theme, direction, room
    form = canonical(picture, digest=f"graphrt-picture sha256:{picture.digest}")
    try:
        return msgspec.json.format(form, indent=1) + "\n"
    except msgspec.DecodeError:  # half of a character, which JSON can hold and msgspec does not read
        return json.dumps(json.loads(form), indent=1) + "\n"
