"""A node that must not run twice, and is retried.

`on_crash="ask"` or `"fail"` says that nobody may repeat an attempt of which it is not known how far it came. A retry
repeats attempts that failed, and of these it is not known either. Say which errors come before the effect
(`Retry(on=…)`), or let one of the two go.

Example:
    class Order(BaseModel):
        number: str


    flow = Flow("order", Order)


    @flow.task(retry=3, on_crash="ask")
    def pay(number: str) -> None: ...

Instead:
    class Order(BaseModel):
        number: str


    flow = Flow("order", Order)


    @flow.task(on_crash="ask")
    def pay(number: str) -> None: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        if n.on_crash != "retry" and n.retry is not None and n.retry.attempts > 1 and not n.retry.on:
            yield Found(
                message=f"{n.name!r} must not be repeated after a crash (on_crash={n.on_crash!r}), but up to"
                f" {n.retry.attempts} attempts are made of it when it fails; name the errors that come before its"
                " effect (Retry(on=…)), or leave one of the two out",
                node=n,
            )


RULE = Rule("GR402", "repeated-effect", "warning", _find, __doc__)
