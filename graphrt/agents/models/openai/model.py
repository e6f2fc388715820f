"""Models behind an OpenAI-compatible endpoint: streamed, and checked at this border.

Any server that speaks Chat Completions will do; one that speaks Responses as well may be asked that way. Structured
output and scored labels are asked for natively; an endpoint that refuses or ignores them is asked again in plain words,
and the answer is read tolerantly.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from graphrt.agents.cost import cost_usd
from graphrt.agents.errors import (
    ModelBehavior,
    ModelError,
    NoModel,
    OutputTruncated,
    Refused,
    RequestRejected,
    after,
    excerpt,
)
from graphrt.agents.messages import Usage
from graphrt.agents.model import (
    Choice,
    Emit,
    JsonSchema,
    Model,
    ModelRequest,
    Reply,
    discard,
    match_label,
    parse_json,
    strict_json,
)
from graphrt.agents.models.openai.api import APIS, Api, ApiName
from graphrt.agents.models.openai.assembly import Assembly
from graphrt.agents.models.openai.clients import Address, client_for, release
from graphrt.agents.models.openai.failures import Place, broken, chain, failure, malformed, reported, silence
from graphrt.agents.models.openai.labels import label_scores
from graphrt.agents.models.openai.schema import asked, fits
from graphrt.agents.models.openai.wire import Wire
from graphrt.agents.pulse import pulse
from graphrt.agents.secrets import Secrets
from graphrt.errors import UseError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

DEFAULT_MODEL = "gpt-5-mini"
"""Used when a key is given and no model is named."""
OFFICIAL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"
"""What endpoints without keys are sent: the client library insists on one."""
_PROVIDERS: Final = {
    ".api.openai.com": "openai",
    ".openai.azure.com": "azure.ai.openai",
    ".api.anthropic.com": "anthropic",
    ".generativelanguage.googleapis.com": "gcp.gemini",
    ".api.mistral.ai": "mistral_ai",
    ".api.groq.com": "groq",
    ".api.deepseek.com": "deepseek",
    ".api.x.ai": "x_ai",
    ".api.perplexity.ai": "perplexity",
}
"""The names that OpenTelemetry has for those who offer models, by the ends of their hosts."""
TAIL_S = 5.0
"""How long to wait for the usage after the answer is complete."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A reply and what was needed to build it."""

    reply: Reply
    assembly: Assembly


@dataclass(slots=True)
class _Lacks:
    """What the endpoint turned out not to do; by model name, since a gateway serves several."""

    schemas: set[str] = field(default_factory=set[str])
    logprobs: set[str] = field(default_factory=set[str])


