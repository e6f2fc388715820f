"""Say what went wrong at an endpoint in the terms of ``graphrt.agents.errors``.

The client library reports transport faults, HTTP statuses and error events in streams as its own exceptions. Each
becomes one of ours, named by what the caller can do about it. No message of an endpoint is repeated with a key in it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

from graphrt.agents.errors import (
    AuthenticationFailed,
    ContextTooLong,
    EndpointError,
    MalformedResponse,
    ModelTimeout,
    ModelUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    RequestRejected,
    TruncatedStream,
)
from graphrt.agents.models.openai.clients import ResponseTooLarge
from graphrt.agents.secrets import Secrets
from graphrt.errors import RunError

E = TypeVar("E", bound=EndpointError)

_TOO_LONG = ("context_length_exceeded", "context length", "maximum context", "context window", "too many tokens")
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit", "exceeded your current quota", "insufficient credits")
_FILTERED = ("content_filter", "content_policy", "content management policy")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request went."""

    endpoint: str
    """Host and port, without user or path."""
    model: str
    secrets: Secrets = field(default_factory=Secrets)
    """What no message may hold."""
    answer: str = "a chat completion"
    """What is expected of it …"""
    ending: str = "a finish_reason"
    """… and what ends that."""

    def clean(self, text: str) -> str:
        """Quote what an endpoint said, in one line and without secrets."""
        return self.secrets.clean(text)


def failure(error: Exception, place: Place, partial: str, *, is_answered: bool, is_begun: bool) -> RunError:
    """Translate an exception of the client library.

    ``is_answered`` tells that the head of a response had come, ``is_begun`` that pieces of an answer had.
    """
    import openai  # noqa: PLC0415 - it is loaded by now

    oversized = next((link for link in chain(error) if isinstance(link, ResponseTooLarge)), None)
    if oversized is not None:
        return _at(place, MalformedResponse, f"found {oversized}", expected=place.answer, partial=partial)
    match error:
        case openai.APITimeoutError():
            return silence(place, None, partial)
        case openai.APIStatusError():
            return _status(error, place)
        case openai.APIConnectionError():
            cause = error.__cause__
            reason = place.clean(f"{type(cause).__name__}: {cause}" if cause else str(error))
            if is_answered:
                when = "in the middle of an answer" if is_begun else "before the first piece of an answer"
                return broken(place, f"the connection broke {when}, {reason}", partial)
            return _at(
                place,
                ModelUnavailable,
                f"found no connection, {reason}",
                advice="check that the endpoint runs and that its base URL is right",
            )
        case openai.APIError():
            return reported(error.body if error.body is not None else error.message, place, partial)
        case _:
            reason = f"an answer that cannot be read, {place.clean(f'{type(error).__name__}: {error}')}"
            if is_begun:
                return broken(place, reason, partial)
            return malformed(place, reason)


def silence(place: Place, seconds: float | None, partial: str) -> ModelTimeout:
    """Nothing came for too long."""
    waited = "for too long" if seconds is None else f"for {seconds:g} s"
    had = f", after {len(partial)} characters" if partial else ""
    return _at(
        place,
        ModelTimeout,
        f"the endpoint sent nothing {waited}{had}",
        advice="try again, or raise idle_timeout_s for a model that thinks long",
        partial=partial,
    )


def broken(place: Place, found: str, partial: str) -> TruncatedStream:
    """The answer has no end."""
    return _at(
        place,
        TruncatedStream,
        f"{found}, after {len(partial)} characters" if partial else found,
        expected=f"{place.ending} before the end",
        advice="try again; the partial text is kept in the error",
        partial=partial,
    )


def malformed(place: Place, found: str, status: int | None = None) -> MalformedResponse:
    """A success that is no answer."""
    return _at(
        place,
        MalformedResponse,
        f"found {found}",
        status=status,
        expected=place.answer,
        advice="check the base URL; it usually ends in /v1",
    )


