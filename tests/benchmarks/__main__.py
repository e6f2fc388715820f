"""The benchmarks: graphrt beside plain asyncio and other engines, on the same work.

    make bench                                                    everything, about a quarter of an hour
    make bench BENCH_ARGS="--only W2,W3 --contender floor,graphrt --rounds 3"
    .venv/bin/python -m tests.benchmarks --contender floor,graphrt --only W2      the same without make
    .venv/bin/python -m tests.benchmarks.on_graphrt W2                            one process, figures as JSON
    make bench BENCH_ARGS=--publish                               everything, and write RESULTS.md anew
    make bench BENCH_ARGS="--from tests/benchmarks/results.json --publish"        the tables again, nothing measured

Figures are of the process's own processor time unless a table says otherwise; `N×` is the ratio to the floor in the
same round. The raw data of every measurement stays in `.venv-bench/last.json`.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.environments import CONTENDERS, HOME
from tests.benchmarks.running import Measured, contenders_named, machine, measure
from tests.benchmarks.workloads import WORKLOADS


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure graphrt and its peers.")
    keys = [workload.key for workload in WORKLOADS]
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", default=",".join(keys), help=f"workloads, of {', '.join(keys)}")
    parser.add_argument("--contender", default=",".join(names), help=f"contenders, of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md, its chart and results.json")
    parser.add_argument("--from", dest="source", type=Path, help="raw data to show again, instead of measuring")
    said = parser.parse_args(arguments)
    wanted, asked = said.only.split(","), said.contender.split(",")
    for given, known, what in ((wanted, keys, "workload"), (asked, names, "contender")):
        for each in given:
            if each not in known:
                parser.error(f"no {what} {each!r}; there are {', '.join(known)}")
    begun = time.monotonic()
    if said.source is not None:
        measured = Measured.from_json(said.source.read_text("utf-8"))
    else:
        workloads = [workload for workload in WORKLOADS if workload.key in wanted]
        measured = Measured(machine())
        try:
            measure(measured, workloads, contenders_named(asked), said.rounds, partial(print, flush=True))
        finally:
            HOME.mkdir(exist_ok=True)
            (HOME / "last.json").write_text(measured.to_json(), "utf-8")
    print(report.text(measured))
    if said.publish:
        report.publish(measured)
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
