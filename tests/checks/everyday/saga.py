"""Saga with compensation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from graphrt import Context, Flow, Retry


class Trip(BaseModel):
    customer: str
    flight: str | None = None
    hotel: str | None = None
    payment: str | None = None
    outcome: Literal["booked", "cancelled"] | None = None


flow = Flow("trip", Trip)
s = flow.state


@flow.task(writes=s.flight, retry=Retry(attempts=3, on=("ConnectionError",)))
async def book_flight(customer: str, context: Context) -> str:
    return context.idempotency_key


@flow.task(writes=s.hotel, retry=Retry(attempts=3, on=("ConnectionError",)))
async def book_hotel(customer: str, context: Context) -> str:
    return context.idempotency_key


@flow.task(writes=s.payment, on_crash="ask")
async def pay(customer: str, flight: str | None, hotel: str | None) -> str:
    return "paid"


@flow.task(writes=s.hotel)
async def cancel_hotel(hotel: str | None) -> None:
    return None


@flow.task(writes=s.flight)
async def cancel_flight(flight: str | None) -> None:
    return None


@flow.task(writes=s.outcome)
def confirm(payment: str | None) -> Literal["booked"]:
    return "booked"


@flow.task(writes=s.outcome)
def tell(customer: str) -> Literal["cancelled"]:
    return "cancelled"


flow.edge(book_flight, book_hotel)
flow.edge(book_flight, tell, on=Exception)
flow.edge(book_hotel, pay)
flow.edge(book_hotel, cancel_flight, on=Exception)
flow.edge(pay, confirm)
flow.edge(pay, cancel_hotel, on=Exception)
flow.edge(cancel_hotel, cancel_flight)
flow.edge(cancel_flight, tell)
