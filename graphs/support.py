"""Customer support: sort a message, look its order up, gather what is known, answer, check, ask before money moves.

A router over three topics, an agent that calls a tool, two branches that meet in a join, a review loop with a bound,
a question to a person and an error edge. It runs on the embedded model, on any OpenAI-compatible endpoint, and in
tests on a scripted model.

    graphrt run graphs/support.py --input "Where is my order A-1042?"
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, DeadlinePassed, Flow, append, let

# -- the shop: a small SQLite file with orders and house rules --------------------------------------------------------

SHOP = Path(".graphrt/shop.db")
ORDERS = [
    ("A-1042", "Ada", "kettle", 49.90, "was shipped on 20 November"),
    ("A-1043", "Ada", "toaster", 39.00, "was delivered on 12 November"),
    ("B-2001", "Ben", "espresso machine", 389.00, "was delivered on 18 November"),
    ("C-3007", "Cleo", "coffee grinder", 89.50, "is waiting for stock"),
]
RULES = [
    ("delivery", "Parcels take three working days once they are shipped."),
    ("refund", "Refunds are paid within five days."),
    ("product", "Every device has a warranty of two years."),
]
NUMBER = re.compile(r"\b[A-Z]-\d{4}\b")


class UnknownOrder(LookupError):
    """The shop has no such order."""


def shop(question: str, value: str) -> tuple[str | float, ...] | None:
    """Ask the shop's database, which is made when it is first needed."""
    SHOP.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(SHOP)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, customer, item, price, status)")
        db.execute("CREATE TABLE IF NOT EXISTS rules (topic TEXT PRIMARY KEY, rule)")
        db.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?)", ORDERS)
        db.executemany("INSERT OR IGNORE INTO rules VALUES (?, ?)", RULES)
        found: tuple[str | float, ...] | None = db.execute(question, (value,)).fetchone()
        return found


# -- the state and the agents -----------------------------------------------------------------------------------------


class Ticket(BaseModel):
    """What is known about one message of a customer."""

    message: str
    topic: Literal["delivery", "refund", "product"] | None = None
    order: str = ""
    price: float = 0.0
    facts: Annotated[list[str], append] = []
    reply: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: Literal["approve", "decline"] | None = None


def find_order(number: str) -> str:
    """Look an order up by its number, such as A-1042."""
    row = shop("SELECT number, item, price, status FROM orders WHERE number = ?", number)
    return (
        "There is no order of that number."
        if row is None
        else f"Order {row[0]}: the {row[1]} ({row[2]:.2f} EUR) {row[3]}."
    )


sort = Agent(
    "Sort a customer's message: delivery (where is it, when does it come), refund (money back), product (use, repair).",
    examples=[
        ("Where is my parcel?", "delivery"),
        ("I want my money back for B-2000.", "refund"),
        ("How do I descale the machine?", "product"),
        ("When will order A-1000 arrive?", "delivery"),
        ("Please refund my order, it came broken.", "refund"),
        ("The lid does not close any more.", "product"),
        ("My package has not come yet.", "delivery"),
        ("You charged me twice, return the money.", "refund"),
        ("Is the kettle safe for milk?", "product"),
        ("Has C-3000 been shipped?", "delivery"),
        ("I send it back and want a refund.", "refund"),
        ("Which filter fits the grinder?", "product"),
    ],
)
clerk = Agent(
    "Look up the order that the message is about, and say what the shop has on it.",
    tools=[find_order],
    examples=[
        ("Where is A-1000?", {"tool": "find_order", "arguments": {"number": "A-1000"}}),
        ("Has C-3000 been shipped?", {"tool": "find_order", "arguments": {"number": "C-3000"}}),
        ("I want my money back for B-2000.", {"tool": "find_order", "arguments": {"number": "B-2000"}}),
    ],
    max_turns=3,
)
writer = Agent(
    "Answer the customer in one or two friendly sentences, from the facts alone.",
    examples=[
        (
            {
                "message": "Where is A-1000?",
                "facts": [
                    "Order A-1000: the mixer (59.00 EUR) was shipped on 3 May.",
                    "Parcels take three working days once they are shipped.",
                ],
            },
            "Your mixer (order A-1000) was shipped on 3 May; parcels take three working days.",
        ),
        (
            {
                "message": "I want my money back for B-2000.",
                "facts": [
                    "Order B-2000: the fan (25.00 EUR) was delivered on 1 May.",
                    "Refunds are paid within five days.",
                ],
            },
            "We are sorry! We refund the fan (order B-2000), and the money is paid within five days.",
        ),
        (
            {"message": "The lid of my pan is loose.", "facts": ["Every device has a warranty of two years."]},
            "Thank you for writing. Every device has a warranty of two years, so we will gladly repair the lid.",
        ),
    ],
)

