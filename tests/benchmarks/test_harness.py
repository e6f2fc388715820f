"""The benchmark harness: nobody is left out silently, and the committed results are those of the committed data.

It measures nothing: `make bench` does.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.benchmarks import chart, report
from tests.benchmarks.environments import CONTENDERS, PINS, ROOT, Contender, pins_of
from tests.benchmarks.running import Measured, Taken
from tests.benchmarks.workloads import WORKLOADS

HERE = Path(__file__).parent


def keys_of(contender: Contender, name: str) -> set[str]:
    """The keys of a table of a contender's module, which cannot be imported outside its environment."""
    path = ROOT.joinpath(*contender.module.split(".")).with_suffix(".py")
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(node.value, ast.Dict)
            return {ast.literal_eval(key) for key in node.value.keys if key is not None}
    return set()


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_every_contender_does_a_workload_or_says_why_not(contender: Contender) -> None:
    """A gap in a table has a reason: each workload stands in `DOES` or in `CANNOT`."""
    asked = {each.name for each in WORKLOADS if each.only_ours is None or not contender.is_peer}
    does, cannot = keys_of(contender, "DOES"), keys_of(contender, "CANNOT")
    assert asked - does - cannot == set()
    assert (does | cannot) <= {each.name for each in WORKLOADS}


def test_pins_are_names_and_versions_of_the_peers() -> None:
    """Each peer has a section, and each line of it is `name==version`: where packages come from is not said."""
    sections = re.findall(r"^\[(.+)\]$", PINS.read_text("utf-8"), re.MULTILINE)
    assert sections == [each.name for each in CONTENDERS if each.is_peer]
    lines = [line for name in sections for line in pins_of(name)]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)] == []


def measured(**figures: list[float]) -> Measured:
    """A measurement of the loop in two rounds: floor, graphrt and a peer."""
    taken = [
        Taken(number + 1, "W2", name.replace("_", "-"), {"step": [value, 2 * value, value]})
        for name, values in figures.items()
        for number, value in enumerate(values)
    ]
    machine = {"processor": "p", "memory": "m", "system": "s", "python": "3", "load": "0.1", "day": "d"}
    return Measured(machine, cannot={"burr": {"W2": "is on holiday"}}, taken=taken)


def test_a_ratio_is_taken_within_a_round() -> None:
    """What disturbs a whole round disturbs no ratio: both rounds say 10 times, whatever the machine did meanwhile."""
    lines = report.table(measured(floor=[1.0, 5.0], graphrt=[10.0, 50.0]), WORKLOADS[1])
    assert "| a step, µs | 3 | 30 (10×) |" in lines


def test_a_gap_is_explained_below_its_table() -> None:
    """Who could not do a workload stands below the table, with the reason."""
    lines = report.table(measured(floor=[1.0]), WORKLOADS[1])
    assert "- burr: is on holiday" in lines


def test_a_broken_promise_is_marked() -> None:
    """The table of promises says of each figure whether it was kept."""
    for value, word in ((7.0, "kept"), (9.0, "**missed**")):
        assert [line for line in report.targets(measured(graphrt=[value])) if line.endswith(f"| {word} |")]


def test_raw_data_comes_back_as_it_went() -> None:
    """Raw data survives its file."""
    one = measured(floor=[1.0, 2.0], graphrt=[3.0])
    assert Measured.from_json(one.to_json()) == one


def test_the_longest_bar_is_the_greatest_figure() -> None:
    """On the logarithmic scale a greater figure has a longer bar, and all stay inside the panel."""
    panel = chart.Panel("t", [chart.Bar("floor", 0.09), chart.Bar("graphrt", 7.0), chart.Bar("other", 1_000.0)])
    widths = [float(found) for found in re.findall(r'width="([\d.]+)" height="16"', chart.draw([panel], "title"))]
    assert widths == sorted(widths)
    assert len(set(widths)) == 3
    assert 0 < widths[0] < widths[-1] < chart.WIDTH


def test_the_committed_results_are_those_of_the_committed_data() -> None:
    """RESULTS.md and its chart are made from results.json and from nothing else."""
    data = Measured.from_json((HERE / "results.json").read_text("utf-8"))
    assert (HERE / "RESULTS.md").read_text("utf-8") == report.page(data), (
        "out of date: see tests/benchmarks/__main__.py"
    )
    assert (HERE / "results.svg").read_text("utf-8") == report.picture(data)
