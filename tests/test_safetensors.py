"""Our safetensors against the official package, and against files that are wrong on purpose."""

import hashlib
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldstep.oracle.safetensors import DTYPES, FormatError, dump, load, round_to_bfloat16

steady = settings(derandomize=True, deadline=None, max_examples=100)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)
KINDS = st.sampled_from([dtype for code, dtype in DTYPES.items() if code != "BF16"])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
ARRAYS = st.dictionaries(NAMES, hnp.arrays(KINDS, SHAPES), max_size=5)
BFLOAT16 = st.dictionaries(NAMES, hnp.arrays(np.uint16, SHAPES), min_size=1, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)

HEADER = {
    "__metadata__": {"goldstep": "seven"},
    "a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
    "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [16, 20]},
    "c": {"dtype": "BOOL", "shape": [], "data_offsets": [20, 21]},
    "d": {"dtype": "U8", "shape": [0, 3], "data_offsets": [21, 21]},
}
BODY = bytes(range(20)) + b"\1"


def layout(header, body=b""):
    """A file of a header, as a value or as text, and a body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def with_tensor(**changed):
    """A file of one tensor of two float64, whose header is wrong in one field."""
    good = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
    return layout({"w": good | changed}, bytes(16))


def same(left, right):
    """Whether the arrays of two files are the same, bit by bit."""
    return left.keys() == right.keys() and all(
        np.shape(left[name]) == np.shape(right[name])
        and left[name].dtype == right[name].dtype
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )


def judged(data):
    """Load what may be corrupted: it is refused, or it is what the official reader finds."""
    try:
        arrays, metadata = load(data)
    except FormatError:
        return
    assert isinstance(metadata, str)
    official = dict(safetensors.deserialize(data))
    assert arrays.keys() == official.keys()
    for name, array in arrays.items():
        raw = bytes(official[name]["data"])
        assert list(array.shape) == official[name]["shape"]
        if official[name]["dtype"] == "BF16":
            raw = (np.frombuffer(raw, "<u2").astype("<u4") << 16).tobytes()
        assert array.tobytes() == raw


@steady
@given(ARRAYS, st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_dumped_is_loaded(arrays, metadata):
    loaded, string = load(dump(arrays, metadata))
    assert same(loaded, arrays)
    assert string == metadata


@steady
@given(ARRAYS)
def test_the_official_reader_reads_our_files(arrays):
    assert same(safetensors.numpy.load(dump(arrays, "")), arrays)


@steady
@given(ARRAYS)
def test_we_read_the_official_writers_files(arrays):
    loaded, string = load(safetensors.numpy.save(arrays))
    assert same(loaded, arrays)
    assert string == ""


@steady
@given(BFLOAT16)
def test_the_official_reader_reads_our_bfloat16(tmp_path_factory, bits):
    arrays = {name: x.view(ml_dtypes.bfloat16).astype(np.float32) for name, x in bits.items()}
    path = tmp_path_factory.mktemp("bfloat16") / "file"
    path.write_bytes(dump(arrays, "", bfloat16=arrays))
    official = safetensors.numpy.load_file(path)
    for name, array in official.items():
        assert array.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(array.astype(np.float32), arrays[name])


@steady
@given(BFLOAT16)
def test_we_read_the_official_bfloat16(bits):
    arrays = {name: x.view(ml_dtypes.bfloat16) for name, x in bits.items()}
    loaded, _ = load(safetensors.numpy.save(arrays))
    for name, array in arrays.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_array_equal(loaded[name], array.astype(np.float32))


@steady
@given(hnp.arrays(np.float64, SHAPES, elements=st.floats(width=32)))
def test_rounding_to_bfloat16_is_what_ml_dtypes_does(x):
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = x.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
    np.testing.assert_array_equal(round_to_bfloat16(x), theirs)


def test_rounding_to_bfloat16_is_done_once():
    just_over_a_tie = 1 + 2**-8 + 2**-40  # in float32 it is the tie, which goes down to 1
    assert round_to_bfloat16(just_over_a_tie) == 1 + 2**-7


def test_rounding_to_bfloat16_keeps_the_sign_of_zero_and_the_smallest_numbers():
    x = np.array([-0.0, 2.0**-133, 2.0**-134, 3 * 2.0**-134, -np.inf, np.nan])
    rounded = round_to_bfloat16(x)
    np.testing.assert_array_equal(rounded, [0, 2.0**-133, 0, 2.0**-132, -np.inf, np.nan])
    assert np.signbit(rounded[0])


def test_the_bytes_are_the_same_on_every_machine_and_in_any_order():
    arrays = {
        "z": np.arange(3, dtype=np.uint8),
        "a": np.array([[1.5, -2.0]], dtype=np.float32),
        "h": np.array(0.25),
        "b": np.array([1.0]),
    }
    data = dump(arrays, "é", bfloat16=["b"])
    assert data == dump(dict(reversed(arrays.items())), "é", bfloat16={"b": 0})
    digest = "1007b6c4e08fa55e977dceca9e5740ddf728e7a8679fa9944c6282a26bc45d49"
    assert hashlib.sha256(data).hexdigest() == digest


def test_the_largest_elements_come_first_and_all_lie_aligned():
    arrays = {"z": np.zeros(3), "a": np.zeros(1, np.uint8), "m": np.zeros(5, np.float32)}
    data = dump(arrays, "")
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    assert list(header) == ["__metadata__", "z", "m", "a"]
    assert start % 64 == 0


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24).reshape(2, 3, 4)[:, ::2, ::-1],
        np.arange(4, dtype=">f4"),
        np.broadcast_to(np.float64(3), (2, 2)),
    ],
    ids=["column-major", "strided", "big-endian", "broadcast"],
)
def test_any_memory_layout_is_written_in_c_order(array):
    loaded, _ = load(dump({"w": array}, ""))
    assert np.array_equal(loaded["w"], array)


def test_loaded_arrays_can_be_written_to():
    arrays, _ = load(layout(HEADER, BODY))
    assert all(array.flags.writeable and array.flags.aligned for array in arrays.values())


def test_a_number_that_is_no_bfloat16_is_refused_by_name():
    with pytest.raises(ValueError, match=r"tensor 'w': element \(1, 0\): 0.1 is not a bfloat16"):
        dump({"w": np.array([[1.0], [0.1]])}, "", bfloat16=["w"])


@pytest.mark.parametrize("array", [np.zeros(1, np.complex64), np.zeros(1, np.uint16)])
def test_a_type_without_a_code_is_refused_by_name(array):
    with pytest.raises(ValueError, match=f"tensor 'w': {array.dtype} is none of the types"):
        dump({"w": array}, "")


def test_no_tensor_may_take_the_name_of_the_metadata():
    with pytest.raises(ValueError, match="the name is taken"):
        dump({"__metadata__": np.zeros(1)}, "")


def test_a_path_is_read_and_named(tmp_path):
    path = tmp_path / "some.safetensors"
    path.write_bytes(layout(HEADER, BODY))
    assert load(path)[1] == "seven"
    path.write_bytes(b"short")
    with pytest.raises(FormatError, match=r"some\.safetensors: header length: needs 8 bytes"):
        load(path)


HOSTILE = {
    "empty": (b"", "header length: needs 8 bytes, the file has 0"),
    "huge-header": (b"\xff" * 8 + b"{}", "header length: 18446744073709551615 is more than"),
    "no-object": (layout(b"[]"), "header: does not begin with '{'"),
    "space-before": (layout(b" {}"), "header: does not begin with '{'"),
    "no-json": (layout(b"{"), "header: not strict JSON"),
    "no-utf-8": (layout(b'{"\xff": 1}'), "header: not strict JSON"),
    "utf-16": (layout("{}".encode("utf-16-le")), "header: not strict JSON"),
    "half-a-surrogate": (layout(b'{"\\ud800": 1}'), "header: not strict JSON"),
    "deep": (layout(b'{"w":' * 200_000), "header: not strict JSON: nested too deep"),
    "deep-shape": (with_tensor(shape=json.loads("[" * 500 + "]" * 500)), "shape: "),
    "nan": (layout(b'{"w": NaN}'), "header: not strict JSON: NaN is no JSON number"),
    "long-integer": (layout(b'{"w": ' + b"9" * 5000 + b"}"), "header: not strict JSON"),
    "twice": (layout(b'{"w": 1, "w": 1}'), "the key 'w' stands twice"),
    "twice-within": (
        layout(b'{"w": {"shape": [], "shape": []}}'),
        "the key 'shape' stands twice",
    ),
    "metadata-list": (layout({"__metadata__": []}), "__metadata__: is no object of strings"),
    "metadata-number": (
        layout({"__metadata__": {"a": 1}}),
        "__metadata__: is no object of strings",
    ),
    "entry-list": (layout({"w": []}), "tensor 'w': must say"),
    "entry-lacks": (layout({"w": {"dtype": "F64"}}), "tensor 'w': must say"),
    "entry-adds": (with_tensor(more=1), "tensor 'w': must say"),
    "dtype-unknown": (with_tensor(dtype="F8"), "tensor 'w': dtype: 'F8' is none of"),
    "dtype-list": (with_tensor(dtype=["F64"]), "tensor 'w': dtype: "),
    "shape-negative": (with_tensor(shape=[-2]), "tensor 'w': shape: [-2] is no shape"),
    "shape-float": (with_tensor(shape=[2.0]), "tensor 'w': shape: [2.0] is no shape"),
    "shape-true": (with_tensor(shape=[True]), "tensor 'w': shape: [True] is no shape"),
    "shape-number": (with_tensor(shape=2), "tensor 'w': shape: 2 is no shape"),
    "shape-long": (with_tensor(shape=[1] * 65), "tensor 'w': shape: "),
    "shape-huge": (with_tensor(shape=[2**62, 2**62]), "tensor 'w': shape: "),
    "shape-huge-and-empty": (with_tensor(shape=[0, 2**62, 2]), "tensor 'w': shape: "),
    "shape-large": (with_tensor(shape=[2**59]), "16 bytes for a shape that takes"),
    "offsets-one": (with_tensor(data_offsets=[0]), "data_offsets: [0] is no pair"),
    "offsets-negative": (with_tensor(data_offsets=[-16, 0]), "data_offsets: [-16, 0] is no pair"),
    "offsets-float": (with_tensor(data_offsets=[0.0, 16]), "data_offsets: [0.0, 16] is no pair"),
    "offsets-reversed": (with_tensor(data_offsets=[16, 0]), "-16 bytes for a shape that takes 16"),
    "offsets-outside": (
        layout({"w": {"dtype": "U8", "shape": [9], "data_offsets": [0, 9]}}, bytes(8)),
        "tensor 'w': data_offsets: ends at 9, behind the file's end",
    ),
    "overlap": (
        layout(
            {
                "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
            },
            bytes(6),
        ),
        "tensor 'b': data_offsets: begins at 2, where 4 is due",
    ),
    "gap": (
        layout({"w": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]}}, bytes(8)),
        "tensor 'w': data_offsets: begins at 4, where 0 is due",
    ),
    "trailing": (with_tensor() + b"\0", "length: 1 bytes too many"),
    "truth-value": (
        layout({"w": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\1\2\0"),
        "tensor 'w': has truth values other than 0 and 1",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_wrong_file_is_refused_in_one_sentence(case):
    data, sentence = HOSTILE[case]
    with pytest.raises(FormatError) as refused:
        load(data, "folder/file")
    assert str(refused.value).startswith("folder/file: ")
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 300


def test_the_file_that_the_corruptions_start_from_is_right():
    arrays, metadata = load(layout(HEADER, BODY))
    assert [array.shape for array in arrays.values()] == [(2,), (1, 2), (), (0, 3)]
    assert metadata == "seven"


@steady
@given(st.data())
def test_a_file_with_bytes_changed_is_refused_or_read_right(data):
    file = bytearray(layout(HEADER, BODY))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(file)))
        length = data.draw(st.integers(0, 8))
        file[place : place + length] = data.draw(st.binary(max_size=8))
    judged(bytes(file))


@steady
@given(st.integers(0, 7 + len(BODY)), st.integers(0, 7))
def test_a_file_with_a_bit_flipped_is_refused_or_read_right(place, bit):
    file = bytearray(layout(HEADER, BODY))
    for position in range(place, len(file), 8 + len(BODY)):
        flipped = bytearray(file)
        flipped[position] ^= 1 << bit
        judged(bytes(flipped))


def test_a_truncated_file_is_refused():
    file = layout(HEADER, BODY)
    for length in range(len(file)):
        with pytest.raises(FormatError):
            load(file[:length])


@steady
@given(st.sampled_from(sorted(HEADER)), st.data())
def test_a_header_with_a_field_changed_is_refused_or_read_right(name, data):
    field = data.draw(st.sampled_from(sorted(HEADER[name])))
    near = st.lists(st.integers(-1, 24) | st.just(2**63), max_size=3)
    header = HEADER | {name: HEADER[name] | {field: data.draw(near | JSON)}}
    judged(layout(header, BODY))


def test_the_official_package_is_not_imported_by_ours():
    source = Path(load.__code__.co_filename).read_text(encoding="utf-8")
    assert "import safetensors" not in source
    assert "from safetensors" not in source
