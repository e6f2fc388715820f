"""Write what was read as Markdown: tables, docstrings, records."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

from tools.reading import Struct


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a table; bars in cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def paragraphs(doc: str) -> str:
    """Write a docstring as Markdown: its sections as lists, its double back-ticks as single ones."""
    text = inspect.cleandoc(doc).replace("``", "`")
    text = re.sub(r"\n*^(Args|Returns|Raises|Attributes):$", r"\n\n**\1**\n", text, flags=re.MULTILINE)
    lines: list[str] = []
    inside = False  # a section; what is indented elsewhere is an example
    for line in text.splitlines():
        inside = line.startswith("**") or (inside and (line.startswith("    ") or not line))
        entry = re.match(r"^    (\*{0,2}\w[\w.| ]*): (.*)", line) if inside else None
        if entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif inside and line.startswith("    ") and lines and lines[-1].startswith(("- ", "  ")):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines).strip() + "\n"


COMMON = {
    "visit": "Id of the visit.",
    "node": "Name of the node.",
    "run": "Id of the run.",
    "attempt": "Number of the attempt, counted from 1 over all tries of the visit.",
    "error": "What went wrong.",
    "duration_s": "How long it took, in seconds.",
    "usage": "What it consumed, as far as that is known.",
    "by": "Who did it.",
    "agent": "Name of the agent.",
    "tool": "Name of the tool.",
    "call_id": "Id of the call, the same in its request and its result.",
    "role": "Who speaks; tells the kinds of messages apart.",
    "text": "The text itself.",
    "flow": "Name of the flow.",
    "digest": "Digest of its definition.",
    "parent": "The run that it was forked from.",
    "target": "Where the flow was loaded from.",
}
"""Meaning of fields that say the same everywhere, where the source adds nothing."""


def described(struct: Struct) -> str:
    """Write one struct: heading, meaning, fields."""
    tag = f" · `{struct.tag}`" if struct.tag else ""
    text = f"### {struct.name}\n\n{paragraphs(struct.doc)}"
    if tag:
        text += f'\nIn a trace: `"type": "{struct.tag}"`.\n'
    if struct.fields:
        rows = [
            (
                f"`{f.name}`",
                f"`{f.type}`",
                "" if f.default is None else f"`{f.default}`",
                f.doc or COMMON.get(f.name, ""),
            )
            for f in struct.fields
        ]
        text += "\n" + table(("field", "type", "default", "meaning"), rows)
    return text
