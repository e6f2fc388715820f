"""Write a request as a text that a base model goes on with: examples first, then the input, in one and the same form.

    Message: Where is my parcel?
    Reply: It is on its way.

    Message: When will it arrive?
    Reply:

A base model knows no chat and follows no instructions, so instructions are left out where examples show what is meant.
Earlier exchanges of a conversation stand behind the examples, in their form. An input of several fields
(``message: …`` and so on, one a line) keeps its names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphrt.agents.messages import CONCLUDE, GO_ON, MEND, RUNTIME, AssistantMessage, ToolMessage, UserMessage
from graphrt.agents.model import ModelRequest
from graphrt.agents.models.local.engine import Prompt

REPLY = "Reply"
LABEL = "Category"


@dataclass(frozen=True, slots=True)
class Told:
    """What a conversation comes down to."""

    given: str
    """What is to be answered."""
    found: tuple[str, ...] = ()
    """What tools have answered about it."""
    before: tuple[tuple[str, str], ...] = ()
    """Earlier inputs and their answers."""


def told(request: ModelRequest) -> Told:
    """Read the conversation of a request.

    What the runtime itself says in it is for models that take instructions. Being told to conclude or to mend an answer
    is left out together with that answer.
    """
    given, found, before = "", list[str](), list[tuple[str, str]]()
    answered = ""
    for message in request.messages:
        match message:
            case UserMessage(name=name, text=text) if name == RUNTIME and text == GO_ON:
                pass
            case UserMessage(name=name, text=text) if name == RUNTIME and text.startswith((CONCLUDE, MEND)):
                answered = ""
            case UserMessage(text=text):
                if answered:
                    before.append((given, answered))
                # Nobody has answered what was said before: both are to be answered.
                given = f"{given}\n{text}" if given and not answered else text
                found, answered = [], ""
            case AssistantMessage(text=text, tool_calls=()):
                if answered:  # two speakers in a row: the second answers the first
                    before.append((given, answered))
                    given = answered
                answered = text
            case ToolMessage():
                found.append(message.text)
            case _:
                pass
    if answered:  # the last word is another agent's
        before.append((given, answered))
        given, found = answered, []
    return Told(given, tuple(found), tuple(before))


def prompt(request: ModelRequest, examples: Sequence[tuple[str, str]], given: str, header: str = REPLY) -> Prompt:
    """Put examples and input into a text that the answer continues."""
    shots = "".join(f"{_input(shown)}\n{header}: {line(wanted)}\n\n" for shown, wanted in examples)
    task = "" if examples else f"{line(request.instructions)}\n\n" if request.instructions else ""
    return Prompt(task + shots, f"{_input(given)}\n{header}:")


def line(text: str) -> str:
    """Write a text in one line."""
    return " ".join(text.split())


def _input(given: str) -> str:
    """Write an input as lines that begin with a name; the items of a list go on in the line of their field."""
    lines: list[str] = []
    for part in given.split("\n"):
        if part.startswith("- ") and lines:
            lines[-1] += f" {part[2:]}"
        else:
            lines.append(part)
    name, colon, _ = lines[0].partition(": ")
    if colon and name.isidentifier():
        return "\n".join(each.replace(": - ", ": ", 1) for each in lines)
    return f"Message: {line(given)}"