class OpenAIModel(Model):
    """A model at an endpoint that speaks Chat Completions.

    Calls in one event loop share connections with all models of an endpoint and key. ``aclose`` gives them up, and
    so does the end of ``asyncio.run``.
    """

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        api: ApiName = "chat",
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = 10.0,
        idle_timeout_s: float = 120.0,
        max_bytes: int = 16 * 1024 * 1024,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Describe the endpoint; nothing is opened yet.

        Without ``base_url`` it is OpenAI's own, with ``OPENAI_API_KEY`` of the environment unless ``api_key`` is given.
        ``api`` is the protocol: ``chat`` for Chat Completions, which every compatible endpoint knows, or ``responses``.
        With ``base_url`` only a given key is sent, so that no key reaches an endpoint it is not for. ``idle_timeout_s``
        is the longest silence, before the first piece and between two; ``max_bytes`` the largest response. ``extra`` is
        added to every request body as it is.

        Raises:
            NoModel: OpenAI's own endpoint is meant, and there is no key.
            UseError: there is no such protocol.
        """
        self.name = name
        key = api_key or (os.environ.get("OPENAI_API_KEY") if base_url is None else NO_KEY)
        if not key:
            raise NoModel(
                f"model {name!r} at {OFFICIAL} needs a key; set OPENAI_API_KEY, or give api_key=, or base_url= for an "
                "endpoint without keys",
                model=name,
            )
        self._secrets = Secrets(key, headers=headers, url=base_url or "")
        self._address = Address(
            base_url=base_url or OFFICIAL,
            api_key=key,
            headers=tuple(sorted((headers or {}).items())),
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=idle_timeout_s,
            max_bytes=max_bytes,
        )
        if api not in APIS:
            raise UseError(f"api is {api!r}; expected one of {', '.join(APIS)}", api=api)
        self.api: ApiName = api
        """The protocol it speaks."""
        self._api = APIS[api]
        self._extra = dict(extra or {})
        self._idle_s = idle_timeout_s
        self._lacks = _Lacks()

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r}, endpoint={self.endpoint!r})"

    @property
    def endpoint(self) -> str:
        """Host and port, without user, password or path."""
        return urlsplit(self._address.base_url).netloc.rpartition("@")[2]

    @property
    def provider(self) -> str:
        """Who stands behind the endpoint; its host, where that is nobody who is known."""
        host = urlsplit(self._address.base_url).hostname or ""
        return next((name for known, name in _PROVIDERS.items() if f".{host}".endswith(known)), host)

    @property
    def identity(self) -> str:
        """Name, address, protocol and what is added to every request; neither key nor headers.

        Of the query there is a hash only, for it may hold a key.
        """
        extra = json.dumps(self._extra, sort_keys=True)
        parts = urlsplit(self._address.base_url)
        query = f"?{hashlib.sha256(parts.query.encode()).hexdigest()}" * bool(parts.query)
        at = f"{parts.scheme}://{self.endpoint}{parts.path}{query}"
        return f"{type(self).__qualname__} {self.name} at {at} by {self.api} {extra}"

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer through the endpoint; see ``Model.respond``.

        Raises:
            EndpointError: a subclass for each way in which the endpoint failed.
            ModelBehavior: the answer breaks what was agreed.
            Refused: the model declined, or a filter cut the answer.
        """
        if request.labels:
            return await self._label(request)
        if request.output_schema is not None:
            return await self._data(request, request.output_schema)
        return (await self._ask(request, emit)).reply

    def cost_usd(self, reply: Reply | Choice) -> float | None:
        """Price a reply by the prices of this endpoint."""
        return cost_usd(reply.usage, reply.model or self.name, base_url=self._address.base_url)

    async def aclose(self) -> None:
        """Give up the connections that no other model uses."""
        await release(self._address, self)

    # ------------------------------------------------------------------------------------------------- labels

    async def _label(self, request: ModelRequest) -> Reply:
        words = ", ".join(request.labels)
        plain = request.asking(
            labels=(),
            instructions=_with(request, f"Answer with exactly one of these and nothing else: {words}."),
        )
        heard = await self._ask_scored(plain)
        scores = label_scores(heard.assembly.positions, request.labels)
        label = match_label(heard.reply.text, request.labels)
        if scores is not None and label is not None:
            # Sampling may draw a less likely label than the best one; who asks for a label wants the best.
            label = max(scores, key=lambda name: (scores[name], name == label))
        if label is not None:
            return heard.reply.model_copy(update={"text": label, "scores": scores})
        return await self._label_by_schema(request, heard.reply)

    async def _ask_scored(self, request: ModelRequest) -> _Heard:
        name = request.model or self.name
        if name in self._lacks.logprobs:
            return await self._ask(request, discard)
        try:
            return await self._ask(request, discard, **self._api.scored)
        except RequestRejected as error:
            if "logprob" not in error.message:
                raise
            self._lacks.logprobs.add(name)
            return await self._ask(request, discard)

    async def _label_by_schema(self, request: ModelRequest, said: Reply) -> Reply:
        """Ask once more for a model that talks around the label: a schema leaves it no other word."""
        names: list[JsonValue] = list(request.labels)
        schema: JsonSchema = {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": names}},
            "required": ["label"],
        }
        try:
            filled = await self._data(request.asking(labels=()), schema)
        except ModelError as error:
            raise after(said.usage + (error.usage or Usage()), error) from error.__cause__
        label = filled.data.get("label") if isinstance(filled.data, dict) else None
        if not isinstance(label, str) or label not in request.labels:
            none_of_them = ModelBehavior(
                f"model {self.name} answered {excerpt(said.text)} and then {excerpt(filled.text)}, "
                f"expected one of {', '.join(request.labels)}; give examples, or a model that follows instructions",
                text=said.text,
            )
            raise after(said.usage + filled.usage, none_of_them)
        return filled.model_copy(update={"text": label, "data": None, "usage": said.usage + filled.usage})

    # ------------------------------------------------------------------------------------------------- schemas

    async def _data(self, request: ModelRequest, schema: JsonSchema) -> Reply:
        plain = request.asking(output_schema=None)
        form = asked(schema)
        spent = Usage.zero()
        if (name := request.model or self.name) not in self._lacks.schemas:
            described: JsonSchema = {"name": request.schema_name, "schema": form.schema, "strict": form.strict}
            try:
                heard = await self._ask(plain, discard, **self._api.formatted(described))
            except RequestRejected as error:
                if not any(word in error.message for word in ("response_format", "schema", "format", "strict")):
                    raise
            else:
                spent = heard.reply.usage
                with contextlib.suppress(ModelBehavior):
                    value = form.unwrap(self._parsed(heard.reply))
                    if fits(value, schema):
                        return _filled(heard.reply, value, spent)
        heard = await self._ask(
            plain.asking(
                instructions=_with(
                    request,
                    "Answer with one JSON value that fits this JSON schema, and nothing else:\n"
                    f"{json.dumps(schema, ensure_ascii=False)}",
                )
            ),
            discard,
        )
        spent += heard.reply.usage
        try:
            value = form.unwrap(self._parsed(heard.reply))
        except (ModelBehavior, OutputTruncated) as error:
            raise after(spent, error) from error.__cause__
        if not fits(value, schema):
            misfit = ModelBehavior(
                f"model {self.name} answered {excerpt(heard.reply.text)}, which is JSON but not of the schema "
                f"{request.schema_name!r}; try again, or use a model with structured output",
                text=heard.reply.text,
            )
            raise after(spent, misfit)
        self._lacks.schemas.add(name)  # words worked where the schema did not: start with words from now on
        return _filled(heard.reply, value, spent)

    def _parsed(self, reply: Reply) -> JsonValue:
        try:
            return parse_json(reply.text, self.name)
        except ModelBehavior:
            if reply.finish == "length":
                raise OutputTruncated(
                    f"model {self.name} reached its token limit in the middle of JSON; raise max_tokens",
                    text=reply.text,
                ) from None
            raise

    # ------------------------------------------------------------------------------------------------- one exchange

    async def _ask(self, request: ModelRequest, emit: Emit, **changes: JsonValue) -> _Heard:
        api, name = self._api, request.model or self.name
        place = Place(self.endpoint, name, self._secrets, api.answer, api.ending)
        body = api.payload(request, model=self.name, official=_is_official(self._address.base_url)) | changes
        if self._extra:
            body["extra_body"] = self._extra
        assembly = api.assembly(emit)
        client = await client_for(self._address, self)
        loop, clock = asyncio.get_running_loop(), asyncio.timeout(self._idle_s)

        def heard() -> None:
            pulse()
            clock.reschedule(loop.time() + (min(TAIL_S, self._idle_s) if assembly.complete else self._idle_s))

        try:
            async with clock:
                await _exchange(client, api, body, assembly, heard, place)
        except TimeoutError:
            if not clock.expired():
                raise
            if not assembly.complete:
                raise silence(place, self._idle_s, assembly.text) from None
        assembly.flush()
        try:
            return _Heard(_checked(assembly, request, place), assembly)
        except (ModelBehavior, OutputTruncated, Refused) as error:
            raise after(assembly.usage, error) from None


