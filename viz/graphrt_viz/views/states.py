"""The state at each step of a run, with what changed: as a text, a table, or data for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from graphrt_viz import story
from graphrt_viz.exporters.markdown import plain, table
from graphrt_viz.wording import duration, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt_viz.steps import Chronicle, Step
    from graphrt_viz.theme import Theme

_LONG: Final = 200


def changes(step: Step) -> Iterator[tuple[str, str, str]]:
    """Yield what changed at a step: how (`set`, `wrote`, `added`), the field, and its value or what it was handed."""
    for name, value in step.entered.items():
        if step.base is not None:
            yield "set", name, value
    for name, value in step.wrote.items():
        if name not in step.added:
            yield "wrote", name, value
    for name, value in step.added.items():
        yield "added", name, value


def to_text(chronicle: Chronicle, theme: Theme) -> str:
    """Return a line for each step and one for each change below it."""
    del theme
    lines = [f"{visible(chronicle.flow)} · {visible(chronicle.picture.subtitle)}"]
    lines += [] if chronicle.has_states else ["the trace cannot be folded, so the states are not known"]
    for step in chronicle.steps:
        took = f" · {duration(step.busy_s)}" if step.busy_s else ""
        lines += ["", f"{step.label} {visible(step.name)} · {story.STATUSES[step.status]}{took}"]
        lines += [f"  {shorten(step.error, _LONG)}"] if step.error else []
        lines += [f"  {_SIGNS[how]} {name} = {shorten(value, _LONG)}" for how, name, value in changes(step)]
    return "\n".join([*lines, "", f"graphrt-picture sha256:{chronicle.picture.digest}"]) + "\n"


_SIGNS: Final = {"set": "→", "wrote": "=", "added": "+"}


def to_markdown(chronicle: Chronicle, theme: Theme) -> str:
    """Return a table with a row for each step."""
    del theme
    rows = [
        [
            plain(step.label),
            plain(step.name),
            story.STATUSES[step.status],
            duration(step.busy_s) if step.busy_s else "",
            "; ".join(f"{how} {plain(name)} {plain(shorten(value, _LONG))}" for how, name, value in changes(step)),
            plain(shorten(step.error, _LONG)) if step.error else "",
        ]
        for step in chronicle.steps
    ]
    heads = ["Step", "Visit", "Status", "Time", "What changed", "Error"]
    parts = [f"# {plain(chronicle.flow)}", plain(chronicle.picture.subtitle), table(heads, rows)]
    return "\n\n".join([*parts, f"<!-- graphrt-picture sha256:{chronicle.picture.digest} -->"]) + "\n"


def to_json(chronicle: Chronicle, theme: Theme) -> str:
    """Return the steps as JSON: what each followed from, and its changes."""
    del theme
    steps: list[dict[str, Any]] = [
        {
            "step": s.label,
            "visit": s.visit,
            "node": s.ident,
            "name": s.name,
            "status": s.status,
            "started_s": round(s.started, 6),
            "ended_s": None if s.ended is None else round(s.ended, 6),
            "after": [chronicle.steps[c].label for c in s.causes],
            "changes": [{"how": how, "field": name, "value": value} for how, name, value in changes(s)],
            **({"error": s.error} if s.error else {}),
        }
        for s in chronicle.steps
    ]
    form = {"version": 1, "run": chronicle.run, "flow": chronicle.flow, "status": chronicle.status, "steps": steps}
    form["digest"] = f"graphrt-picture sha256:{chronicle.picture.digest}"
    return json.dumps(form, indent=1, ensure_ascii=True) + "\n"
