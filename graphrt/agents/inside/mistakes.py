"""What can be wrong with an agent in its place, found when the flow is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from graphrt import hints
from graphrt.agents.inside.place import PLACEHOLDER, call_in
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place


def mistakes_of(place: Place) -> tuple[str, ...]:
    """Say what is wrong with an agent where it is put."""
    agent, spec = place.agent, place.spec
    found: list[str] = []
    if len(spec.writes) > 1:
        found.append("an agent writes one field; give the node one field in writes=")
    names = [t.name for t in agent.tools]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        found.append(f"two tools of the agent are named {twice[0]!r}; name one of them with tool(name=…)")
    rails = [g.name for g in agent.guardrails]
    if again := sorted({n for n in rails if rails.count(n) > 1}):
        found.append(f"two guardrails of the agent are named {again[0]!r}; give one of them another name=")
    known = {f.name for f in spec.reads}
    reads = ", ".join(sorted(known)) or "nothing"
    found += [
        f"the agent's prompt names {{{name}}}, but the node reads {reads}; add it to reads="
        for name in PLACEHOLDER.findall(agent.prompt or "")
        if name not in known
    ]
    found += [
        f"the agent's instructions name {{{name}}}, which is {what} and no text; the model is shown it as it is, so"
        " leave the braces away"
        for names, what in ((place.heard, "a conversation"), (place.attached, "a picture or file"))
        for name in names
        if name in PLACEHOLDER.findall(agent.instructions)
    ]
    if place.ending and not place.speaks:
        found.append(
            f"tool {min(place.ending)!r} ends the agent's work, so the call itself must be written;"
            " let the node write a field of messages"
        )
    found += [
        f"the agent has {brief(each)} among its policies; see graphrt.policies for what can be"
        for each in cast("tuple[object, ...]", agent.policies)
        if not hasattr(each, "wrap")
    ]
    if agent.max_turns < 1:
        found.append(f"max_turns is {agent.max_turns}; an agent needs at least 1 request")
    if agent.repairs < 0:
        found.append(f"repairs is {agent.repairs}; it is how often an answer is given back, 0 or more")
    if agent.at_once < 1:
        found.append(f"at_once is {agent.at_once}; at least 1 call must be able to run")
    found += [
        f"timeout_s of tool {t.name!r} is {t.timeout_s:g}; it is a number of seconds above 0"
        for t in agent.tools
        if t.timeout_s is not None and t.timeout_s <= 0
    ]
    for number, example in enumerate(agent.examples, start=1):
        if (problem := _problem_of(place, example, known)) is not None:
            found.append(f"example {number} of the agent {problem}")
    return tuple(found)


def _problem_of(place: Place, example: object, known: set[str]) -> str | None:
    """Say what is wrong with an example; None if it shows what the agent may meet and answer."""
    pair = cast("tuple[Any, ...]", example)
    if not isinstance(example, tuple | list) or len(pair) != 2:
        return "is no pair of an input and the output wanted for it"
    given, wanted = pair
    if isinstance(given, Mapping):
        names = sorted(str(name) for name in cast("Mapping[Any, Any]", given) if name not in known)
        if names:
            return f"gives {names[0]!r}, but the node reads {', '.join(sorted(known)) or 'nothing'}"
    elif not isinstance(given, str):
        return f"has an input of type {type(given).__name__}; give a text, or values of fields by their names"
    if (call := call_in(wanted)) is not None:
        tools = {t.name for t in place.agent.tools}
        return None if call in tools else f"calls {call!r}, which is none of its tools"
    if place.spec.answers:
        if wanted not in place.spec.answers and not _fits(place, wanted):
            return f"answers {wanted!r}, which is none of {', '.join(place.spec.answers)}"
    elif not isinstance(wanted, str) and not place.speaks and not _fits(place, wanted):
        return f"wants {wanted!r}, which does not fit {hints.text_of(place.output)}"
    return None


def _fits(place: Place, wanted: Any) -> bool:  # noqa: ANN401 - whatever the author gave
    try:
        place.adapter.validate_python(wanted)
    except ValidationError:
        return False
    return True
