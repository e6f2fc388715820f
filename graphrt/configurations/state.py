"""What a conversation is to a flow: a list of messages that grows at its end, and a few facts beside it.

Any flow whose state has the field `messages` can be talked to; deriving from `ChatState` gives it that field. Nothing
here knows how a conversation is kept from one turn to the next; that is `graphrt.chat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, create_model

from graphrt import hints
from graphrt.agents.messages import Message
from graphrt.reducers import append

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt.fields import Field


class ChatState(BaseModel):
    """The state of a flow that is talked to. Derive from it to add fields of your own.

    A turn begins with the conversation so far, the new message at its end; the last message that the turn leaves there
    is the reply.
    """

    remembered: ClassVar[tuple[str, ...]] = ()
    """Further fields that the next turn begins with as this one leaves them; all others begin anew."""

    messages: Annotated[list[Message], append] = []
    """The conversation, oldest first. A write is one message; a longer conversation costs no more to add to."""


def state_with(name: str, fields: Mapping[str, Any], *, remembered: tuple[str, ...] = ()) -> type[ChatState]:
    """Return a chat state with more fields: name to (type, default)."""
    made = create_model(name, __base__=ChatState, **dict(fields))
    made.remembered = remembered
    return made


def name_of(names: Sequence[str]) -> Any:  # noqa: ANN401 - a type, made at run time
    """Return the type of a field that holds one of these names, or nothing yet."""
    literal: Any = Literal
    return literal[tuple(names)] | None


def hears(field: Field | None) -> bool:
    """Tell whether a field of a state holds a conversation that grows by one message a write."""
    if field is None or field.reducer is None or field.reducer.name != "append":
        return False
    plain = hints.bare(field.annotation)
    return get_origin(plain) is list and hints.bare(get_args(plain)[0]) == hints.bare(Message)
