"""The two themes: every colour that a picture uses, by its role.

Shape carries the kind of a node and colour only repeats it, so a picture reads in greyscale. Text on its ground
has a contrast of at least 4.5:1 in both themes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from graphrt_viz.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

ThemeName: TypeAlias = Literal["light", "dark"]


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
)
THEMES: Final[Mapping[str, Theme]] = MappingProxyType({"light": LIGHT, "dark": DARK})


def theme_named(name: str) -> Theme:
    """Return the theme of that name.

    Raises:
        FormatError: there is none.
    """
    if name not in THEMES:
        raise FormatError(f"theme {name!r} is unknown; choose one of {', '.join(THEMES)}")
    return THEMES[name]