# -- the flow ---------------------------------------------------------------------------------------------------------

flow = Flow("support", Ticket)
s = flow.state

triage = flow.router("triage", sort, reads=s.message, writes=s.topic)
look_up = flow.agent("look up", clerk, reads=s.message, writes=s.order)


@flow.task(writes=(s.price, s.facts))
def open_case(message: str) -> tuple[float, str]:
    """Read the order's price; a refund is not paid on a number that does not exist."""
    number = NUMBER.search(message)
    row = shop("SELECT price, number, item, status FROM orders WHERE number = ?", number.group() if number else "")
    if row is None:
        raise UnknownOrder(f"the message names no order that we have: {message[:80]!r}")
    return float(row[0]), f"Order {row[1]}: the {row[2]} ({row[0]:.2f} EUR) {row[3]}."


@flow.task(writes=s.reply)
def no_order() -> str:
    """Answer when there is nothing to look up."""
    return "We could not find your order. Please tell us its number; it looks like A-1042."


@flow.task()
def consider() -> None:
    """Everything that is needed is at hand: gather what else is known, side by side."""


@flow.task(writes=s.facts)
def house_rule(topic: str | None) -> str:
    """Find the rule of the house for this topic."""
    row = shop("SELECT rule FROM rules WHERE topic = ?", topic or "")
    return str(row[0]) if row else "There is no rule for this."


@flow.task(writes=s.facts)
def history(message: str) -> str:
    """Count the customer's orders."""
    number = NUMBER.search(message)
    count = "SELECT count(*), customer FROM orders WHERE customer = (SELECT customer FROM orders WHERE number = ?)"
    row = shop(count, number.group() if number else "")
    return f"{row[1]} has ordered {row[0]} times." if row and row[1] else "The customer is new."


known = flow.join("known")
draft = flow.agent("draft", writer, reads=(s.message, s.facts), writes=s.reply)


@flow.task(writes=s.score)
def review(reply: str, facts: list[str]) -> float:
    """Grade an answer from 0 to 1: how much of it stands in the facts, and whether it has a sensible length."""
    words = [w for w in re.findall(r"[a-z0-9-]{4,}", reply.lower()) if w not in {"your", "order", "thank", "writing"}]
    told = " ".join(facts).lower()
    if not words or len(reply) > 400:
        return 0.0
    return round(sum(w in told for w in words) / len(words), 2)


approve = flow.ask("approve", "Pay this refund?", reads=(s.price, s.reply), writes=s.decision, deadline="24h")


@flow.task(writes=s.reply)
def decline() -> str:
    """Answer when a person said no."""
    return "We are sorry, but we cannot refund this order. Please call us, so that we can explain."


sent = flow.end("sent")
overdue = flow.end("overdue", failure=True)

flow.edge(triage, look_up, on="delivery")
flow.edge(triage, look_up, on="refund")
flow.edge(triage, consider, on="product")
flow.edge(look_up, open_case)
flow.edge(open_case, consider)
flow.edge(open_case, no_order, on=UnknownOrder)
flow.edge(no_order, sent)
flow.fork(consider, [house_rule, history])
flow.edge([house_rule, history], known)
flow.edge(known, draft)
flow.edge(draft, review)
flow.edge(review, draft, when=s.score < 0.4, set=let(s.rounds).be(s.rounds + 1), at_most=2)
flow.edge(review, approve, when=(s.topic == "refund") & (s.price > 100))
flow.edge(review, sent)
flow.edge(approve, sent, on="approve")
flow.edge(approve, decline, on="decline")
flow.edge(approve, overdue, on=DeadlinePassed)
flow.edge(decline, sent)
