"""The support flow: where each topic leads, what is checked before an answer leaves, when money moves."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import graphrt_viz
from graphrt.account import account
from graphrt.replay import verify
from graphrt.runtime import answer, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from graphrt.testing.scripted import ScriptedModel, Turn
from graphs import support

if TYPE_CHECKING:
    from graphrt.agents import ModelRequest
    from graphrt.runtime import Result

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.anyio


def refunds() -> list[tuple[str, float]]:
    """Return number and price of each refund that the shop has paid."""
    with closing(sqlite3.connect(support.SHOP)) as db:
        return list(db.execute("SELECT number, price FROM refunds"))


class Desk:
    """What a model would answer at each place of the flow; the drafts come one after the other, then the facts."""

    def __init__(self, topic: str, *drafts: str) -> None:
        self.topic = topic
        self.drafts: Iterator[str] = iter(drafts)

    def __call__(self, request: ModelRequest) -> Turn | str:
        """Answer a request."""
        said = request.messages[-1].text
        if request.labels:
            return Turn.choose(self.topic, 0.8)
        if not request.tools:
            facts = re.findall(r"^(?:facts: )?- (.*)$", said, re.MULTILINE)
            return next(self.drafts, " ".join(facts))
        if request.messages[-1].role == "tool":
            return said
        number = re.search(r"[A-Z]-\d{4}", said)
        return Turn.call("find_order", number=number.group()) if number else "The message names no order."


async def answered(message: str, model: ScriptedModel, store: MemoryStore | None = None) -> Result[support.Ticket]:
    """Run the flow on a message."""
    return await run(support.flow.freeze(), support.Ticket(message=message), store=store, resources=[model])


def way(result: Result[support.Ticket]) -> list[str]:
    """Return the names of the nodes that a run has passed, without what lies inside them."""
    return [v.node.name for v in account(result.trace).visits.values() if "/" not in v.id]


GATHERED = ["consider", "house_rule", "history", "known", "draft", "review"]


async def test_delivery() -> None:
    """A question about a parcel is answered with what the shop has on the order and its rule, and with nothing else."""
    result = await answered("Where is A-1042?", ScriptedModel(Desk("delivery")))
    assert way(result) == ["triage", "look up", "open_case", *GATHERED, "sent"]
    assert result.state.reply == (
        "Order A-1042: the kettle was shipped on 20 November. Parcels take three working days once they are shipped."
    )
    assert (result.state.number, result.state.orders, result.state.score) == ("A-1042", 2, 1.0)
    assert refunds() == []
    assert verify(result.trace, support.flow.freeze()) is None


async def test_product() -> None:
    """A question about a device needs no order; the rule about the device is told rather than the general one."""
    result = await answered("How do I clean the coffee grinder?", ScriptedModel(Desk("product")))
    assert way(result) == ["triage", *GATHERED, "sent"]
    assert result.state.reply == "The coffee grinder is cleaned with a dry brush, never with water."
    other = await answered("My toaster hums.", ScriptedModel(Desk("product")))
    assert other.state.reply == "Every device has a warranty of two years, and we repair it."


async def test_a_small_refund_is_paid_without_a_question() -> None:
    """Up to 100 EUR nobody is asked; the customer is told the price and when the money comes."""
    result = await answered("Please refund A-1043.", ScriptedModel(Desk("refund")))
    assert way(result)[-3:] == ["review", "pay", "sent"]
    assert refunds() == [("A-1043", 39.0)]
    assert "It cost 39.00 EUR. We pay refunds within five days." in result.state.reply


@pytest.mark.parametrize(
    ("decision", "paid", "last"), [("approve", [("B-2001", 389.0)], "pay"), ("decline", [], "decline")]
)
async def test_a_costly_refund_is_asked_about(decision: str, paid: list[tuple[str, float]], last: str) -> None:
    """Above 100 EUR a person decides; until then no money moves, and what they say is done."""
    store, model = MemoryStore(), ScriptedModel(Desk("refund"))
    result = await answered("I want my money back for B-2001.", model, store)
    assert result.status == "suspended"
    question = result.questions[0]
    assert (question.node, question.question) == ("approve", "Pay this refund?")
    assert refunds() == []
    await answer(store, result.run, question.visit, decision, by="ada")
    asked_before = len(model.requests)
    result = await resume(store, result.run, support.flow.freeze(), resources=[model])
    assert way(result)[-2:] == [last, "sent"]
    assert refunds() == paid
    assert len(model.requests) == asked_before
    assert ("sorry" in result.state.reply) == (decision == "decline")


async def test_a_question_that_nobody_answers_fails_the_run() -> None:
    """After a day the run ends in a failure that says so, instead of waiting for ever."""
    clock = ManualClock()
    start = support.Ticket(message="I want my money back for B-2001.")
    model = ScriptedModel(Desk("refund"))
    going = asyncio.ensure_future(
        run(support.flow.freeze(), start, resources=[model], clock=clock, stay_s=2 * 24 * 3600)
    )
    await clock.run_out(going)
    result = going.result()
    assert (result.status, way(result)[-1]) == ("failed", "overdue")
    assert refunds() == []


@pytest.mark.parametrize("message", ["My parcel is late.", "Where is Z-9999?"])
async def test_an_unknown_order_is_asked_for(message: str) -> None:
    """No number, or one that the shop does not know, takes the error edge to a polite question."""
    result = await answered(message, ScriptedModel(Desk("delivery")))
    assert way(result) == ["triage", "look up", "open_case", "ask_number", "sent"]
    assert "tell us its number" in result.state.reply


async def test_a_draft_is_written_again_with_what_it_left_out() -> None:
    """The writer's next request says what the last draft lacked, so that it need not make the same one again."""
    model = ScriptedModel(Desk("delivery", "Your kettle is on its way."))
    result = await answered("Where is A-1042?", model)
    drafts = [r for r in model.requests if not r.labels and not r.tools]
    assert [r.messages[-1].text.rsplit("must_say: ", 1)[-1] for r in drafts] == [
        "all",
        "Order A-1042 shipped 20 November Parcels take three working days once they shipped",
    ]
    assert (result.state.rounds, result.state.score) == (1, 1.0)


