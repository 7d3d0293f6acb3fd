"""Golden fixtures are the same bytes when made again, and readers in other languages use them."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from goldstep.conformance import commands
from goldstep.conformance.cases import rules
from goldstep.conformance.commands import fixtures as command
from goldstep.oracle import Arithmetic, fixtures, make, pipeline, safetensors
from goldstep.oracle.safetensors import FormatError

ROOT = Path(__file__).parent.parent
READERS = ROOT / "docs" / "readers"


def made(rule, dtype="float32", meant=None, **asked):
    asked = {"shapes": "4x3,2x4,3", "steps": 8} | asked
    files = fixtures.make(command.case(rule, **asked), Arithmetic(dtype), meant)
    return files, fixtures.load(files)


@pytest.fixture
def folder(tmp_path):
    fixtures.write(tmp_path / "adam", made("adam")[0])
    return tmp_path / "adam"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["adam", "lion", "muon", "clip_by_global_norm+heavy_ball"])
def test_a_fixture_made_twice_is_the_same_bytes(rule, dtype):
    files, fixture = made(rule, dtype)
    assert files == made(rule, dtype)[0]
    assert fixtures.differences(fixture) == []


def test_every_rule_makes_a_fixture_that_its_schema_describes():
    schema = json.loads((ROOT / "oracle" / "fixture.schema.json").read_text(encoding="utf-8"))
    for rule in rules():
        files, fixture = made(rule, steps=2)
        jsonschema.validate(json.loads(files["fixture.json"]), schema)
        places = [p for e in fixture.said["equations"] for p in e["numbers"].values()]
        noted = {part.kind for part in pipeline(rule).parts} - {"iterations", "schedules"}
        assert bool(places) == (bool(noted) and not pipeline(rule).sampled), rule
        for place in places:
            assert any(name.startswith(f"{place}/") for name in fixture.arrays), (rule, place)


def test_every_equation_of_a_rule_has_its_numbers():
    _, fixture = made("adam")
    assert {e["tag"]: e["numbers"] for e in fixture.said["equations"]} == {
        "adam.1": {"t": "step/t"},
        "adam.2": {"m": "step/m"},
        "adam.3": {"v": "step/v"},
        "adam.4": {"m_hat": "between/adam.4/m_hat"},
        "adam.5": {"v_hat": "between/adam.5/v_hat"},
        "adam.6": {"theta": "step/theta"},
    }


def test_what_stands_between_is_what_the_equation_says():
    _, fixture = made("adam")
    arrays, t = fixture.arrays, np.arange(1, 9).reshape(-1, 1, 1)
    m, v = (arrays[f"step/{s}/4x3/hi"] + arrays[f"step/{s}/4x3/lo"] for s in "mv")
    for equation, x, beta in (("adam.4/m_hat", m, 0.75), ("adam.5/v_hat", v, 0.875)):
        want, at = x / (1 - beta**t), f"between/{equation}/4x3"
        got = arrays[f"{at}/hi"] + arrays[f"{at}/lo"]
        np.testing.assert_allclose(got, want, rtol=1e-14)
        assert (arrays[f"{at}/bound"] > 0).any()


def test_each_step_begins_where_the_rounded_truth_stands():
    _, fixture = made("adam")
    arrays = fixture.arrays
    for t in range(1, 8):
        step = make(
            "adam", {k: fixture.said["hyper"][k]["value"] for k in fixture.said["hyper"]}, {}
        )
        params = {"w": arrays["step/theta/4x3/hi"][t - 1].astype(float)}
        state = {s: arrays[f"step/{s}/4x3/hi"][t - 1].astype(float) for s in "mv"}
        step.load(params, {"w": state | {"t": t}})
        got = step({"w": arrays["grad/4x3"][t].astype(float)})["w"]
        want = arrays["step/theta/4x3/hi"][t] + arrays["step/theta/4x3/lo"][t]
        np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_plain_rule_lies_within_the_bounds_and_a_trap_does_not(dtype):
    arrays = made("lion", dtype)[1].arrays
    for meant, right in ((None, True), ({"lion": "updated-first"}, False)):
        other = made("lion", dtype, meant)[1].arrays
        off = abs(other["run/theta/4x3/hi"].astype(float) - arrays["run/theta/4x3/hi"])
        assert (off <= arrays["run/theta/4x3/bound"]).all() == right


def test_rows_without_a_gradient_say_so():
    _, fixture = made("adam", shapes=None, steps=4, trajectory="designed-absences")
    assert fixture.arrays["present/vector"].tolist() == [0, 0, 0, 1]
    assert fixture.arrays["step/t/vector/hi"].tolist() == [0, 0, 0, 1]
    assert fixture.case().grads[0]["vector"] is None
    assert fixtures.differences(fixture) == []


def test_hyper_parameters_are_exact_and_change_by_step():
    _, fixture = made("adamw", hyper={"lr": 0.1}, schedule="changing")
    assert float.fromhex(fixture.said["hyper"]["lr"]["hex"]) == 0.1
    assert fixture.arrays["hyper/lr"].tolist() == [
        0.1 * f for f in (0.125, 0.25, 0.5, 1, 1, 1, 0.5, 0.75)
    ]


def test_check_says_what_differs_and_by_how_much(folder, capsys):
    assert commands.main(["fixtures", "check", str(folder)]) == 0
    data = folder / "data.safetensors"
    arrays, said = safetensors.load(data)
    arrays["step/v/4x3/hi"][3, 0, 0] *= 1.5
    data.write_bytes(safetensors.dump(arrays, said))
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    new = f"{hashlib.sha256(data.read_bytes()).hexdigest()}  data.safetensors"
    (folder / "SHA256SUMS").write_text("\n".join(new if "data." in s else s for s in sums) + "\n")
    assert commands.main(["fixtures", "check", str(folder)]) == 1
    told = capsys.readouterr().out
    assert re.search(r"step/v/4x3/hi: 1 of 96 differ, at most by \S+, \S+ of the bound", told)


def test_a_changed_byte_is_refused(folder):
    data = bytearray((folder / "data.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "data.safetensors").write_bytes(data)
    with pytest.raises(FormatError, match=r"adam/data\.safetensors: sha256: is "):
        fixtures.verified(folder)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../b", "..", "a/b/c", "a\\b", "~/x", "a/.b"]
)
def test_no_name_leads_out_of_the_folder(folder, name):
    line = f"{'0' * 64}  {name}\n"
    (folder / "SHA256SUMS").write_text((folder / "SHA256SUMS").read_text() + line)
    with pytest.raises(FormatError, match="is no checksum of a file in this folder"):
        fixtures.verified(folder)


def test_a_link_and_a_stray_file_are_refused(folder):
    (folder / "more").write_text("")
    with pytest.raises(FormatError, match=r"\['more'\] are not in SHA256SUMS"):
        fixtures.verified(folder)
    (folder / "more").unlink()
    (folder / "README.md").rename(folder.parent / "elsewhere")
    with pytest.raises(FormatError, match=r"\['README.md'\] are lost"):
        fixtures.verified(folder)
    (folder / "README.md").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(FormatError, match="is a link"):
        fixtures.verified(folder)


WRONG = [None, 7, "x", [], {}, {"x": 1}, {"4x3": {}}, [1], [{"x": "y"}] * 8]


@pytest.mark.parametrize("field", sorted(fixtures.FIELDS))
def test_a_field_that_is_not_what_it_should_be_is_refused_by_name(field):
    files, fixture = made("adam")
    for value in WRONG:
        if value == fixture.said[field] or (field, value) == ("suite", "x"):
            continue
        said = json.dumps(fixture.said | {field: value}).encode()
        if type(value) is fixtures.FIELDS[field] and field in {
            "specification",
            "state",
            "equations",
        }:
            assert fixtures.differences(fixtures.load(files | {"fixture.json": said}))
            continue
        with pytest.raises(FormatError, match=r"^folder/.{0,400}$"):
            fixtures.load(files | {"fixture.json": said}, name="folder")


def test_json_is_exact_and_npz_holds_the_same(folder, tmp_path):
    fixture = fixtures.load(fixtures.verified(folder))
    text = json.loads(fixtures.export(fixture, "json"))
    for name, info in text["data"].items():
        x = fixture.arrays[name]
        again = np.array([float.fromhex(v) for v in info["values"]], info["dtype"])
        assert np.array_equal(again.reshape(info["shape"]), x), name
    (tmp_path / "a.npz").write_bytes(fixtures.export(fixture, "npz"))
    with np.load(tmp_path / "a.npz") as held:
        assert all(np.array_equal(held[name], x) for name, x in fixture.arrays.items())
        assert json.loads(held["fixture.json"].tobytes()) == fixture.said
    arrays, said = safetensors.load(fixtures.export(fixture, "safetensors"))
    assert json.loads(said) == fixture.said
    assert arrays.keys() == fixture.arrays.keys()


def test_what_is_too_much_for_json_is_refused(monkeypatch):
    _, fixture = made("adam", shapes=None, steps=24)
    assert fixtures.export(fixture, "json")  # what `make adam` makes, as the readers' page has it
    monkeypatch.setattr(fixtures, "MOST", 100_000)
    with pytest.raises(ValueError, match="are too many for JSON"):
        fixtures.export(fixture, "json")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["adann"], "no rule 'adann'"),
        (["adam", "--dialect=count-from-zero"], "adam has no dialect count-from-zero; there is"),
        (["adam", "--hyper=lr=fast"], "--hyper=lr=fast reads like NAME=VALUE"),
        (["adam", "--hyper=beta3=1"], "adam has no beta3"),
        (["adam", "--shapes=4by3"], "a shape reads like 4x3"),
        (["adam", "--steps=99"], "has 24 steps"),
        (["adam", "--profile=fast"], "there is default, dyadic, amplified"),
        (["muon", "--shapes=3"], "muon takes matrices"),
        (["adam", "--trajectory=designed-scale"], "there is designed-scales"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_sentence(args, sentence, tmp_path, capsys):
    assert commands.main(["fixtures", "make", *args, "-o", str(tmp_path / "x")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_not_empty_is_left_alone(folder, capsys, monkeypatch):
    assert commands.main(["fixtures", "make", "adam", "-o", str(folder)]) == 2
    assert "is not empty" in capsys.readouterr().err
    # A bundle takes minutes: it is told before they are spent.
    monkeypatch.setattr(command, "every", lambda: pytest.fail("it was made"))
    assert commands.main(["fixtures", "bundle", "-o", str(folder)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_is_named_as_it_was_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands.main(["fixtures", "check", "."]) == 2
    assert "goldstep: ./SHA256SUMS: file: No such file" in capsys.readouterr().err


def test_a_bundle_holds_every_rule_and_dialect_and_is_small(tmp_path, capsys, monkeypatch):
    whole = list(command.every())
    monkeypatch.setattr(command, "every", lambda: whole[:3])
    assert commands.main(["fixtures", "bundle", "-o", str(tmp_path / "all")]) == 0
    assert commands.main(["fixtures", "check", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out.count("the same bytes") == 3
    size = sum(p.stat().st_size for p in (tmp_path / "all").rglob("*") if p.is_file())
    assert size / 3 * len(whole) < 20_000_000
    assert {("adam", ""), ("adam", "epsilon-hat"), ("l2+adam", "")} <= {
        (rule, *meant.values()) if meant else (rule, "") for rule, meant in whole
    }


TOOLS = {"c": "gcc", "rust": "cargo", "javascript": "node"}
DOUBLE = {
    "c": ("typedef float real", "typedef double real"),
    "rust": ("type Real = f32", "type Real = f64"),
    "javascript": ("", ""),
}
MISTAKES = {
    "c": {
        "sqrt(v_hat) + eps": "sqrt(v_hat + eps)",
        "b2 * m[i] + (1 - b2)": "b2 * m[i] + (1 - b1)",
    },
    "rust": {
        "v_hat.sqrt() + eps": "(v_hat + eps).sqrt()",
        "b2 * x[1][i] + (1.0 - b2)": "b2 * x[1][i] + (1.0 - b1)",
    },
    "javascript": {
        "Math.sqrt(vHat) + eps": "Math.sqrt(vHat + eps)",
        "beta2 * m[i] + (1 - beta2)": "beta2 * m[i] + (1 - beta1)",
    },
}


def reader(language, folder, change=("", "")):
    """The command that runs a reader, with a piece of its source replaced."""
    if shutil.which(TOOLS[language]) is None:
        pytest.skip(f"{TOOLS[language]} is not installed")
    name = {"c": "check.c", "rust": "rust/src/main.rs", "javascript": "check.mjs"}[language]
    source = (READERS / name).read_text(encoding="utf-8")
    assert change[0] in source
    (folder / Path(name).name).write_text(source.replace(*change), encoding="utf-8")
    if language == "javascript":
        return ["node", str(folder / "check.mjs")]
    if language == "c":
        build = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "check.c", "-o", "check", "-lm"]
    else:
        (folder / "src").mkdir()
        (folder / "main.rs").rename(folder / "src" / "main.rs")
        shutil.copy(READERS / "rust" / "Cargo.toml", folder)
        build = ["cargo", "build", "--quiet", "--offline", "--target-dir", "target"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    return [str(folder / ("check" if language == "c" else "target/debug/check"))]


@pytest.mark.parametrize("language", TOOLS)
def test_a_reader_in_another_language_passes_on_the_truth_and_fails_on_a_trap(language, tmp_path):
    for dtype in ("float32", "float64"):
        change = DOUBLE[language] if dtype == "float64" else ("", "")
        (tmp_path / dtype).mkdir()
        program = reader(language, tmp_path / dtype, change)
        args = []
        for rule in ("adam", "lion"):
            fixtures.write(tmp_path / dtype / rule, made(rule, dtype)[0])
            args += [rule, str(tmp_path / dtype / rule / "data.safetensors")]
        done = subprocess.run([*program, *args], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "0 wrong\n")
    for number, change in enumerate(MISTAKES[language].items()):
        (tmp_path / str(number)).mkdir()
        program = reader(language, tmp_path / str(number), change)
        done = subprocess.run([*program, *args], capture_output=True, text=True)
        slot = ("adam: step/theta/", "lion: step/m/")[number]
        assert done.returncode == 1
        assert slot in done.stdout


@pytest.mark.parametrize("language", TOOLS)
def test_a_reader_refuses_a_file_that_is_cut(language, tmp_path):
    program = reader(language, tmp_path)
    data = made("adam")[0]["data.safetensors"]
    for length in (0, 7, 100, len(data) - 1):
        (tmp_path / "cut").write_bytes(data[:length])
        done = subprocess.run([*program, "adam", str(tmp_path / "cut")], capture_output=True)
        assert done.returncode == 2, length


def test_a_reader_is_shorter_than_eighty_lines():
    for path in (*READERS.glob("check.*"), READERS / "rust" / "src" / "main.rs"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, path
