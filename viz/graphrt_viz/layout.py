"""Graphviz, behind one function: everything that needs the `dot` program goes through `run_dot`.

The program is the one set in GRAPHRT_DOT, else the one that comes with the graphviz-pure distribution, else `dot`
on the PATH.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, Literal, TypeAlias

from graphrt_viz.errors import LayoutError

Engine: TypeAlias = Literal["dot", "nop2"]

_MANY: Final = 300
_HUGE: Final = 5000
_TIMEOUT_S: Final = 300


@functools.cache
def dot_program() -> str:
    """Return the path of the program that lays pictures out.

    Raises:
        LayoutError: none is installed.
    """
    configured = os.environ.get("GRAPHRT_DOT")
    if configured:
        return configured
    try:
        files = importlib.metadata.files("graphviz-pure") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.stem == "graphviz-pure" and path.parent.name in {"bin", "Scripts"} and path.is_file():
            return str(path)
    found = shutil.which("dot")
    if found is None:
        raise LayoutError(
            "no Graphviz found: neither the distribution graphviz-pure nor a program called dot on the PATH; "
            "install one of them (pip install graphviz-pure), or set GRAPHRT_DOT, or choose the format dot, mermaid,"
            " text or json"
        )
    return found


def run_dot(text: str, form: str, *, nodes: int, dpi: float | None = None, engine: Engine = "dot") -> bytes:
    """Lay `text` (DOT) out and return it in one of Graphviz's formats (`json`, `png`).

    `nodes` is how many nodes it has: with many the layout trades beauty for time. With the engine `nop2` the text says
    where everything stands.

    Raises:
        LayoutError: Graphviz is missing, refuses the text or does not end.
    """
    flags = [f"-T{form}", "-q", *([f"-K{engine}"] if engine != "dot" else [])]
    if nodes > _MANY:
        flags += ["-Gnslimit=0.1", "-Gnslimit1=0.1", "-Gmclimit=0.1"]
    if nodes >= _HUGE:
        flags += ["-Gnslimit=0.02", "-Gsplines=line"]  # a sixth less time for a picture that is 1 % wider
    if dpi is not None:
        flags.append(f"-Gdpi={dpi:g}")
    program = dot_program()
    try:
        done = subprocess.run(  # noqa: S603 - the program is ours or the user's own choice, and no shell is involved
            [program, *flags], input=text.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except OSError as error:
        raise LayoutError(
            f"Graphviz at {program} could not be started: {error}; check GRAPHRT_DOT or reinstall it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LayoutError(
            f"Graphviz took more than {_TIMEOUT_S} s for {nodes} nodes; choose mermaid or text, or draw a part"
        ) from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[-400:]
        raise LayoutError(f"Graphviz at {program} ended with code {done.returncode} for {nodes} nodes: {said}")
    return done.stdout
