"""What `make demo` runs: the support flow on three messages, stored, drawn and ready to be asked about."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import graphrt_viz
from graphrt.agents.model import Model, resolve_model
from graphrt.errors import GraphrtError
from graphrt.events import VisitCompleted, VisitStarted, VisitWaiting
from graphrt.runtime import Delta, stream
from graphrt.stores import open_store
from graphs import support

if TYPE_CHECKING:
    from graphrt.ports import Store
    from graphrt.runtime import Result

MESSAGES = (
    "Where is my order A-1042?",
    "How do I clean the coffee grinder?",
    "I want my money back for B-2001, it leaks.",
)
STORE = Path(".graphrt/runs.db")
PICTURES = Path(".graphrt/demo")
TARGET = "graphs/support.py"


async def answer(message: str, model: Model, store: Store) -> Result[support.Ticket]:
    """Run the flow on one message; show each node, and the text as it comes."""
    print(f"\n» {message}")
    started = time.perf_counter()
    speaking = False
    run = stream(support.flow.freeze(), support.Ticket(message=message), store=store, resources=[model], target=TARGET)
    async for event in run:
        if isinstance(event, Delta):
            print(event.text if speaking else f"           {event.text.lstrip()}", end="", flush=True)
            speaking = True
            continue
        if speaking:
            print()
            speaking = False
        if isinstance(event, VisitStarted) and "/" not in event.visit:
            print(f"  {event.visit:>6}   {event.node}")
        elif isinstance(event, VisitCompleted) and event.outcome is not None:
            print(f"           → {event.outcome}")
        elif isinstance(event, VisitWaiting):
            print(f"           waits for an answer: {event.question} ({' or '.join(event.answers)})")
    result = run.result
    seconds = time.perf_counter() - started
    print(
        f"  run {result.run} {result.status} after {seconds:.1f} s"
        + (f": {result.error.message}" if result.error else "")
    )
    return result


async def answer_all(model: Model, store: Store) -> list[Result[support.Ticket]]:
    """Run all messages, one after the other."""
    try:
        return [await answer(message, model, store) for message in MESSAGES]
    finally:
        await model.aclose()


def main() -> int:
    """Run the messages, draw the pictures, and say what to try next."""
    try:
        model = resolve_model()
    except GraphrtError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(f"The support flow on the model {model.name}. The first call loads it.")
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
    graphrt = ".venv/bin/graphrt"
    first = results[0].run
    for command, what in (
        (f"{graphrt} show {first}", "the steps of the first run"),
        (f"{graphrt} why {first}", "why it went where it went"),
        (f"{graphrt} replay {first} --verify", "the same run again, without the model"),
        (
            f"{graphrt} answer {last.run} {next(iter(q.visit for q in last.questions), '')} approve",
            "answer the question of the last run",
        ),
        (f"{graphrt} resume {last.run}", "… and let it go on"),
        (f'{graphrt} run {TARGET} --input "Has C-3007 been shipped?"', "a message of your own"),
    ):
        print(f"  {command:<58} {what}")
    return 0 if all(r.status in {"completed", "suspended"} for r in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
