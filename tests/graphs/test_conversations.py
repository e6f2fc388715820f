"""The conversations of the gallery, on a scripted model."""

from __future__ import annotations

import pytest

from graphrt import ChatRuntime
from graphrt.testing.scripted import ScriptedModel, Turn
from graphs import hello, languages, report

pytestmark = pytest.mark.anyio


async def test_hello_answers() -> None:
    """One agent, one answer, steered by its examples."""
    model = ScriptedModel(["Hello, Ada!"])
    assert (await ChatRuntime(hello.flow, resources=[model]).invoke("Hello, I am Ada.")).text == "Hello, Ada!"
    assert len(model.requests[0].examples) == 3


async def test_a_report_is_made_of_checked_findings() -> None:
    """Findings without a fact are asked for again; the reporter reads what was found."""
    model = ScriptedModel([{"facts": []}, {"facts": ["Tea is old."]}, "Tea\n\nTea is old."])
    runtime = ChatRuntime(report.flow, resources=[model])
    assert (await runtime.invoke("Tea")).text == "Tea\n\nTea is old."
    assert "Tea is old." in model.requests[2].messages[1].text


async def test_the_language_decides_who_speaks_and_stays() -> None:
    """The English agent hands over to the Spanish one, which answers the next turn as well."""
    model = ScriptedModel([Turn.call("hand_over_to_spanish", reason="Spanish"), "¡Hola!", "De nada."])
    runtime = ChatRuntime(languages.flow, resources=[model])
    assert (await runtime.invoke("Hola")).text == "¡Hola!"
    assert getattr(await runtime.invoke("Gracias"), "name", None) == "spanish"
