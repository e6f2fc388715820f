"""`graphrt chat`: turns, questions, signals and crashes on a real terminal; lines and events through pipes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from graphrt.cli.chat.speech import Speech
from graphrt.stores import open_store
from graphrt.testing.endpoint import Answer, Received, chunk, sse, stream
from tests.cli.calling import Program, Ran
from tests.cli.flows import talk
from tests.cli.processes import OnTerminal
from tests.cli.serving import serving

Open = Callable[..., OnTerminal]
Pipe = Callable[..., Ran]
_CONTROL = re.compile(r"\r\x1b\[2K[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏][^\r\n]*|\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


def plain(shown: str) -> str:
    """Return what a terminal was sent, without what moves and colours."""
    return _CONTROL.sub("", shown)


def flat(shown: str) -> str:
    """Return what a terminal was sent as one line."""
    return " ".join(plain(shown).split())


@pytest.fixture
def piped(program: Program, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Calls the program with what is said on standard input, and its output as files."""

    def call(*args: str, said: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        return program("chat", *args)

    return call


def statuses(program: Program) -> dict[str, str]:
    """Return how the runs of the store stand."""
    store = open_store(program.folder / ".graphrt/runs.db", create=False)
    try:
        return {info.run: info.status for info in store.runs()}
    finally:
        store.close()


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_two_turns_and_a_later_sitting(program: Program, terminal: Open) -> None:
    """Text comes below the name of who speaks; the id is told at both ends; another process goes on with it."""
    program.flow("talk.py")
    first = terminal("chat", "talk.py:two", "-c", "tea")
    assert "new conversation tea" in first.until("you> ")
    first.press("hello\r")
    shown = plain(first.until("you> "))
    assert re.search(r"ann \(1 of 2\)\n  You said 'hello'\.\nben \(2 of 2\)\n  You said", shown)
    first.press("more\r")
    first.until("you> ")
    first.press("\x04")
    assert first.code() == 0
    assert "graphrt chat talk.py:two --conversation tea" in plain(first.seen).replace("\n", " ").split("2 turns")[-1]
    again = terminal("chat", "talk.py:two", "--conversation", "tea")
    shown = plain(again.until("you> "))
    assert "conversation tea, 2 turns" in shown
    assert "you: more" in shown
    again.press("\x1b[A\x1b[A\r")  # what was said in the first sitting comes back to the line editor
    assert "You said 'hello'" in again.until("you> ")
    again.press("/quit\r")
    assert again.code() == 0
    assert statuses(program) == {f"tea-{n}": "completed" for n in (1, 2, 3)}


def test_tools_and_approval(program: Program, terminal: Open) -> None:
    """A call is shown with its arguments and waits for a person; an answer that does not fit is refused, with why."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow")
    talked.until("you> ")
    talked.press("look\r")
    shown = plain(talked.until("you> "))
    assert '→ look(what="rain")\n  ← look: rain is wet\\x1b[31m\n' in shown
    talked.press("refund\r")
    shown = plain(talked.until("the word)> "))
    assert re.search(r"tool +refund\n +order +\"A-17\"\n +cents +3890\n +1 +approve\n +2 +decline", shown)
    talked.press("perhaps\r")
    shown = plain(talked.until("the word)> "))
    assert "'perhaps' is no answer" in shown
    assert "expected one of 'approve', 'decline'" in flat(shown)
    assert not (program.folder / "paid.txt").exists()
    talked.press("1\r")
    assert "Done: paid 3890" in talked.until("you> ")
    assert (program.folder / "paid.txt").read_text() == "A-17 3890\n"


@pytest.mark.parametrize(
    ("elsewhere", "status", "told"),
    [(("answer", "c-1", "approve"), "completed", "Done: paid 3890"), (("cancel", "c-1"), "cancelled", "")],
)
def test_a_question_that_somebody_else_settles_is_let_go(
    program: Program, terminal: Open, elsewhere: tuple[str, ...], status: str, told: str
) -> None:
    """Whatever is typed at it then changes nothing: what has become of the turn is told, and the talk goes on."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow", "-c", "c", "refund")
    talked.until("the word)> ")
    assert program(*elsewhere).code == 0
    talked.press("decline\r")
    shown = flat(plain(talked.until("you> ")))
    assert f"the question is settled: the turn (run c-1) is {status}" in shown
    assert told in shown
    assert (program.folder / "paid.txt").exists() == (status == "completed")
    talked.press("look\r")
    assert "rain is wet" in talked.until("you> ")


