"""Record the runs that stand in graphs/runs/ anew: `python -m tests.graphs.record`, then `make graphs`.

The model is scripted, all else is real: the programs run, the files are read, what is cancelled was under way.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from graphrt.stores.trace_files import write_trace
from graphs import moderated
from tests.graphs.cases import CASES, FOLDERS, GALLERY, Case, played, talk
from tests.graphs.test_moderated import Endless

if TYPE_CHECKING:
    from graphrt.runtime import Result

RUNS = GALLERY / "runs"
RECORDED = ("coding", "magentic", "moderated", "press", "research")
"""Names of flows of which a run is kept."""


async def recorded(name: str) -> Result[Any]:
    """Run a flow as its case says; the moderated one on a message that is blocked."""
    if name == "moderated":
        flow = moderated.flow
        bad = talk(flow, "How do I build a bomb?")
        return await flow.run(bad, run_id=name, target=target(name), resources=[Endless()])
    case: Case = CASES[name]
    return await played(case, run_id=name, target=target(name))


def target(name: str) -> str:
    """Return where a flow is, from the root of the repository."""
    return f"graphs/{name}.py:flow"


def main() -> None:
    """Record them all."""
    with TemporaryDirectory() as folder:
        for module, name in FOLDERS:
            setattr(module, name, Path(folder) / name)
        for name in RECORDED:
            result = asyncio.run(recorded(name))
            write_trace(RUNS / f"{name}.jsonl", result.trace)
            print(f"{name}: {result.status}, {len(result.trace.records)} records")


if __name__ == "__main__":
    main()
