"""One conversation and several processes: nothing is interleaved, nothing that was said is lost, whoever dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphrt import Agent, ChatRuntime
from graphrt.chat import TurnOpen
from graphrt.stores import open_store
from graphrt.testing.scripted import ScriptedModel

pytestmark = [pytest.mark.slow]

ROUNDS = 50
TALKING = """
import asyncio, sys
from graphrt import Agent, ChatRuntime
from graphrt.chat import ConversationBusy, TurnOpen
from graphrt.stores import open_store
from graphrt.testing.scripted import ScriptedModel

spec, name, rounds, busy = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
model = ScriptedModel(lambda request: f"to {request.messages[-1].text}")


async def main():
    runtime = ChatRuntime(Agent("Echo."), store=open_store(spec), conversation="c", resources=[model], busy=busy)
    print("ready", flush=True)
    sys.stdin.readline()
    said = 0
    while said < rounds:
        print("saying", f"{name}{said}", flush=True)
        try:
            reply = await runtime.invoke(f"{name}{said}")
        except ConversationBusy:
            print("busy", flush=True)
            await asyncio.sleep(0.001)
            continue
        except TurnOpen:  # the other one was killed in its middle
            print("open", flush=True)
            await runtime.discard()
            continue
        print("heard", reply.text, flush=True)
        said += 1


asyncio.run(main())
"""


@contextmanager
def talking(spec: str, names: str, busy: str = "queue") -> Generator[list[subprocess.Popen[str]]]:
    """Start processes that all talk in one conversation, at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TALKING, spec, name, str(ROUNDS), busy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def heard(told: str) -> list[str]:
    """Return the replies that a process has told of."""
    return [line.removeprefix("heard ") for line in told.splitlines() if line.startswith("heard ")]


def conversation(spec: str) -> list[tuple[str, str]]:
    """Return who said what, as a process reads it that comes later; each message stands before its own answer."""
    store = open_store(spec, create=False)
    runtime = ChatRuntime(Agent("Echo."), store=store, conversation="c", resources=[ScriptedModel([])])
    said = [m.text for m in runtime.messages]
    store.close()
    pairs = list(zip(said[::2], said[1::2], strict=True))
    assert all(reply == f"to {message}" for message, reply in pairs)
    return pairs


@pytest.mark.parametrize("busy", ["queue", "refuse"])
@pytest.mark.parametrize("kind", ["sqlite:{}/runs.db", "jsonl:{}/runs"])
def test_two_processes_talk_in_turns(kind: str, busy: str, tmp_path: Path) -> None:
    """Each message is answered once, before anything else is said, in the order in which each process said them."""
    spec = kind.format(tmp_path)
    with talking(spec, "ab", busy) as processes:
        told = [process.communicate(timeout=200)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
    said = [message for message, _ in conversation(spec)]
    for name in "ab":
        assert [m for m in said if m.startswith(name)] == [f"{name}{n}" for n in range(ROUNDS)]
    assert len(said) == 2 * ROUNDS
    assert sorted(reply for each in told for reply in heard(each)) == sorted(f"to {m}" for m in said)
    assert not any("open" in each.split() for each in told)


@pytest.mark.parametrize("kind", ["sqlite:{}/runs.db", "jsonl:{}/runs"])
def test_one_of_two_is_killed(kind: str, tmp_path: Path) -> None:
    """What it has heard an answer to is in the conversation, its last message wholly or not at all; the other goes on.

    The one that lives gives up what the dead one has left open.
    """
    spec = kind.format(tmp_path)
    with talking(spec, "ab") as (dying, living):
        assert dying.stdout is not None
        seen = "".join(dying.stdout.readline() for _ in range(2 * ROUNDS // 2 + 1))
        dying.send_signal(signal.SIGKILL)
        seen += dying.communicate()[0]
        told, _ = living.communicate(timeout=200)
        assert living.returncode == 0
    said = [message for message, _ in conversation(spec)]
    assert [m for m in said if m.startswith("b")] == [f"b{n}" for n in range(ROUNDS)]
    assert heard(told) == [f"to b{n}" for n in range(ROUNDS)]
    acknowledged = len(heard(seen))
    assert ROUNDS // 2 <= acknowledged < ROUNDS
    of_the_dead = [m for m in said if m.startswith("a")]
    assert of_the_dead in ([f"a{n}" for n in range(acknowledged)], [f"a{n}" for n in range(acknowledged + 1)])


def test_a_turn_that_a_process_has_left_open_stays_so_until_somebody_decides(tmp_path: Path) -> None:
    """Killed in the middle of a turn, another process is refused with `TurnOpen`, and goes on with it."""
    spec = f"sqlite:{tmp_path}/runs.db"
    hanging = "print('asked', flush=True) or __import__('time').sleep(99)"
    script = TALKING.replace('f"to {request.messages[-1].text}"', hanging)
    command = [sys.executable, "-c", script, spec, "a", "1", "queue"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    while process.stdout.readline() != "asked\n":
        assert process.poll() is None
    process.kill()
    process.communicate()

    async def later() -> None:
        store = open_store(spec)
        model = ScriptedModel(lambda request: f"to {request.messages[-1].text}")
        runtime = ChatRuntime(Agent("Echo."), store=store, conversation="c", resources=[model])
        with pytest.raises(TurnOpen, match="was cut off"):
            await runtime.invoke("b0")
        assert (await runtime.resume()).text == "to a0"
        assert (await runtime.invoke("b0")).text == "to b0"
        store.close()

    asyncio.run(later())
    assert [message for message, _ in conversation(spec)] == ["a0", "b0"]
