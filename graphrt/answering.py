"""Reading an answer: what somebody said to the question of a node, as an outcome and as writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphrt.errors import AnswerRefused
from graphrt.recorded import label_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.fields import Field
    from graphrt.inputs import Json
    from graphrt.lines import Visit


def read_answer(
    visit: Visit, field_of: Mapping[str, Field], answer: Json
) -> tuple[str | None, dict[str, Json], list[tuple[Field, Any]]]:
    """Return the outcome, the writes as JSON, and the writes decoded.

    Raises:
        AnswerRefused: it is none of the answers, or no value of the field that it is written to.
    """
    node = visit.node
    label = label_of(answer)
    if node.answers and label not in node.answers:
        expected = ", ".join(repr(a) for a in node.answers)
        message = (
            f"{answer!r} is no answer to {node.question!r} (node {node.name!r}, visit {visit.id});"
            f" expected one of {expected}"
        )
        raise AnswerRefused(message, visit=visit.id, expected=list(node.answers))
    if not node.writes:
        return (label if node.answers else None), {}, []
    field = field_of[node.writes[0]]
    try:
        writes = {field.name: _encode_answer(field, answer)}
    except (ValueError, TypeError) as error:
        message = f"{answer!r} is no answer to {node.question!r} (node {node.name!r}, visit {visit.id}): {error}"
        raise AnswerRefused(message, visit=visit.id) from error
    return (label if node.answers else None), writes, [(field, field.decode(writes[field.name]))]


def _encode_answer(field: Field, answer: Json) -> Json:
    """Validate an answer; one that came as text (`3`, `true`) may stand for the JSON value it spells."""
    try:
        return field.encode(answer)
    except ValueError:
        if not isinstance(answer, str):
            raise
        try:
            spelt = json.loads(answer)
        except ValueError:
            spelt = answer
        return field.encode(spelt)
