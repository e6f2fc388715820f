"""Policies in every order: the answer is the same, each token is paid for once, and the record says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from graphrt import Agent, Retry
from graphrt.account import account
from graphrt.agents import ModelRequest, Reply, Usage
from graphrt.agents.errors import ModelBehavior, ModelError, after
from graphrt.agents.messages import assistant, user
from graphrt.agents.model import Emit, Model, discard
from graphrt.policies import Policy, cache, context, fallback, limit, retry
from tests.policies.asking import Talk, hearing, talking

pytestmark = pytest.mark.anyio

KINDS = ("cache", "fallback", "retry", "limit", "context")
ORDERS = list(permutations(KINDS))
REQUEST = ModelRequest(messages=tuple(m for n in range(4) for m in (user(f"ask {n}"), assistant(f"say {n}"))))


class Counted(Model):
    """Fails so often, each time after it has been paid, then answers; notes what it was paid."""

    def __init__(self, name: str, fails: int, *, tokens: int = 15) -> None:
        self.name = name
        self.fails = fails
        self.usage = Usage(input_tokens=tokens - 5, output_tokens=5)
        self.paid: list[int] = []

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Fail, or answer."""
        if len(self.paid) < self.fails:
            spent = Usage(input_tokens=7, output_tokens=3)
            self.paid.append(10)
            raise after(spent, ModelBehavior("it babbled", text="?"))
        self.paid.append(self.usage.total_tokens or 0)
        emit("Four.")
        return Reply(text="Four.", usage=self.usage, model=self.name)


class Stack:
    """One order of the policies, with the models behind them."""

    def __init__(self, order: tuple[str, ...], *, fails: tuple[int, int]) -> None:
        self.order = order
        self.main = Counted("gpt-5-mini", fails[0])
        self.spare = Counted("gpt-5", fails[1])
        self.summer = Counted("gpt-5-nano", 0, tokens=8)
        self.limit = limit(at_once=1, cost_usd=100)
        self.cache = cache()
        make: dict[str, Callable[[], Policy]] = {
            "cache": lambda: self.cache,
            "fallback": lambda: fallback(self.spare),
            "retry": lambda: retry(Retry(2, wait_s=0.0)),
            "limit": lambda: self.limit,
            "context": lambda: context(messages=3, summary=Agent("Summarise.", model=self.summer)),
        }
        self.policies = [make[kind]() for kind in order]

    def wrapped(self) -> Model:
        """Return the first model within all of them."""
        model: Model = self.main
        for policy in reversed(self.policies):
            model = policy.around(model)
        return model

    def is_within(self, inner: str, outer: str) -> bool:
        """Tell whether one of them stands inside another."""
        return self.order.index(inner) > self.order.index(outer)

    @property
    def paid(self) -> int:
        """All tokens that were paid for."""
        return sum(self.main.paid) + sum(self.spare.paid) + sum(self.summer.paid)

    @property
    def limited(self) -> int:
        """Those of requests that the limit stands around."""
        tokens = sum(self.main.paid)
        tokens += sum(self.spare.paid) if self.is_within("fallback", "limit") else 0
        return tokens + (sum(self.summer.paid) if self.is_within("context", "limit") else 0)

    @property
    def cost(self) -> float:
        """What all of it costs."""
        total = 0.0
        for model in (self.main, self.spare, self.summer):
            for paid in model.paid:
                usage = Usage(input_tokens=7, output_tokens=3) if paid == 10 else model.usage
                total += model.cost_usd(Reply(usage=usage)) or 0.0
        return total


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_in_any_order(order: tuple[str, ...]) -> None:
    """A model that fails once and is asked twice: the same answers, all that was paid in their usage, true marks."""
    stack = Stack(order, fails=(1, 0))
    model = stack.wrapped()
    with hearing() as heard:
        replies = [await model.respond(REQUEST, heard.pieces.append) for _ in range(2)]
    assert [reply.text for reply in replies] == ["Four.", "Four."]
    assert heard.pieces[-1:] == ["Four."]
    assert sum(reply.usage.total_tokens or 0 for reply in replies) == stack.paid
    costs = [model.cost_usd(reply) for reply in replies]
    assert sum(cost or 0.0 for cost in costs) == pytest.approx(stack.cost)
    assert stack.limit.used_tokens == stack.limited
    assert (stack.limit.running, stack.limit.waiting) == (0, 0)
    marks = [(mark.by, mark.what, mark.facts) for mark in heard.context.marks]
    taken = sum(by == "fallback" for by, _, _ in marks)
    again = sum(by == "retry" and facts["again"] for by, _, facts in marks)
    assert taken + again == 1, "one failure was mended, by one of them"
    assert taken == len(stack.spare.paid)
    hits = sum(by == "cache" for by, _, _ in marks)
    assert hits == stack.cache.hits
    assert hits == (0 if taken and stack.is_within("cache", "fallback") else 1)
    assert len(stack.main.paid) + len(stack.spare.paid) == 2 + (1 - hits)
    assert sum(bool(facts.get("asked")) for by, _, facts in marks if by == "context") == len(stack.summer.paid)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_when_everything_fails_in_any_order(order: tuple[str, ...]) -> None:
    """Two models that never answer: the error says all that was paid, and the record of the run has it."""
    stack = Stack(order, fails=(99, 99))
    with hearing(), pytest.raises(ModelError) as raised:
        await stack.wrapped().respond(REQUEST)
    assert raised.value.usage is not None
    assert raised.value.usage.total_tokens == stack.paid
    assert stack.limit.used_tokens == stack.limited

    stack = Stack(order, fails=(99, 99))
    agent = Agent("Say.", retry=1, model=stack.main, policies=stack.policies)
    result = await talking(agent).run(Talk())
    assert result.status == "failed"
    used = account(result.trace).totals.usage
    assert used is not None
    assert (used.input_tokens or 0) + (used.output_tokens or 0) == stack.paid
    assert used.cost_usd == pytest.approx(stack.cost)


async def test_who_shares_a_failure_does_not_pay_for_it_again() -> None:
    """Three ask the same at once and it fails: what was paid stands with one of them."""
    main = Counted("gpt-5-mini", 99)
    model = cache().around(main)
    got: list[Any] = await asyncio.gather(*(model.respond(REQUEST) for _ in range(3)), return_exceptions=True)
    assert [type(error).__name__ for error in got] == ["ModelBehavior"] * 3
    assert sorted(error.usage.total_tokens if error.usage else 0 for error in got) == [0, 0, 10]
    assert {str(error) for error in got} == {"it babbled"}
    assert all(error.facts == {"text": "?"} for error in got)
