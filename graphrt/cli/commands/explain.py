"""`graphrt explain`: what a rule of the checker finds, or what a mistake of a definition is, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks import Rule
    from graphrt.cli.screen import Part
    from graphrt.inputs import Json

EXAMPLES = (
    "graphrt explain GR201",
    "graphrt explain guard-gap",
    "graphrt explain no-start",
    "graphrt explain --list",
)


def _rules(incomplete: str) -> list[tuple[str, str]]:
    """Complete a code or a name."""
    from graphrt.checks import RULES
    from graphrt.checks.mistakes import BY_CODE

    known = [(word, r.summary) for r in RULES for word in (r.code, r.name)]
    known += [(code, kind.summary) for code, kind in BY_CODE.items()]
    return [(word, about) for word, about in known if word.lower().startswith(incomplete.lower())]


def explain(
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A rule by its code or its name, GR201 or guard-gap; or a mistake as an error names it, no-start.",
            autocompletion=_rules,
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List every rule and every mistake in a line.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Tell what a rule of `graphrt check` finds, why that matters, and how to mend it; or list all rules.

    Mistakes for which a flow cannot be run at all have names as well, in brackets behind what is said of them.
    """
    from graphrt.checks import RULES, rule_named
    from graphrt.checks.mistakes import BY_CODE
    from graphrt.cli.screen import say, say_json
    from graphrt.errors import UseError

    if listing == (rule is not None):
        raise UseError("give the code of a rule, or --list for all of them: graphrt explain GR201")
    if rule is None:
        if as_json:
            say_json([*map(_plain, RULES), *map(_plain_mistake, BY_CODE)])
        else:
            _list()
    elif (mistake := rule.strip("[]").lower()) in BY_CODE:
        if as_json:
            say_json(_plain_mistake(mistake))
        else:
            say(*_mistake_text(mistake))
    elif as_json:
        say_json(_plain(rule_named(rule)))
    else:
        say(*_text(rule_named(rule)))
    return 0


def _list() -> None:
    from graphrt.checks import FAMILIES, RULES
    from graphrt.checks.mistakes import KINDS
    from graphrt.cli.screen import line, say, say_table

    for number, (family, title) in enumerate(FAMILIES.items()):
        say(*([""] if number else []), line((title, "bold")))
        rules = [r for r in RULES if r.code.startswith(family)]
        say_table(("", "", "", ""), [(f"  {r.code}", r.name, r.severity, r.summary) for r in rules])
    for group, kinds in KINDS.items():
        say("", line((f"Mistakes: {group[0].lower()}{group[1:]}", "bold")))
        say_table(("", ""), [(f"  {code}", kind.summary) for code, kind in kinds.items()])


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


def _mistake_text(code: str) -> Iterator[Part]:
    """Yield what a mistake is, lines that make it, and what is said of them."""
    from graphrt.checks.mistakes import BEHIND, BY_CODE
    from graphrt.checks.table import BY_MISTAKE
    from graphrt.cli.screen import line

    kind = BY_CODE[code]
    yield line((code, "bold"), ("  error", "red"), "  the flow cannot be run")
    yield ""
    yield kind.summary
    yield ""
    yield from _listing(f"Example, {BEHIND}", [(text, "") for text in kind.example.strip("\n").splitlines()])
    yield from _listing("What is said of it", [(kind.says, "")])
    if code in BY_MISTAKE:
        yield f"`graphrt explain {BY_MISTAKE[code].code}` tells about the rule of the checker that is for the same."


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


def _plain_mistake(code: str) -> dict[str, Json]:
    from graphrt.checks.mistakes import BY_CODE

    kind = BY_CODE[code]
    return {
        "code": code,
        "name": code,
        "severity": "error",
        "summary": kind.summary,
        "example": kind.example,
        "message": kind.says,
    }
