"""Run the code of a documentation page, and write into the page what follows from it.

All blocks of a page share one namespace and run in a folder of their own, in order. A comment right above a block says
what is special about it:

    <!-- file: NAME -->       the block is also written to the file NAME
    <!-- raises: NAME -->     the block must raise this error; its message counts as printed
    <!-- prints -->           a text block: what the code since the last such block printed
    <!-- picture: NAME -->    a mermaid block: the flow, graph or trace of that name
    <!-- mistake: CODE -->    the block is tried apart, below the page's `setup` block, and must earn the code
    <!-- setup -->            that block
    <!-- example -->          the block is an example of a rule of the checker; the tests of the rules run it

Code that a reader need not see stands in a comment of its own: `<!-- python`, lines, `-->`. Blocks of other languages
are left alone, but for console blocks: their `$ graphrt …` lines run, and what they print is compared where
`<!-- same -->` stands above.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import shlex
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"(?:^<!-- (?P<says>file|raises|prints|picture|mistake|setup|same|example)(?:: (?P<what>[^\n]*?))? -->\n)?"
    r"^```(?P<language>\w+)\n(?P<body>.*?)^```$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    language: str
    body: str
    line: int
    """Where its first line stands in the page, counted from 1."""
    says: str = ""
    what: str = ""
    span: tuple[int, int] = (0, 0)
    """Where its body stands in the text."""


PATHS = os.pathsep.join(str(Path(__file__).parent.parent / part) for part in ("", "viz"))
"""Where processes that a page starts find graphrt."""
TIME = re.compile(r"<1 ms|\b\d+ ms\b|\b\d+(?:\.\d)? s$")
"""How long something took, which is another each time: pages say `<1 ms`."""
WRONG_USE = 2
"""The exit code of a command that cannot be right in a page."""


class PageFailed(Exception):
    """The code of a page does not do what the page says."""


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in order."""
    found: list[Block] = []
    for match in BLOCK.finditer(text):
        part = "hidden" if match["hidden"] is not None else "body"
        line = text.count("\n", 0, match.start(part)) + 1
        language = "python" if part == "hidden" else match["language"]
        found.append(Block(language, match[part], line, match["says"] or "", match["what"] or "", match.span(part)))
    return found


class Page:
    """Runs one page."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.module = types.ModuleType("page")
        self.module.__file__ = str(path)
        self.printed = io.StringIO()
        self.setup = ""
        self.runner = asyncio.Runner()

    def run(self, folder: Path) -> str:
        """Run the page in `folder`; return its text as it should be.

        Raises:
            PageFailed: a block does not do what it should.
        """
        replaced: list[tuple[tuple[int, int], str]] = []
        with contextlib.chdir(folder), self.runner, _known_as(self.module), _environment(PYTHONPATH=PATHS):
            for block in blocks(self.text):
                now = self._body(block)
                if now is not None and now != block.body:
                    replaced.append((block.span, now))
        text = self.text
        for (start, end), body in reversed(replaced):
            text = text[:start] + body + text[end:]
        return text

    def _body(self, block: Block) -> str | None:
        """Do what a block says; return what should stand in it, or None if nothing is to be compared."""
        if block.says == "file":
            Path(block.what).parent.mkdir(parents=True, exist_ok=True)
            Path(block.what).write_text(block.body, "utf-8")
        if block.says == "example":
            return None
        if block.says == "setup":
            self.setup = block.body
        elif block.says == "mistake":
            self._mistake(block)
        elif block.says == "prints":
            text, self.printed = self.printed.getvalue(), io.StringIO()
            return text
        elif block.says == "picture":
            return self._picture(block)
        elif block.language == "python":
            self._execute(block)
        elif block.language == "console":
            text = self._console(block)
            return text if block.says == "same" else None
        return None

    def _execute(self, block: Block) -> None:
        expected = block.what if block.says == "raises" else None
        try:
            with contextlib.redirect_stdout(self.printed):
                self._evaluate(block.body, block.line, self.module.__dict__)
        except Exception as error:
            if type(error).__name__ != expected:
                raise PageFailed(f"{self._place(block)}: {type(error).__name__}: {error}") from error
            self.printed.write(f"{error}\n")
        else:
            if expected is not None:
                raise PageFailed(f"{self._place(block)}: nothing is raised, but the page says {expected}")

    def _evaluate(self, source: str, line: int, namespace: dict[str, Any]) -> None:
        # Blank lines in front, so that tracebacks and places name lines of the page.
        padded = "\n" * (line - 1) + source
        code = compile(padded, str(self.path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, namespace)  # noqa: S307 - our own pages
        if inspect.iscoroutine(result):
            self.runner.run(result)

    def _mistake(self, block: Block) -> None:
        from graphrt.errors import DefinitionError  # noqa: PLC0415 - only pages of mistakes need it

        namespace: dict[str, Any] = {"__name__": "page"}
        codes: list[str] = []
        try:
            self._evaluate(self.setup, 1, namespace)
            self._evaluate(block.body, block.line, namespace)
            namespace["flow"].freeze()
        except DefinitionError as wrong:
            codes = [m.code for m in wrong.mistakes]
        if block.what not in codes:
            raise PageFailed(f"{self._place(block)}: earns {codes}, not {block.what!r}")

    def _picture(self, block: Block) -> str:
        from graphrt_viz import render  # noqa: PLC0415 - only pages with pictures need it

        found: Any = self.module.__dict__[block.what]
        text = str(render(found.freeze() if hasattr(found, "freeze") else found, "mermaid"))
        return "".join(f"{line}\n" for line in text.rstrip("\n").splitlines())

    def _console(self, block: Block) -> str:
        lines: list[str] = []
        for line in block.body.splitlines():
            if line.startswith("$ graphrt"):
                code, said = command(shlex.split(line[2:])[1:])
                if code == WRONG_USE:
                    raise PageFailed(f"{self._place(block)}: {line}\n" + "\n".join(said))
                lines += [line, *said]
        return "".join(f"{line}\n" for line in lines)

    def _place(self, block: Block) -> str:
        return f"{self.path}:{block.line}"


def command(args: list[str]) -> tuple[int, list[str]]:
    """Run a command of graphrt in this process; return its exit code and the lines it printed."""
    from graphrt.cli.app import invoke  # noqa: PLC0415 - only pages with commands need it

    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        _environment(NO_COLOR="1", COLUMNS="100", TERM="dumb"),
    ):
        code = invoke(args)
    return code, [TIME.sub("<1 ms", line.rstrip()) for line in printed.getvalue().splitlines()]


@contextlib.contextmanager
def _environment(**more: str) -> Any:  # noqa: ANN401 - a context manager
    """Set variables of the environment; put it back as it was at the end."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _known_as(module: types.ModuleType) -> Any:  # noqa: ANN401 - a context manager
    """Let classes of the page find their module, as type hints need it."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before


def run_page(path: Path, folder: Path) -> str:
    """Run a page; return its text as it should be."""
    return Page(path, path.read_text("utf-8")).run(folder)
