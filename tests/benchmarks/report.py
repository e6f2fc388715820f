"""Tables of what was measured."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

from tests.benchmarks.environments import BY_NAME
from tests.benchmarks.running import Measured
from tests.benchmarks.workloads import BY_KEY, Figure, Workload

HERE: Final = Path(__file__).parent


def value_of(measured: Measured, workload: Workload, figure: Figure, contender: str) -> float | None:
    """Return the median over the rounds, or None where there is no figure."""
    which = 0 if figure.cpu else 1
    found = [
        each.figures[figure.key][which]
        for each in measured.taken
        if each.workload == workload.key and each.contender == contender and figure.key in each.figures
    ]
    return statistics.median(found) if found else None


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
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


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


def targets(measured: Measured) -> list[str]:
    """Return graphrt's own promises and what became of them."""
    lines = ["| promise | target | measured | |", "|---|---|---|---|"]
    for workload in BY_KEY.values():
        for figure in workload.figures:
            value = value_of(measured, workload, figure, "graphrt")
            if figure.target is not None and value is not None:
                kept = "kept" if value <= figure.target else "**missed**"
                says = f"{workload.key} {figure.says}"
                lines.append(f"| {says} | ≤ {shown(figure.target)} {figure.unit} | {shown(value)} | {kept} |")
    return lines if len(lines) > 2 else []


def text(measured: Measured) -> str:
    """Return all tables."""
    keys = [key for key in BY_KEY if any(each.workload == key for each in measured.taken)]
    lines = [line for key in keys for line in table(measured, BY_KEY[key])]
    return "\n".join([*lines, *targets(measured)])


def publish(measured: Measured) -> None:
    """Write the committed results."""
    (HERE / "results.json").write_text(measured.to_json(), "utf-8")
    (HERE / "RESULTS.md").write_text(text(measured), "utf-8")
