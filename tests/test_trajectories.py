"""The trajectories: what is stored is what is made, and what is altered is refused."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from fractions import Fraction

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldstep.conformance import trajectories
from goldstep.conformance.trajectories import FOLDER, design, load, names, read, read_manifest
from goldstep.oracle import safetensors
from goldstep.oracle.safetensors import FormatError, round_to_bfloat16

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**64) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
MAKERS = {f"designed-{maker.__name__}": maker for maker in design.DESIGNS}
SMALL = "designed-absences"


def entries(folder=FOLDER):
    """What a manifest says, by id."""
    return {entry["id"]: entry for entry in read_manifest(folder)["trajectories"]}


def every_number(trajectory):
    """All parameters and gradients in one flat array."""
    grads = [grad for step in trajectory.grads for grad in step.values() if grad is not None]
    return np.concatenate([x.ravel() for x in [*trajectory.params.values(), *grads]])


@pytest.fixture
def folder(tmp_path):
    """A folder "altered" that holds one of the trajectories and its manifest."""
    copy = tmp_path / "altered"
    copy.mkdir()
    shutil.copy(FOLDER / f"{SMALL}.safetensors", copy)
    entry = entries()[SMALL]
    (copy / "manifest.json").write_text(json.dumps({"suite": "0.1.0", "trajectories": [entry]}))
    return copy


def alter(folder, **fields):
    """Change fields of the one entry of a folder's manifest."""
    path = folder / "manifest.json"
    listed = json.loads(path.read_text())
    listed["trajectories"][0] |= fields
    path.write_text(json.dumps(listed))


