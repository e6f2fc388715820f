"""What was measured, as tables and as the committed page: RESULTS.md with its chart, and the raw data beside it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

from tests.benchmarks import chart
from tests.benchmarks.environments import BY_NAME
from tests.benchmarks.running import Measured
from tests.benchmarks.workloads import BY_KEY, Figure, Workload

HERE: Final = Path(__file__).parent
OVERVIEW: Final = (
    ("W2", "step", "a step of a loop"),
    ("W3", "branch 100", "a branch of 100"),
    ("W4", "step", "a step with 10 guards"),
    ("W5", "run", "a run of 10 nodes, 1,000 at a time"),
    ("W6", "step normal", "an acknowledged step on disk"),
    ("W6", "step group", "a step of 100 runs on disk"),
    ("W7", "live", "a run that waits"),
    ("W8", "import", "import"),
)
"""The figures of the first table and of the chart."""


def value_of(measured: Measured, workload: Workload, figure: Figure, contender: str) -> float | None:
    """Return the median over the rounds, or None where there is no figure."""
    which = 0 if figure.cpu else 1
    found = [
        each.figures[figure.key][which]
        for each in measured.taken
        if each.workload == workload.key and each.contender == contender and figure.key in each.figures
    ]
    return statistics.median(found) if found else None


def least_of(measured: Measured, workload: Workload, figure: Figure, contender: str) -> float | None:
    """Return the least that was measured in any round: what is left where nothing else ran on the machine."""
    which = 2 if figure.cpu else 1
    found = [
        each.figures[figure.key][which]
        for each in measured.taken
        if each.workload == workload.key and each.contender == contender and figure.key in each.figures
    ]
    return min(found, default=None)


def ratio_of(measured: Measured, workload: Workload, figure: Figure, contender: str) -> float | None:
    """Return the median of the ratios to the floor of the same round."""
    which = 0 if figure.cpu else 1
    rounds: dict[int, dict[str, float]] = {}
    for each in measured.taken:
        if each.workload == workload.key and figure.key in each.figures:
            rounds.setdefault(each.round, {})[each.contender] = each.figures[figure.key][which]
    ratios = [r[contender] / r["floor"] for r in rounds.values() if contender in r and r.get("floor")]
    return statistics.median(ratios) if ratios else None


def shown(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def cell(measured: Measured, workload: Workload, figure: Figure, contender: str) -> str:
    """Return what stands in a table."""
    value = value_of(measured, workload, figure, contender)
    if value is None:
        return "–"
    ratio = ratio_of(measured, workload, figure, contender) if figure.ratio and contender != "floor" else None
    return shown(value) + (f" ({shown(ratio)}×)" if ratio is not None else "")


def table(measured: Measured, workload: Workload) -> list[str]:
    """Return the lines of one workload: a row a figure, a column a contender; then who could not, and why."""
    names = [
        name for name in BY_NAME if any(t.contender == name and t.workload == workload.key for t in measured.taken)
    ]
    lines = [f"## {workload.key} {workload.name}", "", f"{workload.does[0].upper()}{workload.does[1:]}.", ""]
    if names:
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for figure in workload.figures:
            cells = [cell(measured, workload, figure, name) for name in names]
            if any(each != "–" for each in cells):
                lines.append(f"| {figure.says}, {figure.unit} | " + " | ".join(cells) + " |")
        lines.append("")
    if workload.only_ours is not None:
        lines += [f"Others: {workload.only_ours}.", ""]
    for told in (measured.cannot, measured.notes):
        for name, reasons in told.items():
            if workload.key in reasons and (workload.only_ours is None or not BY_NAME[name].is_peer):
                lines.append(f"- {name}: {reasons[workload.key]}")
    if lines[-1].startswith("- "):
        lines.append("")
    return lines


def overview(measured: Measured) -> list[str]:
    """Return the first table: a row a contender, a column a figure, in what the others cost relative to graphrt."""
    chosen = [(BY_KEY[key], _figure(key, figure), title) for key, figure, title in OVERVIEW]
    names = [name for name in BY_NAME if any(each.contender == name for each in measured.taken)]
    lines = ["| | " + " | ".join(f"{title}, {figure.unit}" for _, figure, title in chosen) + " |"]
    lines.append("|---" * (len(chosen) + 1) + "|")
    for name in names:
        cells: list[str] = []
        for workload, figure, _ in chosen:
            value = value_of(measured, workload, figure, name)
            cells.append("–" if value is None else shown(value))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def targets(measured: Measured) -> list[str]:
    """Return graphrt's own promises and what became of them."""
    lines = ["| promise | at most | measured | at best | the floor beside it | |", "|---|---|---|---|---|---|"]
    for workload in BY_KEY.values():
        for figure in workload.figures:
            value = value_of(measured, workload, figure, "graphrt")
            if figure.target is not None and value is not None:
                kept = "kept" if value <= figure.target else "**missed**"
                says = f"{workload.key} {figure.says}"
                floor = value_of(measured, workload, figure, "floor")
                beside = "–" if floor is None else shown(floor)
                least = shown(least_of(measured, workload, figure, "graphrt") or value)
                most = f"{shown(figure.target)} {figure.unit}"
                lines.append(f"| {says} | {most} | {shown(value)} | {least} | {beside} | {kept} |")
    return lines if len(lines) > 2 else []


