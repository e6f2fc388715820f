"""Graphviz DOT: the picture as a text that any Graphviz draws, and that the other drawn formats are made from.

Nodes are called n1, n2, … and edges e1, e2, … in the order of the picture: no name can break the syntax, and a
diff of two files shows what changed. No link or image is ever written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from graphrt_viz import looks, story
from graphrt_viz.loops import Loop, least_height, least_width
from graphrt_viz.outline import Outline
from graphrt_viz.spine import spine
from graphrt_viz.wording import lines_visible, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphrt_viz.labels import Cell, Span
    from graphrt_viz.layout import Engine
    from graphrt_viz.looks import Context, Look, Room
    from graphrt_viz.loops import Loops
    from graphrt_viz.picture import PCluster, PEdge, Picture, PNode
    from graphrt_viz.spine import Spine
    from graphrt_viz.theme import Theme

Direction: TypeAlias = Literal["TB", "LR"]
POINTED: Final = frozenset({"router", "ask"})
"""Kinds of nodes whose sides are not straight."""
MANY: Final = 300
"""Nodes from which on the layout trades beauty for time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A DOT text and the texts that stand in it, for whoever reads its layout back."""

    text: str
    spans: dict[str, tuple[Span, ...]]
    """The texts of each label in drawing order, by `n1` …, `e1` …, `c1` … and `title`."""
    ids: dict[str, str]
    """What stands for each node and cluster of the picture: `n1` …, `c1` …"""
    engine: Engine
    """What of Graphviz finds the places, or `nop2`: they are in the text."""
    loops: Loops
    """The loops of nodes that have several, and that are given their places here."""


def plan(
    picture: Picture,
    theme: Theme,
    direction: Direction = "TB",
    room: Room | None = None,
    *,
    places: Mapping[str, str] | None = None,
    silent: frozenset[str] = frozenset(),
) -> Plan:
    """Return the DOT form of a picture.

    `places` says where everything stands, as attributes by id; without them, Graphviz lays it out. The edges of the ids
    `silent` are left without labels.
    """
    writer = _Writer(picture, theme, direction, spine(picture), room or {}, places or {}, silent)
    engine: Engine = "dot" if places is None else "nop2"
    several = {key: loops for key, loops in writer.loops.items() if len(loops) > 1}
    return Plan(writer.text(), writer.spans, writer.ids, engine, several)


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as DOT."""
    return plan(picture, theme, direction, room).text


def quote(text: str) -> str:
    r"""Return a quoted DOT string.

    Graphviz reads escapes in it twice, so that a backslash needs three more before it.
    """
    text = text.replace("\\", "\\\\\\\\").replace('"', '\\"').replace("&", "&amp;")
    return '"' + text.replace("\n", "&#10;") + '"'


