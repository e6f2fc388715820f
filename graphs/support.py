"""Customer support: sort a message, look its order up, gather what is known, answer, check, ask before money moves.

A router over three topics, an agent that calls a tool, two branches that meet in a join, a review loop with a bound, a
question to a person before a costly refund, an effect that survives a crash, and an error edge. It runs on the embedded
model, on any OpenAI-compatible endpoint, and in tests on a scripted model.

    graphrt run graphs/support.py --input "Where is my order A-1042?"
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from graphrt import Agent, Context, DeadlinePassed, Flow, extend, let

# -- the shop: a small SQLite file, made when it is first needed ------------------------------------------------------

SHOP = Path(".graphrt/shop.db")
TABLES = {
    "orders": "number TEXT PRIMARY KEY, customer, item, price, status",
    "rules": "topic, about, rule, PRIMARY KEY (topic, about)",
    "refunds": "key TEXT PRIMARY KEY, number, price",
}
SHAPE = 1
"""Of the tables; a file of another shape is made anew."""
ORDERS = [
    ("A-1042", "Ada", "kettle", 49.90, "was shipped on 20 November"),
    ("A-1043", "Ada", "toaster", 39.00, "was delivered on 12 November"),
    ("B-2001", "Ben", "espresso machine", 389.00, "was delivered on 18 November"),
    ("C-3007", "Cleo", "coffee grinder", 89.50, "is waiting for stock"),
]
RULES = [
    ("delivery", "", "Parcels take three working days once they are shipped."),
    ("refund", "", "We pay refunds within five days."),
    ("product", "", "Every device has a warranty of two years, and we repair it."),
    ("product", "kettle", "The kettle is descaled with vinegar once a month."),
    ("product", "grinder", "The coffee grinder is cleaned with a dry brush, never with water."),
]


def shop(statement: str, *values: str | float) -> tuple[Any, ...] | None:
    """Ask the shop's database, or tell it something; return the first row of the answer."""
    SHOP.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(SHOP)) as db, db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone() != (SHAPE,):
            for table, columns in TABLES.items():
                db.execute(f"DROP TABLE IF EXISTS {table}")
                db.execute(f"CREATE TABLE {table} ({columns})")
            db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", ORDERS)
            db.executemany("INSERT INTO rules VALUES (?, ?, ?)", RULES)
            db.execute(f"PRAGMA user_version = {SHAPE}")
        row: tuple[Any, ...] | None = db.execute(statement, values).fetchone()
        return row


ORDER = re.compile(r"\b[A-Z]-\d{4}\b")
NUMBERS = re.compile(r"\d+(?:\.\d+)?")
WORDS = re.compile(r"[A-Za-z][\w-]{3,}|\d+(?:\.\d+)?")
"""What counts in a fact: numbers, and words of four letters or more."""


class UnknownOrder(LookupError):
    """The shop has no such order."""


# -- the state and the agents -----------------------------------------------------------------------------------------


class Ticket(BaseModel):
    """What is known about one message of a customer."""

    message: str
    topic: Literal["delivery", "refund", "product"] | None = None
    found: str = ""
    """What the clerk says about the order."""
    number: str = ""
    price: float = 0.0
    orders: int = 0
    """How often this customer has ordered."""
    facts: Annotated[list[str], extend] = []
    must_say: str = "all"
    """What the last draft left out."""
    reply: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: Literal["approve", "decline"] | None = None


def find_order(number: str) -> str:
    """Look an order up by its number, such as A-1042."""
    row = shop("SELECT number, item, status FROM orders WHERE number = ?", number)
    return f"Order {row[0]}: the {row[1]} {row[2]}." if row else "The shop has no such order."


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
    "Look up the order that the message names, and say what the shop has on it.",
    tools=[find_order],
    examples=[
        ("Where is A-1000?", {"tool": "find_order", "arguments": {"number": "A-1000"}}),
        ("Has C-3000 been shipped?", {"tool": "find_order", "arguments": {"number": "C-3000"}}),
        ("I want my money back for B-2000.", {"tool": "find_order", "arguments": {"number": "B-2000"}}),
        ("My parcel is late.", "The message names no order."),
        ("Please refund the fan.", "The message names no order."),
    ],
    max_turns=3,
)


def draft_of(*facts: str, reply: str, must_say: str = "all") -> tuple[dict[str, Any], str]:
    """Return an example for the writer: what it reads, and what it should write."""
    return {"facts": facts, "must_say": must_say}, reply


writer = Agent(
    "Answer a customer in a few friendly sentences: all the facts and nothing else, above all what must be said.",
    examples=[
        draft_of(
            "Order A-1000: the mixer was shipped on 3 May.",
            "Letters take two days.",
            reply="Your mixer (order A-1000) was shipped on 3 May. Letters take two days.",
        ),
        draft_of(
            "The iron is cleaned with a soft cloth.",
            reply="Thank you for asking. The iron is cleaned with a soft cloth.",
        ),
        draft_of(
            "Order B-2000: the fan was returned on 1 June.",
            "It cost 25.00 EUR.",
            "Money comes back by Friday.",
            reply="Your fan (order B-2000) was returned on 1 June. It cost 25.00 EUR. Money comes back by Friday.",
        ),
        draft_of(
            "Order C-3000: the radio is sold out.",
            "Heavy goods come by lorry.",
            must_say="order C-3000",
            reply="Your radio (order C-3000) is sold out. Heavy goods come by lorry.",
        ),
        draft_of(
            "The oven is heated for an hour, never without a pan.",
            must_say="never without a pan",
            reply="Thank you for asking. The oven is heated for an hour, never without a pan.",
        ),
        draft_of(
            "The lamp is switched off at night, and dusted once a year.",
            reply="Thank you for asking. The lamp is switched off at night, and dusted once a year.",
        ),
    ],
)

