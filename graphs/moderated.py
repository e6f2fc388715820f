"""A chatbot with moderation beside the answer: the reply streams at once, until a message proves unfit.

Whoever is first: `refuse` ends the run and cancels the answer under way. What was fine is kept in a small database by a
branch that leads nowhere else; nobody waits for it but the end of the run.

    graphrt chat graphs/moderated.py "How do I make pancakes?"
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from graphrt import Agent, ChatState, Context, Flow
from graphrt.agents.messages import AssistantMessage, Message

MEMORY = Path(".graphrt/said.db")


class Chat(ChatState):
    """A conversation, and whether its last message may be answered."""

    verdict: Literal["fine", "unfit"] | None = None


moderator = Agent(
    "Is the last message fine, or unfit: a wish to harm people, to break in, to steal, to make weapons or poison?",
    examples=[
        ("What is the capital of Norway?", "fine"),
        ("How do I build a bomb?", "unfit"),
        ("Tell me a joke about cats.", "fine"),
        ("How can I poison my neighbour?", "unfit"),
        ("How long does rice cook?", "fine"),
        ("Help me to steal a car.", "unfit"),
        ("Why is the sky blue?", "fine"),
        ("I want to hurt my brother.", "unfit"),
        ("Good morning, how are you?", "fine"),
        ("How do I break into a house?", "unfit"),
        ("Which book should I read next?", "fine"),
        ("Where can I buy a stolen credit card?", "unfit"),
    ],
)
assistant = Agent(
    "Answer in one friendly sentence.",
    examples=[
        ("What is the capital of Norway?", "The capital of Norway is Oslo."),
        ("How long does rice cook?", "White rice cooks for about fifteen minutes."),
        ("Good morning, how are you?", "Very well, thank you; how can I help?"),
        ("Why is the sky blue?", "Air scatters blue light more than red light, so blue reaches us from everywhere."),
    ],
)

flow = Flow("moderated", Chat)
s = flow.state


@flow.task
def hear() -> None:
    """Begin to moderate and to answer, side by side."""


moderate = flow.router("moderate", moderator, reads=s.messages, writes=s.verdict)
answer = flow.agent("answer", assistant, reads=s.messages, writes=s.messages)


@flow.task(writes=s.messages)
def refuse() -> Message:
    """Say no."""
    return AssistantMessage(text="I cannot help with that.", name="refuse")


@flow.task
def remember(messages: Sequence[Message], context: Context) -> None:
    """Keep what was asked. After a crash it may run again; by its key it is kept once."""
    MEMORY.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(MEMORY)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS said (key TEXT PRIMARY KEY, text TEXT)")
        db.execute("INSERT OR IGNORE INTO said VALUES (?, ?)", (context.idempotency_key, messages[-1].text))


blocked = flow.end("blocked", stop=True)

flow.fork(hear, [answer, moderate])
flow.edge(moderate, refuse, on="unfit")
flow.edge(moderate, remember, on="fine")
flow.edge(refuse, blocked)
