"""`graphrt replay`: walking through a run by keys or in print, and checking runs against today's code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from graphrt.cli.stepping import Stepping
from graphrt.cli.steps import walk
from graphrt.codec import encode_trace
from graphrt.inputs import AttemptSucceeded, TimerFired
from graphrt.testing import ScriptedModel, Turn
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden
from tests.cli.flows import clerk
from tests.cli.processes import OnTerminal

SCENES: dict[str, Callable[[], Trace]] = {
    "suspended": scenes.suspended,
    "failed": scenes.failed,
    "resumed": scenes.resumed,
    "researched": scenes.researched,
}


def stepping(trace: Trace, *commands: str) -> Stepping:
    """Begin to walk, and press these keys."""
    found = Stepping(walk(trace))
    for command in commands:
        assert found.do(command)
    return found


def shown(screen: Stepping, width: int, height: int) -> str:
    """What a terminal of that size shows."""
    return "".join(f"{row.plain.rstrip()}\n" for row in screen.screen(width, height))


# -- in print ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_without_a_terminal_every_step_is_printed(program: Program, name: str) -> None:
    """The steps of a trace file say what was read, written, changed and tried, without the code of the flow."""
    ran = program("replay", program.file("run.jsonl", SCENES[name]()))
    assert (ran.code, ran.err) == (0, "")
    same_as_golden(f"replay-{name}.txt", ran.out)


def test_at_begins_with_the_step_of_a_visit(program: Program) -> None:
    """`--at` takes a visit as people call it, and begins where that visit ended."""
    program.keep(scenes.suspended())
    ran = program("replay", "desk", "--at", "draft #2")
    assert ran.out.split("\n\n")[1].splitlines()[1].startswith("draft #2 (visit 4)")
    assert "triage (visit 0)  " not in ran.out


def test_json_has_a_record_for_each_step(program: Program) -> None:
    """Programs get input, events, what was read and what changed of every step."""
    ran = program("replay", program.file("run.jsonl", scenes.suspended()), "--json")
    steps = json.loads(ran.out)
    assert [s["moment"] for s in steps] == list(range(1, 10))
    assert [s["step"] for s in steps] == [None, "1", "2", "3", "3", "4", "5", "6", "7"]
    review = steps[6]
    assert (review["name"], review["visit"], review["node"]) == ("review", "3", "review")
    assert review["read"] == {"draft": "Sorry!"}
    assert review["changed"] == [
        {"inside": None, "fields": {"score": {"old": 0.0, "new": 0.62}, "rounds": {"old": 0, "new": 1}}}
    ]
    assert [e["type"] for e in review["events"]] == ["visit_completed", "routed", "visit_started"]
    assert [s["failed"] for s in steps] == [False, False, True, False, False, False, False, False, False]


def test_a_list_that_grew_is_told_by_what_was_added(program: Program) -> None:
    """What a step added to a list stands alone; the whole list need not be read again."""
    ran = program("replay", program.file("run.jsonl", scenes.suspended()), "--json")
    changed = [s["changed"][0]["fields"] for s in json.loads(ran.out) if s["changed"]]
    assert {"facts": {"added": ["two charges in March"]}} in changed


def test_what_a_join_brought_together_is_told_as_a_change(program: Program) -> None:
    """The step that made branches meet shows what the others had written."""
    ran = program("replay", program.file("run.jsonl", scenes.researched()))
    last = ran.out.split("\nstep ")[-1]
    assert 'answers  + "42", "who knows"' in last


def test_an_attempt_without_an_end_is_a_step(program: Program) -> None:
    """Where a process died in an attempt, the trace ends with that attempt, and the walk does too."""
    ran = program("replay", program.file("run.jsonl", scenes.cut_off()))
    assert ran.out.split("\nstep ")[-1].splitlines()[1] == "draft #2 (visit 4)  ▶ attempt 1 under way"


def test_a_trace_that_does_not_fit_is_walked_without_a_state(program: Program) -> None:
    """Records that do not follow from each other are shown as they are; their state is said to be unknown."""
    trace = scenes.suspended()
    records = [r for r in trace.records if not isinstance(r.input, TimerFired)]
    ran = program("replay", program.file("run.jsonl", Trace(trace.header, _renumbered(records))))
    assert ran.code == 0
    assert "not known: the records do not fit each other from here on" in ran.out


def _renumbered(records: list[Any]) -> list[Any]:
    import msgspec

    return [msgspec.structs.replace(r, seq=k) for k, r in enumerate(records)]


# -- on a screen ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys", "size"),
    [
        ("step", ("right",) * 6, (80, 24)),
        ("why", ("right",) * 6 + ("w",), (80, 24)),
        ("diff", ("right",) * 6 + ("d",), (80, 24)),
        ("messages", ("right",) * 6 + ("m",), (80, 24)),
        ("state", ("right",) * 6 + ("s",), (80, 24)),
        ("picture", ("right",) * 6 + ("v",), (80, 24)),
        ("help", ("?",), (80, 24)),
        ("wide", ("right",) * 6, (120, 40)),
        ("small", ("right",), (40, 12)),
    ],
)
def test_a_screen_is_as_agreed(
    monkeypatch: pytest.MonkeyPatch, name: str, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    """Each page fits its terminal: list, page, state and picture stand where they were agreed to stand."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    screen = stepping(scenes.suspended(), *keys)
    rows = screen.screen(*size)
    assert len(rows) == size[1]
    assert max(row.cell_len for row in rows) <= size[0]
    same_as_golden(f"screen-{name}.txt", shown(screen, *size))