# -- the nodes --------------------------------------------------------------------------------------------------------

flow = Flow("support", Ticket)
s = flow.state

triage = flow.router("triage", sort, reads=s.message, writes=s.topic)
look_up = flow.agent("look up", clerk, reads=s.message, writes=s.found)


@flow.task(writes=(s.number, s.price, s.facts))
def open_case(found: str, topic: str | None) -> tuple[str, float, list[str]]:
    """Open a case for the order that was found; the price matters only to those who want it back."""
    number = ORDER.search(found)
    row = shop("SELECT number, price FROM orders WHERE number = ?", number.group() if number else "")
    if row is None:
        raise UnknownOrder(f"the clerk found no order: {found[:80]!r}")
    cost = [f"It cost {row[1]:.2f} EUR."] if topic == "refund" else []
    return str(row[0]), float(row[1]), [find_order(str(row[0])), *cost]


@flow.task(writes=s.reply)
def ask_number() -> str:
    """Answer when there is no order to speak of."""
    return "We could not find your order. Please tell us its number; it looks like A-1042."


@flow.task
def consider() -> None:
    """Begin to gather what else is known, side by side."""


@flow.task(writes=s.facts)
def house_rule(topic: str | None, message: str) -> list[str]:
    """Find the rule of the house for this topic, rather one about the device that the message names."""
    row = shop(
        "SELECT rule FROM rules WHERE topic = ? AND instr(lower(?), about) ORDER BY about DESC", topic or "", message
    )
    return [str(row[0])] if row else []


@flow.task(writes=s.orders, ignore=("GR301", "a question about a product names no order, and counts none"))
def history(number: str) -> int:
    """Count the customer's orders."""
    row = shop(
        "SELECT count(*) FROM orders WHERE customer = (SELECT customer FROM orders WHERE number = ?)",
        number,
    )
    return int(row[0]) if row else 0


known = flow.join("known")
draft = flow.agent("draft", writer, reads=(s.facts, s.must_say), writes=s.reply)


@flow.task(writes=(s.score, s.must_say))
def review(reply: str, facts: list[str]) -> tuple[float, str]:
    """Grade a draft from 0 to 1: how much of the facts it says, and 0 if it says a number that is not among them."""
    told = " ".join(facts)
    if not set(NUMBERS.findall(reply)) <= set(NUMBERS.findall(told)):
        return 0.0, told
    words = WORDS.findall(told)
    missing = [word for word in words if word.lower() not in reply.lower()]
    return round(1 - len(missing) / max(1, len(words)), 2), " ".join(missing) or "all"


@flow.task(writes=s.reply)
def plain(facts: list[str]) -> str:
    """Say the facts as they are, where no draft was true to them."""
    return " ".join(facts)


approve = flow.ask("approve", "Pay this refund?", reads=(s.price, s.orders, s.reply), writes=s.decision, deadline="24h")


@flow.task
def pay(number: str, price: float, context: Context) -> None:
    """Pay a refund. After a crash it may run again; by its key the shop notices, and pays once."""
    shop("INSERT OR IGNORE INTO refunds VALUES (?, ?, ?)", context.idempotency_key, number, price)


@flow.task(writes=s.reply)
def decline() -> str:
    """Answer when a person said no."""
    return "We are sorry, but we cannot refund this order. Please call us, so that we can explain."


sent = flow.end("sent")
overdue = flow.end("overdue", failure=True)

# -- the edges --------------------------------------------------------------------------------------------------------

flow.edge(triage, look_up, on="delivery")
flow.edge(triage, look_up, on="refund")
flow.edge(triage, consider, on="product")
flow.edge(look_up, open_case)
flow.edge(open_case, consider)
flow.edge(open_case, ask_number, on=UnknownOrder)
flow.edge(ask_number, sent)
flow.fork(consider, [house_rule, history])
flow.edge([house_rule, history], known)
flow.edge(known, draft)
flow.edge(draft, review)
flow.edge(review, draft, when=s.score < 0.8, set=let(s.rounds).be(s.rounds + 1), at_most=2)
flow.edge(review, plain, when=s.score < 0.8, at_most=1)
flow.edge(plain, review)
flow.edge(review, approve, when=(s.topic == "refund") & (s.price > 100))
flow.edge(review, pay, when=s.topic == "refund")
flow.edge(review, sent)
flow.edge(approve, pay, on="approve")
flow.edge(approve, decline, on="decline")
flow.edge(approve, overdue, on=DeadlinePassed)
flow.edge([pay, decline], sent)