def reported(body: Any, place: Place, partial: str = "") -> RunError:
    """Translate an error that an endpoint reported inside a response of status 200."""
    message, code = _told(body)
    found = f"the endpoint reported {place.clean(message)}"
    status = int(code) if code.isdecimal() and len(code) == 3 else 0
    known = _by_words(message, code, found, place) or _by_status(status, found, place, None, partial)
    if known is not None:
        return known
    kind = RateLimited if "rate_limit" in code or "rate limit" in message.casefold() else ModelUnavailable
    return _at(place, kind, found, advice="try again later", partial=partial)


def _status(error: Any, place: Place) -> RunError:
    """Translate an answer with an HTTP status that is not success."""
    status: int = error.status_code
    message, code = _told(error.body if error.body is not None else error.message)
    found = f"the endpoint answered {status}, {place.clean(message)}"
    wait = retry_after_s(error.response.headers, time.time())
    known = _by_words(message, code, found, place, status) or _by_status(status, found, place, wait)
    return known or _at(
        place,
        RequestRejected,
        found,
        status=status,
        advice="change the request; it will be refused again as it is",
    )


def _by_words(message: str, code: str, found: str, place: Place, status: int | None = None) -> RunError | None:
    """Recognise what has no status of its own and is told by code or words."""
    said = f"{code} {message}".casefold()
    if status in {None, 400, 413, 422} and any(word in said for word in _TOO_LONG):
        return _at(
            place, ContextTooLong, found, status=status, advice="shorten the conversation, or take a larger model"
        )
    if any(word in said for word in _NO_QUOTA):
        return _at(place, QuotaExhausted, found, status=status, advice="add credit to the account, or use another key")
    if status in {None, 400, 403, 422} and any(word in said for word in _FILTERED):
        return Refused(f"{found} (endpoint {place.endpoint}, model {place.model})", endpoint=place.endpoint)
    return None


def _by_status(status: int, found: str, place: Place, wait: float | None, partial: str = "") -> EndpointError | None:
    match status:
        case 401 | 403:
            return _at(
                place,
                AuthenticationFailed,
                found,
                status=status,
                advice="check the API key and its rights to the model",
            )
        case 404:
            return _at(
                place,
                RequestRejected,
                found,
                status=status,
                advice="check the model's name and that the base URL ends in /v1",
            )
        case 408:
            return _at(place, ModelTimeout, found, status=status, advice="try again", partial=partial)
        case 429:
            return _at(
                place,
                RateLimited,
                found,
                status=status,
                wait=wait,
                advice="send fewer requests at once",
                partial=partial,
            )
        case 409 | 425 | 500 | 502 | 503 | 504 | 529:
            return _at(
                place, ModelUnavailable, found, status=status, wait=wait, advice="try again later", partial=partial
            )
        case _ if status >= 500:
            return _at(
                place, ModelUnavailable, found, status=status, wait=wait, advice="try again later", partial=partial
            )
        case _ if 300 <= status < 400:
            return _at(
                place,
                RequestRejected,
                found,
                status=status,
                advice="the endpoint has moved; give its new address as base URL",
            )
        case _:
            return None


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Read how long an endpoint asks to wait, in seconds from ``now``; ``None`` when it does not say."""
    millis = _seconds(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _told(body: Any) -> tuple[str, str]:
    """Find the message and the code in the shapes that endpoints use for errors."""
    outer = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    found = outer.get("error", body)
    if not isinstance(found, dict):
        return str(found), ""
    inner = cast("dict[str, Any]", found)
    message = inner.get("message") or inner.get("detail") or inner
    code = inner.get("code") or inner.get("type") or ""
    return str(message), str(code)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it comes from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _at(
    place: Place,
    kind: type[E],
    found: str,
    *,
    expected: str = "",
    advice: str = "",
    status: int | None = None,
    wait: float | None = None,
    partial: str = "",
) -> E:
    return kind(
        found,
        endpoint=place.endpoint,
        model=place.model,
        expected=expected,
        advice=advice,
        status=status,
        retry_after_s=wait,
        partial=partial,
    )
