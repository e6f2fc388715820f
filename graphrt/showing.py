"""How things show themselves in a notebook: as what is registered for it draws them, else as text.

Knows no picture: whoever draws is found by the entry point `graphrt.display`.
"""

from __future__ import annotations


def displayed(thing: object, text: str) -> dict[str, str]:
    """Return what a notebook shows of a flow, a definition or a trace, by MIME type; `text` if nobody draws."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - only a notebook asks

    for point in entry_points(group="graphrt.display"):
        shown: dict[str, str] = point.load()(thing)
        return shown
    return {"text/plain": text}
