"""Runs the contenders: interleaved, in several rounds, a fresh process for each workload each time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import BY_NAME, ROOT, Contender, NoEnvironment, python_of, variables
from tests.benchmarks.workloads import Workload


@dataclass
class Taken:
    """What one process gave."""

    round: int
    workload: str
    contender: str
    figures: dict[str, list[float]]
    """By figure: processor time (median of the samples), time on the wall (median), processor time (least)."""


@dataclass
class Measured:
    """All that was measured, as it is kept."""

    machine: dict[str, str]
    versions: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    cannot: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By contender and workload: why there are no figures."""
    notes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By contender and workload: what a reader of the figures must know."""
    taken: list[Taken] = field(default_factory=list[Taken])

    def to_json(self) -> str:
        """Return it as text, a line for each process."""
        head = {"machine": self.machine, "versions": self.versions, "cannot": self.cannot, "notes": self.notes}
        lines = [json.dumps(asdict(each), separators=(",", ":")) for each in self.taken]
        return json.dumps(head, indent=1)[:-2] + ',\n "taken": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Measured:
        """Read it back."""
        raw: dict[str, Any] = json.loads(text)
        return cls(
            raw["machine"], raw["versions"], raw["cannot"], raw["notes"], [Taken(**each) for each in raw["taken"]]
        )


def machine() -> dict[str, str]:
    """Describe where the figures come from."""
    model = platform.processor() or platform.machine()
    memory = ""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        kilobytes = int(Path("/proc/meminfo").read_text("utf-8").split()[1])
        memory = f"{kilobytes / 1e6:.0f} GB"
    except (OSError, ValueError):
        pass
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": memory,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "day": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def measure(
    measured: Measured,
    workloads: Sequence[Workload],
    contenders: Sequence[Contender],
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Do every workload with every contender, `rounds` times, in turn; fill `measured` on the way."""
    pythons: dict[str, str] = {}
    for contender in contenders:
        try:
            pythons[contender.name] = python_of(contender)
        except NoEnvironment as error:
            measured.cannot[contender.name] = {workload.key: str(error) for workload in workloads}
    ready = [contender for contender in contenders if contender.name in pythons]
    for number in range(1, rounds + 1):
        for workload in workloads:
            if number > workload.rounds:
                continue
            order = ready[number % len(ready) :] + ready[: number % len(ready)] if ready else []
            for contender in order:
                if workload.only_ours is None or not contender.is_peer:
                    _one(measured, number, workload, contender, pythons[contender.name], say)


def _one(
    measured: Measured, number: int, workload: Workload, contender: Contender, python: str, say: Callable[[str], None]
) -> None:
    why_not = measured.cannot.setdefault(contender.name, {})
    if workload.key in why_not:
        return
    begun = time.perf_counter()
    said = ask(python, contender, workload)
    took = time.perf_counter() - begun
    if "versions" in said:
        measured.versions[contender.name] = said["versions"]
    if "note" in said:
        measured.notes.setdefault(contender.name, {})[workload.key] = said["note"]
    if "figures" in said:
        measured.taken.append(Taken(number, workload.key, contender.name, _rounded(said["figures"])))
        shown = ", ".join(f"{key} {cpu:.4g}" for key, (cpu, _, _) in said["figures"].items())
    else:
        shown = why_not[workload.key] = said["cannot"]
    say(f"round {number}  {workload.key:3} {workload.name:8} {contender.name:22} {took:5.1f} s  {shown}")


def ask(python: str, contender: Contender, workload: Workload) -> dict[str, Any]:
    """Run one contender on one workload in a process of its own; return what it printed, or why it could not."""
    command = [python, "-m", contender.module, workload.key]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=workload.last_s,
        )
    except subprocess.TimeoutExpired:
        return {"cannot": f"was stopped after {workload.last_s:.0f} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines()
        print(done.stderr, file=sys.stderr)
        return {"cannot": f"failed: {said[-1] if said else done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _rounded(figures: dict[str, list[float]]) -> dict[str, list[float]]:
    return {key: [float(f"{value:.4g}") for value in values] for key, values in figures.items()}


def contenders_named(names: Iterable[str]) -> list[Contender]:
    """Return the contenders of these names.

    Raises:
        KeyError: there is none of that name.
    """
    return [BY_NAME[name] for name in names]
