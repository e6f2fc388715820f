"""`graphrt check`: every mistake in the definition of a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import JsonOption, complete_targets

if TYPE_CHECKING:
    from graphrt.errors import Mistake

EXAMPLES = (
    "graphrt check flows/support.py",
    "graphrt check flows/*.py --json",
    "graphrt check shop.flows:refunds",
)


def check(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="file.py (every flow in it), file.py:name, or package.module:name.",
            autocompletion=complete_targets,
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> int:
    """Check flows without running them: every mistake, each with its place. Exit code 1 if there is any."""
    from graphrt.cli.screen import say, say_json

    found = [one for target in targets for one in _check(target)]
    wrong = sum(bool(mistakes) for _, mistakes in found)
    if as_json:
        say_json([{"target": target, "mistakes": [_plain(m) for m in mistakes]} for target, mistakes in found])
        return 1 if wrong else 0
    for target, mistakes in found:
        _say(target, mistakes)
    if len(found) > 1:
        say("", f"{len(found)} flows checked, {f'{wrong} with mistakes' if wrong else 'no mistakes'}")
    return 1 if wrong else 0


def _check(target: str) -> list[tuple[str, tuple[Mistake, ...]]]:
    """Return the mistakes of each flow that a target names."""
    from graphrt.cli.target import load_all
    from graphrt.errors import DefinitionError

    found: list[tuple[str, tuple[Mistake, ...]]] = []
    try:
        flows = load_all(target)
    except DefinitionError as error:  # refused while its file was loaded
        return [(target, error.mistakes)]
    for flow in flows:
        try:
            flow.graph()
        except DefinitionError as error:
            found.append((flow.target, error.mistakes))
        else:
            found.append((flow.target, ()))
    return found


def _say(target: str, mistakes: tuple[Mistake, ...]) -> None:
    """Print place first, as compilers do."""
    from graphrt.cli.screen import line, say
    from graphrt_viz.wording import plural

    if not mistakes:
        say(line(("✓ ", "green"), target))
        return
    say(line(("✗ ", "red"), (target, "bold"), f": {plural(len(mistakes), 'mistake')}"))
    for mistake in mistakes:
        place = f"{mistake.place}: " if mistake.place else ""
        say(line("  ", (place, "bold"), mistake.message, (f" [{mistake.code}]", "dim")))


def _plain(mistake: Mistake) -> dict[str, str | None]:
    return {"code": mistake.code, "message": mistake.message, "place": mistake.place}
