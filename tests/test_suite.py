"""The suite as its users run it: what conforms passes, what does not is told what it is."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "implementers.md").read_text(encoding="utf-8")
BLOCKS = {
    m[1]: m[2] for m in re.finditer(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, flags=re.DOTALL)
}
LION = "m += (1 - self.beta2) * (g - m)"
ADAM = "np.sqrt(v_hat) + self.eps"


@pytest.fixture
def run(tmp_path):
    """Write files beside each other and judge an adapter among them; gives (exit code, output)."""

    def judge(files, *options, impl="mylib_adapter", program=("-m", "goldstep.conformance")):
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *program, *([f"--impl={impl}"] if impl else []), *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    return judge


def with_library(old, new):
    assert old in BLOCKS["mylib.py"]
    return BLOCKS | {"mylib.py": BLOCKS["mylib.py"].replace(old, new)}


def test_an_adapter_takes_at_most_fifteen_lines():
    lines = [line for line in BLOCKS["mylib_adapter.py"].splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_library_of_the_guide_conforms(run):
    code, output = run(BLOCKS)
    assert code == 0, output
    assert re.search(r"adam +adam +0 +\d+ +0\.\d+ +conforms", output)
    assert re.search(r"lion +lion +0 +\d+ +0\.\d+ +conforms", output)
    assert re.search("NOT TESTED, not offered: .*adagrad, .*adamw, ", output)
    assert "NOT TESTED at level 2: its state is not read" in output


def test_a_swapped_beta_of_lion_is_named_with_its_equation(run):
    files = with_library(LION, "m += self.beta2 * (g - m)")
    code, output = run(files, "--case=lion/designed-[as]*", "--dtype=float64")
    assert code == 1
    assert "lion.3: m = b2 * m + (1 - b2) * g" in output
    assert "it is the trap swapped-beta2 of lion" in output
    assert re.search(r"case +lion/designed-\S+/float64", output)
    assert re.search(r"step +\d+, free-running; tensor '\w+'", output)
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    assert shown.partition("  repeat")[0] in output
    repeat = r"repeat +python -m goldstep.conformance --impl=mylib_adapter (--case=\S+)\n"
    again, repeated = run(files, re.search(repeat, output)[1])
    assert again == 1
    assert "swapped-beta2" in repeated


def test_an_epsilon_inside_the_root_is_a_dialect_that_was_not_claimed(run):
    files = with_library(ADAM, "np.sqrt(v_hat + self.eps)").copy()
    files["mylib.py"] = files["mylib.py"].replace(
        "m_hat / (np.sqrt(v_hat + self.eps))", "m_hat / np.sqrt(v_hat + self.eps)"
    )
    code, output = run(files, "--case=adam/designed-scales/*")
    assert code == 1
    assert "conforms to dialect epsilon-inside-the-root, claims adam" in output


def test_a_dialect_that_is_claimed_conforms(run):
    files = with_library(ADAM, "np.sqrt(v_hat + self.eps)")
    claim = 'dialects = {"adam": "epsilon-inside-the-root"}\n'
    files["mylib_adapter.py"] = claim + files["mylib_adapter.py"]
    code, output = run(files, "--case=adam/designed-scales/*")
    assert code == 0, output
    assert re.search(r"adam +epsilon-inside-the-root +0 +\d+", output)


def test_what_no_reading_explains_is_said_to_be_unknown(run):
    files = with_library("g * g - v", "abs(g) ** 1.5 - v")
    code, output = run(files, "--case=adam/designed-ties/dyadic/*", "--dtype=float64")
    assert code == 1
    assert "does not conform, and is no dialect or trap that is known" in output


def test_a_run_that_tests_nothing_fails(run):
    offers_nothing = "def make(rule, hyper, params):\n    raise NotImplementedError(rule)\n"
    code, output = run({"mylib_adapter.py": offers_nothing})
    assert code == 5
    assert "NOTHING WAS TESTED" in output


def test_a_broken_adapter_is_told_apart_from_wrong_mathematics(run):
    files = BLOCKS | {"mylib_adapter.py": BLOCKS["mylib_adapter.py"].replace("x.copy()", "x")}
    code, output = run(files, "--rule=adam")
    assert code == 1
    assert "your adapter is broken" in output
    assert "that was given to make: copy it there" in output
    assert "does not conform" not in output


def test_an_adapter_that_raises_is_broken(run):
    files = BLOCKS | {
        "mylib_adapter.py": "def make(rule, hyper, params):\n    return lambda g: 1 / 0\n"
    }
    code, output = run(files, "--rule=sgd")
    assert code == 1
    assert "your adapter is broken (float64): ZeroDivisionError: division by zero" in output


def test_what_is_raised_in_the_middle_of_a_case_is_on_the_table(run):
    files = with_library("m = self.m.setdefault", "assert p.size, 'empty'; m = self.m.setdefault")
    code, output = run(files, "--rule=lion", "--dtype=float64")
    assert code == 1
    assert re.search(r"lion +lion +0 .* raises AssertionError", output)


def test_a_case_that_a_coarse_type_does_not_hold_is_not_tested_and_said_so(run):
    code, output = run({}, "--rule=shampoo", "--dtype=float16", impl="reference")
    assert code == 0, output
    assert "shampoo  shampoo  2" in output
    assert re.search("NOT TESTED: .*shampoo/.*/float16: the truth leaves the range", output)


def test_a_rule_of_which_goldstep_could_not_judge_a_case_does_not_conform(run):
    broken = """
        from goldstep.conformance import ask
        from goldstep.conformance.adapters.reference import make

        def judge(*_, **__):
            raise OverflowError("such a case judges nothing")

        ask.judge = judge
    """
    code, output = run({"mine.py": textwrap.dedent(broken)}, "--rule=sgd", impl="mine")
    assert code == 1
    assert "OverflowError: such a case judges nothing" in output
    assert re.search("sgd .* goldstep itself raises OverflowError", output)
    assert "0 of 1 rules conform, 1 do not" in output


def test_an_option_that_is_not_offered_is_not_tested_and_said_so(run):
    refuses = "    if hyper.get('weight_decay'):\n        raise NotImplementedError('decay')\n"
    head = "def make(rule, hyper, params):\n"
    adapter = BLOCKS["mylib_adapter.py"].replace(head, head + refuses)
    files = BLOCKS | {"mylib_adapter.py": adapter}
    code, output = run(files, "--rule=lion", "--dtype=float64", "-rs")
    assert code == 0, output
    assert "NOT TESTED: mylib_adapter does not offer this: decay" in output


@pytest.mark.parametrize(
    ("impl", "says"),
    [
        (None, "say what to judge: --impl=torch"),
        ("no_such_thing", "on the Python path, nor an adapter of that name. Shipped are"),
        ("json", "has no function make"),
        ("json:nothing", "module json has nothing named nothing"),
    ],
)
def test_a_command_line_that_means_nothing_says_what_would(run, impl, says):
    code, output = run({}, "-q", impl=impl)
    assert code == 4
    assert says in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ('dialects = {"adam": "hat"}', "claims dialect 'hat' of adam, which has epsilon-hat"),
        ('dialects = {"adamm": "hat"}', "claims a dialect of 'adamm': no rule 'adamm'"),
        ('dialects = {"adam": "counted-twice"}', "claims dialect 'counted-twice' of adam"),
        ('iteration = "float8"', "declares a type 'float8'; there is float64"),
        ('capabilities = {"magic"}', r"declares capabilities \['magic'\]; there is changes"),
    ],
)
def test_a_claim_that_cannot_be_is_refused(run, declared, says):
    code, output = run(
        {"mine.py": f"{declared}\ndef make(rule, hyper, params): ...\n"}, impl="mine"
    )
    assert code == 4
    assert re.search(says, output)


def test_a_rule_or_case_that_is_not_there_is_an_error(run):
    code, output = run(BLOCKS, "--rule=adamm")
    assert code == 4
    assert output.startswith("ERROR: --rule=adamm: no rule is named so; there is adam, radam")
    code, output = run(BLOCKS, "--case=adam/designed-scale/*")
    assert code == 4
    assert "ERROR: no case that is asked is named adam/designed-scale/*; a name reads" in output
    assert "Traceback" not in output
    assert "test_conformance.py" not in output


def test_a_pipeline_that_is_not_listed_is_asked_by_its_name(run):
    options = ["--rule=clip_by_value+lion@cosine", "--dtype=float64"]
    code, output = run({}, *options, impl="reference")
    assert code == 0, output
    assert re.search(r"clip_by_value\+lion@cosine +clip_by_value\S+ +2 +\d+ +0\.\d+ +conf", output)
    code, output = run({}, "--case=clip_by_value+lion@cosine/designed-shocks/*", impl="reference")
    assert code == 0, output


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m goldstep.conformance --impl=reference --rule=sgd | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)  # noqa: S602
    assert done.stdout.startswith("...")
    assert done.stderr == ""


def test_the_report_says_everything_that_was_asked(run, tmp_path):
    code, _ = run(BLOCKS, "--rule=lion", "--rule=sgd", "--dtype=float64", "--report=out.json")
    assert code == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["suite"] == "0.1.0"
    assert {r["rule"] for r in report["rows"]} == {"lion", "sgd"}
    assert [r["offered"] for r in report["rows"] if r["rule"] == "sgd"] == [False]
    cases = [r for r in report["rows"] if r["case"]]
    assert cases
    assert all(r["ratio"] < 1 and r["verdict"] == "conforms" for r in cases)


def test_help_helps_and_needs_no_implementation(run):
    code, output = run({}, "--help", impl=None)
    assert code == 0
    assert "--rule=GLOB" in output


def test_another_project_with_an_option_impl_of_its_own_is_left_alone(run):
    conftest = "def pytest_addoption(parser):\n    parser.addoption('--impl')\n"
    test = "def test_impl(request):\n    assert request.config.option.impl == 'theirs'\n"
    files = {"conftest.py": conftest, "test_theirs.py": test}
    code, output = run(files, "-q", impl="theirs", program=("-m", "pytest"))
    assert code == 0, output
    assert "conformance" not in output


def test_the_checkout_and_the_package_ask_the_same(run, tmp_path):
    options = ["--rule=lion", "--dtype=float64", "-q"]
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text)
    there = subprocess.run(
        [sys.executable, "-m", "pytest", "conformance", "--impl=mylib_adapter", *options],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    _, here = run(BLOCKS, *options)
    table = re.compile(r"^lion +lion.*$", re.MULTILINE)
    assert table.findall(there.stdout) == table.findall(here)
    assert table.findall(here)


def test_by_name_pytest_finds_the_installed_suite(run):
    program = ("-m", "pytest", "--pyargs", "goldstep.conformance")
    code, output = run(BLOCKS, "--rule=lion", "--dtype=float64", "-q", program=program)
    assert code == 0, output
