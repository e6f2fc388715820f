"""The picture: what is to be seen of a graph or of a run, without a word on how it is drawn.

Exporters read pictures and nothing else, so the kernel's types may change without touching them. A picture never
holds colours, coordinates or markup; texts are kept whole and raw here, shortening and escaping are the
exporters' business.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

VERSION: Final = 1
"""Version of the JSON form; readers refuse what they do not know."""

NodeKind: TypeAlias = Literal[
    "start", "task", "agent", "tool_agent", "router", "ask", "join", "fork", "end", "failure_end", "subgraph"
]
Change: TypeAlias = Literal["", "added", "removed", "changed", "first", "second", "both", "parted", "neither"]
"""How something differs between two definitions, or which of two runs it was part of; empty if not at all.

`parted` is a node of both runs, at which they first differ.
"""
Status: TypeAlias = Literal["good", "failed", "waiting", "running", "unfinished", "cancelled", "lost"]
"""`unfinished` began, and the records end before it does: whether it still runs is not known.

`lost` was cut off: it began, and its process ended without a word. Whether its effect took place is in doubt.
"""
NODE_KINDS: Final[tuple[str, ...]] = get_args(NodeKind)
STATUSES: Final[tuple[str, ...]] = get_args(Status)


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One failed attempt."""

    attempt: int
    """Counted from 1."""
    error: str
    """Type and message, on one line."""
    of: int | None = None
    """How many attempts were allowed; None if unknown."""
    wait_s: float | None = None
    """Seconds until the next attempt; None if there was none."""
    step: str = ""
    """The step that the next attempt is, if there was one."""


class ToolMark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a tool was used in a run."""

    name: str
    calls: int
    failed: int = 0


class NodeMark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a run did at a node. A node without a mark was not visited."""

    status: Status = "good"
    """Of the visit that speaks for all: one that ended the run, else one still open, else good if any was."""
    visits: int = 1
    failed: int = 0
    """Visits that failed for good, those included whose failure an edge caught."""
    caught: Literal["", "blocked", "failed"] = ""
    """How those failed, if an edge caught the failure of each: all blocked by a guardrail, or not."""
    attempts: int = 1
    """Attempts over all visits, the failed ones included; of a graph inside, one for each visit."""
    inside: tuple[int, int] | None = None
    """Attempts that were made inside it, and by how many visits; None if each of these made one."""
    failures: tuple[Failure, ...] = ()
    """Attempts that failed and were repeated; of very many the latest."""
    earlier: int = 0
    """How many such attempts there were before those."""
    took_s: float = 0.0
    """Seconds that its visits took, added up: of work the time of its attempts, of a graph inside from start to end.

    A visit that has not ended counts as far as it got; the waiting of a question is told in `waited_s` alone.
    """
    good_s: float = 0.0
    """Seconds in attempts that succeeded, its own and those inside it, over all visits."""
    failed_s: float = 0.0
    """Seconds in attempts that failed, its own and those inside it, over all visits."""
    lost: int = 0
    """Attempts that were cut off by a crash."""
    waited_s: float | None = None
    """Seconds spent waiting for an answer from outside."""
    tokens: int | None = None
    """As far as they are known; None if none are."""
    cost_usd: float | None = None
    """As far as it is known; None if nothing is."""
    uncounted: bool = False
    """Whether there are more tokens than that, and nobody knows how many."""
    unpriced: bool = False
    """Whether it cost more than that, and nobody knows how much."""
    outcome: str | None = None
    """The latest answer of a router or an ask."""
    error: str | None = None
    """Why the latest visit that failed did."""
    tools: tuple[ToolMark, ...] = ()
    marks: tuple[str, ...] = ()
    """What happened besides in its attempts, and how often if more than once (`cache hit ×3`)."""