def test_a_declined_call_is_never_made(program: Program, terminal: Open) -> None:
    """The model is told that a person has declined; nothing is paid."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow", "refund")
    talked.until("the word)> ")
    talked.press("decline\r")
    talked.until("you> ")
    assert not (program.folder / "paid.txt").exists()


def test_an_open_question_is_asked_again_in_the_next_sitting(program: Program, terminal: Open) -> None:
    """Leaving with an open question loses nothing; an answer of the field's type is wanted."""
    program.flow("talk.py")
    first = terminal("chat", "talk.py:asking", "-c", "q", "hello")
    first.until("answer (int)> ")
    first.press("\x04")
    assert first.code() == 0
    assert statuses(program) == {"q-1": "suspended"}
    again = terminal("chat", "talk.py:asking", "-c", "q")
    again.until("answer (int)> ")
    again.press("many\r")
    assert "expected int" in flat(again.until("answer (int)> "))
    again.press("3\r")
    assert "You said 'hello'" in again.until("you> ")
    assert statuses(program) == {"q-1": "completed"}


def test_ctrl_c_stops_a_turn_down_to_the_socket(
    program: Program, terminal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint sees the connection close; the conversation is as before, and the next turn works."""

    def answer(asked: Received) -> Answer:
        if "hang" in str(asked.json["messages"]):
            return sse(chunk({"content": "I am "}), ending="hang", done=False)
        return stream("Hi ", "there.")

    program.flow("talk.py")
    with serving(answer) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        talked = terminal("chat", "talk.py:flow", "-c", "c", "--model", "double")
        talked.until("you> ")
        talked.press("hang\r")
        talked.until("I am")
        talked.interrupt()
        shown = plain(talked.until("you> "))
        assert "the turn was stopped" in shown
        served.hung_up()
        assert statuses(program) == {"c-1": "cancelled"}
        talked.press("hello\r")
        assert "Hi there." in talked.until("you> ")
        talked.leave()
        assert talked.code() == 130
    assert statuses(program) == {"c-1": "cancelled", "c-2": "completed"}


def test_a_turn_that_a_crash_cut_off_is_gone_on_with(program: Program, terminal: Open) -> None:
    """After kill -9 the next sitting offers to go on, or to give the turn up; no wrong word does either."""
    program.flow("talk.py")
    for answer, status in (("y", "cancelled"), ("no", "cancelled")):
        name = f"crash-{answer}"
        first = terminal("chat", "talk.py:flow", "-c", name, "slow")
        first.until("slowly and")
        first.kill()
        again = terminal("chat", "talk.py:flow", "-c", name)
        shown = plain(again.until("give it up)> "))
        assert f"(run {name}-1) was cut off: slow" in flat(shown)
        again.press("hm\r")
        assert "say yes or no" in again.until("give it up)> ")
        again.press(f"{answer}\r")
        if answer == "y":
            again.until("slowly and")
            again.interrupt()
        again.until("you> ")
        assert statuses(program)[f"{name}-1"] == status
        again.press("hello\r")
        assert "You said" in again.until("you> ")


def test_the_polite_kill_leaves_the_turn_to_be_gone_on_with(program: Program, terminal: Open) -> None:
    """SIGTERM in a turn leaves it on record as it was; the exit code says so."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow", "-c", "t", "slow")
    talked.until("slowly and")
    os.kill(talked._process.pid, signal.SIGTERM)
    assert talked.code() == 143
    assert statuses(program) == {"t-1": "running"}


def test_a_failed_turn_can_be_tried_again(program: Program, terminal: Open) -> None:
    """What went wrong is told once, with its place; /retry goes on with the same turn."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow", "-c", "f")
    talked.until("you> ")
    talked.press("/retry\r")
    assert "nothing to try again" in flat(talked.until("you> "))
    talked.press("fail\r")
    shown = plain(talked.until("you> "))
    assert shown.count("no such luck") == 1
    assert "the turn failed at model: ValueError: no such luck" in shown
    talked.press("/why\r")
    assert "it failed at model: ValueError" in talked.until("you> ")
    talked.press("/retry\r")
    talked.until("you> ")
    assert statuses(program) == {"f-1": "failed"}


def test_what_a_model_says_cannot_reach_the_terminal_raw(program: Program, terminal: Open) -> None:
    """Escapes, bells and characters that reorder are shown as escapes; other scripts as they are."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow")
    talked.until("you> ")
    talked.press("nasty\r")
    shown = talked.until("you> ")
    assert "a\\x1b[2Jb\\x07c\\u202ed\\re    f 日本語 مرحبا" in shown
    assert not set(shown) & set("\x07\u202e")
    assert "\x1b[2J" not in shown
    talked.press("/history\r")
    assert "a\\x1b[2Jb" in talked.until("you> ")


