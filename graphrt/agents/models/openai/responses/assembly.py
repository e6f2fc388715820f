"""Put a reply together from the events of the Responses protocol, believing nothing that was not checked.

Known variations: text or calls that come only with the end of their part, of their item or of the response, and not in
pieces; calls without an id; arguments as an object; pieces that name their item by its place instead of its id; another
id or place in the response at the end than in the pieces; an end without a status, which its event tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from graphrt.agents.messages import FinishReason, Usage
from graphrt.agents.models.openai.assembly import Assembly, Pending, count_of, items_of, price_of, text_of

_CUT: dict[str, FinishReason] = {"content_filter": "content_filter"}
"""Why a response is not complete; any other reason is that it became too long."""


@dataclass(slots=True)
class ResponsesAssembly(Assembly):
    """Everything heard so far; feed it each event."""

    _spoken: set[str] = field(default_factory=set[str])
    """Items whose text came already."""
    _spoken_parts: set[tuple[str, int | None]] = field(default_factory=set[tuple[str, int | None]])
    """Their parts: item and place in it, None where that was not told."""
    _by_item: dict[str, Pending] = field(default_factory=dict[str, Pending])

    def feed(self, chunk: Any) -> None:
        """Take one event of a stream."""
        kind = text_of(_of(chunk, "type"))
        match kind:
            case "response.output_text.delta":
                self._take_part(chunk, text=_of(chunk, "delta"))
            case "response.output_text.done" if not self._is_spoken(chunk):
                self._take_part(chunk, text=_of(chunk, "text"))
            case "response.refusal.delta":
                self._take_part(chunk, refusal=_of(chunk, "delta"))
            case "response.refusal.done" if not self._is_spoken(chunk):
                self._take_part(chunk, refusal=_of(chunk, "refusal"))
            case "response.output_item.added" | "response.output_item.done":
                self.choices += 1
                self._take_item(_of(chunk, "item"), _place(chunk), is_whole=kind.endswith("done"))
            case "response.function_call_arguments.delta":
                self.choices += 1
                self._pending(chunk).text.append(text_of(_of(chunk, "delta")))
            case "response.function_call_arguments.done":
                self.choices += 1
                call = self._pending(chunk)
                call.name = text_of(_of(chunk, "name")) or call.name
                _take_arguments(call, _of(chunk, "arguments"))
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                self._take_response(_of(chunk, "response"), ended=kind.removeprefix("response."))
            case "error":
                self._fail(chunk)
            case _:
                self._take_model(_of(chunk, "response"))

    def feed_whole(self, completion: Any) -> None:
        """Take a response that was not streamed, as some endpoints send whatever they are asked."""
        if isinstance(_of(completion, "output"), list) or _of(completion, "status") is not None:
            self._take_response(completion)

    def _take_part(self, event: Any, *, text: Any = None, refusal: Any = None) -> None:
        """Take text of a part of an item: a piece, or the whole where no piece came."""
        self.choices += 1
        names = _names(event)
        self._spoken |= names
        self._spoken_parts |= {(name, _part_place(event)) for name in names}
        self._take_text(text)
        self._refusal.append(text_of(refusal))
        for entry in items_of(_of(event, "logprobs")):
            self._take_logprob(entry)

    def _is_spoken(self, event: Any) -> bool:
        """Say whether the text of a part came already; of an item that does not count its parts, all of them."""
        names, part = _names(event), _part_place(event)
        if part is None:
            return self._is_item_spoken(names)
        return any((name, place) in self._spoken_parts for name in {*names, ""} for place in (None, part))

    def _is_item_spoken(self, names: set[str]) -> bool:
        """Say whether text of an item came already; text that named no item may have been that of any."""
        return not self._spoken.isdisjoint({*names, ""})

    def _take_response(self, response: Any, *, ended: str = "") -> None:
        """Take the response as it stands at its end: what came of it in no piece, the tokens, the reason."""
        self.choices += 1
        self._take_model(response)
        was_silent = not self._text and not any(self._refusal)
        for place, item in enumerate(items_of(_of(response, "output"))):
            if was_silent or text_of(_of(item, "type")) != "message":
                self._take_item(item, str(place), is_whole=True)
        if (usage := _of(response, "usage")) is not None:
            self.usage = read_usage(usage)
        status = text_of(_of(response, "status")) or ended
        if status in {"failed", "cancelled"} or _of(response, "error") is not None:
            self._fail(_of(response, "error"))
        elif status == "incomplete":
            self.finish = _CUT.get(text_of(_of(_of(response, "incomplete_details"), "reason")), "length")
        elif status in {"completed", ""}:
            self.finish = "stop"

    def _take_model(self, response: Any) -> None:
        self.model = text_of(_of(response, "model")) or self.model

    def _fail(self, told: Any) -> None:
        self.choices += 1
        self.failed = True
        message, code = _of(told, "message"), _of(told, "code")
        self.problem = {"error": {"message": text_of(message) or "the response failed", "code": text_of(code)}}

    def _take_item(self, item: Any, place: str, *, is_whole: bool) -> None:
        match text_of(_of(item, "type")):
            case "function_call":
                self._take_function_call(item, place, is_whole=is_whole)
            case "message" if is_whole and not self._is_item_spoken({place, text_of(_of(item, "id"))}):
                self._spoken |= {place, text_of(_of(item, "id"))} - {""}
                for part in items_of(_of(item, "content")):
                    self._take_text(_of(part, "text"))
                    self._refusal.append(text_of(_of(part, "refusal")))
                    for entry in items_of(_of(part, "logprobs")):
                        self._take_logprob(entry)
            case _:
                pass

    def _take_function_call(self, item: Any, place: str, *, is_whole: bool) -> None:
        call_id, item_id = text_of(_of(item, "call_id")), text_of(_of(item, "id"))
        call = self._by_item.get(item_id) or self._by_item.get(place)
        if call is None or (call_id and call.id and call.id != call_id):
            call = next((c for c in self._calls if call_id and c.id == call_id), None)
        if call is None:
            call = Pending()
            self._calls.append(call)
        self._by_item[place] = call
        if item_id:
            self._by_item[item_id] = call
        call.id = call.id or call_id
        call.name = text_of(_of(item, "name")) or call.name
        arguments = _of(item, "arguments")
        if is_whole or isinstance(arguments, dict):
            _take_arguments(call, arguments)

    def _pending(self, event: Any) -> Pending:
        """Find the call that a piece of arguments belongs to, or open one without a name."""
        item_id, place = text_of(_of(event, "item_id")), _place(event)
        call = self._by_item.get(item_id) or self._by_item.get(place)
        if call is None and self._calls and not item_id:
            call = self._calls[-1]
        if call is None:
            call = Pending()
            self._calls.append(call)
            self._by_item[item_id or place] = call
        return call


def read_usage(usage: Any) -> Usage:
    """Read token counts; what is absent or no count stays unknown."""
    return Usage(
        input_tokens=count_of(_of(usage, "input_tokens")),
        output_tokens=count_of(_of(usage, "output_tokens")),
        cached_tokens=count_of(_of(_of(usage, "input_tokens_details"), "cached_tokens")),
        reasoning_tokens=count_of(_of(_of(usage, "output_tokens_details"), "reasoning_tokens")),
        cost_usd=price_of(_of(usage, "cost"), _of(usage, "is_byok")),
    )


def _take_arguments(call: Pending, arguments: Any) -> None:
    """Take the whole arguments of a call, whatever pieces came before."""
    if isinstance(arguments, dict):
        call.object = cast("dict[str, Any]", arguments)
    elif isinstance(arguments, str) and arguments:
        call.text = [arguments]


def _names(event: Any) -> set[str]:
    """Return what the item of an event is known by: its place and its id, or an empty text if it has neither."""
    return {_place(event), text_of(_of(event, "item_id"))} - {""} or {""}


def _part_place(event: Any) -> int | None:
    """Return which part of its item an event is about; None where that is missing."""
    place = _of(event, "content_index")
    return place if isinstance(place, int) else None


def _place(event: Any) -> str:
    """Return which item of the output an event is about: its place, or its id where that is missing."""
    place = _of(event, "output_index")
    return str(place) if isinstance(place, int) else text_of(_of(event, "item_id"))


def _of(thing: Any, name: str) -> Any:
    """Read a field of an object or of a mapping: the library makes objects only of what it knows."""
    if isinstance(thing, dict):
        return cast("dict[str, Any]", thing).get(name)
    return getattr(thing, name, None)
