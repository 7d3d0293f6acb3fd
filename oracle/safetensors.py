"""The safetensors layout: the length of a header, the header in JSON, then the tensors' bytes.

What is written is the same bytes on every machine, and what is read is checked in full before it is
used. The layout is https://github.com/huggingface/safetensors#format; all that is ours in it is one
metadata key, "goldstep", whose value is any one string.

>>> data = dump({"w": np.array([1.5, -2.0]), "t": np.array(7)}, "after seven steps")
>>> load(data)
({'t': array(7), 'w': array([ 1.5, -2. ])}, 'after seven steps')
"""

import json
import math
import reprlib
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the upper half of a float32, as bits
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("|u1"),
    "BOOL": np.dtype("|b1"),
}
"""What the layout calls each type, and how its bytes lie in the file."""

CODES = {dtype: code for code, dtype in DTYPES.items() if code != "BF16"}


class FormatError(ValueError):
    """A file is not what it should be. The message names the file and the field."""


def round_to_bfloat16(x: ArrayLike) -> NDArray[np.float64]:
    """The nearest bfloat16 of each element, ties to even: rounded once, and given back in float64.

    >>> round_to_bfloat16([1 + 2**-8, 1 + 3 * 2**-8, 3.5e38])
    array([1.      , 1.015625,      inf])
    """
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and any NaN may pass
        x = np.asarray(x, dtype=np.float64)
        # Eight significant bits, fewer below the smallest normal number, 2**-126.
        unit = np.maximum(np.frexp(x)[1] - 8, -133)
        y = np.ldexp(np.rint(np.ldexp(x, -unit)), unit)
    rounded: NDArray[np.float64] = np.where(np.abs(y) >= 2.0**128, np.copysign(np.inf, y), y)
    return rounded


def dump(arrays: Mapping[str, Array], metadata: str, bfloat16: Collection[str] = ()) -> bytes:
    """The file that holds `arrays`, of any shapes, by name, and the string `metadata`.

    The tensors named in `bfloat16` are stored in that type; the others in their own. The largest
    elements come first and the header is padded to 64 bytes, so that every tensor lies aligned.

    Raises ValueError, naming the tensor, if its type has no code here, if it is to be stored in
    bfloat16 and an element is not a bfloat16, or if its name is that of the metadata.
    """
    if "__metadata__" in arrays:
        msg = "tensor '__metadata__': the name is taken by the metadata"
        raise ValueError(msg)
    stored = {
        name: _bfloat16_bits(name, array) if name in bfloat16 else _little_endian(name, array)
        for name, array in arrays.items()
    }
    kinds = {
        name: ("BF16" if name in bfloat16 else CODES[x.dtype], x.shape)
        for name, x in stored.items()
    }
    body = [stored[name].tobytes(order="C") for name in ordered(kinds)]
    return b"".join([head(kinds, metadata), *body])


Kinds = Mapping[str, tuple[str, tuple[int, ...]]]
"""The code of the type, and the shape, of arrays by name."""


def ordered(kinds: Kinds) -> list[str]:
    """The names of arrays in the order in which they lie in a file."""
    return sorted(kinds, key=lambda name: (-DTYPES[kinds[name][0]].itemsize, name))


def head(kinds: Kinds, metadata: str) -> bytes:
    """All of a file that stands before its numbers, which follow in the order of `ordered`."""
    header: dict[str, Any] = {"__metadata__": {"goldstep": metadata}}
    end = 0
    for name in ordered(kinds):
        code, shape = kinds[name]
        start, end = end, end + math.prod(shape) * DTYPES[code].itemsize
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text


def load(source: bytes | Path, name: str = "") -> tuple[dict[str, Array], str]:
    """The arrays of a file, by name, and its metadata string ("" if it has none of ours).

    The arrays are new, aligned, and in the machine's own byte order; bfloat16 comes as float32,
    which is exact. Memory is taken for the bytes that are there, never for what the header claims.

    `name` is what to call the file in messages; by default its path. Raises FormatError if the file
    departs from the layout anywhere.
    """
    data = source.read_bytes() if isinstance(source, Path) else source
    name = name or (str(source) if isinstance(source, Path) else "safetensors")
    start, header = _header(data, name)
    entries, metadata = _entries(header, start, len(data), name)
    arrays = {
        tensor: _array(data[e.at : e.at + e.bytes], e.code, e.shape, name, f"tensor {tensor!r}")
        for tensor, e in entries.items()
    }
    return arrays, metadata


class Entry(NamedTuple):
    """One array of a file: its type, its shape, and where its bytes lie."""

    code: str
    shape: tuple[int, ...]
    at: int
    bytes: int