def put(folder, data):
    """Put other bytes into a folder, and let its manifest agree."""
    (folder / f"{SMALL}.safetensors").write_bytes(data)
    alter(folder, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def read_one(folder):
    return read(read_manifest(folder)["trajectories"][0], folder)


def test_the_manifest_satisfies_its_schema():
    schema = json.loads((FOLDER / "manifest.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    validator(schema).validate(trajectories.manifest())


def test_the_schema_refuses_what_it_does_not_know():
    schema = json.loads((FOLDER / "manifest.schema.json").read_text(encoding="utf-8"))
    listed = trajectories.manifest()
    listed["trajectories"][0]["tensors"]["scalar"]["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(listed)


def test_every_field_of_the_schema_is_described():
    schema = json.loads((FOLDER / "manifest.schema.json").read_text(encoding="utf-8"))
    fields = dict(schema["properties"])
    for form in ("trajectory", "tensor"):
        fields |= schema["$defs"][form]["properties"]
    assert [name for name, field in fields.items() if "description" not in field] == []


def test_the_files_are_those_that_the_manifest_lists():
    assert sorted(path.name for path in FOLDER.glob("*.safetensors")) == [
        entry["file"] for entry in entries().values()
    ]


def test_the_data_are_small():
    sizes = {name: entry["bytes"] for name, entry in entries().items()}
    assert sum(sizes.values()) < 600_000
    assert max(sizes.values()) < 350_000


@pytest.mark.parametrize("name", names())
def test_a_trajectory_has_the_tensors_that_the_manifest_tells(name):
    trajectory, entry = load(name), entries()[name]
    assert trajectory.id == name
    assert trajectory.purpose == entry["purpose"]
    shapes = {tensor: tuple(info["shape"]) for tensor, info in entry["tensors"].items()}
    assert {tensor: param.shape for tensor, param in trajectory.params.items()} == shapes
    assert len(trajectory.grads) == entry["steps"]
    for step, grads in enumerate(trajectory.grads, start=1):
        assert list(grads) == list(shapes)
        for tensor, grad in grads.items():
            if step in entry["tensors"][tensor].get("absent", []):
                assert grad is None
            else:
                assert isinstance(grad, np.ndarray)
                assert grad.dtype == np.float64
                assert grad.shape == shapes[tensor]


@pytest.mark.parametrize("name", names())
def test_every_number_is_a_bfloat16_of_a_size_that_float32_bears(name):
    numbers = every_number(load(name))
    np.testing.assert_array_equal(round_to_bfloat16(numbers), numbers)
    size = np.abs(numbers[numbers != 0])
    assert size.min() >= (2**-30 if name.startswith("designed") else 1e-12)
    assert size.max() <= 1e4
    assert not np.signbit(numbers[numbers == 0]).any()


@pytest.mark.parametrize("name", names())
def test_the_arrays_are_read_only_for_they_are_shared(name):
    trajectory = load(name)
    assert load(name) is trajectory
    arrays = [*trajectory.params.values(), *trajectory.grads[-1].values()]
    assert not any(array.flags.writeable for array in arrays if array is not None)


@pytest.mark.parametrize("name", names())
def test_the_official_reader_reads_every_file(name):
    official = pytest.importorskip("safetensors")
    data = (FOLDER / f"{name}.safetensors").read_bytes()
    tensors = dict(official.deserialize(data))
    shapes = {tensor: info["shape"] for tensor, info in entries()[name]["tensors"].items()}
    assert {key: info["shape"] for key, info in tensors.items() if key.startswith("param/")} == {
        f"param/{tensor}": shape for tensor, shape in shapes.items()
    }
    assert {info["dtype"] for info in tensors.values()} == {"BF16"}


@pytest.mark.parametrize("name", MAKERS)
def test_a_designed_trajectory_is_made_again_byte_for_byte(name):
    trajectory = design.make(MAKERS[name])
    assert trajectories.pack(trajectory) == (FOLDER / f"{name}.safetensors").read_bytes()
    trajectories.check(trajectory)


def test_every_designed_trajectory_is_known_to_the_program():
    assert sorted(MAKERS) == [name for name in names() if name.startswith("designed")]


def test_the_recorded_trajectories_are_recorded_again_byte_for_byte():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    program = "goldstep.conformance.trajectories.record"
    done = subprocess.run(
        [sys.executable, "-m", program, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "recorded-transformer: the same" in done.stderr
    assert "recorded-convnet: the same" in done.stderr


def test_rows_of_the_embedding_are_untouched():
    grads = np.stack([step["embedding"] for step in load("recorded-transformer").grads])
    touched = grads.any(axis=2)  # steps, rows
    assert np.mean(touched) < 0.5
    assert np.sum(~touched.any(axis=0)) >= 20  # by characters that the text does not have
    assert np.sum(touched.any(axis=0) & ~touched.all(axis=0)) >= 20


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("recorded")])
def test_a_recording_has_a_scalar_vectors_and_matrices_or_kernels(name):
    axes = {param.ndim for param in load(name).params.values()}
    assert {0, 1, 2} <= axes
    assert 4 in axes or name == "recorded-transformer"


def test_all_designed_trajectories_but_that_of_matrices_have_the_same_shapes():
    shapes = {
        tuple((tensor, param.shape) for tensor, param in load(name).params.items())
        for name in MAKERS.keys() - {"designed-spectra"}
    }
    assert len(shapes) == 1


@pytest.mark.parametrize("name", MAKERS)
def test_designed_parameters_are_of_the_size_of_a_step_or_zero(name):
    params = np.concatenate([param.ravel() for param in load(name).params.values()])
    size = np.abs(params)
    for lr in (2**-7, 1 / 2):
        assert np.sum((lr <= size) & (size < 2 * lr)) >= 20
    assert np.sum(size == 0) >= 10
    assert size.max() <= 1


def test_scales_spread_over_each_tensor():
    for tensor, grads in design.make(design.scales).grads[0].items():
        if grads.size > 4:
            size = np.abs(grads)
            assert size.max() / size.min() >= 2**20, tensor
    sizes = np.abs(every_number(load("designed-scales")))
    for eps in (2**-5, 2**-13, 1e-8):
        assert np.sum((eps / 2 < sizes) & (sizes < 2 * eps)) >= 24


def test_absences_are_of_every_kind():
    first, *rest = load("designed-absences").grads
    assert all(grad is None or not grad.any() for grad in first.values())
    present = {tensor: [step[tensor] is not None for step in rest] for tensor in first}
    assert not any(present["cube"])
    assert present["kernel"] == [False] * (len(rest) - 1) + [True]
    assert all(present["scalar"])


def test_matrices_are_of_every_kind():
    square = [step["square"] for step in load("designed-matrices").grads]
    ranks = [np.linalg.matrix_rank(grad) for grad in square]
    assert {0, 1, 4} <= set(ranks)
    values = [np.linalg.svd(grad, compute_uv=False) for grad in square if grad.any()]
    conditions = [max(s) / min(s) for s in values if min(s) > 1e-12]
    assert min(conditions) < 1.2
    assert max(conditions) > 1000


@pytest.mark.parametrize("beta2", [Fraction(15, 16), Fraction(7, 8)])
def test_ties_are_exact_or_just_missed(beta2):
    trajectory = load("designed-ties")
    grads = np.stack(
        [np.concatenate([g.ravel() for g in step.values()]) for step in trajectory.grads]
    )
    exact, near = 0, {"above": 0, "below": 0}
    for element in grads.T:
        m = Fraction(0)
        for g in map(Fraction, element.tolist()):
            vote = Fraction(3, 4) * m + Fraction(1, 4) * g
            if vote == 0 and m != 0:
                exact += 1
            if 0 < abs(vote) < abs(m) / 2**14:
                near["above" if vote > 0 else "below"] += 1
            m = beta2 * m + (1 - beta2) * g
    assert exact >= 100
    assert min(near.values()) >= 50


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(LookupError, match="no trajectory 'designed-tie'; there is designed-ties"):
        load("designed-tie")


def test_the_altered_folder_is_right_before_it_is_altered(folder):
    assert read_one(folder).id == SMALL


def test_an_altered_file_is_refused(folder):
    path = folder / f"{SMALL}.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match=rf"^altered/{SMALL}\.safetensors: sha256: is "):
        read_one(folder)


def test_a_truncated_file_is_refused(folder):
    path = folder / f"{SMALL}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=rf"^altered/{SMALL}\.safetensors: bytes: has 10485, not"):
        read_one(folder)


def test_a_missing_file_is_refused(folder):
    (folder / f"{SMALL}.safetensors").unlink()
    with pytest.raises(FormatError, match=rf"^altered/{SMALL}\.safetensors: file: No such file"):
        read_one(folder)


def test_a_file_of_another_trajectory_is_refused(folder):
    put(folder, (FOLDER / "designed-ties.safetensors").read_bytes())
    with pytest.raises(FormatError, match="__metadata__: is 'designed-ties', not 'designed-abs"):
        read_one(folder)


def test_a_file_in_no_layout_is_refused(folder):
    put(folder, b"no safetensors, and certainly no trajectory")
    with pytest.raises(FormatError, match=rf"^altered/{SMALL}\.safetensors: header length: "):
        read_one(folder)


def repacked(**changed):
    """The file of a trajectory with some arrays changed, or taken away by None."""
    arrays, owner = safetensors.load(FOLDER / f"{SMALL}.safetensors")
    arrays |= {key.replace("_", "/"): array for key, array in changed.items()}
    return safetensors.dump({k: a for k, a in arrays.items() if a is not None}, owner)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"grad_row": None}, r"tensors: \['grad/row'\] stand only in"),
        ({"grad_new": np.zeros(1)}, r"tensors: \['grad/new'\] stand only in"),
        ({"param_scalar": np.zeros(1)}, r"tensor 'param/scalar': has shape \[1\], not \[\]"),
        ({"grad_scalar": np.zeros(23)}, r"tensor 'grad/scalar': has shape \[23\], not \[24\]"),
        ({"param_scalar": np.array(0.1)}, "tensor 'param/scalar': has numbers that are no bf"),
        ({"param_scalar": np.array(np.nan)}, "tensor 'param/scalar': has numbers that are no bf"),
        ({"param_scalar": np.array(np.inf)}, "tensor 'param/scalar': has numbers that are no bf"),
        ({"grad_vector": np.ones((24, 7))}, "tensor 'grad/vector': is not zero in absent step 1"),
    ],
    ids=["lacks", "adds", "shape", "steps", "float64", "nan", "infinity", "absent"],
)
def test_a_file_that_the_manifest_does_not_describe_is_refused(folder, changed, sentence):
    put(folder, repacked(**changed))
    with pytest.raises(FormatError, match=rf"^altered/{SMALL}\.safetensors: {sentence}"):
        read_one(folder)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"more": 1}, r"trajectories\[0\]: must say id, since"),
        ({"id": 1}, r"trajectories\[0\]: id: is no str"),
        ({"id": "../../secret"}, r"trajectories\[0\]: id: '../../secret' is none"),
        ({"file": "../../secret"}, f"{SMALL}: file: '../../secret' should be '{SMALL}.safet"),
        ({"file": "/etc/passwd"}, f"{SMALL}: file: '/etc/passwd' should be '{SMALL}.safet"),
        ({"kind": "recorded"}, f"{SMALL}: kind: 'recorded' should be 'designed'"),
        ({"dtype": "float32"}, f"{SMALL}: dtype: 'float32' should be 'bfloat16'"),
        ({"bytes": True}, r"trajectories\[0\]: bytes: is no int"),
        ({"bytes": 1.5}, r"trajectories\[0\]: bytes: is no int"),
        ({"steps": 0}, f"{SMALL}: steps: 0 is not from 1 to the number of bytes"),
        ({"steps": 10**15}, f"{SMALL}: steps: 1000000000000000 is not from 1 to the number of"),
        ({"tensors": []}, r"trajectories\[0\]: tensors: is no dict"),
        ({"tensors": {"w": []}}, f"{SMALL}: tensors: 'w': must say shape"),
        ({"tensors": {"w": {"shape": [-1]}}}, f"{SMALL}: tensors: 'w': shape: is no list of"),
        ({"tensors": {"w": {"shape": 1}}}, f"{SMALL}: tensors: 'w': shape: is no list of"),
        ({"tensors": {"w": {"shape": [], "absent": [2, 1]}}}, f"{SMALL}: tensors: 'w': absent: "),
        ({"tensors": {"w": {"shape": [], "absent": [0]}}}, f"{SMALL}: tensors: 'w': absent: "),
        ({"tensors": {"w": {"shape": [], "absent": [25]}}}, f"{SMALL}: tensors: 'w': absent: "),
    ],
)
def test_an_entry_that_is_wrong_is_refused(folder, fields, sentence):
    alter(folder, **fields)
    with pytest.raises(FormatError, match=rf"^altered/manifest\.json: {sentence}"):
        read_one(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "text: not strict JSON"),
        ("[" * 200_000, "text: not strict JSON: nested too deep"),
        ("[]", "text: is no object of 'suite' and 'trajectories'"),
        ('{"suite": "1", "suite": "2"}', "text: not strict JSON: the key 'suite' stands twice"),
        ('{"suite": 1, "trajectories": []}', "suite: is no string"),
        ('{"suite": "1", "trajectories": {}}', "trajectories: is no list"),
        ('{"suite": "1", "trajectories": [[]]}', r"trajectories\[0\]: must say id"),
        ('{"suite": NaN, "trajectories": []}', "text: not strict JSON: NaN is no JSON number"),
    ],
    ids=["empty", "deep", "list", "twice", "suite", "trajectories", "entry", "nan"],
)
def test_a_manifest_that_is_wrong_is_refused(folder, text, sentence):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match=rf"^altered/manifest\.json: {sentence}"):
        read_manifest(folder)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.data())
