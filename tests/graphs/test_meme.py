"""The meme: how often it is tried, and that it is drawn in any case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from graphrt.account import account
from graphrt.testing.scripted import Scripted, ScriptedModel, Turn
from graphs.meme import Meme, flow

if TYPE_CHECKING:
    from graphrt.agents import ModelRequest

pytestmark = pytest.mark.anyio


def critic(funny: int) -> ScriptedModel:
    """Return a model that writes caption after caption, of which that one is funny."""
    written = 0

    def answer(request: ModelRequest) -> Scripted:
        nonlocal written
        if request.labels:
            return Turn.choose("funny" if written == funny else "flat", 0.8)
        written += 1
        return {"top": f"line <{written}>", "bottom": "&"}

    return ScriptedModel(answer)


@pytest.mark.parametrize(("funny", "written"), [(1, 1), (2, 2), (3, 3), (99, 3)])
async def test_a_caption_is_written_three_times_at_most(funny: int, written: int) -> None:
    """The first funny one is drawn; if none is, the third has to do."""
    result = await flow.run(Meme(subject="tests"), resources=[critic(funny)])
    assert result.status == "completed"
    told = account(result.trace)
    assert len(told.of_node("write")) == written
    assert len(told.of_node("draw")) == 1
    assert result.state.caption.top == f"line <{written}>"
    assert [caption.top for caption in result.state.tried] == [f"line <{n}>" for n in range(1, written)]


async def test_the_writer_is_told_what_fell_flat() -> None:
    """The second request names the caption that was shelved."""
    model = critic(2)
    await flow.run(Meme(subject="tests"), resources=[model])
    writes = [request for request in model.requests if not request.labels]
    assert "line <1>" in writes[1].messages[-1].text


async def test_the_picture_is_there_and_holds_the_words() -> None:
    """What is drawn is well-formed, whatever the words are; the file is one of the run."""
    result = await flow.run(Meme(subject="tests"), run_id="r1", resources=[critic(1)])
    file = Path(result.state.file)
    assert file.name == "r1.svg"
    drawn = ET.parse(file)
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")] == ["line <1>", "&"]
