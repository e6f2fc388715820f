"""Checking what a person names: flows, files, folders; with the settings of their project."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphrt.checks import Settings, check
from graphrt.checks.engine import of_mistake
from graphrt.checks.reports import Checked
from graphrt.checks.settings import settings_from
from graphrt.cli.target import files_in, load_all, no_flow
from graphrt.errors import DefinitionError, UseError
from graphrt.hints import is_mapping

if TYPE_CHECKING:
    from graphrt.cli.target import Loaded
    from graphrt.graph import Graph

_SETTINGS: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Looked:
    """A flow that was checked, and its graph; None if it cannot be frozen."""

    checked: Checked
    graph: Graph | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """A file that refuses its own flow while it is loaded."""

    target: str
    error: DefinitionError


def project_settings() -> Settings:
    """Return the table `[tool.graphrt.check]` of the nearest pyproject.toml, here or above.

    Raises:
        UseError: it cannot be read, or holds something that is no setting.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        path = folder / _SETTINGS
        if not path.is_file():
            continue
        try:
            table: Any = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UseError(f"{path} cannot be read: {error}") from error
        for key in ("tool", "graphrt", "check"):
            table = table.get(key, {}) if is_mapping(table) else {}
        if not is_mapping(table):
            raise UseError(f"{path}: [tool.graphrt.check] is no table")
        return settings_from(table, f"{path}: [tool.graphrt.check]")
    return Settings()


def look(targets: Sequence[str], settings: Settings, against: str | None) -> tuple[list[Looked], list[UseError]]:
    """Check every flow that the targets name, each once; return them, and why other targets could not be loaded.

    A file without a flow is passed over, unless no other target has one.

    Raises:
        UseError: no target has a flow, or the recorded runs cannot be read.
    """
    looked, troubles = _look(targets, settings, against)
    found: list[Looked] = []
    known: dict[object, int] = {}
    for one in looked:
        same = _identity(one)
        if same is None or same not in known:
            known[same] = len(found)
            found.append(one)
        elif _is_home(one):
            found[known[same]] = one
    return found, troubles


def _look(targets: Sequence[str], settings: Settings, against: str | None) -> tuple[list[Looked], list[UseError]]:
    """Load file after file, and check what is in each before the next: its modules may make way for those of others."""
    looked: list[Looked] = []
    troubles: list[UseError] = []
    for target in targets:
        files = files_in(target) if Path(target).is_dir() else [target]
        for file in files:
            loaded: list[Loaded] | list[_Refused]
            try:
                loaded = load_all(file)
            except DefinitionError as error:
                loaded = [_Refused(file, error)]
            except UseError as error:
                troubles.append(error)
                continue
            looked += [_looked(one, settings, against) for one in loaded]
    if not looked and not troubles:
        raise UseError(no_flow(targets[0]))
    return looked, troubles


def _looked(loaded: Loaded | _Refused, settings: Settings, against: str | None) -> Looked:
    if isinstance(loaded, _Refused):
        return _mistaken(loaded.target, loaded.error)
    try:
        graph = loaded.graph()
    except DefinitionError as error:
        return _mistaken(loaded.target, error)
    if against is not None:
        from graphrt.cli.against import traces, tried

        settings = replace(settings, against=tuple(tried(t, graph) for t in traces(against, graph.name)))
    return Looked(Checked(loaded.target, tuple(check(graph, settings=settings))), graph)


def _mistaken(target: str, error: DefinitionError) -> Looked:
    return Looked(Checked(target, tuple(of_mistake(m, error.graph) for m in error.mistakes)), None)


def _identity(looked: Looked) -> object | None:
    """Return what tells flows apart that may have been loaded twice, as a file and as a part of a package."""
    if looked.graph is None:
        return looked.checked.findings and (looked.checked.findings[0].graph, str(looked.checked.findings))
    return looked.graph.digest, tuple(n.place for n in looked.graph.nodes)


def _is_home(looked: Looked) -> bool:
    """Tell whether a flow stands in the file that it was named by."""
    place = looked.graph.nodes[0].place if looked.graph is not None else looked.checked.findings[0].place
    file = looked.checked.target.rpartition(":")[0]
    return place is not None and Path(place.rpartition(":")[0]).resolve() == Path(file).resolve()
