"""A run of each flow of the gallery on a scripted model: what goes in, what the model says, what people answer.

The model is a function of the request alone, so a run that is taken up in its middle hears the same as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphrt import ChatState, Flow
from graphrt.agents.messages import user
from graphrt.runtime import Result, answer, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing.scripted import Scripted, ScriptedModel, Turn
from graphs import (
    analyst,
    coding,
    hello,
    hub,
    languages,
    machine,
    magentic,
    meme,
    memory,
    moderated,
    press,
    report,
    research,
    support,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrt.agents import ModelRequest

GALLERY = Path(analyst.__file__).parent
FOLDERS = ((support, "SHOP"), (meme, "FOLDER"), (memory, "MEMORY"), (moderated, "MEMORY"), (magentic, "FOLDER"))
"""Where the flows keep what they make."""

BROKEN = "print(1 / 0)"
WRONG = "print([n for n in range(2, 30) if all(n % d for d in range(2, n))])"
RIGHT = "print(*[n for n in range(2, 30) if all(n % d for d in range(2, n))], sep='\\n')"


@dataclass(frozen=True, slots=True)
class Case:
    """One run of one flow."""

    flow: Flow[Any]
    state: BaseModel
    model: Callable[[ModelRequest], Scripted]
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    """What people say, by the name of the question's node."""
    nodes: tuple[str, ...] = ()
    """Names of the nodes on its way, without what lies inside them."""


def said(request: ModelRequest) -> str:
    """Return what a model is to react to."""
    return request.messages[-1].text


def talk(flow: Flow[Any], text: str) -> Any:
    """Return the state of a conversation that begins with a text."""
    state: type[ChatState] = flow.state_type
    return state(messages=[user(text)])


def of_report(request: ModelRequest) -> Scripted:
    """Find a fact, then report it."""
    return {"facts": ["Tea is old."]} if request.output_schema else "Tea\n\nTea is old."


def of_languages(request: ModelRequest) -> Scripted:
    """Hand over to the agent who speaks Spanish."""
    if request.instructions.startswith("You speak English"):
        return Turn.call("hand_over_to_spanish", reason="Spanish")
    return "¡Hola!"


def of_hub(request: ModelRequest) -> Scripted:
    """Hand the broken kettle over to repairs, who book a day."""
    if request.instructions.startswith("Find out"):
        return Turn.call("hand_over_to_repairs", reason="The kettle is broken.")
    if request.messages[-1].role == "tool" and request.messages[-1].name == "book_repair":
        return f"Done: {said(request)}"
    return Turn.call("book_repair", number="A-1042", day="Monday")


def of_research(request: ModelRequest) -> Scripted:
    """Look up three subjects, of which the library has two."""
    if request.output_schema:
        return Turn.fill(["tea", "coffee", "mate"])
    if request.tools and request.messages[-1].role == "user":
        return Turn.call("look_up", subject=said(request))
    if request.tools:
        return LookupError("nothing") if "failed" in said(request) else said(request).split(".")[0] + "."
    findings = said(request).partition("findings: ")[2]
    return " / ".join(line.removeprefix("- ") for line in findings.splitlines())


def of_coding(request: ModelRequest) -> Scripted:
    """Write a program that breaks, one that prints in one line, and one that is right."""
    if request.output_schema:
        passes = "\n3\n" in said(request)
        return {"passes": passes, "advice": "" if passes else "One number a line."}
    if "One number a line." in said(request):
        return RIGHT
    return WRONG if "ZeroDivisionError" in said(request) else BROKEN


def of_analyst(request: ModelRequest) -> Scripted:
    """Plan one step, which is coded; then answer."""
    if request.instructions.startswith("Plan how"):
        known = "December" in said(request)
        return {"known": known, "step": "" if known else "Print the month with the most rain and its temperature."}
    if request.instructions.startswith("Write one Python"):
        rows = "list(csv.DictReader(open('rain.csv')))"
        return f"import csv\nrow = max({rows}, key=lambda r: int(r['rain_mm']))\nprint(row['month'], row['mean_c'])"
    if request.output_schema:
        return {"passes": "December" in said(request), "advice": ""}
    return "December has the most rain; it is then 3.2 °C on average."


def of_magentic(request: ModelRequest) -> Scripted:
    """Need three helpers, the first two at once."""
    text = said(request)
    if request.instructions.startswith("Say which"):
        if "5 tea.txt" in text:
            return {"needs": [], "order": ""}
        if "were written" in text:
            return {"needs": ["terminal"], "order": "Count the words of tea.txt."}
        if "Tea is made" in text:
            return {"needs": ["files"], "order": "Write it to tea.txt."}
        return {"needs": ["files", "web"], "order": "Find out what tea is."}
    if request.messages[-1].role == "tool":
        return text
    calls = {
        "search": Turn.call("search", words="tea leaves made"),
        "read_file": Turn.call("write_file", name="tea.txt", text="Tea is made from leaves."),
        "run": Turn.call("run", command="wc -w tea.txt"),
    }
    return calls[request.tools[0].name] if request.tools else "The file has 5 words."


