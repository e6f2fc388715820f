"""The pages that list what code may say leave out nothing that is public, and say what each part of it means."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import graphrt
from tools import vocabulary
from tools.writing import COMMON, paragraphs

PAGES = sorted((Path(__file__).parent.parent.parent / "docs" / "reference").glob("*.md"))


def listed() -> set[str]:
    """Every name that has a section on a page of the reference, or a line in the tables of functions and reducers."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        found |= {match[1] for match in re.finditer(r"^### (\w+)$", text, re.MULTILINE)}
        if page.name == "expressions.md":
            found |= {match[1] for match in re.finditer(r"^\| `(\w+)` \|", text, re.MULTILINE)}
    return found


@pytest.mark.parametrize(
    "module", ["graphrt", "graphrt.agents", "graphrt.chat", "graphrt.policies", "graphrt.runtime", "graphrt.testing"]
)
def test_every_public_name_has_an_entry(module: str) -> None:
    """Whatever can be imported from a public package can be looked up."""
    names = set(importlib.import_module(module).__all__)
    assert len(names) > 4
    assert sorted(names - listed()) == []


def test_every_event_of_a_conversation_has_an_entry() -> None:
    """Who handles the events of a turn finds each of them."""
    events = importlib.import_module("graphrt.chat.events")
    assert sorted({kind.__name__ for kind in events.ChatEvent.__args__} - listed()) == []


@pytest.mark.parametrize("module", ["graphrt.runtime", "graphrt.flow"])
def test_what_a_verb_raises_is_imported_as_the_verbs_are(module: str) -> None:
    """Each error that running, resuming, answering and stopping may raise, as their docstrings say, is in `graphrt`."""
    found = importlib.import_module(module)
    names, home = (dir(found.Flow), found.Flow) if module == "graphrt.flow" else (found.__all__, found)
    verbs: dict[str, object] = {name: getattr(home, name) for name in names}
    docs = [inspect.getdoc(verb) or "" for verb in verbs.values() if inspect.isfunction(verb)]
    raised = {name for doc in docs for name in re.findall(r"^    (\w+): ", doc.partition("Raises:\n")[2], re.MULTILINE)}
    assert len(raised) > 2
    assert sorted(raised - set(graphrt.__all__)) == []


def test_every_error_that_an_edge_may_catch_is_in_graphrt() -> None:
    """What the runs of a flow itself end visits with can be named in its edges without another import."""
    caught = {"DeadlinePassed", "InDoubt", "JoinShort", "LimitReached", "NodeTimeout"}
    assert sorted(caught - set(graphrt.__all__)) == []


@pytest.mark.parametrize("place", [place for places in vocabulary.PAGES.values() for place in places])
def test_nothing_is_listed_without_its_meaning(place: str) -> None:
    """An entry says what its name means, and what each of its fields does."""
    module, _, name = place.partition(":")
    found = getattr(importlib.import_module(module), name)
    parts = vocabulary.entry(module, name).split("\n\n")
    assert any(part.strip() and not part.startswith(("#", "```", "|")) for part in parts), "there is no docstring"
    if inspect.isclass(found):
        bare = [field.name for field in vocabulary.fields_in(name, found) if not field.doc and field.name not in COMMON]
        assert bare == []


def test_an_example_in_a_docstring_stays_as_it_is_written() -> None:
    """Only the lines of a section become a list; what is indented elsewhere is code, all of it."""
    example = "Do it.\n\n    one = 1\n    two = 2\n\nThat is all.\n"
    section = "Do it.\n\nArgs:\n    one: what\n        it is.\n"
    assert paragraphs(example) == example
    assert paragraphs(section) == "Do it.\n\n**Args**\n\n- `one`: what\n  it is.\n"