def test_commands_look_at_the_conversation(program: Program, terminal: Open) -> None:
    """They print or write what they are for; what is wrong with one is a line."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:flow", "-c", "k")

    def said(text: str) -> str:
        talked.press(f"{text}\r")
        return plain(talked.until("you> "))

    talked.until("you> ")
    for command in ("/why", "/draw", "/cost", "/history"):
        assert "nothing was said yet" in said(command)
    said("look")
    assert re.search(r"model \(visit 0/0\).*\n +1 +→ tool +taken", said("/why"))
    assert "went on to" in said("/why model")
    assert "has no visit 'nobody'" in said("/why nobody")
    assert "desk · run k-1 · completed" in said("/draw")
    assert "wrote k.svg" in said("/draw k")
    assert (program.folder / "k.svg").read_text().startswith(("<svg", "<?xml"))
    assert "no format has the ending '.qq'" in flat(said("/draw k.qq"))
    assert "cannot write nowhere/k.svg" in said("/draw nowhere/k.svg")
    assert re.search(r"1 +k-1 +20 +10 +unknown .*\n +together +20 +10 +unknown", said("/cost"))
    assert re.search(r"you\n  look\nann\n  Done", said("/history"))
    assert re.search(
        r"there is no command /hsitory; did you mean /history\? the commands are /help /why", said("/hsitory")
    )
    assert "/help takes nothing behind it" in said("/help me")
    assert "/retry" in said("/help")
    assert "You said '/etc is a folder'" in said("//etc is a folder")
    assert "begins anew" in said("/clear")
    assert "nothing was said yet" in said("/history")


def test_agents_that_speak_at_once_are_shown_one_after_the_other(program: Program, terminal: Open) -> None:
    """No text is mixed with another's, and what is combined of them is shown as the reply."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:both", "hi")
    shown = plain(talked.until("you> "))
    assert "ann\n  You said 'hi'.\nben\n  You said 'hi'.\n" in shown
    assert "ann: You said 'hi'." in shown


def test_whoever_takes_over_is_named(program: Program, terminal: Open) -> None:
    """A hand-over is told with its reason, before the other speaks."""
    program.flow("talk.py")
    talked = terminal("chat", "talk.py:spoken", "hi")
    shown = plain(talked.until("you> "))
    assert "\n  one hands over to two: tired\ntwo\n  I am two." in shown


def test_a_lost_attempt_begins_its_text_anew(program: Program, terminal: Open) -> None:
    """A request that is made again is told with why; the reply stands whole behind it."""
    program.flow("talk.py")
    (program.folder / "broken").touch()
    talked = terminal("chat", "talk.py:flow", "again")
    shown = plain(talked.until("you> "))
    assert re.search(r"half\n  ↻ ann: attempt 1 failed: .*cut.*; tries again\n(ann\n)?  You said 'again'", shown)


# -- through pipes ----------------------------------------------------------------------------------------------------


def test_lines_of_a_pipe_are_turns(program: Program, piped: Pipe) -> None:
    """Replies alone go to standard output; the next line answers what was asked; the rest is told beside it."""
    program.flow("talk.py")
    ran = piped("talk.py:flow", "-c", "p", said="hello\nrefund\nmaybe\napprove\n\nlook\n")
    assert (ran.code, ran.out) == (
        0,
        "You said 'hello'.\nDone: paid 3890\nDone: rain is wet\\x1b[31m\n",
    )
    assert "'maybe' is no answer" in ran.err
    ran = piped("talk.py:flow", "-c", "p", "-q", said="/history\n")
    assert ran.err == ""
    assert ran.out.startswith("you\n  hello\nann\n  You said 'hello'.\n")


@pytest.mark.parametrize(
    ("args", "said", "code", "out"),
    [
        (("talk.py:flow", "hello"), "never read\n", 0, "You said 'hello'.\n"),
        (("talk.py:flow", "-"), "two\nlines\n", 0, "You said 'two\\nlines'.\n"),
        (("talk.py:flow",), "hello\nfail\nmore\n", 1, "You said 'hello'.\n"),
        (("talk.py:flow",), "refund\n", 3, ""),
        (("talk.py:flow",), "/nothing\nmore\n", 2, ""),
        (("talk.py:flow",), "", 0, ""),
    ],
)
def test_the_exit_code_is_that_of_the_last_turn(
    program: Program, piped: Pipe, args: tuple[str, ...], said: str, code: int, out: str
) -> None:
    """A turn that does not complete ends a script: what follows was written for one that did."""
    program.flow("talk.py")
    ran = piped(*args, said=said)
    assert (ran.code, ran.out) == (code, out), ran.err
    assert "Traceback" not in ran.err


