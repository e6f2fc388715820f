"""TARGET: where a flow is, and loading it.

`file.py`, `file.py:name` or `package.module:name` name a Flow, a Graph, or a function without parameters that returns
one. A file with exactly one flow needs no name. Loading runs the file: what it prints goes to standard error, and what
it raises is told in a line or two with the author's own place in it.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphrt.cli.homes import at_home
from graphrt.errors import DefinitionError, UseError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import ModuleType, TracebackType

    from graphrt.graph import Graph

_OWN = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A flow that was found."""

    target: str
    """What names it again: with the name of the flow, where one was given or needed."""
    name: str
    """Of the variable or function that holds it."""
    flow: Any
    """A Flow or a Graph."""
    module: ModuleType
    """Where it was found; what else stands there may be meant for it."""

    def graph(self) -> Graph:
        """Return the checked graph.

        Raises:
            DefinitionError: with every mistake in the definition.
        """
        from graphrt.graph import Graph

        return self.flow if isinstance(self.flow, Graph) else self.flow.freeze()


def is_target(text: str) -> bool:
    """Say if `text` names a flow rather than a run."""
    return ":" in text or text.endswith(".py")


def load(text: str) -> Loaded:
    """Return the flow that `text` names.

    Raises:
        UseError: there is no such file, module or name, it cannot be imported, it has no flow, or several.
        DefinitionError: the file refuses its own flow while it is loaded.
    """
    place, name = _parts(text)
    with _quiet():
        module = _module(place, text)
        if name is None:
            name = _only(place, module)
        found = _named(place, module, name)
    return Loaded(f"{place}:{name}", name, found, module)


def load_all(text: str) -> list[Loaded]:
    """Return every flow of a file that is named without a flow, which may be none; else the one that is named.

    Raises:
        UseError: as `load`, but no flow and several flows are no mistake.
    """
    place, name = _parts(text)
    if name is not None:
        return [load(text)]
    with _quiet():
        module = _module(place, text)
        flows = _flows(module)
        return [Loaded(f"{text}:{n}", n, _named(place, module, n), module) for n in flows]


def files_in(folder: str) -> list[str]:
    """Return the Python files of a folder and of the folders below it; not what is hidden, nor environments."""
    return [str(path) for path in _files(Path(folder))]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__" or (path / "pyvenv.cfg").is_file():
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.suffix == ".py":
            yield path


def _parts(text: str) -> tuple[str, str | None]:
    """Split `place:name`; the colon of a drive letter is none."""
    place, colon, name = text.rpartition(":")
    if not colon or (len(place) == 1 and name[:1] in {"/", "\\"}):
        place, name = text, ""
    if colon and place and not name.isidentifier():
        raise UseError(f"{text!r} names no flow: {name!r} is no name; expected file.py:name or package.module:name")
    if not place:
        raise UseError(f"{text!r} names no flow; expected file.py, file.py:name or package.module:name")
    if not place.endswith(".py") and not name:
        hint = f"; did you mean {place}.py?" if Path(f"{place}.py").is_file() else ""
        raise UseError(f"{text!r} names no flow; expected file.py, file.py:name or package.module:name{hint}")
    return place, name or None


# -- importing --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Lead what a flow's file prints while it is loaded to standard error: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _module(place: str, text: str) -> ModuleType:
    path = Path(place)
    if place.endswith(".py") and not path.is_file():
        found = f"{place} is a folder, expected a file" if path.is_dir() else f"there is no file {place}{_like(path)}"
        raise UseError(found)
    try:
        if place.endswith(".py"):
            return _from_file(path.resolve())
        with at_home(Path.cwd()):
            return importlib.import_module(place)
    except DefinitionError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            raise UseError(f"there is no module {error.name!r} (from {text!r}); is this the right folder?") from error
        raise UseError(_raised(place, error)) from error
    except (Exception, SystemExit) as error:
        raise UseError(_raised(place, error)) from error


def _from_file(path: Path) -> ModuleType:
    # A file of a package is imported as such, so that its relative imports work.
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    with at_home(folder):
        return _imported(".".join(parts), path)


def _imported(name: str, path: Path) -> ModuleType:
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if "." in name:
        return importlib.import_module(name)
    if known is not None or name in sys.stdlib_module_names:
        name = f"graphrt_target_{name}"  # its own name is taken
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None, "as above"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _like(path: Path) -> str:
    folder = path.parent
    names = [p.name for p in folder.glob("*.py")] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {folder / near[0]}?" if near else ""