async def _exchange(
    client: AsyncOpenAI, api: Api, body: Wire, assembly: Assembly, heard: Callable[[], None], place: Place
) -> None:
    """Send one request and feed everything that comes back, until the endpoint says that it is done or goes away."""
    stream: AsyncStream[Any] | None = None

    async def guarded(waiting: Awaitable[Any]) -> Any:
        try:
            return await waiting
        except StopAsyncIteration:
            return None
        except Exception as error:
            # Not only the library's own exceptions: it lets decoding and attribute errors through when bytes are odd.
            if assembly.complete:
                return None
            is_begun = assembly.choices > 0
            told = failure(error, place, assembly.text, is_answered=stream is not None, is_begun=is_begun)
            # Who logs an error logs what it comes from as well, and that quotes the endpoint as it is.
            if any(place.secrets.are_in(str(link)) for link in chain(error)):
                raise told from None
            raise told from error

    stream = cast("AsyncStream[Any]", await guarded(api.create(client)(**body)))
    async with stream:
        kind = stream.response.headers.get("content-type", "").casefold()
        if any(word in kind for word in ("json", "html", "xml")):
            await guarded(stream.response.aread())
            _feed_document(stream.response.text, kind, api, assembly, place)
            return
        heard()
        pieces: AsyncIterator[Any] = aiter(stream)
        while (piece := await guarded(pieces.__anext__())) is not None:
            assembly.feed(piece)
            heard()
    if assembly.choices == 0:
        raise (
            malformed(place, f"an empty answer of type {kind!r}")
            if "event-stream" not in kind
            else broken(place, "the stream ended before the first piece", "")
        )


