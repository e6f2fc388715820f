"""Who takes part, and the environment of each: a virtual environment per peer, made when it is first needed.

The environments lie in `.venv-bench`, beside `.venv` and ignored by git. Their packages and versions stand in
`peers.txt`; where they come from is the machine's business.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
HOME: Final = ROOT / ".venv-bench"
PINS: Final = Path(__file__).with_name("peers.txt")


class NoEnvironment(Exception):
    """A peer could not be installed here; the message says why."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does the workloads."""

    name: str
    module: str
    is_peer: bool = True


CONTENDERS: Final = (
    Contender("floor", "tests.benchmarks.on_floor", is_peer=False),
    Contender("graphrt", "tests.benchmarks.on_graphrt", is_peer=False),
    Contender("langgraph", "tests.benchmarks.peers.on_langgraph"),
    Contender("burr", "tests.benchmarks.peers.on_burr"),
    Contender("pydantic-graph", "tests.benchmarks.peers.on_pydantic_graph"),
    Contender("agent-framework", "tests.benchmarks.peers.on_agent_framework"),
    Contender("llama-index-workflows", "tests.benchmarks.peers.on_llama_index_workflows"),
    Contender("transitions", "tests.benchmarks.peers.on_transitions"),
)
BY_NAME: Final = {contender.name: contender for contender in CONTENDERS}


def pins_of(name: str) -> list[str]:
    """Return what is installed for a peer: the lines of its section of `peers.txt`."""
    sections = re.split(r"^\[(.+)\]$", PINS.read_text("utf-8"), flags=re.MULTILINE)
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    return [line for line in found[name].split("\n") if line and not line.startswith("#")]


def python_of(contender: Contender) -> str:
    """Return the interpreter that runs a contender; make its environment if there is none.

    Raises:
        NoEnvironment: it cannot be made here.
    """
    if not contender.is_peer:
        return sys.executable
    pins = pins_of(contender.name)
    key = hashlib.sha256("\n".join([sys.version, *pins]).encode()).hexdigest()[:12]
    folder = HOME / f"{contender.name}-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if ready.exists():
        return str(python)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing {contender.name} into {folder.relative_to(ROOT)} (once)", file=sys.stderr, flush=True)
    wanted = HOME / f"{contender.name}-{key}.txt"
    HOME.mkdir(exist_ok=True)
    wanted.write_text("\n".join(pins) + "\n", "utf-8")
    try:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "-r",
                str(wanted),
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()
                raise NoEnvironment(f"could not be installed: {said[-1] if said else 'no reason given'}")
    finally:
        wanted.unlink()
    ready.touch()
    return str(python)


def variables() -> dict[str, str]:
    """Return the environment variables that contenders run with: nothing calls home, hashes do not vary."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        # Every start but the first finds compiled modules, as an installed package has them.
        "PYTHONPYCACHEPREFIX": str(HOME / "compiled"),
        "PYTHONPATH": str(ROOT / "viz"),
        "PYTHONHASHSEED": "0",
        "DO_NOT_TRACK": "1",
        "LANGSMITH_TRACING": "false",
        "OTEL_SDK_DISABLED": "true",
    }
