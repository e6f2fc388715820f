"""The picture model: what it refuses, its JSON form, its digest."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from graphrt_viz.picture import NodeMark, PCluster, PEdge, Picture, PNode, canonical, from_json, to_json
from tests.viz.exemplars import FLOW, RUN, TOPOLOGIES, nasty_pictures, topology


@pytest.mark.parametrize("picture", [FLOW, RUN, *map(topology, TOPOLOGIES), *nasty_pictures(60)])
def test_a_picture_survives_its_json_form(picture: Picture) -> None:
    """Reading back what was written gives an equal picture with the same digest, whatever the texts hold."""
    again = from_json(json.loads(json.dumps(to_json(picture))))
    assert again == picture
    assert again.digest == picture.digest


def test_the_digest_changes_with_anything_that_is_seen() -> None:
    """A renamed node, another guard, another mark: each gives another digest."""
    named = replace(FLOW, nodes=(*FLOW.nodes[:-1], replace(FLOW.nodes[-1], name="lost")))
    guarded = replace(FLOW, edges=(*FLOW.edges[:-1], replace(FLOW.edges[-1], guard="x > 1")))
    digests = {p.digest for p in (FLOW, named, guarded, RUN, replace(FLOW, title="other"))}
    assert len(digests) == 5


def test_the_canonical_form_is_ascii_on_one_line() -> None:
    """The text that is hashed has no place where platforms or encodings could differ."""
    text = canonical(RUN)
    assert text.isascii()
    assert "\n" not in text


@pytest.mark.parametrize("picture", [FLOW, RUN, *map(topology, TOPOLOGIES), *nasty_pictures(60)])
def test_the_canonical_form_is_json_as_python_writes_it(picture: Picture) -> None:
    """Byte for byte, so that any program with a JSON library can compute the digest of the file it was handed."""
    assert canonical(picture) == json.dumps(to_json(picture), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("text", ["".join(map(chr, range(256))), "\u2028\ufeff\U0001f600", "half \ud800", '\\"/'])
def test_every_character_has_one_canonical_form(text: str) -> None:
    """Control characters, those beyond ASCII, and halves of characters are all escaped alike."""
    picture = Picture(text, nodes=(PNode("a", "task", text),))
    assert canonical(picture) == json.dumps(to_json(picture), sort_keys=True, separators=(",", ":"))


def test_equal_numbers_are_written_alike() -> None:
    """A whole number of seconds is written without a fraction, and one that is its default not at all."""
    marks = [NodeMark(good_s=372, waited_s=0), NodeMark(good_s=372.0, waited_s=0.0, failed_s=float("0"))]
    texts = {canonical(Picture("p", nodes=(PNode("a", "task", mark=mark),))) for mark in marks}
    assert len(texts) == 1
    assert '"mark":{"good_s":372,"waited_s":0}' in texts.pop()


@pytest.mark.parametrize(
    ("nodes", "edges", "clusters", "message"),
    [
        ((PNode("a", "task"), PNode("a", "task")), (), (), "'a' is used twice"),
        ((PNode("a", "task"),), (), (PCluster("a", "a"),), "'a' is used twice"),
        ((PNode("a", "task"),), (PEdge("a", "b"),), (), "'b'"),
        ((PNode("a", "task", cluster="c"),), (), (), "'c'"),
        ((), (), (PCluster("a", "a", parent="b"),), "'b'"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(
    nodes: tuple[PNode, ...], edges: tuple[PEdge, ...], clusters: tuple[PCluster, ...], message: str
) -> None:
    """Ids used twice and references to nothing are found when the picture is made, and named."""
    with pytest.raises(ValueError, match=message):
        Picture("p", nodes=nodes, edges=edges, clusters=clusters)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"version": 99, "title": "x"}, "version 99"),
        ({"title": "x"}, "version None"),
        ({"version": 1}, "title"),
        ({"version": 1, "title": "x", "nodes": [{"id": "a", "kind": "banana"}]}, "banana"),
        ({"version": 1, "title": "x", "nodes": [7]}, "int"),
    ],
)
def test_a_form_that_is_no_picture_is_refused(form: dict[str, object], message: str) -> None:
    """An unknown version and a wrong shape give an error that says what was found."""
    with pytest.raises(ValueError, match=message):
        from_json(form)