def test_a_manifest_with_any_value_changed_is_refused_or_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("altered")
    shutil.copy(FOLDER / f"{SMALL}.safetensors", folder)
    entry = entries()[SMALL]
    tensor = entry["tensors"][data.draw(st.sampled_from(sorted(entry["tensors"])))]
    within = data.draw(st.sampled_from([entry, entry["tensors"], tensor]))
    within[data.draw(st.sampled_from(sorted(within)))] = data.draw(JSON)
    text = json.dumps({"suite": "0.1.0", "trajectories": [entry]})
    (folder / "manifest.json").write_text(text)
    with contextlib.suppress(FormatError):
        assert read_one(folder).grads


def test_an_id_that_stands_twice_is_refused(folder):
    entry = entries(folder)[SMALL]
    text = json.dumps({"suite": "0.1.0", "trajectories": [entry, entry]})
    (folder / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match="are not in the order of unique ids"):
        read_manifest(folder)


def test_a_stored_id_is_not_given_other_bytes(folder):
    trajectory = load(SMALL)
    other = trajectory._replace(grads=trajectory.grads[:5])
    with pytest.raises(FileExistsError, match=f"altered/{SMALL}.safetensors holds other bytes"):
        trajectories.store(other, folder)
    assert len(read_one(folder).grads) == 24
    trajectories.store(other, folder, replace=True)
    assert len(read_one(folder).grads) == 5


