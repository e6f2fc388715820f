"""SVG: laid out by Graphviz, written by us.

Every text has its width (`textLength`), so it stays in its box whatever fonts the reader has. Nodes and edges are
groups with ids (n1, e1 …), classes for overlays and a title for pointing at. The file holds no script, no link and
no image; a style sheet only where it follows the reader's colour scheme.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from graphrt_viz.errors import LayoutError
from graphrt_viz.exporters import dot
from graphrt_viz.settling import laid_out, settled
from graphrt_viz.theme import colours
from graphrt_viz.wording import lines_visible, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphrt_viz.exporters.dot import Direction, Plan
    from graphrt_viz.labels import Span
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme

SANS: Final = "Helvetica, Arial, 'Liberation Sans', Arimo, 'Noto Sans', 'DejaVu Sans', sans-serif"
MONO: Final = "Courier, 'Courier New', 'Liberation Mono', Cousine, 'Noto Sans Mono', 'DejaVu Sans Mono', monospace"


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as SVG.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    found = settled(picture, theme, direction, room)
    laid = found.laid if found.laid is not None else laid_out(found.plan, len(picture.nodes))
    return _Drawing(picture, theme, direction, found.plan, laid).text()


class _Drawing:
    """One SVG text, built from the operations that Graphviz wrote down."""

    def __init__(
        self, picture: Picture, theme: Theme, direction: Direction, planned: Plan, laid: dict[str, Any]
    ) -> None:
        self.picture, self.theme, self.direction, self.plan, self.laid = picture, theme, direction, planned, laid
        _, _, self.width, self.height = (float(v) for v in laid["bb"].split(","))
        self.dark = theme.dark is not None
        self.pad = 0.35 * 72
        self.pen = 1.0
        """Stroke width of the node or edge that is being drawn; its arrowheads inherit it."""

    def text(self) -> str:
        w, h = self.width + 2 * self.pad, self.height + 2 * self.pad
        title = escape(visible(self.picture.title), quote=False)
        objects = {o["id"]: o for o in self.laid.get("objects", ()) if "id" in o}
        edges = {e["id"]: e for e in self.laid.get("edges", ())}
        stamp = f"graphrt-picture sha256:{self.picture.digest} theme={self.theme.name} direction={self.direction}"
        size = f'width="{_n(w)}pt" height="{_n(h)}pt" viewBox="0 0 {_n(w)} {_n(h)}"'
        label = title.replace('"', "&quot;")
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{SANS}" role="img" aria-label="{label}">',
            f"<title>{title}</title>",
            f"<desc>{stamp}</desc>",
            *([f"<style>@media (prefers-color-scheme:dark){{{recoloured(self.theme)}}}</style>"] if self.dark else []),
            f'<rect width="100%" height="100%" fill="{self.theme.background}"/>',
            f'<g class="headline">{"".join(self._ops(self.laid.get("_ldraw_", ()), "title"))}</g>',
            *self._groups(
                ((self.plan.ids[c.id], ("cluster",), dot.cluster_tooltip(c), objects) for c in self.picture.clusters),
                parts=("_draw_",),
            ),
            *self._groups(
                (f"e{i}", dot.edge_classes(e, self.picture), dot.edge_tooltip(e), edges)
                for i, e in sorted(
                    enumerate(self.picture.edges, 1), key=lambda ie: ie[1].mark is not None and ie[1].mark.taken > 0
                )
            ),
            *self._frame_labels(objects),
            *self._groups(
                (f"n{i}", ("node", *dot.node_classes(n, self.picture)), dot.tooltip(n), objects)
                for i, n in enumerate(self.picture.nodes, 1)
            ),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _frame_labels(self, objects: dict[str, Any]) -> Iterable[str]:
        """Write the labels of frames above the edges that cross them, with a rim that keeps them readable."""
        for frame in self.picture.clusters:
            key = self.plan.ids[frame.id]
            texts = "".join(self._ops(objects.get(key, {}).get("_ldraw_", ()), key))
            if texts:
                rim = f'stroke="{self.theme.frame}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
                yield f'<g class="frame-label" data-of="{key}" {rim}>{texts}</g>'

    def _groups(
        self,
        entries: Iterable[tuple[str, tuple[str, ...], str, dict[str, Any]]],
        parts: tuple[str, ...] = ("_draw_", "_hdraw_", "_tdraw_", "_ldraw_"),
    ) -> Iterable[str]:
        for key, classes, tip, drawn in entries:
            entry = drawn.get(key, {})
            self.pen = 1.0
            yield f'<g id="{key}" class="{" ".join(classes)}">'
            if tip:
                yield f"<title>{escape(lines_visible(tip), quote=False)}</title>"
            for part in parts:
                yield from self._ops(entry.get(part, ()), key if part == "_ldraw_" else None)
            yield "</g>"

    def _ops(self, ops: Sequence[dict[str, Any]], key: str | None) -> Iterable[str]:
        """Translate drawing operations. `key` names the label whose texts are drawn."""
        pen, fill, dash = "none", "none", ""
        stroke_width = self.pen if key is None else 1.0
        spans = iter(self.plan.spans.get(key, ())) if key else iter(())
        for op in ops:
            match op["op"]:
                case "c":
                    pen = _colour(op["color"])
                case "C":
                    fill = _colour(op["color"])
                case "S":
                    stroke_width, dash = _style(op["style"], stroke_width, dash)
                    self.pen = stroke_width
                case "E" | "e" | "P" | "p" | "B" | "b" | "L":
                    outline = f'fill="{fill if op["op"] in "EPB" else "none"}" stroke="{pen}"'
                    if stroke_width != 1:
                        outline += f' stroke-width="{stroke_width:g}"'
                    yield self._shape(op, outline + dash)
                case "T":
                    yield self._text(op, next(spans, None), key)
                case _:
                    pass

    def _shape(self, op: dict[str, Any], paint: str) -> str:
        if op["op"] in "Ee":
            x, y, rx, ry = op["rect"]
            return f'<ellipse cx="{self._x(x)}" cy="{self._y(y)}" rx="{_n(rx)}" ry="{_n(ry)}" {paint}/>'
        points = [f"{self._x(x)} {self._y(y)}" for x, y in op["points"]]
        if op["op"] in "Bb":
            return f'<path d="M{points[0]}C{" ".join(points[1:])}" {paint}/>'
        if op["op"] == "L":
            return f'<path d="M{"L".join(points)}" {paint}/>'
        return f'<polygon points="{" ".join(points)}" {paint}/>'

    def _text(self, op: dict[str, Any], span: Span | None, key: str | None) -> str:
        if span is None or span.text.replace("\\", "/") != op["text"]:
            found = span.text if span is not None else None
            raise LayoutError(
                f"Graphviz drew {op['text']!r} in {key} where {found!r} was expected; please report this picture"
            )
        shown = span.text.rstrip(" ")
        lead = len(shown) - len(shown.lstrip(" "))
        space = type(span)(" " * lead, span.size, span.colour, span.bold, span.italic, span.mono).width
        word = type(span)(shown[lead:], span.size, span.colour, span.bold, span.italic, span.mono)
        if not word.text:
            return ""
        x, y = op["pt"]
        font = (f' font-family="{MONO}"' if span.mono else "") + f' font-size="{span.size:g}"'
        font += ' font-weight="bold"' if span.bold else ""
        font += ' font-style="italic"' if span.italic else ""
        fit = f' textLength="{_n(word.width)}" lengthAdjust="spacingAndGlyphs"'
        body = escape(word.text, quote=False)
        keep = ' xml:space="preserve"' if "  " in word.text else ""
        return f'<text x="{self._x(x + space)}" y="{self._y(y)}" fill="{span.colour}"{font}{fit}{keep}>{body}</text>'

    def _x(self, x: float) -> str:
        return _n(x + self.pad)

    def _y(self, y: float) -> str:
        return _n(self.height - y + self.pad)


def recoloured(theme: Theme, before: str = "") -> str:
    """Return CSS that turns each colour of a theme that holds two into that of the other.

    `before` is put before each selector.
    """
    assert theme.dark is not None, "only a theme that holds two can be turned into the other"
    pairs = zip(colours(theme), colours(theme.dark), strict=True)
    return "".join(
        f'{before}[{paint}="{colour}"]{{{paint}:{other}}}'
        for (_, colour), (_, other) in pairs
        for paint in ("fill", "stroke")
    )


def _n(value: float) -> str:
    """Write a coordinate with two digits at most and no negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _colour(value: str) -> str:
    return "none" if value == "transparent" or (len(value) == 9 and value.endswith("00")) else value[:7]


def _style(style: str, width: float, dash: str) -> tuple[float, str]:
    """Return stroke width and dashes after a style operation."""
    if style.startswith("setlinewidth("):
        return float(style[13:-1]), dash
    return width, {"dashed": ' stroke-dasharray="5 2.5"', "dotted": ' stroke-dasharray="1 3"'}.get(style, "")
