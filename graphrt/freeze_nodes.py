"""From the draft of a node to its final form: policies, functions and their parameters, agents, subgraphs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args, get_origin

import msgspec
from pydantic import PydanticUserError

from graphrt import hints, trees
from graphrt.definition import Definition, Seen, all_of, is_nothing, place_text
from graphrt.drafts import Expansion, ExpansionSpec, NodeDraft, Place
from graphrt.errors import DefinitionError, GraphrtError, Mistake, type_name
from graphrt.expressions import Expression, did_you_mean
from graphrt.fields import MISSING, Field
from graphrt.graph import Graph, Retry, Work
from graphrt.guards import Change
from graphrt.hints import UNSAID
from graphrt.recorded import label_of
from graphrt.signatures import Signature, fits, returned, signature_of, takes_view
from graphrt.tree_forms import text_of
from graphrt.values import brief

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(duration: object) -> float:
    """Return a duration in seconds: a number is seconds, a text is like `30s`, `5m`, `24h`, `2d`, `1h30m`, `250ms`.

    Raises:
        ValueError: it is neither, or not positive.
    """
    total = 0.0
    if isinstance(duration, (int, float)) and not isinstance(duration, bool):
        total = float(duration)
    elif isinstance(duration, str) and duration.strip() and not _DURATION.sub("", duration.replace(" ", "")):
        total = sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(duration))
    if not 0 < total < float("inf"):
        raise ValueError(f"{duration!r} is no duration; give seconds, or a text like '30s', '5m', '24h', '1h30m'")
    return total


class NodeFreezer:
    """Makes the final form of nodes, as the arguments of `graphrt.graph.Node`; its edges come later."""

    def __init__(self, flow: Definition) -> None:
        self.flow = flow

    def node(self, index: int, draft: NodeDraft) -> dict[str, Any]:
        """Return the final form of a draft."""
        made: dict[str, Any] = {
            "index": index,
            "name": draft.name,
            "kind": draft.kind,
            "place": place_text(draft.place),
        }
        if draft.options:
            self._options(draft, made)
        if draft.kind == "join":
            self._join(draft, made)
        elif draft.kind == "end":
            made |= {"stop": draft.stop, "failure": draft.failure}
        elif draft.kind == "subgraph":
            self._subgraph(draft, made)
        else:
            writes = self._written(draft)
            made["writes"] = tuple(f.name for f in writes)
            if draft.kind in {"router", "ask"}:
                made["answers"] = self._answers(draft, writes)
            if draft.kind == "ask":
                self._ask(draft, made)
            elif draft.fn is not None:
                self._function(draft, made, writes)
            else:
                self._agent(draft, made, writes)
        return made

    def _options(self, draft: NodeDraft, made: dict[str, Any]) -> None:
        where = f"{draft.kind} {draft.name!r}"
        for key, value in draft.options.items():
            if key == "retry":
                meant = getattr(draft.agent, "retries", _as_said)  # what is inside knows what is worth it there
                if not isinstance(value, Retry) and not (isinstance(value, int) and value >= 1):
                    self.flow.wrong(
                        "retry",
                        f"{where} has retry={value!r}; give the number of attempts, at least 1, or a Retry(…)",
                        draft.place,
                    )
                    continue
                retry = meant(value)
                names = {k: tuple(_error_name(e) for e in getattr(retry, k)) for k in ("on", "never")}
                made["retry"] = msgspec.structs.replace(retry, **names)
            elif key == "timeout":
                try:
                    made["timeout_s"] = None if value is None else seconds(value)
                except ValueError as fault:
                    self.flow.wrong("duration", f"{where} has a timeout that cannot be: {fault}", draft.place)
            elif key == "on_crash":
                if value not in {"retry", "ask", "fail"}:
                    self.flow.wrong(
                        "on-crash", f"{where} has on_crash={value!r}; it is 'retry', 'ask' or 'fail'", draft.place
                    )
                made["on_crash"] = value
            elif key == "policies":
                made["policies"] = self._policies(value, where, draft.place)
            elif key == "ignore":
                made["ignore"] = self._ignored(value, where, draft.place)
            else:
                self.flow.wrong(
                    "option",
                    f"{where} has no option {key!r}; there are retry, timeout, on_crash, policies, ignore",
                    draft.place,
                )

    def _policies(self, value: object, where: str, place: Place) -> tuple[object, ...]:
        """Return what wraps the models that a node asks."""
        found = () if is_nothing(value) else tuple(all_of(value))
        for each in found:
            if not hasattr(each, "wrap"):
                self.flow.wrong(
                    "policy",
                    f"{where} has {brief(each)} among its policies; see graphrt.policies for what can be",
                    place,
                )
        return found

    def _ignored(self, value: object, where: str, place: Place) -> tuple[tuple[str, str], ...]:
        """Return the rules that are not to speak of a node, each with its reason."""
        several = () if is_nothing(value) else all_of(value)
        pairs = [several] if several and isinstance(several[0], str) else several
        found: list[tuple[str, str]] = []
        for pair in pairs:
            parts = all_of(pair)
            if len(parts) == 2 and all(isinstance(p, str) and p.strip() for p in parts):
                found.append((str(parts[0]), str(parts[1])))
            else:
                self.flow.wrong(
                    "ignore",
                    f'{where} has ignore={value!r}; give the code of a rule and the reason: ignore=("GR301", "…")',
                    place,
                )
        return tuple(found)

    def _written(self, draft: NodeDraft) -> tuple[Field, ...]:
        return (
            ()
            if draft.writes is None
            else self.flow.several(draft.writes, f"writes of {draft.kind} {draft.name!r}", draft.place)
        )

    def _answers(self, draft: NodeDraft, writes: tuple[Field, ...]) -> tuple[str, ...]:
        where = f"{draft.kind} {draft.name!r}"
        if len(writes) != 1:
            if draft.kind == "router" and not writes and draft.writes is not None:
                return ()
            self.flow.wrong(
                "one-answer", f"{where} must write exactly one field: the one that keeps its answer", draft.place
            )
            return ()
        values = hints.literal_values(writes[0].annotation)
        if values is None:
            if draft.kind == "router":
                self.flow.wrong(
                    "no-answers",
                    f"{where} writes {writes[0].name!r}, whose type {writes[0].type_text} does not say"
                    ' what it can answer; make it a Literal["…", "…"] or an Enum',
                    draft.place,
                )
            return ()
        return tuple(label_of(writes[0].encode_whole(v)) for v in values)

    def _ask(self, draft: NodeDraft, made: dict[str, Any]) -> None:
        seen = self._seen_by(draft)
        made["reads"] = _fields_behind(seen)
        if _renamed(seen):
            made["inputs"] = tuple(s.change for s in seen)
        made["question"] = draft.question
        if not str(draft.question).strip():
            self.flow.wrong("no-question", f"ask {draft.name!r} has no question; say what is asked", draft.place)
        if draft.deadline is not None:
            try:
                made["deadline_s"] = seconds(draft.deadline)
            except ValueError as fault:
                self.flow.wrong("duration", f"ask {draft.name!r} has a deadline that cannot be: {fault}", draft.place)

    def _seen_by(self, draft: NodeDraft) -> tuple[Seen, ...]:
        """Return what an agent or a question reads: fields or parts of them, by names of their own if in a mapping."""
        if is_nothing(draft.reads):
            return ()
        what = f"reads of {draft.kind} {draft.name!r}"
        given = draft.reads.items() if hints.is_mapping(draft.reads) else ((None, each) for each in all_of(draft.reads))
        found: dict[str, Seen] = {}
        for name, value in given:
            seen = self.flow.seen(value, what, draft.place, name)
            if seen is not None and seen.field.name in found:
                other = f'; give each a name: reads={{"one": s.{text_of(seen.tree)}, …}}'
                hint = other if trees.is_part(seen.tree) else ""
                self.flow.wrong("named-twice", f"{what} names {seen.field.name!r} twice{hint}", draft.place)
            elif seen is not None:
                found[seen.field.name] = seen
        return tuple(found.values())

    def _join(self, draft: NodeDraft, made: dict[str, Any]) -> None:
        wait = {"all": None, "any": 1}.get(draft.wait, draft.wait) if isinstance(draft.wait, str) else draft.wait
        if wait is not None and (not isinstance(wait, int) or isinstance(wait, bool) or wait < 1):
            self.flow.wrong(
                "join-wait",
                f"join {draft.name!r} has wait={draft.wait!r}; it is 'all', 'any' or a number from 1",
                draft.place,
            )
        else:
            made["wait"] = wait
        if draft.of is not None:
            made["of"] = self.flow.index(draft.of, f"of= of join {draft.name!r}", draft.place)

    def _agent(self, draft: NodeDraft, made: dict[str, Any], writes: tuple[Field, ...]) -> None:
        seen = self._seen_by(draft)
        made["reads"] = _fields_behind(seen)
        where = f"{draft.kind} {draft.name!r}"
        expand = getattr(draft.agent, "expand", None)
        if expand is None:
            what = "an Agent or a function" if draft.kind == "router" else "an Agent"
            self.flow.wrong("not-an-agent", f"{where} is made from {brief(draft.agent)}; give {what}", draft.place)
            return
        if draft.kind == "agent" and not writes and draft.writes is None:
            self.flow.wrong(
                "writes-nothing", f"{where} writes nothing, so its work would be lost; say writes=", draft.place
            )
            return
        fields = tuple(s.field for s in seen)
        spec = ExpansionSpec(draft.name, fields, writes, made.get("answers", ()), made.get("retry"))
        try:
            inside: Expansion = expand(spec)
        except DefinitionError as wrong:
            self.flow.wrong_inside(where, wrong, draft.place)
            return
        except GraphrtError as fault:
            self.flow.wrong("agent", f"{where}: {fault}", draft.place)
            return
        except PydanticUserError:
            kinds = ", ".join(f.takes_text for f in writes)
            self.flow.wrong(
                "agent",
                f"{where} is to write {kinds}, which no schema can express, so a model cannot be told; give the field"
                " a type that pydantic can describe",
                draft.place,
            )
            return
        for found in inside.mistakes:
            if isinstance(found, str):
                self.flow.wrong("agent", f"{where}: {found}", draft.place)
            else:
                self.flow.mistakes.append(
                    Mistake(found.code, f"inside {where}: {found.message}", found.place or place_text(draft.place))
                )
        behind = {s.field.name: s.tree for s in seen}
        inputs = tuple(replace(c, tree=trees.put_in(c.tree, behind)) for c in inside.inputs)
        made |= {"graph": inside.graph, "inputs": inputs, "outputs": tuple(inside.outputs)}
        made["about"] = dict(inside.about)

    def _function(self, draft: NodeDraft, made: dict[str, Any], writes: tuple[Field, ...]) -> None:
        where = f"{draft.kind} {draft.name!r}"
        if not callable(draft.fn) or isinstance(draft.fn, Expression):
            self.flow.wrong(
                "not-a-function", f"{where} is made from {brief(draft.fn)}, which is not a function", draft.place
            )
            return
        signature = signature_of(draft.fn)
        if signature.problem is not None:
            self.flow.wrong("cannot-call", f"{where} {signature.problem}", draft.place)
            return
        explicit = self._explicit_reads(draft, signature, where)
        bound = self.flow.bound(signature, explicit, where, draft.place)
        read = [*(f for _, f in bound.params), *(f for c in bound.parts for f in c.reads)]
        made["reads"] = tuple(self.flow.field) if bound.whole else tuple(dict.fromkeys(read))
        if bound.parts:
            made["inputs"] = (*(Change(p, trees.Read(f)) for p, f in bound.params), *bound.parts)
        made["work"] = Work(
            draft.fn,
            bound.params,
            bound.context,
            bound.whole,
            self.flow.state_type,
            signature.is_async,
            tuple(p.name for p in signature.params if not takes_view(p.annotation)),
        )
        if draft.writes is None or writes:
            self._check_return(signature, writes, where, draft.place)

    def _explicit_reads(self, draft: NodeDraft, signature: Signature, where: str) -> dict[str, Seen]:
        reads = draft.reads
        if is_nothing(reads):
            return {}
        if not hints.is_mapping(reads):
            self.flow.wrong(
                "reads", f'{where} has reads={reads!r}; a function\'s reads are {{"parameter": s.field}}', draft.place
            )
            return {}
        names = [p.name for p in signature.params]
        found: dict[str, Seen] = {}
        for param, value in reads.items():
            if param not in names:
                close = did_you_mean(param, names)
                self.flow.wrong(
                    "reads", f"{where} has no parameter {param!r}, which its reads= names.{close}", draft.place
                )
            elif (seen := self.flow.seen(value, f"reads={{{param!r}: …}} of {where}", draft.place, param)) is not None:
                found[param] = seen
        return found

    def _check_return(self, signature: Signature, writes: tuple[Field, ...], where: str, place: Place) -> None:
        have = returned(signature)
        if have is UNSAID or isinstance(have, str):
            return
        if not writes:
            if not fits(have, None):
                self.flow.wrong(
                    "returns",
                    f"{where} returns {hints.text_of(have)}, but writes nothing, so it would be lost;"
                    " say writes=, or return None",
                    place,
                )
            return
        if len(writes) == 1:
            if not fits(have, writes[0].takes):
                self.flow.wrong(
                    "returns",
                    f"{where} returns {hints.text_of(have)}, but writes={writes[0].name} needs {_takes(writes[0])};"
                    " a task returns the value, not a dict of updates",
                    place,
                )
            return
        if not _fits_several(have, writes):
            names, wanted = ", ".join(f.name for f in writes), ", ".join(map(_takes, writes))
            self.flow.wrong(
                "returns",
                f"{where} returns {hints.text_of(have)}, but writes=({names}) needs a tuple of {wanted}",
                place,
            )

    def _subgraph(self, draft: NodeDraft, made: dict[str, Any]) -> None:
        where = f"subflow {draft.name!r}"
        if not hasattr(draft.inner, "freeze"):
            self.flow.wrong("not-a-flow", f"{where} is made from {brief(draft.inner)}; give a Flow", draft.place)
            return
        try:
            graph: Graph = draft.inner.freeze()
        except DefinitionError as wrong:
            self.flow.wrong_inside(where, wrong, draft.place)
            return
        inner_space = draft.inner.space
        if draft.inputs is None:
            inputs = tuple(Change(f.name, trees.Read(f.name)) for f in graph.fields if f.name in self.flow.field)
        else:
            inputs = self.flow.changes(
                draft.inputs, f"inputs of {where}", draft.place, into=(graph.field, inner_space), out_of=self.flow.space
            )
        if draft.outputs is None:
            outputs = self._equal_outputs(graph, where, draft.place)
        else:
            outputs = self.flow.changes(
                draft.outputs,
                f"outputs of {where}",
                draft.place,
                into=(self.flow.field, self.flow.space),
                out_of=inner_space,
            )
        self._check_maps(graph, inputs, outputs, where, draft.place)
        made |= {"graph": graph, "inputs": inputs, "outputs": outputs}
        made["reads"] = tuple(dict.fromkeys(f for c in inputs for f in c.reads))
        made["writes"] = tuple(c.field for c in outputs)

    def _equal_outputs(self, graph: Graph, where: str, place: Place) -> tuple[Change, ...]:
        """Map back what the inner flow writes under the same name; a reducer needs to be told what to add."""
        written = {name for n in graph.nodes for name in n.writes} | {
            c.field for n in graph.nodes for e in n.edges for c in e.set
        }
        outputs: list[Change] = []
        for f in graph.fields:
            outer = self.flow.field.get(f.name)
            if outer is None or f.name not in written:
                continue
            if outer.reducer is not None:
                self.flow.wrong(
                    "reduced-output",
                    f"{where} writes {f.name!r}, which has the reducer {outer.reducer.name} here; say what it adds:"
                    f" outputs=let(outer.{f.name}).be(inner.…)",
                    place,
                )
            else:
                outputs.append(Change(f.name, trees.Read(f.name)))
        return tuple(outputs)

    def _check_maps(
        self, graph: Graph, inputs: tuple[Change, ...], outputs: tuple[Change, ...], where: str, place: Place
    ) -> None:
        filled = {c.field for c in inputs}
        for f in graph.fields:
            if f.name not in filled and f.default_json is MISSING:
                self.flow.wrong(
                    "unfilled-input",
                    f"{where} needs {f.name!r}, which has no fixed default and which nothing fills;"
                    f" say inputs=let(inner.{f.name}).be(outer.…)",
                    place,
                )
        for c in inputs:
            self._check_map(c, self.flow.field, graph.field[c.field].annotation, "inputs", where, place)
        for c in outputs:
            self._check_map(c, graph.field, self.flow.field[c.field].takes, "outputs", where, place)

    def _check_map(
        self,
        change: Change,
        source: Mapping[str, Field],
        want: Any,  # noqa: ANN401 - a type
        side: str,
        where: str,
        place: Place,
    ) -> None:
        if not isinstance(change.tree, trees.Read) or fits(have := source[change.tree.field].annotation, want):
            return
        name = change.tree.field
        sure = fits(hints.apart_from_none(have), want)
        if sure and side == "inputs" and name in self.flow.items:
            return  # in a branch of its own the field holds an item
        self.flow.wrong(
            "map-type",
            f"{side} of {where} set {change.text}, but {name!r} is {hints.text_of(have)} where"
            f" {hints.text_of(want)} is needed"
            + (f"; let {change.field!r} take None as well, or give {name!r} a default of its type" if sure else ""),
            place,
        )


def _fields_behind(seen: Sequence[Seen]) -> tuple[str, ...]:
    """Return the fields that are read, each once."""
    return tuple(dict.fromkeys(name for s in seen for name in trees.reads_of(s.tree)))


def _renamed(seen: Sequence[Seen]) -> bool:
    """Tell whether a field is read under another name than its own."""
    return any(s.tree != trees.Read(s.field.name) for s in seen)


def _fits_several(have: Any, writes: Sequence[Field]) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether what a function returns may be the values of several fields: a tuple, or a mapping by name."""
    arguments = get_args(have)
    if get_origin(have) is tuple and Ellipsis not in arguments:
        return len(arguments) == len(writes) and all(map(fits, arguments, (f.takes for f in writes)))
    return fits(have, tuple) or fits(have, Mapping)


def _as_said(retry: Retry | int) -> Retry:
    return retry if isinstance(retry, Retry) else Retry(attempts=retry)


def _error_name(error: Any) -> str:  # noqa: ANN401 - the type of an exception, or its name
    return type_name(error) if isinstance(error, type) else str(error)


def _takes(field: Field) -> str:
    if field.reducer is None:
        return hints.text_of(field.takes)
    what = "one item, because of append" if field.reducer.name == "append" else f"because of {field.reducer.name}"
    return f"{hints.text_of(field.takes)} ({what})"