@pytest.mark.parametrize("page", ["", "w", "s", "d", "m", "v", "?"])
@pytest.mark.parametrize("size", [(20, 8), (40, 10), (80, 24), (109, 30), (110, 12), (200, 60)])
@pytest.mark.parametrize("scene", SCENES)
def test_every_page_fits_every_terminal(scene: str, size: tuple[int, int], page: str) -> None:
    """No step of no run is wider or longer than the terminal, on whichever page."""
    screen = stepping(SCENES[scene]())
    if page:
        screen.do(page)
    for _ in screen.walk.steps:
        rows = screen.screen(*size)
        assert len(rows) == size[1]
        assert max(row.cell_len for row in rows) <= size[0]
        screen.do("right")


@pytest.mark.parametrize(
    ("keys", "at", "note"),
    [
        (("right", "space"), 3, ""),
        (("right", "", "p"), 2, ""),
        (("p",), 1, "this is the first step"),
        (("end", "right"), 9, "this is the last step"),
        (("end", "home"), 1, ""),
        (("g 4",), 6, ""),
        (("g 99",), 1, "there is no step 99; the steps are 1 to 8"),
        (("g review #2",), 9, ""),
        (("g @3",), 7, ""),
        (
            ("g nobody",),
            1,
            "run desk has no visit 'nobody'; its visits: 0 (triage), 1 (invoice), 2 (draft), 3 (review),",
        ),
        (("/March",), 5, ""),
        (("/draft #2", "/"), 8, ""),
        (("/nowhere",), 1, "no other step has 'nowhere'"),
        (("f",), 3, ""),
        (("n",), 3, ""),
        (("f", "f"), 3, "nothing else went wrong"),
        (("end", "F"), 3, ""),
        (("end", "N"), 3, ""),
        (("x",), 1, "'x' does nothing; ? lists the keys"),
    ],
)
def test_keys_lead_through_the_run(keys: tuple[str, ...], at: int, note: str) -> None:
    """Forwards, backwards, to a step, a visit, a text, a failure; what cannot be done is said at the bottom."""
    screen = stepping(scenes.suspended(), *keys)
    assert screen.step.number == at
    assert screen.note.startswith(note)
    assert bool(screen.note) == bool(note)


def test_a_page_opens_and_closes_by_its_key() -> None:
    """The same key that opened a page closes it, and so does escape; the step stays where it is."""
    screen = stepping(scenes.suspended(), "right")
    pages: list[str] = []
    for key in ("w", "right", "w", "s", "escape", "v", "w"):
        screen.do(key)
        pages.append(f"{screen.page} {screen.step.number}")
    assert pages == ["why 2", "why 3", "step 3", "state 3", "step 3", "picture 3", "why 3"]