class _Writer:
    """Writes one picture; collects the texts on the way."""

    def __init__(
        self,
        picture: Picture,
        theme: Theme,
        direction: Direction,
        shape: Spine,
        room: Room,
        places: Mapping[str, str],
        silent: frozenset[str],
    ) -> None:
        self.picture, self.theme, self.direction, self.shape, self.room = picture, theme, direction, shape, room
        self.places, self.silent = places, silent
        self.ctx: Context = looks.context(picture, theme, shape.loops, down=direction == "TB", room=room)
        self.outline = Outline(picture)
        self.ids = self.outline.ids
        self.spans: dict[str, tuple[Span, ...]] = {}
        self.loops = self._loops()
        """The loops of nodes that have some."""
        self.parts: dict[str, str | None] = {n.id: n.cluster for n in picture.nodes}
        self.parts |= {c.id: c.parent for c in picture.clusters}
        """The frame around each node and frame."""
        self.within = Counter(
            (e.source, e.target)
            for e in picture.edges
            if self.parts[e.source] is not None and self.parts[e.source] == self.parts[e.target]
        )
        """How many edges lead from one node of a frame to another."""
        frames = {c.id for c in picture.clusters}
        self.through = {self.parts[e.source] for e in picture.edges if frames & {e.source, e.target}}
        """Where ways lead through frames: inside which frame, None for the picture."""
        self.starts = {n.id for n in picture.nodes if n.kind == "start"} if self.through else set[str]()
        self.many = len(picture.nodes) > MANY
        self.straight: set[str] = set() if self.many else set(shape.nodes) - shape.apart
        """The nodes that are put on one line."""
        self.into: Mapping[str, int] = {}
        if self.through:
            self.into = Counter(e.target for i, e in enumerate(picture.edges) if i not in shape.loops)

    def text(self) -> str:
        lines = [
            f"// graphrt-picture sha256:{self.picture.digest} theme={self.theme.name} direction={self.direction}",
            f"digraph {quote(visible(self.picture.title))} {{",
            self._graph(),
            f'  node [fontname="Helvetica" fontsize=13 fontcolor="{self.theme.ink}" style=filled margin="0.16,0.09"];',
            f'  edge [fontname="Helvetica" fontsize=10 fontcolor="{self.theme.ink}" color="{self.theme.edge}"];',
            *self._inside(None, "  "),
            *self._edges(),
            "}",
        ]
        return "\n".join(lines) + "\n"

    def _graph(self) -> str:
        close = "0.3" if self.many else "0.5"
        attrs = {
            "rankdir": self.direction,
            "bgcolor": self.theme.background,
            "pad": "0.35",
            "nodesep": close,
            "ranksep": close if self.direction == "TB" else "0.7",
            "splines": "spline",
            "compound": "true",
            **({"newrank": "true"} if self.through and not self.many else {}),
            "fontname": "Helvetica",
            "fontsize": "17",
            "fontcolor": self.theme.ink,
            "labelloc": "t",
            "labeljust": "l",
        }
        title = looks.Look({}, looks.title_cell(self.picture, self.theme))
        return f"  graph [{_attrs(attrs)} {self._sized('title', 'title', title)}];"

    def _label(self, key: str, cell: Cell) -> str:
        self.spans[key] = cell.spans
        return cell.html

    def _inside(self, cluster: str | None, indent: str) -> Iterable[str]:
        for node in self.outline.within(cluster):
            yield indent + self._node(node)
        for frame in self.outline.inside(cluster):
            key = self.ids[frame.id]
            look = looks.cluster_look(frame, self.ctx)
            yield f"{indent}subgraph cluster_{key} {{"
            yield f"{indent}  graph [id={key} {_attrs(look.attrs)} {self._sized(key, frame.id, look)}{self._at(key)}];"
            yield from self._inside(frame.id, indent + "  ")
            yield f"{indent}}}"

    def _node(self, node: PNode) -> str:
        key = self.ids[node.id]
        look = looks.node_look(node, self.ctx)
        attrs = {"class": " ".join(node_classes(node, self.picture)), **look.attrs}
        if node.id in self.straight:
            attrs["group"] = "spine"
        if node.id in self.shape.forks:
            attrs["ordering"] = "out"
        if key in self.loops:
            attrs |= self._room_for_loops(node, self.loops[key])
        label = self._sized(key, node.id, look)
        return f'{key} [id="{key}" {_attrs(attrs)} {label} tooltip={quote(tooltip(node))}{self._at(key)}];'

    def _is_way_back(self, index: int, edge: PEdge) -> bool:
        """Say whether an edge is the one way back of a pair in a frame, where Graphviz lays both on each other."""
        if self.direction != "TB" or index not in self.shape.loops:
            return False
        there, back = (self.within[pair] for pair in ((edge.target, edge.source), (edge.source, edge.target)))
        return there == back == 1

    def _room_for_loops(self, node: PNode, loops: list[Loop]) -> dict[str, str]:
        """Return how large a node must be at least, for what is said on its loops to stand beside it."""
        if self.direction == "LR":
            return {"width": f"{least_width(loops, pointed=node.kind in POINTED) / 72:.3f}"}
        return {"height": f"{least_height(loops) / 72:.3f}"} if len(loops) > 1 else {}

    def _at(self, key: str) -> str:
        return f" {self.places[key]}" if key in self.places else ""

    def _sized(self, key: str, room_key: str, look: Look) -> str:
        cell = look.sized(self.room.get(room_key))
        return 'label=""' if cell is None else f"label=<{self._label(key, cell)}>"

    def _edges(self) -> Iterable[str]:
        """Write the edges; among the branches of a fork without a middle one, an invisible edge that keeps it free."""
        centres = {c.left: c for c in self.shape.centres}
        for i, edge in enumerate(self.picture.edges):
            yield self._edge(i, edge)
            if (centre := centres.get(i)) is not None and self.parts[centre.fork] == self.parts[centre.join]:
                ends = f"{self.ids[centre.fork]} -> {self.ids[centre.join]}"
                yield f'  {ends} [id="m{i + 1}" class="middle" style="invis" weight=6];'

    def _edge(self, index: int, edge: PEdge) -> str:
        key = f"e{index + 1}"
        look = looks.edge_look(index, edge, self.ctx)
        attrs = {"class": " ".join(edge_classes(edge, self.picture)), **look.attrs}
        tail, head = self.ids[edge.source], self.ids[edge.target]
        if self.picture.clusters:
            back = self._is_turned(index, edge)
            tail, attrs = self._end(edge.source, "lhead" if back else "ltail", attrs, last=True)
            head, attrs = self._end(edge.target, "ltail" if back else "lhead", attrs, last=False)
            if back:
                tail, head, attrs = head, tail, _reversed(attrs)
        if weight := self._weight(index, edge):
            attrs["weight"] = weight
        if edge.source == edge.target and self.direction == "TB":
            attrs |= self._loop_ends(index)
        elif self._is_way_back(index, edge):
            attrs |= {"tailport": "ne", "headport": "se"}
        labelled = (look.cell is not None or key in self.room) and key not in self.silent
        label = self._sized(key, key, look) if labelled else ""
        said = quote(edge_tooltip(edge) or " ")
        return f'  {tail} -> {head} [id="{key}" {_attrs(attrs)} {label} tooltip={said}{self._at(key)}];'

    def _loop_ends(self, index: int) -> dict[str, str]:
        """Return where a loop leaves and enters its node: what follows the first, below it."""
        return {"tailport": "e", "headport": "se"} if index in self.ctx.low else {"tailport": "ne", "headport": "e"}

    def _loops(self) -> dict[str, list[Loop]]:
        found: dict[str, list[Loop]] = {}
        for i, edge in enumerate(self.picture.edges):
            if edge.source == edge.target:
                found.setdefault(self.ids[edge.source], []).append(self._loop(i, edge))
        return found

    def _loop(self, index: int, edge: PEdge) -> Loop:
        key = f"e{index + 1}"
        cell = looks.edge_look(index, edge, self.ctx).sized(self.room.get(key))
        low = index in self.ctx.low
        return Loop(key, 0, 0, low) if cell is None else Loop(key, cell.w, cell.h, low)

    def _weight(self, index: int, edge: PEdge) -> str:
        """Return how much an edge is kept short and straight; nothing for as much as usual.

        A frame reaches over many ranks. What stands beside it floats between them, unless it is held where its way
        begins.
        """
        apart = self.shape.apart
        weight = 3 if index in self.shape.edges and edge.source not in apart and edge.target not in apart else 0
        if self.through and index not in self.shape.loops and self.into[edge.target] == 1:
            weight = max(weight, 3 if edge.source in self.starts else 1) + 1
        return str(weight) if weight else ""

    def _is_turned(self, index: int, edge: PEdge) -> bool:
        """Say whether an edge is written from its head to its tail, and drawn as it was.

        Graphviz ranks frames before what is around them. Where a way leads through a frame and back, it may then turn
        the way into the frame instead of the one back, and draw the frame above the node that leads to it.
        """
        if index not in self.shape.loops or edge.source == edge.target:
            return False
        return self.parts[edge.source] in self.through

    def _end(self, ident: str, name: str, attrs: dict[str, str], *, last: bool) -> tuple[str, dict[str, str]]:
        """Return the node an edge is tied to: for a cluster its first or last node, with the edge cut at the frame."""
        key = self.ids[ident]
        if key.startswith("n"):
            return key, attrs
        end = _first_within(self.picture, self.outline, ident)
        if end is None:
            raise ValueError(
                f"picture {self.picture.title!r}: an edge ends at the cluster {ident!r}, which has no node inside"
            )
        if last:
            end = _last_within(self.picture, self.outline, ident) or end
        return self.ids[end], attrs | {name: f"cluster_{key}"}


