"""What the commands that delete runs say: which went, which stayed, and what became of the room on the disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from graphrt_viz.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.ports import RunInfo, Store
    from graphrt.stores.pruning import Kept, Pruning

_SHOWN: Final = 5
_REASONS: Final = {
    "its fork": " of which a fork stays",
    "turn": " of conversations that stay",
    "somebody": " that somebody drives",
}
_WORTH: Final = 1024 * 1024
"""So many free bytes are worth a word."""


def named(runs: Sequence[RunInfo]) -> str:
    """Return how many runs these are, and which if they are few."""
    few = f" ({', '.join(info.run for info in runs)})" if 0 < len(runs) <= _SHOWN else ""
    return f"{plural(len(runs), 'run')}{few}"


def deleted(store: Store, done: Pruning, path: str) -> int:
    """Tell what was deleted, and return the exit code: 1 if something stayed that was meant to go."""
    from graphrt.cli import exits
    from graphrt.cli.screen import note, say

    say(f"deleted {named(done.runs)}")
    for kept in done.kept[:_SHOWN]:
        note(f"run {kept.info.run} stays: {kept.why}")
    free_note(store, path)
    return exits.FOUND if done.kept else exits.OK


def reasons(kept: Sequence[Kept]) -> list[str]:
    """Return why runs stay that are old enough, each reason once, with how many it holds for."""
    known = Counter(_reason(each.why) for each in kept)
    others = [f"run {each.info.run} stays: {each.why}" for each in kept if _reason(each.why) is None]
    stay = [plural(count, "run") + reason for reason, count in known.items() if reason is not None]
    return ([f"kept: {', '.join(stay)}"] if stay else []) + others[:_SHOWN]


def _reason(why: str) -> str | None:
    return next((reason for word, reason in _REASONS.items() if word in why), None)


def free_note(store: Store, path: str) -> None:
    """Tell how much room deleted runs have left in the file of a store, if it is worth a word."""
    from graphrt.cli.screen import note
    from graphrt.stores.sqlite import SqliteStore

    if isinstance(store, SqliteStore) and (free := store.free_bytes()) >= _WORTH:
        note(f"{megabytes(free)} of {path} are free for new runs; `graphrt prune --compact` makes the file smaller")


def megabytes(size: int) -> str:
    """Return a size in words."""
    return f"{size / 1024**2:.1f} MB"