def test_a_long_page_scrolls_and_says_so() -> None:
    """Where a page is longer than its place, the rule below it says how much follows, and keys move it."""
    screen = stepping(scenes.suspended(), "?")
    first = shown(screen, 80, 14)
    assert "more lines ↓" in first
    screen.do("down")
    second = shown(screen, 80, 14)
    assert first != second
    for _ in range(50):
        screen.do("page down")
    assert "more line" not in shown(screen, 80, 14)
    screen.do("page up")
    assert "more line" in shown(screen, 80, 14)


def test_why_tells_what_was_known_at_that_step() -> None:
    """The page of an earlier step does not speak of what came later."""
    screen = stepping(scenes.suspended(), "g 2", "w")
    told = shown(screen, 100, 40)
    assert "the ledger is away" in told
    assert "two charges" not in told.partition("── why")[2]


def test_the_picture_is_marked_where_the_step_is() -> None:
    """The node of the step has the mark, and of a visit inside a node the innermost one that is drawn."""
    screen = stepping(scenes.researched(), "g search #2", "v")
    marked = [row.plain for row in screen.lines(100) if "◀ here" in row.plain]
    assert len(marked) == 1
    assert "search" in marked[0]


def test_control_characters_never_reach_the_screen() -> None:
    """What a model or a tool wrote can neither move the cursor nor colour the screen."""
    script = scenes.GOOD | {"draft": ({"draft": "\x1b[2J\x1b[31mred\x07\r\u202e"},)}
    screen = stepping(scenes.support_run(script=script).trace, "g draft")
    for page in ("", "s", "w", "d", "m", "v"):
        if page:
            screen.do(page)
        assert not set(shown(screen, 100, 40)) & set("\x1b\x07\r\u202e")


@pytest.mark.slow
def test_a_long_run_moves_as_a_short_one() -> None:
    """On a wide screen, with its picture, a step of 10,000 costs about what a step of 100 costs, both ways."""

    def cost(trace: Trace) -> float:
        screen = stepping(trace, "end", *["left"] * 60)
        screen.screen(140, 40)
        began = time.process_time()
        for key in ["right"] * 50 + ["left"] * 50:
            screen.do(key)
            screen.screen(140, 40)
        return time.process_time() - began

    few, many = scenes.long_run(50), scenes.long_run(5000)
    rounds = [(cost(few), cost(many)) for _ in range(3)]
    assert min(long for _, long in rounds) < 3 * min(short for short, _ in rounds)


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_single_keys_walk_on_a_terminal(program: Program, terminal: Callable[..., OnTerminal]) -> None:
    """On a terminal keys work without enter, on another screen than the one with the history, which comes back."""
    file = program.file("run.jsonl", scenes.suspended())
    walked = terminal("replay", str(file), "--plain")
    assert "moment 1 of 9" in walked.until("quit")
    walked.press(" ")
    assert "moment 2 of 9" in walked.until("quit")
    walked.press("\x1b[C")
    assert "moment 3 of 9" in walked.until("quit")
    walked.press("g")
    walked.until("go to: ")
    walked.press("12\x7f\x7f6\r")
    assert "step 6 · moment 8 of 9" in walked.until("moment 8 of 9")
    walked.press("/")
    walked.press("review #2\r")
    assert "step 7 · moment 9 of 9" in walked.until("moment 9 of 9")
    walked.press("\x1b[1;5Cq")
    assert walked.code() == 0
    assert walked.seen.count("\x1b[?1049h") == walked.seen.count("\x1b[?1049l") == 1
    assert walked.seen.rstrip().endswith("\x1b[?1049l")


def test_a_dumb_terminal_gets_lines(program: Program, terminal: Callable[..., OnTerminal]) -> None:
    """Where no cursor can be placed the same commands are typed as lines, and the end of input ends the walk."""
    file = program.file("run.jsonl", scenes.suspended())
    walked = terminal("replay", str(file), term="dumb")
    walked.until("(? for help)> ")
    walked.press("f\n")
    assert "the ledger is away" in walked.until("replay 3/9 (? for help)> ")
    walked.press("\x04")
    assert walked.code() == 0
    assert "\x1b" not in walked.seen


