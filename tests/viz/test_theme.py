"""Colours: both themes name the same roles and their text can be read."""

from __future__ import annotations

import pytest

from graphrt_viz.errors import FormatError
from graphrt_viz.picture import NODE_KINDS
from graphrt_viz.theme import AUTO, DARK, LIGHT, THEMES, Shade, Theme, colours, theme_named

FRAMED = {"agent", "tool_agent", "router", "subgraph"}
"""Kinds that can be drawn open."""


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#RRGGBB` as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _texts(theme: Theme) -> list[tuple[str, str, str]]:
    """Return every pair of text and ground that a picture holds."""
    pairs = [
        ("title", theme.ink, theme.background),
        ("subtitle", theme.muted, theme.background),
        ("chip", theme.ink, theme.card),
        ("chip note", theme.muted, theme.card),
        ("error chip", theme.bad.ink, theme.card),
        ("badge", theme.on_path, theme.path),
        ("failure badge", theme.on_path, theme.bad.stroke),
        ("ghost label", theme.ghost.ink, theme.background),
        ("frame", theme.ink, theme.frame),
        ("frame tag", theme.task.ink, theme.frame),
        ("ghost frame", theme.ghost.ink, theme.frame),
    ]
    pairs += [(f"{kind} frame", shade.ink, theme.frame) for kind, shade in theme.kinds.items() if kind in FRAMED]
    pairs += [("failed frame", theme.bad.ink, theme.frame), ("cut off", theme.bad.ink, theme.ghost.fill)]
    pairs += [("other badge", theme.on_path, theme.other.stroke)]
    pairs += [(f"heat{i}", ink, shade.fill) for i, shade in enumerate(theme.heat) for ink in (shade.ink, theme.ink)]
    shades: dict[str, Shade] = {**theme.kinds, "ghost": theme.ghost, "other": theme.other}
    for kind, shade in shades.items():
        pairs.append((kind, shade.ink, shade.fill))
        if kind not in {"start", "join", "fork", "ghost"}:
            pairs += [(f"{kind} name", theme.ink, shade.fill), (f"{kind} subtitle", theme.muted, shade.fill)]
            pairs.append((f"{kind} failure", theme.bad.ink, shade.fill))
    return pairs


@pytest.mark.parametrize("name", THEMES)
def test_all_text_can_be_read(name: str) -> None:
    """Every text has a contrast of at least 4.5:1 to its ground."""
    weak = [
        (what, _contrast(ink, ground)) for what, ink, ground in _texts(THEMES[name]) if _contrast(ink, ground) < 4.5
    ]
    assert weak == []


@pytest.mark.parametrize("name", THEMES)
def test_every_kind_has_a_shade(name: str) -> None:
    """No kind of node is without a colour in any theme."""
    assert set(THEMES[name].kinds) == set(NODE_KINDS)


def test_an_unknown_theme_is_named() -> None:
    """The message says what was asked for and what there is."""
    with pytest.raises(FormatError, match="'sepia' is unknown; choose one of light, dark"):
        theme_named("sepia")


def test_a_theme_of_both_has_a_colour_of_its_own_for_each_role() -> None:
    """What turns one colour into its dark one cannot mistake it for another; and nobody sees that it was moved."""
    own = dict(colours(AUTO))
    assert len(set(own.values())) == len(own)
    assert own.keys() == dict(colours(LIGHT)).keys() == dict(colours(DARK)).keys()
    for role, colour in colours(LIGHT):
        steps = [abs(int(colour[i : i + 2], 16) - int(own[role][i : i + 2], 16)) for i in (1, 3, 5)]
        assert max(steps) <= 2
