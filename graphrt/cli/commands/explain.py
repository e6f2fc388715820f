"""`graphrt explain`: what a rule of the checker finds, why, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks import Rule
    from graphrt.cli.screen import Part
    from graphrt.inputs import Json

EXAMPLES = ("graphrt explain GR201", "graphrt explain guard-gap", "graphrt explain --list")


def _rules(incomplete: str) -> list[tuple[str, str]]:
    """Complete a code or a name."""
    from graphrt.checks import RULES

    known = [(word, r.summary) for r in RULES for word in (r.code, r.name)]
    return [(word, about) for word, about in known if word.lower().startswith(incomplete.lower())]


def explain(
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A rule by its code or its name: GR201, guard-gap.",
            autocompletion=_rules,
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List every rule in a line.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Tell what a rule of `graphrt check` finds, why that matters, and how to mend it; or list all rules."""
    from graphrt.checks import RULES, rule_named
    from graphrt.cli.screen import say, say_json
    from graphrt.errors import UseError

    if listing == (rule is not None):
        raise UseError("give the code of a rule, or --list for all of them: graphrt explain GR201")
    if rule is not None:
        found = rule_named(rule)
        if as_json:
            say_json(_plain(found))
        else:
            say(*_text(found))
    elif as_json:
        say_json([_plain(r) for r in RULES])
    else:
        _list()
    return 0


def _list() -> None:
    from graphrt.checks import FAMILIES, RULES
    from graphrt.cli.screen import line, say, say_table

    for number, (family, title) in enumerate(FAMILIES.items()):
        say(*([""] if number else []), line((title, "bold")))
        rules = [r for r in RULES if r.code.startswith(family)]
        say_table(("", "", "", ""), [(f"  {r.code}", r.name, r.severity, r.summary) for r in rules])


def _text(rule: Rule) -> Iterator[Part]:
    from graphrt.cli.screen import line

    yield line(
        (f"{rule.code} {rule.name}", "bold"), (f"  {rule.severity}", "red" if rule.severity == "error" else "yellow")
    )
    yield ""
    yield rule.summary
    yield ""
    for paragraph in rule.why.split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""
    if rule.recorded:
        yield from _listing("Recorded", [(text, "") for text in rule.recorded.splitlines()])
    yield from _listing("Example", _side(rule, without="+", style="red"))
    yield from _listing("Instead", _side(rule, without="-", style="green"))
    if rule.mistakes:
        yield f"Freezing a flow reports it too, as {', '.join(rule.mistakes)}: such a flow cannot be run."


def _side(rule: Rule, *, without: str, style: str) -> list[tuple[str, str]]:
    """Return the example or its repair, with the lines in colour that the other has not."""
    lines = [text for text in rule.repair.splitlines() if not text.startswith(without)]
    return [(text[1:], "" if text[:1].isspace() else style) for text in lines]


def _listing(title: str, code: list[tuple[str, str]]) -> Iterator[Part]:
    from graphrt.cli.screen import line

    yield line((title, "bold"))
    yield ""
    yield from (line((f"    {text}".rstrip(), style)) for text, style in code)
    yield ""


def _plain(rule: Rule) -> dict[str, Json]:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "summary": rule.summary,
        "why": rule.why,
        "recorded": rule.recorded,
        "example": rule.example,
        "instead": rule.instead,
        "mistakes": list(rule.mistakes),
    }