async def test_after_two_more_drafts_the_facts_are_said_as_they_are() -> None:
    """The review loop is bounded, and an answer that is not true to the facts never leaves."""
    model = ScriptedModel(Desk("delivery", *["It arrives on 31 December, I promise."] * 9))
    result = await answered("Where is A-1042?", model)
    assert way(result)[-9:] == [*["draft", "review"] * 3, "plain", "review", "sent"]
    assert result.state.reply == " ".join(result.state.facts)
    assert (result.state.rounds, result.state.score) == (2, 1.0)


def test_the_review_marks_what_is_missing_and_what_is_made_up() -> None:
    """Words and numbers of the facts count; a number that no fact has makes a draft worthless."""
    facts = ["Order A-1000: the mixer was shipped on 3 May.", "Letters take two days."]
    assert support.review("Your mixer (order A-1000) was shipped on 3 May. Letters take two days.", facts) == (
        1.0,
        "all",
    )
    score, must_say = support.review("Your mixer was shipped on 3 May.", facts)
    assert (round(score, 1), must_say) == (0.4, "Order A-1000 Letters take days")
    assert support.review("Your mixer (order A-1000) was shipped on 4 May.", facts) == (0.0, " ".join(facts))
    assert support.review("Thank you.", []) == (1.0, "all")


def test_a_refund_is_paid_once_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash right after the money was paid makes the node run again on resume; its key keeps it from paying twice."""
    store, model = MemoryStore(), ScriptedModel(Desk("refund"))
    start = support.Ticket(message="Please refund A-1043.")
    ask_the_shop = support.shop

    def dying(statement: str, *values: str | float) -> tuple[object, ...] | None:
        row = ask_the_shop(statement, *values)
        if "refunds" in statement:
            raise SystemExit(3)
        return row

    with monkeypatch.context() as crash:
        crash.setattr(support, "shop", dying)
        with pytest.raises(SystemExit):
            asyncio.run(run(support.flow.freeze(), start, store=store, run_id="r1", resources=[model]))
    assert refunds() == [("A-1043", 39.0)]
    result = asyncio.run(resume(store, "r1", support.flow.freeze(), resources=[model]))
    assert result.status == "completed"
    assert refunds() == [("A-1043", 39.0)]
    assert [a.lost for a in account(result.trace).of_node("pay")[0].attempts] == [True, False]


def test_the_picture_is_that_of_the_flow(tmp_path: Path) -> None:
    """The committed picture is what today's flow is drawn as, byte for byte; `make graphs` draws it again."""
    drawn = graphrt_viz.save(support.flow.freeze(), tmp_path / "support.svg")
    same = Path(drawn).read_bytes() == (ROOT / "graphs" / "support.svg").read_bytes()
    assert same, "graphs/support.svg is out of date; run: make graphs"