def of_meme(request: ModelRequest) -> Scripted:
    """Fall flat once."""
    if request.labels:
        return Turn.choose("flat" if "Monday is a day" in said(request) else "funny", 0.8)
    if "Monday is a day" in said(request):
        return {"top": "Monday mornings", "bottom": "Do not pet"}
    return {"top": "Monday mornings", "bottom": "Monday is a day"}


def of_moderated(request: ModelRequest) -> Scripted:
    """Find a message fine, and answer it."""
    return Turn.choose("fine", 0.9) if request.labels else "Whisk flour, milk and eggs, and fry."


def of_memory(request: ModelRequest) -> Scripted:
    """Learn where somebody lives."""
    return "lives in Oslo" if request.instructions.startswith("What does") else "Oslo is fine."


def of_press(request: ModelRequest) -> Scripted:
    """Mend what the legal desk objects to."""
    if not request.output_schema:
        return "The mayor opened the new bridge on Monday."
    desk = request.instructions.split()[3]
    bad = desk == "legal" and "crook" in said(request)
    return {"desk": desk, "severity": int(bad), "text": "Call nobody a crook." if bad else ""}


def of_support(request: ModelRequest) -> Scripted:
    """Sort, look up, repeat the facts."""
    if request.labels:
        return Turn.choose("refund", 0.8)
    if request.tools and request.messages[-1].role == "user":
        return Turn.call("find_order", number="B-2001")
    return " ".join(line.removeprefix("facts: ").removeprefix("- ") for line in said(request).splitlines()[:-1])


TASK = "Print the first ten prime numbers, one a line."
CRAFT = ("write", "build")
CASES: Mapping[str, Case] = {
    "hello": Case(hello.flow, talk(hello.flow, "Hello!"), lambda _: "Hello, and welcome!", nodes=("host",)),
    "report": Case(report.flow, talk(report.flow, "Tea"), of_report),
    "languages": Case(languages.flow, talk(languages.flow, "Hola"), of_languages),
    "hub": Case(hub.flow, talk(hub.flow, "My kettle is broken."), of_hub),
    "research": Case(
        research.flow,
        research.Research(question="Compare tea, coffee and mate."),
        of_research,
        nodes=("plan", "research", "research", "research", "gap", "gathered", "report"),
    ),
    "coding": Case(
        coding.flow, coding.Job(task=TASK), of_coding, nodes=(*CRAFT, *CRAFT, "review", *CRAFT, "review", "passed")
    ),
    "analyst": Case(
        analyst.flow,
        analyst.Analysis(question="Which month has the most rain?", files=[str(GALLERY / "library" / "rain.csv")]),
        of_analyst,
        nodes=("look", "columns", "sample", "tools", "context", "plan", "execute", "plan", "answer"),
    ),
    "magentic": Case(
        magentic.flow,
        magentic.Task(task="Write what tea is to tea.txt, and count the words."),
        of_magentic,
        {"approve write_file": "approve"},
        ("plan", "web", "ledger", "plan", "files", "ledger", "plan", "terminal", "ledger", "plan", "answer"),
    ),
    "moderated": Case(
        moderated.flow,
        talk(moderated.flow, "How do I make pancakes?"),
        of_moderated,
        nodes=("hear", "answer", "moderate", "remember"),
    ),
    "memory": Case(
        memory.flow,
        talk(memory.flow, "I live in Oslo."),
        of_memory,
        nodes=("recall", "answer", "listen", "keep"),
    ),
    "meme": Case(
        meme.flow,
        meme.Meme(subject="Monday mornings"),
        of_meme,
        nodes=("write", "judge", "shelve", "write", "judge", "draw"),
    ),
    "press": Case(
        press.flow,
        press.Article(text="The mayor, who is a crook, opened the new bridge on Monday."),
        of_press,
        nodes=(
            *("hand_out", "facts", "law", "style", "conference", "weigh", "mend"),
            *("hand_out", "facts", "law", "style", "conference", "weigh", "printed"),
        ),
    ),
    "machine": Case(
        machine.flow,
        machine.Tape(text="3"),
        lambda _: AssertionError("there is no model"),
        nodes=("read", "plus_three", "plus_four", "summed", "write"),
    ),
    "support": Case(
        support.flow,
        support.Ticket(message="I want my money back for B-2001."),
        of_support,
        {"approve": "approve"},
    ),
}


async def played(case: Case, run_id: str | None = None, target: str | None = None) -> Result[Any]:
    """Run a case to its end, questions answered."""
    kept, model = MemoryStore(), ScriptedModel(case.model)
    result = await run(case.flow.freeze(), case.state, store=kept, run_id=run_id, target=target, resources=[model])
    return await finished(case, kept, result)


async def finished(case: Case, store: MemoryStore, result: Result[Any]) -> Result[Any]:
    """Answer the questions of a run until it has none."""
    while result.status == "suspended":
        for question in result.questions:
            chosen = case.answers.get(question.node.rpartition("/")[2], question.answers[0])
            await answer(store, result.run, question.visit, chosen)
        model = ScriptedModel(case.model)
        result = await resume(store, result.run, case.flow.freeze(), resources=[model])
    return result