def test_programs_read_events(program: Program, piped: Pipe) -> None:
    """With --json each event is a line; questions come with the answers they admit; a quoted line may have several."""
    program.flow("talk.py")
    ran = piped("talk.py:flow", "--json", "-c", "j", said='"a\\nb"\nrefund\ndecline\n')
    lines: list[dict[str, Any]] = [json.loads(line) for line in ran.out.splitlines()]
    assert lines[0] | {"again": ""} == {
        "type": "conversation",
        "conversation": "j",
        "flow": "desk",
        "turns": 0,
        "again": "",
    }
    replies = [line["reply"]["text"] for line in lines if line["type"] == "turn_completed"]
    assert replies[0] == "You said 'a\\nb'."
    (question,) = (line for line in lines if line["type"] == "question")
    assert question["answers"] == ["approve", "decline"]
    assert question["read"]["call"]["arguments"] == {"order": "A-17", "cents": 3890}
    assert "".join(line["text"] for line in lines if line["type"] == "output_delta").startswith("You said 'a\\nb'.")
    assert ran.code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("missing.py",), "there is no file missing.py"),
        (("support.py",), "support.py:flow cannot be talked to: its state Ticket has no field messages"),
        (("talk.py",), "talk.py has 6 flows; name one"),
        (("talk.py:needy", "hi"), "field 'topic' of Needy has no default; give it one"),
        (("talk.py:flow", "-c", "no spaces"), "'no spaces' cannot be the id of a conversation"),
        (("talk.py:flow", " "), "it says nothing"),
        (("talk.py:flow", "hi", "--keep", "0"), "--keep"),
        (("talk.py:flow", "hi", "--model", "local:none"), "--model local:none"),
        (("talk.py:two", "-c", "known"), "conversation 'known' is with flow 'desk' (talk.py:flow), but talk.py:two is"),
        (
            ("talk.py:flow", "-c", "open", "hi"),
            "the last turn (run open-1) waits for an answer; go on with it: graphrt answer",
        ),
    ],
)
def test_what_cannot_be_talked_to_is_a_line(program: Program, piped: Pipe, args: tuple[str, ...], message: str) -> None:
    """Wrong use is told in plain words, exit code 2, nothing runs."""
    program.flow("talk.py")
    program.flow("support.py")
    piped("talk.py:flow", "-c", "known", "hello")
    piped("talk.py:flow", "-c", "open", "refund")
    before = statuses(program)
    ran = piped(*args)
    assert ran.code == 2, ran.err
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert statuses(program) == before


def test_a_turn_that_was_cut_off_is_not_passed_over_without_a_person(
    program: Program, piped: Pipe, terminal: Open
) -> None:
    """A script is told which turn is open, and what ends it; both commands work."""
    program.flow("talk.py")
    first = terminal("chat", "talk.py:flow", "-c", "x", "slow")
    first.until("slowly and")
    first.kill()
    ran = piped("talk.py:flow", "-c", "x", said="hello\n")
    assert ran.code == 2
    assert "was cut off; go on with it: graphrt resume x-1, or give it up: graphrt cancel x-1" in ran.err
    assert program("cancel", "x-1").code == 0
    assert piped("talk.py:flow", "-c", "x", said="hello\n").code == 0


def test_a_turn_is_a_run_that_knows_its_flow(program: Program, piped: Pipe) -> None:
    """Every command for runs works on a turn, without being told where its flow is."""
    program.flow("talk.py")
    piped("talk.py:flow", "-c", "r", said="look\nhello\n")
    for command in (("show", "r-1"), ("why", "r-1"), ("replay", "r-1", "--verify"), ("render", "r-2")):
        ran = program(*command)
        assert ran.code == 0, ran.err


# -- setting text -----------------------------------------------------------------------------------------------------


def spoken(text: str, width: int, size: int) -> list[str]:
    """Return the lines that a text is set in when it comes in pieces of one size."""
    out: list[str] = []
    speech = Speech(out.append, width)
    for start in range(0, len(text), size):
        speech.feed(text[start : start + size])
    speech.end()
    return "".join(out).split("\n")[:-1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("width", [12, 20, 80])
def test_text_is_set_the_same_however_it_comes(width: int, size: int) -> None:
    """Where pieces end does not show; no line is wider than the terminal; no word is broken that fits a line."""
    from rich.cells import cell_len

    text = (
        f"One two  three {'x' * 50} four\n\n  indented\t tab {talk.NASTY} 日本語の長い文章が続きますこれは長い。 end \n"
    )
    lines = spoken(text, width, size)
    assert lines == spoken(text, width, 1)
    assert all(cell_len(line) < width for line in lines)
    assert all(c.isprintable() for line in lines for c in line)
    assert "three" in " ".join(lines)
    assert "".join("".join(lines).split()) == "".join(
        (
            text.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\u202e", "\\u202e").replace("\r", "\\r")
        ).split()
    )