def scan(path: Path, name: str = "") -> tuple[dict[str, Entry], str, bytes]:
    """Where the arrays of a file are, its metadata string, and all that stands before the numbers.

    Nothing of the numbers is read. Raises FormatError as `load` does.
    """
    name = name or str(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(8)
            length = int.from_bytes(first, "little")
            demand(length <= LONGEST, name, "header length", f"{length} is more than {LONGEST}")
            begin = first + file.read(length)
    except OSError as error:
        msg = f"{name}: file: {error.strerror}"
        raise FormatError(msg) from None
    start, header = _header(begin, name)
    entries, metadata = _entries(header, start, size, name)
    return entries, metadata, begin


LONGEST = 100_000_000
"""The longest header that is read; the official reader takes no longer one."""


def _entries(
    header: dict[str, Any], start: int, size: int, name: str
) -> tuple[dict[str, Entry], str]:
    """The arrays of a file of `size` bytes whose numbers begin at `start`, and its metadata."""
    metadata = header.pop("__metadata__", {})
    strings = isinstance(metadata, dict) and all(isinstance(s, str) for s in metadata.values())
    demand(strings, name, "__metadata__", "is no object of strings")

    for tensor, info in header.items():
        _check_tensor(info, name, f"tensor {tensor!r}")
    end = 0
    found = {}
    for tensor, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = info["data_offsets"]
        field = f"tensor {tensor!r}: data_offsets"
        demand(first == end, name, field, f"begins at {first}, where {end} is due")
        demand(last <= size - start, name, field, f"ends at {last}, behind the file's end")
        found[tensor] = Entry(info["dtype"], tuple(info["shape"]), start + first, last - first)
        end = last
    demand(start + end == size, name, "length", f"{size - start - end} bytes too many")
    return {tensor: found[tensor] for tensor in header}, metadata.get("goldstep", "")


def demand(holds: object, name: str, field: str, problem: str) -> None:
    """Raise FormatError, about a `field` of the file `name`, unless something holds."""
    if not holds:
        msg = f"{name}: {field}: {problem}"
        raise FormatError(msg)


def parse_json(text: bytes, name: str, field: str) -> Any:
    """The value of strict JSON in UTF-8: no key twice in an object, no NaN, no infinity.

    Raises FormatError, which names the file `name` and the `field`.
    """
    try:
        return json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        problem = "nested too deep"
    except ValueError as error:
        problem = str(error)
    msg = f"{name}: {field}: not strict JSON: {problem}"
    raise FormatError(msg)


def _header(data: bytes, name: str) -> tuple[int, dict[str, Any]]:
    """Where the numbers begin, and the header as the file has it."""
    demand(len(data) >= 8, name, "header length", f"needs 8 bytes, the file has {len(data)}")
    start = 8 + int.from_bytes(data[:8], "little")
    demand(start <= len(data), name, "header length", f"{start - 8} is more than the file holds")
    demand(data[8:9] == b"{", name, "header", "does not begin with '{'")
    return start, parse_json(data[8:start], name, "header")


def _check_tensor(info: Any, name: str, field: str) -> None:
    """Check all that one entry of the header says, short of where its neighbours lie."""
    keys = {"dtype", "shape", "data_offsets"}
    demand(isinstance(info, dict) and set(info) == keys, name, field, f"must say {sorted(keys)}")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    known = isinstance(dtype, str) and dtype in DTYPES
    demand(known, name, f"{field}: dtype", f"{_short(dtype)} is none of {', '.join(DTYPES)}")
    # NumPy's limits: 64 dimensions, and a size that an address can hold even where a 0 empties it.
    demand(_naturals(shape, most=64), name, f"{field}: shape", f"{_short(shape)} is no shape")
    size = math.prod(n or 1 for n in shape) * DTYPES[dtype].itemsize
    demand(size <= sys.maxsize, name, f"{field}: shape", f"{_short(shape)} is too large")

    pair = _naturals(offsets, most=2) and len(offsets) == 2
    demand(pair, name, f"{field}: data_offsets", f"{_short(offsets)} is no pair of positions")
    need = math.prod(shape) * DTYPES[dtype].itemsize
    has = offsets[1] - offsets[0]
    fits = f"{has} bytes for a shape that takes {need}"
    demand(has == need, name, f"{field}: data_offsets", fits)


def _array(raw: bytes, code: str, shape: tuple[int, ...], name: str, field: str) -> Array:
    """The array whose bytes are `raw`."""
    if code == "BOOL":
        demand(not raw.strip(b"\0\1"), name, field, "has truth values other than 0 and 1")
    return decoded(raw, code).reshape(shape)


def decoded(raw: bytes, code: str) -> Array:
    """The numbers whose bytes are `raw`, as one new vector; bfloat16 comes as float32."""
    dtype = DTYPES[code]
    flat: Array = np.frombuffer(raw, np.uint8).view(dtype).astype(dtype.newbyteorder("="))
    if code == "BF16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat


def _little_endian(name: str, array: Array) -> Array:
    """`array` in the byte order of the file."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in CODES:
        msg = f"tensor {name!r}: {array.dtype} is none of the types {', '.join(CODES.values())}"
        raise ValueError(msg)
    return array.astype(dtype, copy=False)


def _bfloat16_bits(name: str, array: Array) -> Array:
    """The upper halves of `array` as float32, in which nothing may be lost."""
    rounded = round_to_bfloat16(array)
    with np.errstate(invalid="ignore"):
        lost = np.argwhere((rounded != array) & ~np.isnan(rounded))
    if len(lost):
        index = tuple(int(i) for i in lost[0])
        msg = f"tensor {name!r}: element {index}: {array[index]} is not a bfloat16"
        raise ValueError(msg)
    bits = rounded.astype(np.float32).view(np.uint32) >> np.uint32(16)
    return np.asarray(bits, DTYPES["BF16"])


def _naturals(value: Any, most: int) -> bool:
    """Whether `value` is a list of at most `most` integers from 0 to the largest address."""
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(type(n) is int and 0 <= n <= sys.maxsize for n in value)
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which every key stands once and every string is Unicode."""
    twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    if twice:
        msg = f"the key {twice[0]!r} stands twice"
        raise ValueError(msg)
    for string in (s for pair in pairs for s in pair if isinstance(s, str)):
        string.encode()  # fails on half a surrogate pair, which JSON can write and UTF-8 cannot
    return dict(pairs)


def _no_constant(constant: str) -> None:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def _short(value: Any) -> str:
    """A value from a file, as a message can bear it."""
    return reprlib.repr(value)
