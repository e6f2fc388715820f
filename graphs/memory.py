"""A chatbot that remembers: what it learns about you is kept in a file, and known in every later conversation.

graphrt chat graphs/memory.py "I live in Oslo, and I am allergic to nuts."
graphrt chat graphs/memory.py "What should I not eat?"
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from graphrt import Agent, ChatState, Flow

MEMORY = Path(".graphrt/memory.db")
NOTHING = "nothing"


class Chat(ChatState):
    """A conversation, and what is known about the person."""

    known: tuple[str, ...] = ()
    learned: str = NOTHING


def memory(statement: str, *values: str) -> list[str]:
    """Ask the memory, or tell it something; return the first column of what it answers."""
    MEMORY.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(MEMORY)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS facts (fact TEXT PRIMARY KEY)")
        return [str(row[0]) for row in db.execute(statement, values)]


assistant = Agent(
    "Answer in one friendly sentence. What you know about the person comes last.",
    prompt="What you know about me: {known}",
    examples=[
        ("Where was I born?\nWhat you know about me: - was born in Cork", "You were born in Cork."),
        ("Is chocolate good for my dog?\nWhat you know about me: - has a dog called Max", "Give Max no chocolate."),
        ("I moved to Rome.\nWhat you know about me: ", "Welcome to Rome!"),
        ("May I eat cheese?\nWhat you know about me: - does not eat milk or cheese", "No, you do not eat cheese."),
    ],
)
listener = Agent(
    f"What does the last message say about the person that is worth knowing for ever? If nothing, say {NOTHING!r}.",
    examples=[
        ("I was born in Cork, by the way.", "was born in Cork"),
        ("How far is the moon?", NOTHING),
        ("My dog is called Max. What may he eat?", "has a dog called Max"),
        ("Thank you!", NOTHING),
        ("I am a nurse and often tired.", "is a nurse and often tired"),
        ("I cannot eat eggs, they make me ill.", "cannot eat eggs"),
        ("Tell me a joke.", NOTHING),
    ],
)

flow = Flow("memory", Chat)
s = flow.state


@flow.task(writes=s.known)
def recall() -> tuple[str, ...]:
    """Look up what is known; what was learned last comes first."""
    return tuple(memory("SELECT fact FROM facts ORDER BY rowid DESC LIMIT 50"))


answer = flow.agent("answer", assistant, reads=(s.messages, s.known), writes=s.messages)
listen = flow.agent("listen", listener, reads=s.messages, writes=s.learned)


@flow.task
def keep(learned: str) -> None:
    """Keep what was learned. After a crash it may run again; what is known is not written twice."""
    memory("INSERT OR IGNORE INTO facts VALUES (?)", learned)


flow.fork(recall, [answer, listen])
flow.edge(listen, keep, when=s.learned != NOTHING)
flow.edge(listen, flow.end("nothing new"))
