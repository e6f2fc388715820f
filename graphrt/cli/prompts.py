"""What was sent to models in a visit, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrt.cli.said import objects_in, text_of, who
from graphrt.cli.screen import brief_json, json_text, line, say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.agents.prompts import Prompt
    from graphrt.cli.screen import Part
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Trace

_OTHER = ("instructions", "messages", "tools", "examples", "output_schema", "labels")


def say_prompts(trace: Trace, told: Account, visit: VisitAccount, *, as_json: bool) -> None:
    """Print each request that was sent to a model in a visit, or in one inside it."""
    from graphrt.agents.prompts import prompts

    found = list(prompts(trace, visit.id))
    if as_json:
        say_json({"run": told.run, "visit": visit.id, "requests": [_as_json(each) for each in found]})
        return
    if not found:
        say(f"nothing was sent to a model in {visit.name} (visit {visit.id})")
    for number, each in enumerate(found):
        say(*([""] if number else []), *_told(told, each))


def _as_json(prompt: Prompt) -> dict[str, Any]:
    request = prompt.request.model_dump(mode="json", exclude_defaults=True)
    request["messages"] = [message.model_dump(mode="json") for message in prompt.request.messages]
    facts = {"visit": prompt.visit, "attempt": prompt.attempt, "model": prompt.model, "exact": prompt.is_exact}
    return {**facts, "request": request}


def _told(told: Account, prompt: Prompt) -> Iterator[Part]:
    request = prompt.request
    where = f" (visit {prompt.visit}, attempt {prompt.attempt})"
    yield line((told.visits[prompt.visit].name, "bold"), f"{where} sent to {prompt.model}")
    if not prompt.is_exact:
        yield "  not all of it is on record: this is what is left", "yellow"
    if request.instructions:
        yield from _block("instructions", request.instructions)
    for given, wanted in request.examples:
        yield from _block("example", f"{given}\n→ {wanted if isinstance(wanted, str) else brief_json(wanted)}")
    for message in request.messages:
        said = message.model_dump(mode="json")
        called = objects_in(said.get("tool_calls"))
        calls = [f"calls {c['name']} {json_text(c['arguments'], indent=None)}" for c in called]
        yield from _block(who(said), "\n".join(filter(None, [text_of(said), *calls])))
    for tool in request.tools:
        yield from _block(
            f"may call {tool.name}", f"{tool.description}\n{json_text(tool.parameters, indent=None)}".strip()
        )
    if request.labels:
        yield from _block("one of", ", ".join(request.labels))
    if request.output_schema is not None:
        yield from _block("data for", json_text(request.output_schema, indent=None))
    settings = request.model_dump(mode="json", exclude_defaults=True, exclude=set(_OTHER))
    if settings:
        yield from _block("settings", ", ".join(f"{name} = {value}" for name, value in settings.items()))


def _block(head: str, text: str) -> Iterator[Part]:
    yield f"  {head}", "bold"
    for row in text.splitlines() or [""]:
        yield f"    {row}"