def _raised(place: str, error: BaseException) -> str:
    """Tell in two lines what the import of a file raised, and where in the author's own code."""
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, SyntaxError) and error.filename:
        code = (error.text or "").strip()
        return f"{error.filename}:{error.lineno}: {error.msg}" + (f"\n    {code}" if code else "")
    own = place_of(error)
    return f"cannot load {place}: {what}" + (f"\n  {own}" if own is not None else "")


def place_of(error: BaseException) -> str | None:
    """Return where in the author's own code an error was raised, with that line of code below it; None if nowhere."""
    frame = _own_frame(error.__traceback__)
    if frame is None:
        return None
    code = f"\n    {frame.line}" if frame.line else ""
    return f"{_relative(frame.filename)}:{frame.lineno}, in {frame.name}{code}"


def _own_frame(trace: TracebackType | None) -> traceback.FrameSummary | None:
    """Return the innermost frame of the author's code: neither ours, nor of Python or an installed package."""

    def is_own(filename: str) -> bool:
        path = Path(filename)
        installed = "site-packages" in path.parts or filename.startswith((sys.base_prefix, "<"))
        return not installed and not path.is_relative_to(_OWN)

    frames = [f for f in traceback.extract_tb(trace) if is_own(f.filename)]
    return frames[-1] if frames else None


def _relative(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename


# -- finding the flow -------------------------------------------------------------------------------------------------


def _is_flow(value: object) -> bool:
    from graphrt.flow import Flow
    from graphrt.graph import Graph

    return isinstance(value, (Flow, Graph))


def _flows(module: ModuleType) -> list[str]:
    """Return the names under which a module holds flows, each flow once."""
    found: dict[int, str] = {}
    for name, value in vars(module).items():
        if not name.startswith("_") and _is_flow(value):
            found.setdefault(id(value), name)
    return list(found.values())


def _only(place: str, module: ModuleType) -> str:
    flows = _flows(module)
    if len(flows) == 1:
        return flows[0]
    if flows:
        listed = ", ".join(f"{place}:{n}" for n in flows)
        raise UseError(f"{place} has {len(flows)} flows; name one: {listed}")
    raise UseError(no_flow(place))


def no_flow(place: str) -> str:
    """Tell that a file or a folder has no flow, and what was expected."""
    if Path(place).is_dir():
        return f"no file in {place} has a flow; expected a variable that holds a Flow or a Graph"
    return f"{place} has no flow; expected a variable that holds a Flow or a Graph, or name a function that returns one"


def _named(place: str, module: ModuleType, name: str) -> Any:  # noqa: ANN401 - a Flow or a Graph
    value = getattr(module, name, None)
    if value is None and not hasattr(module, name):
        flows = _flows(module)
        near = difflib.get_close_matches(name, [*flows, *_candidates(module)], n=1)
        hint = f"; did you mean {place}:{near[0]}?" if near else f"; it has {', '.join(flows)}" if flows else ""
        raise UseError(f"{place} has nothing named {name!r}{hint}")
    if callable(value) and not _is_flow(value):
        value = made_by(place, name, value)
    if not _is_flow(value):
        raise UseError(
            f"{place}:{name} is a {type(value).__name__}; expected a Flow, a Graph, or a function returning one"
        )
    return value


def made_by(place: str, name: str, function: Any) -> Any:  # noqa: ANN401 - any callable
    """Call a function of a loaded module that makes a flow, or what belongs to one.

    Raises:
        UseError: it needs arguments, or raises.
    """
    with contextlib.suppress(ValueError, TypeError):
        needed = list(_needed(inspect.signature(function)))
        if needed:
            raise UseError(f"{place}:{name} needs {', '.join(needed)}; expected a function without parameters")
    try:
        with _quiet():
            return function()
    except (UseError, DefinitionError):
        raise
    except Exception as error:
        raise UseError(_raised(f"{place}:{name}", error)) from error


def _needed(signature: inspect.Signature) -> Iterator[str]:
    for p in signature.parameters.values():
        if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}:
            yield p.name


def _candidates(module: ModuleType) -> list[str]:
    return [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