def _reversed(attrs: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of an edge for one written from its head to its tail, so that it is drawn as it was."""
    ends = {"arrowhead": attrs.get("arrowtail"), "arrowtail": attrs.get("arrowhead")}
    rest = {k: v for k, v in attrs.items() if k not in ends}
    return rest | {"dir": attrs.get("dir", "back")} | {k: v for k, v in ends.items() if v is not None}


def _first_within(picture: Picture, outline: Outline, cluster: str) -> str | None:
    """Return the node inside a frame at which its way begins: its start, or what no edge inside leads to."""
    own = [part.id for parts in (outline.within(cluster), outline.inside(cluster)) for part in parts]
    inside = set(own)
    led_to = {e.target for e in picture.edges if e.source in inside and e.target in inside and e.source != e.target}
    frames = {c.id for c in outline.inside(cluster)}
    for ident in sorted(own, key=lambda ident: ident in led_to):
        found = _first_within(picture, outline, ident) if ident in frames else ident
        if found is not None:
            return found
    return None


def _last_within(picture: Picture, outline: Outline, cluster: str) -> str | None:
    """Return the node inside a frame that the longest way through it ends at, as far as frames inside go, theirs."""
    own = [part.id for parts in (outline.within(cluster), outline.inside(cluster)) for part in parts]
    out: dict[str, list[str]] = {ident: [] for ident in own}
    for edge in picture.edges:
        if edge.source in out and edge.target in out and edge.source != edge.target:
            out[edge.source].append(edge.target)
    depth = {own[0]: 0} if own else {}
    waiting = list(depth)
    for ident in waiting:
        for target in out[ident]:
            if target not in depth:
                depth[target] = depth[ident] + 1
                waiting.append(target)
    ends = [ident for ident in waiting if not out[ident]] or waiting
    if not ends:
        return None
    end = max(reversed(ends), key=lambda ident: depth[ident])
    return _last_within(picture, outline, end) if any(c.id == end for c in picture.clusters) else end


def tooltip(node: PNode) -> str:
    """Return what a reader sees on pointing at a node."""
    text = node.tooltip or node.name or node.kind
    if node.mark is None and not (node.change or node.notes or node.remarks):
        return lines_visible(text)
    said = [text]
    said += story.node_story(node.mark) if node.mark is not None else []
    said += [*story.compared(node), *story.remarked(node)]
    return lines_visible("\n".join(said))


def cluster_tooltip(frame: PCluster) -> str:
    """Return what a reader sees on pointing at a frame."""
    return "\n".join([frame.tooltip or frame.name, *story.remarked(frame)])


def edge_tooltip(edge: PEdge) -> str:
    """Return what a reader sees on pointing at an edge."""
    text = edge.tooltip or story.condition(edge)
    if edge.mark is None and not (edge.change or edge.notes or edge.remarks):
        return lines_visible(text)
    said = [text]
    said += story.edge_story(edge.mark) if edge.mark is not None else []
    said += [*story.compared(edge), *story.remarked(edge)]
    return lines_visible("\n".join([text for text in said if text]))


def node_classes(node: PNode, picture: Picture) -> tuple[str, ...]:
    """Return the CSS classes of a node: its kind and what became of it."""
    if picture.shows != "run":
        extra = [node.change] if node.change else [f"heat{node.level}"] if node.level is not None else []
        return (node.kind, *extra)
    return (
        (node.kind, "unvisited")
        if node.mark is None
        else (node.kind, "visited", "caught" if story.is_caught(node.mark) else node.mark.status)
    )


def edge_classes(edge: PEdge, picture: Picture) -> tuple[str, ...]:
    """Return the CSS classes of an edge: what it is and whether it was taken."""
    if picture.shows == "flow" and story.is_bare(edge):
        return ("transition",)
    names = [name for name in ("error", "otherwise", "fork", "retry") if getattr(edge, name)]
    if edge.each:
        names.append("each")
    names += [edge.change] if edge.change else [f"heat{edge.level}"] if edge.level is not None else []
    if picture.shows == "run":
        names.append("taken" if edge.mark is not None and edge.mark.taken else "untaken")
    return ("transition", *names)


def _attrs(attrs: Mapping[str, str]) -> str:
    return _written(tuple(attrs.items()))


@lru_cache(4096)
def _written(attrs: tuple[tuple[str, str], ...]) -> str:
    """Return attributes as DOT has them; most nodes and edges of a picture share theirs."""
    return " ".join([f"{k}={v if _is_number(v) else quote(v)}" for k, v in attrs])


def _is_number(value: str) -> bool:
    return value.isascii() and value.replace(".", "", 1).isdigit()
