"""The program: its commands, its options, and how whatever goes wrong is told.

A mistake of the user is one clear line on standard error and exit code 2, never a traceback.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from graphrt.cli import exits
from graphrt.cli.commands import GROUPS
from graphrt.cli.logs import each_once
from graphrt.cli.stopping import heeded, stopped
from graphrt.errors import GraphrtError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.cli.commands import Command

NAME: Final = "graphrt"


class _Groups(TyperGroup):
    """Lists the commands by what a person wants to do."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer keeps its context to itself
        """Return the names in the order of the help."""
        return [c.name for commands in GROUPS.values() for c in commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Write one section a group."""
        for title, commands in GROUPS.items():
            rows = [(c.name, c.brief) for c in commands]
            with formatter.section(title):
                formatter.write_dl(rows)


class _Command(TyperCommand):
    """Writes its help as people read it, with examples below its options; says so when it is stopped."""

    command: Command

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above, and whatever the command returns
        """Do what the command does."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # typer would only return a code
            return stopped(stop)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - as above
        """Return what stands behind the name: brackets around what may be left out."""
        pieces = ["[OPTIONS]"]
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                name = str(param.metavar or param.name).upper()
                pieces.append(name if param.required or name.startswith("[") else f"[{name}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write arguments, then options; types and ranges only where they say something."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                row = (str(param.metavar or param.name), _tidy(record[1]))
                if row not in rows["Arguments"]:  # two of one kind, such as the runs of `diff`, are told once
                    rows["Arguments"].append(row)
            else:
                rows["Options"].append((_TYPE.sub(lambda m: _TYPES.get(m[1], m[1]), record[0]), _tidy(record[1])))
        for title, found in rows.items():
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Write what can be chosen, then the examples as they are typed."""
        if self.command.choices is not None:
            for title, found in self.command.choices().items():
                with formatter.section(title):
                    formatter.write_dl(found)
        with formatter.section("Examples"):
            for example in self.command.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


_TYPE: Final = re.compile(r"<([a-z |]+)>")
_TYPES: Final = {
    "str": "TEXT",
    "int": "N",
    "int range": "N",
    "float": "NUMBER",
    "float range": "NUMBER",
    "path": "FILE",
}
"""Types of options as people call them; choices stand for themselves."""


def _tidy(says: str) -> str:
    """Leave out of a help text what its name says already: that it is required, its range."""
    says = re.sub(r"(?:; )?(?:\brequired\b|[0-9.]*(?:<=?)?x(?:[<>]=?)[0-9.]*)(?=\])", "", says)
    says = re.sub(r"default: \((.*?)\)(?=[];])", r"default: \1", says)
    return says.removesuffix("  []")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"graphrt {version('graphrt')}\n")
        raise typer.Exit


def _program(
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colours, as NO_COLOR=1 does. May stand anywhere.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Durable, typed, graph-based LLM workflows.

    TARGET is a flow: file.py, file.py:name or package.module:name. RUN is a run of the store: its id or the beginning
    of it, `latest`, or a trace file. The store is .graphrt/runs.db unless --store or GRAPHRT_STORE names another.

    Beside its flow a module may say graphrt_resources and graphrt_policies, each a list or a function that returns one:
    clients, models and policies for the runs that commands drive.

    Exit codes: 0 completed or nothing found, 1 the run failed or a check found something, 2 wrong use, 3 the run
    waits for an answer, 4 cancelled, 130 Ctrl-C, 143 SIGTERM.
    """


def build() -> typer.Typer:
    """Return the program with all its commands."""
    app = typer.Typer(
        name=NAME,
        cls=_Groups,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_program)
    for commands in GROUPS.values():
        for command in commands:
            shaped = type(_Command.__name__, (_Command,), {"command": command})
            app.command(command.name, cls=shaped, short_help=command.brief, no_args_is_help=command.needs_args)(
                command.function
            )
    return app


def invoke(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if args is None else args)
    given = _take_no_color(given)
    _open_what_is_closed()
    _never_fail_to_print()
    try:
        with heeded(), each_once():
            code = typer.main.get_command(build()).main(given, prog_name=NAME, standalone_mode=False)
    except typer.Abort as given_up:
        code = _tell_given_up(given_up)
    except BrokenPipeError:
        from graphrt.cli.screen import silence

        silence(sys.stdout)  # whoever read our output has enough of it
        code = exits.FOUND
    except KeyboardInterrupt as stop:
        code = stopped(stop)
    except (typer.TyperException, GraphrtError, OSError) as error:
        code = _tell(error)
    if args is None and code in {exits.INTERRUPTED, exits.TERMINATED}:
        _end_without_threads(code)
    return code if isinstance(code, int) else exits.OK


def _tell_given_up(given_up: typer.Abort) -> int:
    """Tell what was not done because a person gave up when they were asked; return the exit code."""
    from graphrt.cli.screen import note

    if str(given_up):
        note(str(given_up))
    return exits.INTERRUPTED


def _end_without_threads(code: int) -> None:
    """End this process at once if threads are left that it would wait for: what they do was to be stopped."""
    main = threading.main_thread()
    if any(t.is_alive() and t is not main and not t.daemon for t in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _take_no_color(args: list[str]) -> list[str]:
    """Honour `--no-color` wherever it stands before `--`."""
    end = args.index("--") if "--" in args else len(args)
    if "--no-color" not in args[:end]:
        return args
    # Both typer and rich look here; so do the programs that a flow may start.
    os.environ["NO_COLOR"] = "1"
    return [a for a in args[:end] if a != "--no-color"] + args[end:]


def _open_what_is_closed() -> None:
    """Lead nowhere what is printed where a process was started without standard output or error (`>&-`)."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as above


def _never_fail_to_print() -> None:
    """Print what a terminal's encoding lacks as a plain sign that is like it, or as an escape."""
    codecs.register_error(_PLAINLY, _plainly)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_PLAINLY)


_PLAINLY: Final = "graphrt-plainly"
_PLAIN: Final = str.maketrans(
    {
        **dict(zip("✓✗■▶◀↻●○◎⊗▢▣▤◇⬡█━═┌′", "+x#><~*oox#@=?>#-=.'", strict=True)),
        "·": "-",
        "•": "*",
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "≈": "~",
        "→": "->",
        "←": "<-",
        "▷": ">",
        "└": "`",
        "├": "|",
        "│": "|",
        "─": "-",
        "╌": "-",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)
"""Signs of ours as ASCII writes them."""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    said = error.object[error.start : error.end].translate(_PLAIN)
    return said.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _tell(error: typer.TyperException | GraphrtError | OSError) -> int:
    """Tell what went wrong in a line, and return the exit code."""
    if isinstance(error, typer.TyperException):
        return _tell_usage(error)
    from graphrt.cli.screen import complain

    if isinstance(error, GraphrtError):
        complain(error.message)
        return exits.FOUND if isinstance(error, RunError) else exits.WRONG_USE
    # One without a file comes from printing: standard output stands on a full disk.
    unnamed = error.strerror is not None and error.filename is None
    complain(f"cannot go on: {error.strerror}" if unnamed else str(error))
    return exits.WRONG_USE


_ELSEWHERE: Final = {"--set": "--field", "--field": "--set"}
"""What one command calls what another calls otherwise: `run` begins with fields, `fork` changes some."""


def _tell_usage(error: typer.TyperException) -> int:
    """Tell what is wrong with the arguments, and where to read on."""
    from graphrt.cli.screen import Lasting, complain

    context = getattr(error, "ctx", None)
    meant = _ELSEWHERE.get(getattr(error, "option_name", ""))
    if meant is not None and context is not None and any(meant in p.opts for p in context.command.params):
        setattr(error, "possibilities", [meant])  # noqa: B010 - of one of typer's own kinds of errors only
    message = error.format_message().removesuffix(".")
    if message.startswith("Usage: "):  # a command without its arguments
        Lasting(sys.stderr).write(f"{message}\n")
        return exits.WRONG_USE
    message = re.sub(r" \(Possible options?: (.*)\)$", r". Did you mean \1?", message)
    if found := re.search(r"\. Did you mean (.*)\?$", message):
        message = f"{message[: found.start()]}; did you mean {' or '.join(found[1].split(', '))}?"
    path = context.command_path if context is not None else NAME
    complain(f"{message[0].lower()}{message[1:]}; see `{path} --help`")
    return exits.WRONG_USE