class EdgeMark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a run did at an edge. An edge without a mark was never considered."""

    taken: int = 0
    """How often it was crossed."""
    steps: tuple[str, ...] = ()
    """The steps of the run that those crossings are, in their order; of many, the first."""
    values: str = ""
    """What the guard read when the edge was last taken (`score = 0.62`)."""
    reason: str = ""
    """Why it was not taken (`false: score = 0.91`, `not tried: rule 2 matched`, `used up: 3 of 3`)."""
    raised: bool = False
    """Whether it was not taken because its guard raised, which the reason tells."""
    branches: int | None = None
    """Branches started by an `each` edge, over all crossings."""


class Remark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What somebody who looked at the definition has to say of a part of it."""

    code: str
    """Short, for a badge (`GR201`)."""
    severity: Literal["error", "warning"]
    text: str = ""


class Scale(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the colours of a picture of many runs mean."""

    of: Literal["node", "edge"]
    title: str
    steps: tuple[tuple[int, str], ...]
    """Levels, from the coldest to the hottest, each with the numbers that it stands for."""


class PNode(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A node to draw."""

    id: str
    """Unique in the picture."""
    kind: NodeKind
    name: str = ""
    tag: str = ""
    """The word above the name that says the kind; empty for the kind's own word."""
    subtitle: str = ""
    tools: tuple[str, ...] = ()
    cluster: str | None = None
    """Id of the cluster it stands in."""
    tooltip: str = ""
    """All that can be said about it, in lines."""
    mark: NodeMark | None = None
    change: Change = ""
    level: int | None = None
    """How hot it is, from 0 to 4; None if it is cold."""
    notes: tuple[str, ...] = ()
    """What a comparison has to say about it, line by line."""
    remarks: tuple[Remark, ...] = ()
    asks: tuple[str, ...] = ()
    """Those of its tools of which a person must agree to each call …"""
    asks_some: tuple[str, ...] = ()
    """… and to some calls, by their arguments."""
    guards: tuple[str, ...] = ()
    """Its guardrails, each with the side that it looks at (`no_cards (input, first)`)."""


class PEdge(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A transition to draw, `on [guard] / action`."""

    source: str
    target: str
    number: int | None = None
    """Its place in the order in which its source tries its edges, from 1; None if the order does not matter."""
    on: str = ""
    """The answer or the exception type that triggers it."""
    guard: str = ""
    action: str = ""
    bound: int | None = None
    """How often it may be crossed."""
    each: str = ""
    """What is fanned out (`query in queries`)."""
    at_once: int | None = None
    fork: bool = False
    """Taken beside its siblings rather than instead of them."""
    otherwise: bool = False
    """Taken when no edge before it is."""
    error: bool = False
    """Taken when its source fails."""
    retry: bool = False
    """Not a transition: the node's own policy of repeating failed attempts, drawn as a loop."""
    tooltip: str = ""
    mark: EdgeMark | None = None
    change: Change = ""
    level: int | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


class PCluster(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A frame around nodes: an opened subgraph."""

    id: str
    name: str
    tag: str = ""
    parent: str | None = None
    """Id of the cluster around it."""
    tooltip: str = ""
    mark: NodeMark | None = None
    change: Change = ""
    level: int | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


class Picture(msgspec.Struct, frozen=True, dict=True):
    """A graph, or a run of it, as it is to be seen."""

    title: str
    subtitle: str = ""
    nodes: tuple[PNode, ...] = ()
    edges: tuple[PEdge, ...] = ()
    clusters: tuple[PCluster, ...] = ()
    shows: Literal["flow", "run", "heat", "diff"] = "flow"
    """A run has marks, and what it did not reach is drawn as a ghost; many runs have levels, a comparison changes."""
    status: str = ""
    """How the run ended, in a word; empty for a definition."""
    remarks: tuple[Remark, ...] = ()
    """Those about no part of it, but the whole."""
    scales: tuple[Scale, ...] = ()
    """What levels mean, for nodes and for edges."""

    def __post_init__(self) -> None:
        """Refuse what no exporter could draw.

        Raises:
            ValueError: an id is used twice, or an edge or a cluster names an id that is not there.
        """
        ids = [n.id for n in self.nodes] + [c.id for c in self.clusters]
        known = set(ids)
        if len(known) != len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise ValueError(
                f"picture {self.title!r}: the id {twice!r} is used twice; ids of nodes and clusters differ"
            )
        frames = {c.id for c in self.clusters}
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in known:
                    raise ValueError(f"picture {self.title!r}: an edge leads from or to {end!r}, which is not in it")
        for frame in [n.cluster for n in self.nodes] + [c.parent for c in self.clusters]:
            if frame is not None and frame not in frames:
                raise ValueError(
                    f"picture {self.title!r}: something stands in the cluster {frame!r}, which is not in it"
                )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form, 64 hex digits: changes with what is seen and with nothing else."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show the picture in a notebook: as SVG that follows its colours, as text where there is no Graphviz."""
        del include, exclude
        from graphrt_viz.notebook import bundle  # noqa: PLC0415 - exporters read pictures, not the other way round

        return bundle(self)


def to_json(picture: Picture) -> dict[str, Any]:
    """Return the JSON form: every field that differs from its default, by its name."""
    out: dict[str, Any] = {"version": VERSION}
    out.update(_plain(picture))
    return out


def canonical(picture: Picture, **more: str) -> str:
    """Return the JSON form as one ASCII line with sorted keys: equal pictures give equal text on every machine.

    `more` are members to add to those of the picture.
    """
    form = {"version": VERSION, **more, **_members(picture)}
    # Only what a run did at a node holds numbers that are equal and yet written in two ways.
    for name in ("nodes", "clusters"):
        if parts := cast("tuple[PNode | PCluster, ...]", form.get(name)):
            form[name] = [part if part.mark is None else _plain(part) for part in parts]
    try:
        members = [f'"{name}":{_ascii(_ENCODER.encode(form[name]))}' for name in sorted(form)]
    except UnicodeEncodeError:  # half of a character, which JSON can hold and UTF-8 cannot
        return json.dumps(_plain(form), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "{" + ",".join(members) + "}"


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_SIGNS: Final = tuple((sign.encode(), b"\\u%04x" % ord(sign)) for sign in "→·×…")
"""What pictures of plain words are told with besides, most used first, and the escapes."""
_FOREIGN: Final = re.compile("[^\x00-~]+")


def _ascii(form: bytes) -> str:
    """Return JSON in which all that is not ASCII, or cannot be seen, is escaped."""
    for sign, escape in _SIGNS:
        if form.isascii():
            break
        form = form.replace(sign, escape)
    text = form.decode()
    return text if form.isascii() and b"\x7f" not in form else _FOREIGN.sub(lambda m: json.dumps(m[0])[1:-1], text)


def _plain(value: object) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, tuple | list):
        return [_plain(v) for v in cast("tuple[object, ...]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 372.0 and 372 are equal, so they must be written alike
    if isinstance(value, msgspec.Struct):
        value = _members(value)
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in cast("dict[str, object]", value).items()}
    return value


def _members(part: msgspec.Struct) -> dict[str, object]:
    """Return the fields of a part of a picture that differ from their defaults, which the last fields have."""
    names, defaults = part.__struct_fields__, part.__struct_defaults__
    needed = len(names) - len(defaults)
    found: dict[str, object] = {name: getattr(part, name) for name in names[:needed]}
    for name, default in zip(names[needed:], defaults, strict=True):
        if (value := getattr(part, name)) is not default and value != default:
            found[name] = value
    return found


def from_json(data: dict[str, Any]) -> Picture:
    """Read a picture back from its JSON form.

    Raises:
        ValueError: the version is unknown, or the form does not describe a picture.
    """
    found = data.get("version")
    if found != VERSION:
        raise ValueError(f"picture of version {found!r} found, version {VERSION} expected; render it again")
    try:
        return msgspec.convert({k: v for k, v in data.items() if k not in {"version", "digest"}}, Picture)
    except msgspec.ValidationError as error:
        raise ValueError(f"not the JSON form of a picture: {error}") from error
