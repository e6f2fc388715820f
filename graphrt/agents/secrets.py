"""What must never be repeated: keys, and what is sent in headers.

Endpoints and servers quote what they were sent, also what they refuse because of it. Whatever is quoted of them goes
through `Secrets.clean` first, for errors are recorded, logged and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from graphrt.agents.errors import excerpt

_LEAST: Final = 8
"""Characters of a secret: taking shorter ones out would riddle ordinary words."""


class Secrets:
    """What is to be left out of messages."""

    __slots__ = ("_found",)

    def __init__(self, *keys: str, headers: Mapping[str, str] | None = None, url: str = "") -> None:
        """Take keys, values of headers with each word of them, and a password in an address."""
        password = urlsplit(url).password or ""
        words = [word for value in (headers or {}).values() for word in (value, *value.split())]
        found = {each for each in (*keys, *words, password, unquote(password)) if len(each) >= _LEAST}
        self._found = tuple(sorted(found, key=lambda each: (-len(each), each)))

    def __repr__(self) -> str:
        return f"Secrets({len(self._found)} of them)"

    def are_in(self, text: str) -> bool:
        """Say whether a text holds any of them."""
        return any(each in text for each in self._found)

    def clean(self, text: str) -> str:
        """Quote a text in one line, without them."""
        for each in self._found:
            text = text.replace(each, "…")
        return excerpt(text)