def test_ctrl_c_gives_the_terminal_back(program: Program, terminal: Callable[..., OnTerminal]) -> None:
    """Ctrl-C ends the walk with 130 and leaves the terminal as it was."""
    file = program.file("run.jsonl", scenes.suspended())
    walked = terminal("replay", str(file), "--plain")
    walked.until("quit")
    walked.press("\x03")
    assert walked.code() == 130
    assert walked.seen.rstrip().endswith("\x1b[?1049l")


def test_a_name_of_several_visits_means_the_last_and_that_is_said(program: Program) -> None:
    """`--at review` walks from the last visit of that node; a line on standard error says which that is."""
    file = program.file("run.jsonl", scenes.suspended())
    named, numbered = (program("replay", file, "--at", at) for at in ("review", "review #2"))
    assert (named.code, named.out) == (numbered.code, numbered.out)
    assert named.err == (
        "'review' was visited 2 times; this is the last of 'review #1' (visit 3), 'review #2' (visit 5)\n"
    )
    assert numbered.err == ""


# -- against today's code ---------------------------------------------------------------------------------------------


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """No work can be done."""
    forbid(monkeypatch)


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever would do work raise: the driver and the look-up of models."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replay does no work")

    monkeypatch.setattr("graphrt.agents.model.resolve_model", refuse)
    monkeypatch.setattr("graphrt.runtime.driver.Driver.__init__", refuse)


