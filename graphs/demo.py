"""What `make demo` runs: the support flow on four messages, stored, drawn and ready to be asked about."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import graphrt_viz
from graphrt.agents.model import Model, resolve_model
from graphrt.errors import GraphrtError
from graphrt.events import Event, VisitCompleted, VisitFailed, VisitStarted, VisitWaiting
from graphrt.runtime import Delta, stream
from graphrt.stores import open_store
from graphs import support

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.ports import Store
    from graphrt.runtime import Result

MESSAGES = (
    "Where is my order A-1042?",
    "How do I clean the coffee grinder?",
    "My parcel is late.",
    "I want my money back for B-2001, it leaks.",
)
STORE = Path(".graphrt/runs.db")
PICTURES = Path(".graphrt/demo")
TARGET = "graphs/support.py"
INDENT = " " * 11


def told(event: Event) -> Iterator[str]:
    """Say what there is to see of an event; what happens inside an agent is not shown here."""
    match event:
        case VisitStarted(visit=visit) if "/" not in visit:
            yield f"  {visit:>6}   {event.node}"
        case VisitCompleted(visit=visit, outcome=str(outcome)) if "/" not in visit:
            yield f"{INDENT}→ {outcome}"
        case VisitFailed(visit=visit) if "/" not in visit:
            yield f"{INDENT}✗ {event.error.message}"
        case VisitWaiting():
            yield f"{INDENT}waits for an answer: {event.question} ({' or '.join(event.answers)})"
        case _:
            pass


async def answer(message: str, model: Model, store: Store) -> Result[support.Ticket]:
    """Run the flow on one message; show each node, and the text as it comes."""
    print(f"\n» {message}")
    started = time.perf_counter()
    speaking = False
    run = stream(support.flow.freeze(), support.Ticket(message=message), store=store, resources=[model], target=TARGET)
    async for event in run:
        if isinstance(event, Delta):
            print(event.text if speaking else f"{INDENT}{event.text}", end="", flush=True)
            speaking = True
            continue
        for line in told(event):
            print(f"\n{line}" if speaking else line)
            speaking = False
    result = run.result
    seconds = time.perf_counter() - started
    if result.status == "completed":
        print(f"« {result.state.reply}")
    why = f": {result.error.message}" if result.error else ""
    print(f"  run {result.run} {result.status} after {seconds:.1f} s{why}")
    return result


async def answer_all(model: Model, store: Store) -> list[Result[support.Ticket]]:
    """Run all messages, one after the other."""
    try:
        return [await answer(message, model, store) for message in MESSAGES]
    finally:
        await model.aclose()


def next_steps(results: list[Result[support.Ticket]]) -> Iterator[tuple[str, str]]:
    """Return commands to try on these runs, and what each shows."""
    graphrt = ".venv/bin/graphrt"
    first = results[0].run
    yield f"{graphrt} show {first}", "the steps of the first run"
    yield f"{graphrt} why {first}", "why it went where it went"
    yield f"{graphrt} replay {first} --verify", "the same run again, without the model"
    for waiting in results:
        for question in waiting.questions:
            yield f"{graphrt} answer {waiting.run} {question.visit} approve", "answer the question; the run goes on"
    yield f'{graphrt} run {TARGET} --input "Has C-3007 been shipped?"', "a message of your own"


def main() -> int:
    """Run the messages, draw the pictures, and say what to try next."""
    try:
        model = resolve_model()
    except GraphrtError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(f"The support flow on the model {model.name}. The first message waits for it to be loaded.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    store = open_store(STORE)
    try:
        results = asyncio.run(answer_all(model, store))
        last = results[-1]
        definition = graphrt_viz.save(support.flow.freeze(), PICTURES / "support.svg")
        drawn = graphrt_viz.save(last.trace, PICTURES / f"{last.run}.svg")
    finally:
        store.close()
    print(f"\nPictures: {definition} (the definition), {drawn} (the last run on it)")
    print(f"Runs:     {STORE}")
    print("\nTry next:")
    steps = list(next_steps(results))
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        print(f"  {command:<{width}}  {what}")
    return 0 if all(r.status in {"completed", "suspended"} for r in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