def test_a_trajectory_that_differs_from_the_stored_is_told(folder):
    trajectory = load(SMALL)
    other = trajectory._replace(params=load("designed-ties").params)
    with pytest.raises(FormatError, match=r"bytes: made again, \d+ of 10486 are others"):
        trajectories.check(other, folder)
    with pytest.raises(FormatError, match=f"manifest.json: {SMALL}: purpose: is out of date"):
        trajectories.check(trajectory._replace(purpose="none"), folder)


def test_the_program_ends_with_that_sentence(monkeypatch):
    other = load(SMALL)._replace(params=load("designed-ties").params)
    monkeypatch.setattr(sys, "argv", ["design", "--check"])
    with pytest.raises(SystemExit, match=rf"^trajectories/{SMALL}\.safetensors: bytes: made again"):
        trajectories.run([other], "")


def test_an_entry_keeps_since_when_it_is(folder):
    alter(folder, since="0.0.1")
    trajectories.store(load(SMALL)._replace(purpose="said otherwise"), folder)
    assert entries(folder)[SMALL]["since"] == "0.0.1"
    assert entries(folder)[SMALL]["purpose"] == "said otherwise"


def test_the_manifest_is_written_the_same_from_any_start(tmp_path):
    listed = read_manifest(FOLDER)["trajectories"]
    trajectories.write_manifest(reversed(listed), tmp_path)
    stored = (FOLDER / "manifest.json").read_bytes()
    assert (tmp_path / "manifest.json").read_bytes() == stored
