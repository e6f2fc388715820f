"""What an agent finds where it is put: what it reads and writes there, and which of its tools are for what."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Union, cast, get_args, get_origin

from pydantic import TypeAdapter

from graphrt import hints
from graphrt.agents.messages import AssistantMessage, FilePart, ImagePart, Message

if TYPE_CHECKING:
    from graphrt.agents.agent import Agent
    from graphrt.drafts import ExpansionSpec
    from graphrt.fields import Field

_OWN: Final = (
    "context",
    "messages",
    "calls",
    "acts",
    "call",
    "output",
    "refused",
    "consent",
    "verdict",
    "wrong_calls",
    "going_in",
    "coming_out",
    "ruling",
    "because",
)
"""Names of fields that the graph inside an agent needs for itself."""
PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
"""A field in a prompt or in instructions; a plain name, so that a text cannot reach into what it is given."""
_SAID: Final[tuple[Any, ...]] = (hints.bare(Message), AssistantMessage)


class Place:
    """One agent in one node of a flow."""

    def __init__(self, agent: Agent, spec: ExpansionSpec) -> None:
        """Look at what the node reads and writes."""
        self.agent = agent
        self.spec = spec
        self.output: Any = _output(spec.writes[0], agent.examples) if spec.writes else str
        """What the model is to answer."""
        self.speaks = not spec.answers and hints.bare(self.output) in _SAID
        """Whether it writes what it says as a message of a conversation."""
        self.is_text = self.speaks or (self.output is str and not spec.answers)
        self.heard = tuple(f.name for f in spec.reads if _is_conversation(f.annotation))
        """The fields that are the conversation so far, one behind the other."""
        self.attached = tuple(f.name for f in spec.reads if _is_attachment(f.annotation))
        """The fields that hold pictures or files."""
        named = set(PLACEHOLDER.findall(agent.instructions))
        self.instructed = tuple(
            f.name for f in spec.reads if f.name in named and f.name not in {*self.heard, *self.attached}
        )
        """The fields that are filled into the instructions."""
        self.names = {f.name: f.name if f.name not in _OWN else f"{f.name}_" for f in spec.reads}
        """Outer field to inner field."""
        self.adapter: TypeAdapter[Any] = TypeAdapter(self.output)
        self.tool = {t.name: t for t in agent.tools}
        """The tools by their names."""
        self.ending = {t.name for t in agent.tools if t.ends}
        self.asking = tuple(t for t in agent.tools if t.approval != "never" and not t.ends)
        """Tools about which a person may have to be asked …"""
        self.acting = tuple(t for t in agent.tools if (t.writes or t in self.asking) and not t.ends)
        """… those whose calls come after the others of their turn …"""
        self.reading = tuple(t for t in agent.tools if t not in self.acting and not t.ends)
        """… and the others."""
        self.lists = ("calls", "acts") if self.acting else ("calls",)
        """The fields that hold the calls of a turn."""

        self.screening = tuple(g for g in agent.guardrails if g.side == "input" and g.first)
        """Guardrails on what goes in, before the first request …"""
        self.admitting = tuple(g for g in agent.guardrails if g.side == "input" and not g.first)
        """… beside it …"""
        self.releasing = tuple(g for g in agent.guardrails if g.side == "output")
        """… and on what comes out."""

    @property
    def is_data(self) -> bool:
        """Whether it writes neither text nor one of several answers."""
        return not self.is_text and not self.spec.answers


def call_in(wanted: object) -> str | None:
    """Return the name of the tool that an example calls; None if its output is none."""
    if not isinstance(wanted, Mapping):
        return None
    call = cast("Mapping[str, object]", wanted)
    return str(call["tool"]) if set(call) <= {"tool", "arguments"} and "tool" in call else None


def _output(field: Field, examples: Sequence[object]) -> Any:  # noqa: ANN401 - a type
    """Return the type that a model is to answer with for a field.

    A field that begins as None says by it that nothing is there yet: None is no answer, as with a router. It is one
    where an example wants it, or where the field begins otherwise.
    """
    wants_none = any(isinstance(each, tuple | list) and list(cast("Any", each))[1:] == [None] for each in examples)
    if field.default_json is not None or field.reducer is not None or wants_none:
        return field.takes
    return hints.apart_from_none(field.takes)


def _is_conversation(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    plain = hints.bare(annotation)
    return get_origin(plain) is list and hints.bare(get_args(plain)[0]) == _SAID[0]


def _is_attachment(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    """Tell whether a field holds pictures or files: one, one or none, or a list."""
    plain = hints.bare(annotation)
    if get_origin(plain) in {list, Union, types.UnionType}:
        parts = [part for part in get_args(plain) if part is not type(None)]
        return bool(parts) and all(_is_attachment(part) for part in parts)
    return plain is ImagePart or plain is FilePart
