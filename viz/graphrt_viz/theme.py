"""The themes: every colour that a picture uses, by its role.

Shape carries the kind of a node and colour only repeats it, so a picture reads in greyscale. Text on its ground
has a contrast of at least 4.5:1 in both themes. A third, `auto`, is both in one file: the light one, and a style sheet
that turns each of its colours into the dark one's where the reader prefers dark. For that no two roles of it share a
colour: they differ by a step that nobody sees.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from graphrt_viz.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ThemeName: TypeAlias = Literal["light", "dark", "auto"]


@dataclass(frozen=True, slots=True)
class Shade:
    """Three tones of one role."""

    stroke: str
    fill: str
    ink: str
    """For text on `fill`."""


@dataclass(frozen=True, slots=True)
class Theme:
    """All colours of a picture, as `#RRGGBB`."""

    name: ThemeName
    background: str
    card: str
    """Ground of chips and labels."""
    ink: str
    muted: str
    line: str
    """Borders of chips and frames."""
    edge: str
    path: str
    """Edges that a run took."""
    on_path: str
    """Text on `path`, `bad` and `retry` strokes."""
    retry: str
    frame: str
    """Ground of a cluster."""
    task: Shade
    agent: Shade
    tools: Shade
    router: Shade
    ask: Shade
    ok: Shade
    bad: Shade
    ghost: Shade
    other: Shade
    """What only the other one of two runs did, and what differs between two definitions."""
    heat: tuple[Shade, Shade, Shade, Shade, Shade]
    """From the coldest to the hottest."""
    dark: Theme | None = None
    """What a reader sees who prefers dark, in a file that holds both."""

    @property
    def kinds(self) -> Mapping[str, Shade]:
        """The shade of each kind of node."""
        bar = Shade(self.ink, self.ink, self.background)
        return MappingProxyType(
            {
                "start": bar,
                "task": self.task,
                "agent": self.agent,
                "tool_agent": self.tools,
                "router": self.router,
                "ask": self.ask,
                "join": bar,
                "fork": bar,
                "end": self.ok,
                "failure_end": self.bad,
                "subgraph": self.task,
            }
        )


LIGHT: Final = Theme(
    name="light",
    background="#FFFFFF",
    card="#FFFFFF",
    ink="#1B2430",
    muted="#5B6678",
    line="#D5DAE1",
    edge="#5B6678",
    path="#0B6BCB",
    on_path="#FFFFFF",
    retry="#9A6700",
    frame="#FAFBFC",
    task=Shade("#5B6678", "#F4F6F9", "#5B6678"),
    agent=Shade("#2E5FD0", "#E9F0FF", "#2348A0"),
    tools=Shade("#6B3FD4", "#F1EBFF", "#5227B0"),
    router=Shade("#B4740E", "#FFF0CC", "#8A5606"),
    ask=Shade("#C02660", "#FFE6EF", "#99184A"),
    ok=Shade("#0F7B6C", "#DDF5EF", "#0B5A4F"),
    bad=Shade("#B42318", "#FDE3E0", "#8F1B12"),
    ghost=Shade("#A9B2BF", "#F6F7F9", "#667085"),
    other=Shade("#B4560E", "#FFEBD9", "#8A4206"),
    heat=(
        Shade("#8C7A5B", "#FFFBF0", "#6B5D45"),
        Shade("#A67C32", "#FFF1CC", "#6E5A2E"),
        Shade("#B9731A", "#FFE0A3", "#674F1F"),
        Shade("#C2570C", "#FFC680", "#5E3A08"),
        Shade("#B4340A", "#FFA866", "#571F05"),
    ),
)
DARK: Final = Theme(
    name="dark",
    background="#0F141B",
    card="#161D27",
    ink="#E6EBF2",
    muted="#97A3B4",
    line="#333E4D",
    edge="#8B98AA",
    path="#58A6FF",
    on_path="#0F141B",
    retry="#E3B341",
    frame="#121821",
    task=Shade("#8B98AA", "#1B2430", "#A3AFC0"),
    agent=Shade("#7AA2FF", "#18274A", "#A9C2FF"),
    tools=Shade("#B79CFF", "#2A1F4D", "#CFBFFF"),
    router=Shade("#F0B44A", "#3A2B0D", "#FFD58A"),
    ask=Shade("#FF86AE", "#45172A", "#FFB3CC"),
    ok=Shade("#4FD1B8", "#0E332D", "#8FE8D5"),
    bad=Shade("#FF8A7D", "#43170F", "#FFB8AF"),
    ghost=Shade("#4A5667", "#141A22", "#8592A5"),
    other=Shade("#FF9D57", "#3D2209", "#FFC296"),
    heat=(
        Shade("#7D7361", "#1D1B17", "#B5AB97"),
        Shade("#A08342", "#2B2413", "#CDB988"),
        Shade("#C08A35", "#3D2C0F", "#DFC184"),
        Shade("#E08B3A", "#52330D", "#F3CB94"),
        Shade("#FF9250", "#6B350D", "#FFD9B8"),
    ),
)


def colours(theme: Theme) -> Iterator[tuple[str, str]]:
    """Yield the name of each role and its colour; a shade is three of them (`agent.stroke`, `agent.fill` …)."""
    for part in fields(theme):
        value: str | Shade | tuple[Shade, ...] | Theme | None = getattr(theme, part.name)
        if isinstance(value, str) and part.name != "name":
            yield part.name, value
        shades = {part.name: value} if isinstance(value, Shade) else {}
        if isinstance(value, tuple):
            shades = {f"{part.name}{place}": shade for place, shade in enumerate(value)}
        for name, shade in shades.items():
            yield f"{name}.stroke", shade.stroke
            yield f"{name}.fill", shade.fill
            yield f"{name}.ink", shade.ink


def _told_apart(light: Theme, dark: Theme) -> Theme:
    """Return `light` with a colour of its own for each role, in small letters as Graphviz writes them."""
    used: set[str] = set()

    def own(colour: str) -> str:
        channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        for steps in product((0, -1, 1, -2, 2), repeat=3):
            near = [c + step for c, step in zip(channels, steps, strict=True)]
            found = "#" + "".join(f"{c:02x}" for c in near)
            if min(near) >= 0 and max(near) <= 255 and found not in used:
                used.add(found)
                return found
        raise AssertionError(f"no colour near {colour} is left")

    def shade(value: Shade) -> Shade:
        return Shade(own(value.stroke), own(value.fill), own(value.ink))

    cold, cool, warm, warmer, hot = light.heat
    return Theme(
        name="auto",
        background=own(light.background),
        card=own(light.card),
        ink=own(light.ink),
        muted=own(light.muted),
        line=own(light.line),
        edge=own(light.edge),
        path=own(light.path),
        on_path=own(light.on_path),
        retry=own(light.retry),
        frame=own(light.frame),
        task=shade(light.task),
        agent=shade(light.agent),
        tools=shade(light.tools),
        router=shade(light.router),
        ask=shade(light.ask),
        ok=shade(light.ok),
        bad=shade(light.bad),
        ghost=shade(light.ghost),
        other=shade(light.other),
        heat=(shade(cold), shade(cool), shade(warm), shade(warmer), shade(hot)),
        dark=dark,
    )


AUTO: Final = _told_apart(LIGHT, DARK)
THEMES: Final[Mapping[str, Theme]] = MappingProxyType({"light": LIGHT, "dark": DARK, "auto": AUTO})


def theme_named(name: str) -> Theme:
    """Return the theme of that name.

    Raises:
        FormatError: there is none.
    """
    if name not in THEMES:
        raise FormatError(f"theme {name!r} is unknown; choose one of {', '.join(THEMES)}")
    return THEMES[name]