def text(measured: Measured) -> str:
    """Return all tables."""
    keys = [key for key in BY_KEY if any(each.workload == key for each in measured.taken)]
    lines = [line for key in keys for line in table(measured, BY_KEY[key])]
    return "\n".join([*lines, *targets(measured)])


def page(measured: Measured) -> str:
    """Return RESULTS.md."""
    where = measured.machine
    versions = [
        f"{package} {version}"
        for name, each in measured.versions.items()
        if BY_NAME[name].is_peer or name == "graphrt"
        for package, version in each.items()
    ]
    keys = [key for key in BY_KEY if any(each.workload == key for each in measured.taken)]
    rounds = max(each.round for each in measured.taken)
    lines = [
        "# What graphrt costs, beside plain asyncio and other engines",
        "",
        "Written by `make bench BENCH_ARGS=--publish`; [how it is measured](../../docs/performance.md).",
        "",
        (
            f"Measured on {where['day']}: {where['processor']}, {where['memory']}, {where['system']},"
            f" Python {where['python']}, load average {where['load']} (on a busy machine times on the wall say little)."
            f" {rounds} rounds at most, contenders in turn, each workload in its own process."
            " Figures are medians of processor time unless they say otherwise; `N×` is the ratio to the floor of the"
            " same round, `at best` the least of all rounds. The floor is the same work in plain asyncio, by hand."
        ),
        "",
        f"Versions: {', '.join(versions)}.",
        "",
        "![The first table as bars](results.svg)",
        "",
        *overview(measured),
        "",
        *(line for key in keys for line in table(measured, BY_KEY[key])),
        "## What graphrt promises",
        "",
        *targets(measured),
        "",
    ]
    return "\n".join(lines)


def picture(measured: Measured) -> str:
    """Return the first table as a chart."""
    panels: list[chart.Panel] = []
    for key, name, title in OVERVIEW:
        workload, figure = BY_KEY[key], _figure(key, name)
        bars = [
            chart.Bar(contender, value)
            for contender in BY_NAME
            if (value := value_of(measured, workload, figure, contender)) is not None
        ]
        if bars:
            panels.append(chart.Panel(f"{title}, {figure.unit}", sorted(bars, key=lambda bar: bar.value)))
    return chart.draw(panels, "What the engines cost: logarithmic scales, less is better")


def publish(measured: Measured) -> None:
    """Write the committed results."""
    (HERE / "results.json").write_text(measured.to_json(), "utf-8")
    (HERE / "results.svg").write_text(picture(measured), "utf-8")
    (HERE / "RESULTS.md").write_text(page(measured), "utf-8")


def _figure(key: str, name: str) -> Figure:
    return next(figure for figure in BY_KEY[key].figures if figure.key == name)
