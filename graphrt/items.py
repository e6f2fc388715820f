"""Lists of the state: immutable sequences that share structure, so an append costs the same at 10 and at 100,000 items.

An `Items` is a view of the first so many items of a shared buffer which only ever grows. Appending to the longest view
of a buffer pushes one item and returns a longer view; appending to a shorter one (another branch) begins a buffer of
its own that points to what both have in common. A parent lends at least `_CHUNK` items, fewer are copied, so the chain
of parents of n items is never longer than n / `_CHUNK`.

Only reducers make longer views; a node that receives one can read it and nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, NoReturn, SupportsIndex, TypeGuard, TypeVar, get_args, overload

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_CHUNK = 64
"""Fewer items than this are copied rather than shared through one more parent."""


class _Buffer(Generic[T]):
    """Items from position `start` on; what comes before is the parent's."""

    __slots__ = ("items", "parent", "start")

    def __init__(self, items: list[T], parent: _Buffer[T] | None, start: int) -> None:
        self.items = items
        self.parent = parent
        self.start = start


class Items(Sequence[T_co]):
    """An immutable list. Equal to a list or tuple of the same items; slices and sums are ordinary lists.

    Items that could be changed are copied as they are read, so nothing that a node does to them reaches the state.
    """

    __slots__ = ("_buffer", "_guarded", "_size")

    _buffer: _Buffer[Any]
    _size: int
    _guarded: bool

    def __init__(self, items: Iterable[T_co] = ()) -> None:
        """Copy `items`; later views share what is copied here."""
        self._buffer = _Buffer(list(items), None, 0)
        self._size = len(self._buffer.items)
        self._guarded = False

    @classmethod
    def _view(cls, buffer: _Buffer[Any], size: int, guarded: bool) -> Items[Any]:  # noqa: FBT001 - private, always named
        view = cls.__new__(cls)
        view._buffer = buffer  # noqa: SLF001 - its own class
        view._size = size  # noqa: SLF001 - of the same class
        view._guarded = guarded  # noqa: SLF001 - of the same class
        return view

    def _open_end(self) -> _Buffer[Any]:
        """Return a buffer that ends exactly where this view ends."""
        buffer, used = self._buffer, self._size - self._buffer.start
        if used == len(buffer.items):
            return buffer
        if used < _CHUNK:
            return _Buffer(buffer.items[:used], buffer.parent, buffer.start)
        return _Buffer([], buffer, self._size)

    def plus(self, item: Any) -> Items[Any]:  # noqa: ANN401 - covariant in T, and items of any kind may follow
        """Return a view that is one item longer; amortised O(1)."""
        buffer = self._open_end()
        buffer.items.append(item)
        return self._view(buffer, self._size + 1, guarded=self._guarded)

    def plus_all(self, more: Iterable[Any]) -> Items[Any]:
        """Return a view that is longer by `more`; amortised O(len(more))."""
        added = list(more)
        buffer = self._open_end()
        buffer.items.extend(added)
        return self._view(buffer, self._size + len(added), guarded=self._guarded)

    def guarded(self) -> Items[T_co]:
        """Return a view of the same items that copies each one as it is read; O(1)."""
        return self._view(self._buffer, self._size, guarded=True)

    def apart(self) -> Items[T_co]:
        """Return a view of the same items, of which longer views have nothing to do with those of this one.

        What somebody else adds to it does not stay alive with this list, and does not stand in the way of its growth.
        """
        if self._size < _CHUNK:
            return self._view(_Buffer(list(self._parts()), None, 0), self._size, guarded=self._guarded)
        return self._view(_Buffer([], self._buffer, self._size), self._size, guarded=self._guarded)

    def __len__(self) -> int:
        return self._size

    def _buffers(self) -> Iterator[tuple[_Buffer[Any], int]]:
        """Yield each buffer with the place where this list leaves it, the last buffer first."""
        buffer: _Buffer[Any] | None = self._buffer
        end = self._size
        while buffer is not None:
            yield buffer, end
            end = buffer.start
            buffer = buffer.parent

    def _parts(self) -> Iterator[Any]:
        # Bounded, because the buffer may grow while somebody iterates.
        parts = [islice(buffer.items, end - buffer.start) for buffer, end in self._buffers()]
        return parts[0] if len(parts) == 1 else chain.from_iterable(reversed(parts))

    def __iter__(self) -> Iterator[T_co]:
        return map(copy.deepcopy, self._parts()) if self._guarded else self._parts()

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T_co: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[T_co]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Any:
        if isinstance(index, slice):
            picked = [self._at(i) for i in range(*index.indices(self._size))]
            return copy.deepcopy(picked) if self._guarded else picked
        at = index.__index__()
        at = at + self._size if at < 0 else at
        if not 0 <= at < self._size:
            raise IndexError(f"index {index} of a list of {self._size} items")
        return copy.deepcopy(self._at(at)) if self._guarded else self._at(at)

    def _at(self, at: int) -> Any:  # noqa: ANN401 - an item
        buffer = self._buffer
        while at < buffer.start and buffer.parent is not None:
            buffer = buffer.parent
        return buffer.items[at - buffer.start]

    def __contains__(self, item: object) -> bool:
        return any(own is item or own == item for own in self._parts())

    def __eq__(self, other: object) -> bool:
        if is_items(other):
            if self._buffer is other._buffer and self._size == other._size:
                return True
            return self._size == other._size and all(a == b for a, b in zip(self._parts(), other._parts(), strict=True))
        if is_listed(other):
            return self._size == len(other) and all(a == b for a, b in zip(self._parts(), other, strict=True))
        return NotImplemented

    # Unhashable, as the list that it stands for.
    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return repr(list(self._parts()))

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self, *other] if isinstance(other, (list, tuple, Items)) else NotImplemented

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self] if isinstance(other, (list, tuple)) else NotImplemented

    def __mul__(self, times: int) -> list[T_co]:
        return list(self) * times

    __rmul__ = __mul__

    def __copy__(self) -> Items[T_co]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Items[T_co]:
        return Items(copy.deepcopy(list(self._parts()), memo))

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        return (list, (list(self._parts()),))

    def __getattr__(self, name: str) -> NoReturn:
        if name in {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "copy"}:
            raise AttributeError(
                f"a list of the state cannot be changed in place, so it has no {name!r};"
                " return what is to be written, or work on list(…) of it"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic models hold it: validated as a list is, written as a list."""
        from pydantic_core import core_schema  # noqa: PLC0415 - lists are used where pydantic is not

        arguments = get_args(source)
        as_list = handler.generate_schema(list[arguments[0]] if arguments else list)  # type: ignore[valid-type]  # known at run time only
        before = core_schema.no_info_before_validator_function(_thaw, as_list)
        written = core_schema.plain_serializer_function_ser_schema(list, return_schema=as_list)
        return core_schema.no_info_after_validator_function(Items, before, serialization=written)


def is_items(value: object) -> TypeGuard[Items[Any]]:
    """Tell whether a value is a list of the state."""
    return isinstance(value, Items)


def is_listed(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Tell whether a value is an ordinary list or tuple."""
    return isinstance(value, (list, tuple))


def _thaw(value: object) -> object:
    return list(value) if is_items(value) else value
