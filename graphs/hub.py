"""A support hub: a host hands the customer over to billing or repairs, who hand back what is not theirs.

graphrt chat graphs/hub.py "I was charged twice for A-1042."
"""

from __future__ import annotations

from graphrt import Agent, handoff, tool

PAID = {"A-1042": ["49.90 EUR on 20 November", "49.90 EUR on 21 November"], "B-2001": ["389.00 EUR on 18 November"]}


def payments(number: str) -> list[str]:
    """Look up what was paid for an order, by its number."""
    return PAID.get(number, [])


@tool(writes=True, approval="always")
def book_repair(number: str, day: str) -> str:
    """Book the repair of a device; a person agrees to each."""
    return f"The device of order {number} is fetched on {day}."


host = Agent("Find out what the customer wants, and hand over to who can help.", name="host")
billing = Agent("You answer for money, and for nothing else.", name="billing", tools=[payments])
repairs = Agent("You answer for broken devices, and for nothing else.", name="repairs", tools=[book_repair])

flow = handoff(
    host,
    billing,
    repairs,
    to={"host": ["billing", "repairs"], "billing": ["host"], "repairs": ["host"]},
    at_most=3,
    name="hub",
)
