"""The folders that targets are loaded from: modules that were loaded for one of them do not serve another.

`old/support.py` and `new/support.py` may both import `prompts`, each the file beside it; Python keeps one module of a
name. What a target has loaded from its own folder is forgotten before a target of another folder is loaded. It lives on
in the flows that use it. What is installed, and graphrt itself, is kept.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_OURS: Final = frozenset({"graphrt", "graphrt_viz"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})

_loaded: Final[dict[Path, dict[str, ModuleType]]] = {}
"""The modules that targets of each folder have loaded from there."""
_added: Final[set[Path]] = set()
"""Folders that stand on Python's path for a target."""


@contextmanager
def at_home(folder: Path) -> Generator[None]:
    """Import what is imported inside as a program does that lies in a folder, whatever was loaded for others before."""
    others = [each for each in _loaded if each != folder]
    for other in others:
        _forget(other, folder)
    path = str(folder)
    if path not in sys.path:
        sys.path.insert(0, path)
        _added.add(folder)
    elif others:  # one of them, above this one, may stand before it
        sys.path.remove(path)
        sys.path.insert(0, path)
    before = set(sys.modules)
    try:
        yield
    finally:
        new = {name: module for name, module in sys.modules.items() if name not in before}
        mine = {name: module for name, module in new.items() if folder in _roots(name, module)}
        _loaded.setdefault(folder, {}).update(mine)


def _forget(home: Path, folder: Path) -> None:
    """Forget what was loaded from a folder; from one above the new one, only what that has itself."""
    above = folder.is_relative_to(home)
    for name, module in list(_loaded[home].items()):
        if not above or _has(folder, name.partition(".")[0]):
            del _loaded[home][name]
            if sys.modules.get(name) is module:
                del sys.modules[name]
    if not above:
        del _loaded[home]
        if home in _added:
            _added.discard(home)
            if str(home) in sys.path:
                sys.path.remove(str(home))


def _has(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _roots(name: str, module: ModuleType) -> Iterator[Path]:
    """Yield the folders from which a module was loaded, as they stand on Python's path; none of what is to be kept."""
    parts = name.split(".")
    if parts[0] in _OURS:
        return
    file = getattr(module, "__file__", None)
    places = [Path(file)] if file is not None else [Path(each) / "_" for each in getattr(module, "__path__", ())]
    for place in places:
        inside = len(parts) - (0 if file is None or place.stem == "__init__" else 1)
        if not _INSTALLED & set(place.parts) and len(place.parents) > inside:
            yield place.parents[inside]