def _feed_document(text: str, kind: str, api: Api, assembly: Assembly, place: Place) -> None:
    """Take an answer that came whole although a stream was asked for."""
    try:
        body = strict_json(text)
    except (ValueError, RecursionError):
        raise malformed(place, f"{kind.partition(';')[0]} instead of a stream, {place.clean(text)}", 200) from None
    if isinstance(body, dict) and body.get("error"):
        raise reported(body, place)
    if isinstance(body, dict):
        assembly.feed_whole(api.document()(**body))  # the fields are whatever came, unchecked
    if assembly.choices == 0:
        raise malformed(place, f"JSON without choices, {place.clean(text)}", 200)


def _checked(assembly: Assembly, request: ModelRequest, place: Place) -> Reply:
    """Turn what was heard into a reply, or into the error that it amounts to."""
    text, calls, at = assembly.text, assembly.tool_calls, f"(endpoint {place.endpoint}, model {place.model})"
    if assembly.failed:
        raise reported(assembly.problem, place, text)
    if assembly.finish is None:
        raise broken(place, f"the stream ended without {place.ending}", text)
    if assembly.refusal:
        raise Refused(f"the model declined: {excerpt(assembly.refusal)} {at}", refusal=assembly.refusal)
    if assembly.finish == "content_filter":
        raise Refused(f"a content filter cut the answer after {len(text)} characters {at}", partial=text)
    if assembly.finish == "length" and any(call.raw is not None for call in calls):
        raise OutputTruncated(f"the token limit cut the arguments of a tool call {at}; raise max_tokens", partial=text)
    if any(not call.name for call in calls):
        raise ModelBehavior(f"the model called a tool without naming it {at}; try again")
    if not calls and (assembly.finish == "tool_calls" or (request.tools and request.tool_choice == "required")):
        raise ModelBehavior(
            f"expected a tool call, found {excerpt(text) if text else 'nothing'} {at}; "
            "the endpoint may ignore tools: use another, or a model that is trained to call tools",
            text=text,
        )
    finish = "tool_calls" if calls and assembly.finish == "stop" else assembly.finish
    return Reply(text=text, tool_calls=calls, finish=finish, usage=assembly.usage, model=assembly.model)


def _filled(reply: Reply, value: JsonValue, usage: Usage) -> Reply:
    text = json.dumps(value, ensure_ascii=False)
    return reply.model_copy(update={"data": value, "text": text, "usage": usage})


def _with(request: ModelRequest, sentence: str) -> str:
    return f"{request.instructions}\n\n{sentence}" if request.instructions else sentence


def _is_official(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".openai.azure.com")
