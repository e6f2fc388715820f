"""The steps of a run as data for the script of a report: short keys, each text once, long values cut.

`viz/web/src/data.ts` says what the keys mean.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from graphrt_viz.values import shorter
from graphrt_viz.wording import visible

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from graphrt.inputs import Json
    from graphrt_viz.steps import Brief, Chronicle, Step

_MOST_DATA: Final = 3_000_000
"""Characters of steps, beyond which values of the state are cut shorter."""
_VALUE_LIMITS: Final = (100_000, 20_000, 2000, 400, 120, 40)
T = TypeVar("T", bound="Hashable")


class _Table(Generic[T]):
    """A table of what many steps have in common, each kept once."""

    def __init__(self) -> None:
        self.listed: list[T] = []
        self._places: dict[T, int] = {}

    def place(self, thing: T) -> int:
        if thing not in self._places:
            self._places[thing] = len(self.listed)
            self.listed.append(thing)
        return self._places[thing]


def data_of(chronicle: Chronicle, apart: Sequence[tuple[str, int]]) -> str:
    """Return the steps as JSON that may stand in a page; where there are very many, their values are cut shorter.

    Args:
        chronicle: the run.
        apart: for each visit that is drawn unrolled, its key in the drawing and the place of its last step.
    """
    parts = (part for s in chronicle.steps for part in (s.entered, s.wrote, s.added, s.asked))
    longest = max((len(value) for part in parts for value in part.values()), default=0)
    text = ""
    for most in (_VALUE_LIMITS[0], *(limit for limit in _VALUE_LIMITS[1:] if limit < longest)):
        text = json.dumps(_form(chronicle, apart, most), ensure_ascii=False, separators=(",", ":"))
        if len(text) <= _MOST_DATA:
            break
    # An HTML reader looks for the end of the element in the text itself, so no angle bracket may stand in it.
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return text.encode("utf-8", "backslashreplace").decode()


def _form(chronicle: Chronicle, apart: Sequence[tuple[str, int]], most: int) -> dict[str, Any]:
    texts: _Table[str] = _Table()
    picture = chronicle.picture
    nodes = [(f"n{i}", n.id, n.name) for i, n in enumerate(picture.nodes, 1)]
    nodes += [(f"c{i}", c.id, c.name) for i, c in enumerate(picture.clusters, 1)]
    place = {ident: i for i, (_, ident, _) in enumerate(nodes)}
    loops = {e.source: i for i, e in enumerate(picture.edges) if e.retry}
    briefs: _Table[Brief] = _Table()
    steps = [_step(s, place, loops, texts, briefs, most) for s in chronicle.steps]
    return {
        "version": 1,
        "flow": chronicle.flow,
        "run": chronicle.run,
        "status": chronicle.status,
        "error": chronicle.error,
        "facts": picture.subtitle,
        "states": chronicle.has_states,
        "texts": texts.listed,
        "briefs": [_filled({"r": b.reads, "d": b.doc, "i": b.instructions, "t": b.tools}) for b in briefs.listed],
        "nodes": [(key, visible(name)) for key, _, name in nodes],
        "kept": {name: _fitting(part, most) for name, part in chronicle.kept.items()},
        "starts": [(nodes[place[e.source]][0], i) for i, e in enumerate(picture.edges) if e.source.endswith("//")],
        "steps": steps,
        "unrolled": list(apart),
    }


def _step(
    step: Step,
    place: dict[str, int],
    loops: dict[str, int],
    texts: _Table[str],
    briefs: _Table[Brief],
    most: int,
) -> dict[str, Any]:
    """Return a step under short keys, without what is as usual; `viz/web/src/data.ts` says what they mean."""
    exits = [
        (-1 if x.edge is None else x.edge, *(texts.place(t) for t in (x.target, x.condition, x.result, x.reason)))
        for x in step.exits
    ]
    form: dict[str, Any] = {
        "l": step.label,
        "w": step.what,
        "v": step.visit,
        "n": place.get(step.shown, -1),
        "m": texts.place(visible(step.name)),
        "k": texts.place(step.kind),
        "s": texts.place(step.status),
        "a": _seconds(step.started),
        "e": None if step.ended is None else _seconds(step.ended),
        "t": step.attempt if step.attempt > 1 else None,
        "T": step.attempts if step.attempts > 1 else None,
        "r": 1 if step.retried else None,
        "lp": loops.get(step.shown) if step.retried else None,
        "b": None if step.busy_s is None else _seconds(step.busy_s),
        "o": step.outcome,
        "x": step.error,
        "tk": step.tokens,
        "tu": 1 if step.uncounted and step.tokens else None,
        "c": step.cost_usd,
        "mk": " · ".join(step.marks),
        "md": texts.place(step.model) if step.model else None,
        "it": shorter(step.item, most),
        "q": step.question,
        "an": list(step.answers),
        "as": {name: shorter(value, most) for name, value in step.asked.items()},
        "by": step.by,
        "br": briefs.place(step.brief),
        "via": list(dict.fromkeys(step.via)),
        "ex": exits,
        "cs": list(step.causes),
        "p": step.base,
        "en": {name: shorter(value, most) for name, value in step.entered.items()},
        "wr": {name: shorter(value, most) for name, value in step.wrote.items()},
        "sn": [_filled({"m": texts.place(a.model), "ms": a.messages, "r": a.rest}) for a in step.requests],
        "df": texts.place(step.definition) if step.definition else None,
        "ad": {name: shorter(value, most) for name, value in step.added.items()},
    }
    return _filled(form)


def _fitting(part: Json, most: int) -> Json:
    """Return a part of a request, with its long texts cut."""
    text = shorter(json.dumps(part, ensure_ascii=False), most)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _filled(form: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in form.items() if value not in (None, "", [], {}, ())}


def _seconds(value: float) -> float:
    rounded = round(value, 4)
    return int(rounded) if rounded.is_integer() else rounded
