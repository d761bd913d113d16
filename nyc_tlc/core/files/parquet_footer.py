"""What a Parquet footer says of its row groups, read without pyarrow.

pyarrow 25 lets exceptions of C++ pass where it describes a column chunk, and those end the process
with every month in it: one wrong byte in a footer is enough (of a histogram's length, for one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Struct: TypeAlias = Mapping[int, object]

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(
    13
)
"""Types of Thrift's compact protocol (thrift-compact-protocol.md)."""
_ROW_GROUPS = 4
_COLUMNS, _GROUP_ROWS = 1, 3
_META_DATA = 3
_PATH, _VALUES, _UNCOMPRESSED = 3, 5, 6
"""Field numbers of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData (parquet.thrift)."""
_DEEPEST = 32
_LONGEST_VARINT = 10


@dataclass(frozen=True)
class ColumnChunk:
    """A column of one row group.

    Attributes:
        uncompressed: Bytes, as encoded.
    """

    name: str
    values: int
    uncompressed: int


@dataclass(frozen=True)
class RowGroup:
    """Some rows of a file."""

    rows: int
    columns: tuple[ColumnChunk, ...]


def parse_row_groups(footer: bytes) -> tuple[RowGroup, ...]:
    """Read the row groups of a footer.

    Raises:
        ValueError: it is cut short, or is no footer.
    """
    try:
        document = _Reader(footer).struct(0)
    except IndexError as error:
        raise ValueError("the footer ends too early") from error
    return tuple(
        RowGroup(_number(group, _GROUP_ROWS), tuple(map(_chunk, _structs(group.get(_COLUMNS, [])))))
        for group in _structs(document.get(_ROW_GROUPS, []))
    )


def _chunk(column: Struct) -> ColumnChunk:
    (meta,) = _structs([column.get(_META_DATA)])
    path = meta.get(_PATH)
    parts = path if isinstance(path, list) else []
    name = ".".join(part.decode(errors="replace") for part in parts if isinstance(part, bytes))
    return ColumnChunk(name, _number(meta, _VALUES), _number(meta, _UNCOMPRESSED))


def _structs(values: object) -> Sequence[Struct]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("the footer has another form than Parquet's")
    return values


def _number(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if not isinstance(value, int):
        raise ValueError("the footer has another form than Parquet's")  # noqa: TRY004 - of bytes
    return value


class _Reader:
    """Values of the compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._read: Mapping[int, Callable[[int], object]] = {
            _TRUE: lambda _: True,
            _FALSE: lambda _: False,
            _BYTE: lambda _: self._bytes(1),
            _I16: lambda _: self._zigzag(),
            _I32: lambda _: self._zigzag(),
            _I64: lambda _: self._zigzag(),
            _DOUBLE: lambda _: self._bytes(8),
            _BINARY: lambda _: self._bytes(self._varint()),
            _LIST: self._list,
            _SET: self._list,
            _MAP: self._map,
            _STRUCT: lambda depth: self.struct(depth + 1),
        }

    def struct(self, depth: int) -> dict[int, object]:
        if depth > _DEEPEST:
            raise ValueError(f"the footer is more than {_DEEPEST} levels deep")
        fields: dict[int, object] = {}
        field = 0
        while (head := self._byte()) != _STOP:
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            fields[field] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind not in self._read:
            raise ValueError(f"the footer has a value of the unknown type {kind}")
        return self._read[kind](depth)

    def _list(self, depth: int) -> list[object]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        return [self._element(head & 15, depth) for _ in range(self._possible(size))]

    def _map(self, depth: int) -> list[tuple[object, object]]:
        size = self._possible(self._varint())
        kinds = self._byte() if size else 0
        return [
            (self._element(kinds >> 4, depth), self._element(kinds & 15, depth))
            for _ in range(size)
        ]

    def _element(self, kind: int, depth: int) -> object:
        """A value in a list, where a boolean takes a byte of its own."""
        if depth > _DEEPEST:
            raise ValueError(f"the footer is more than {_DEEPEST} levels deep")
        return self._byte() == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)

    def _possible(self, size: int) -> int:
        """A number of elements, each of which takes a byte at least."""
        if size > len(self._data) - self._at:
            raise IndexError(size)
        return size

    def _bytes(self, size: int) -> bytes:
        start = self._at
        self._at += self._possible(size)
        return self._data[start : self._at]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        number = 0
        for i in range(_LONGEST_VARINT):
            octet = self._byte()
            number |= (octet & 0x7F) << 7 * i
            if octet < 0x80:
                return number
        raise ValueError("the footer has a number of more than 64 bits")

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
