"""A node that must not run twice, and is retried."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR402", "repeated-effect", "warning")
@each_node
def repeated_effect(at: Subject, node: Node) -> Finds:
    if node.on_crash != "retry" and node.retry is not None and node.retry.attempts > 1 and not node.retry.on:
        yield Found(
            f"{node.name!r} must not be repeated after a crash (on_crash={node.on_crash!r}), but up to"
            f" {node.retry.attempts} attempts are made of it when it fails; name the errors that come before its"
            " effect (Retry(on=…)), or leave one of the two out",
        )