@pytest.mark.usefixtures("forbidden")
@pytest.mark.parametrize("make", [scenes.suspended, scenes.completed, scenes.failed, scenes.cancelled, scenes.resumed])
def test_an_unchanged_flow_is_equal(program: Program, make: Callable[[], Trace]) -> None:
    """Under the code that made it every run is equal, from the flow that the trace remembers; nothing is called."""
    program.flow("support.py")
    trace = make()
    ran = program("replay", program.file("run.jsonl", trace), "--verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"✓ equal: {len(trace.records)} records, no model called\n"


def test_a_run_with_agents_is_verified_without_a_model(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents are graphs of recorded visits: their runs too are checked where no model is to be had."""
    model = ScriptedModel([Turn.call("find", number="A-1"), "It is on its way."])
    trace = clerk.flow.run_sync(clerk.Message(message="hello"), resources=[model], target="clerk.py:flow").trace
    assert sum(isinstance(r.input, AttemptSucceeded) and "/" in r.input.visit for r in trace.records) >= 3
    program.flow("clerk.py")
    forbid(monkeypatch)
    ran = program("replay", program.file("run.jsonl", trace), "--verify")
    assert (ran.code, ran.out) == (0, f"✓ equal: {len(trace.records)} records, no model called\n")


@pytest.mark.usefixtures("forbidden")
def test_a_changed_guard_is_named_with_both_verdicts(program: Program) -> None:
    """The first difference names record, visit and node, what the guards read then, and what they say now."""
    program.flow("support.py", ("s.score < 0.8", "s.score < 0.6"))
    ran = program("replay", program.file("run.jsonl", scenes.suspended()), "--verify")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        "✗ run desk differs at record 11, visit 3 (review):",
        "  recorded:",
        "    review -> draft: score < 0.8 → true (score = 0.62)",
        "    review -> approve: always → not tried",
        "  now:",
        "    review -> draft: score < 0.6 → false (score = 0.62)",
        "    review -> approve: always → taken",
    ]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (("retry=2", "retry=5"), "equal"),
        (("retry=2", "retry=Retry(attempts=2, wait_s=9)"), "1"),
        (('"Send this answer?"', '"May this go out?"'), "6"),
        (('deadline="24h"', 'deadline="2h"'), "6"),
        (("def draft(message: str, facts: list[str], rounds: int)", "def draft(rounds: int)"), "equal"),
        (('Flow("support", Ticket)', 'Flow("desk", Ticket)'), None),
        (("    rounds: int = 0\n", "    rounds: int = 0\n    more: int\n"), None),
        (('["billing", "bug", "other"]', '["costs", "bug", "other"]'), "0"),
        (("flow.edge(draft, review)", "flow.edge(draft, review, at_most=9)"), "2"),
        (("flow.edge(review, approve)", "flow.edge(review, approve, when=s.score > 2)"), "5"),
        (('flow.ask("approve"', 'flow.ask("consent"'), "6"),
    ],
)
def test_each_kind_of_change_is_placed(program: Program, change: tuple[str, str], at: str | None) -> None:
    """What a change of the definition does to a recorded run is told with the visit at which it shows first."""
    file = program.flow("support.py", change)
    text = (
        file.read_text("utf-8").replace('on="billing"', 'on="costs"')
        if "costs" in change[1]
        else file.read_text("utf-8")
    )
    file.write_text(text.replace("import Flow\n", "import Flow\nfrom graphrt.graph import Retry\n"), "utf-8")
    ran = program("replay", program.file("run.jsonl", scenes.suspended()), "--verify", "--json")
    found = json.loads(ran.out)
    if at == "equal":
        assert (ran.code, found["result"]) == (0, "equal")
    else:
        assert (ran.code, found["difference"]["visit"]) == (1, at)


def test_verify_as_json(program: Program) -> None:
    """Programs get the difference in parts."""
    program.flow("support.py", ("s.score < 0.8", "s.score < 0.6"), to="now.py")
    ran = program("replay", program.file("run.jsonl", scenes.suspended()), "--verify", "--target", "now.py", "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["result"], found["records"]) == (1, "differs", 16)
    assert {k: found["difference"][k] for k in ("record", "visit", "node")} == {
        "record": 11,
        "visit": "3",
        "node": "review",
    }


def test_what_an_earlier_definition_did_is_not_said_to_be_checked(program: Program) -> None:
    """Of a run that went on under another definition it is said how much of it was taken as recorded."""
    program.flow("support.py", ("s.score < 0.8", "s.score < 0.7"))
    program.keep(scenes.suspended_now())
    assert program("resume", "desk", "--allow-changed").code == 3
    many, before = len(program.trace("desk").records), len(scenes.suspended_now().records)
    ran = program("replay", "desk", "--verify")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            f"✓ equal: {many - before} of {many} records, no model called",
            f"  the first {before} were taken as they are: the run then went on under another definition",
        ],
    )
    assert json.loads(program("replay", "desk", "--verify", "--json").out)["taken"] == before
    assert f"the first {before} taken as they are" in program("replay", "--verify", "--all").out


def test_all_runs_are_checked_and_none_is_passed_over(program: Program) -> None:
    """Every run of the store has a line; one that cannot be checked counts, so that CI does not pass over it."""
    program.flow("support.py", ("s.score < 0.8", "s.score < 0.6"))
    program.keep(
        scenes.suspended(), scenes.failed(), scenes.support_run("lost", target=None).trace, scenes.researched()
    )
    ran = program("replay", "--verify", "--all")
    assert (ran.code, ran.err) == (1, "")
    same_as_golden("verify-all.txt", ran.out)


def test_all_equal_is_success(program: Program) -> None:
    """Exit code 0 says that every run of the store would go the same way today."""
    program.flow("support.py")
    program.keep(scenes.suspended(), scenes.failed())
    ran = program("replay", "--verify", "--all")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "2 runs: 2 equal; no model called")


def test_all_with_a_target_checks_the_runs_of_that_flow(program: Program) -> None:
    """Named code is held against the runs of its flow only."""
    program.flow("support.py")
    program.keep(scenes.suspended(), scenes.researched())
    ran = program("replay", "--verify", "--all", "--target", "support.py", "--json")
    assert [(f["run"], f["result"]) for f in json.loads(ran.out)] == [("desk", "equal")]


def test_an_empty_store_has_nothing_to_check(program: Program) -> None:
    """No run is no difference."""
    program.flow("support.py")
    program.keep(scenes.researched())
    ran = program("replay", "--verify", "--all", "--target", "support.py")
    assert (ran.code, ran.out) == (0, "no run to check\n")


def test_a_replay_changes_nothing(program: Program) -> None:
    """Neither walking nor checking writes a byte."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    before = program.contents()
    for args in (("desk",), ("desk", "--json"), ("desk", "--verify"), ("--verify", "--all")):
        assert program("replay", *args).code == 0
    assert program.contents() == before
    assert encode_trace(program.trace("desk")) == encode_trace(scenes.suspended())
