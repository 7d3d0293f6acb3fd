"""Every way in: a class or factory without an adapter, three lines in a test, any language."""

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from goldstep import conformance
from goldstep.conformance import whole
from goldstep.conformance.adapters import reference
from goldstep.conformance.ask import Memory, ask, broken, wrong
from goldstep.conformance.cases import asked
from goldstep.conformance.implementations import (
    UnusableError,
    declared,
    declaring,
    implementation,
    only,
)
from goldstep.conformance.mapping import MappingError, mapped, parse, placed
from goldstep.conformance.process import Program, limit
from goldstep.oracle.observe import ContractError

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
AUTHOR = """
import torch


class AdamW(torch.optim.Optimizer):
    def __init__(self, params, learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-8, wd=0.01):
        super().__init__(params, dict(lr=learning_rate, betas=betas, epsilon=epsilon, wd=wd))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s.update(step=0, mu=torch.zeros_like(p), nu=torch.zeros_like(p))
                s["step"] += 1
                s["mu"].lerp_(p.grad, 1 - b1)
                s["nu"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                rate = group["lr"] / (1 - b1 ** s["step"])
                root = (s["nu"] / (1 - b2 ** s["step"])).sqrt() + group["epsilon"]
                p.mul_(1 - group["lr"] * group["wd"])
                p.addcdiv_(s["mu"], root, value=-rate)
"""
WRONG = AUTHOR.replace("p.mul_(1 - group", "after = (1 - group").replace(
    "value=-rate)", "value=-rate).mul_(after)"
)


@pytest.fixture
def judge(tmp_path):
    """Run the suite in a folder with files of an author's; gives (exit code, output)."""

    def run(files, *options, program=("-m", "goldstep.conformance"), env=None):
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *program, *options],
            cwd=tmp_path,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_an_author_s_class_of_torch_is_judged_without_an_adapter(judge):
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")
    options = ["--impl=torch:mylib.AdamW", "--rule=adamw", "--case=adamw/designed-ties/*"]
    code, output = judge({"mylib.py": AUTHOR}, *options)
    assert code == 0, output
    mapping = "adamw = AdamW(betas=(beta1, beta2), learning_rate=lr, epsilon=eps, wd=weight_decay)"
    assert mapping in output
    assert "its state is read: m in mu, v in nu, t in int:step" in output
    assert re.search(r"adamw +adamw +2 +\d+ +0\.\d+ +conforms", output)


def test_the_mistake_of_an_author_s_class_is_named(judge):
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")
    options = ["--impl=torch:mylib.AdamW", "--rule=adamw", "--dtype=float64"]
    code, output = judge({"mylib.py": WRONG}, *options, "--case=adamw/*shocks*")
    assert code == 1
    assert "it is the trap decay-after-the-step of adamw" in output
    assert len(re.findall("got  ", output)) == 1  # one failure for one cause
    assert re.search("CAUSE of [0-9]+ cases: adamw: does not conform: it is the trap", output)


def test_what_is_wrong_with_a_step_is_told_before_the_whole_and_can_be_asked_again(judge):
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")
    options = ["--impl=torch:mylib.AdamW", "--rule=adamw", "--dtype=float64"]
    code, output = judge({"mylib.py": WRONG}, *options, "-k", "hypers or shocks")
    assert code == 1
    assert output.index("_ test_case[") < output.index("_ test_whole[")
    assert "hypers: before any changes: " in output
    again = re.search("repeat +python (.*)\n", output)[1]
    code, output = judge({}, program=shlex.split(again))
    assert code == 1
    assert "it is the trap decay-after-the-step of adamw" in output


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """An author's class of torch's kind, as `--impl` takes it."""
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")

    def take(text, name="AdamW"):
        (tmp_path / "taken.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "taken", raising=False)
        return implementation(f"torch:taken.{name}", ["adamw"])

    return take


def test_a_class_that_raises_says_what_and_where(taken):
    raises = AUTHOR.replace('s["step"] += 1', 's["step"] += 1; assert s["step"] < 3, "no third"')
    made = taken(raises)
    says = r"AssertionError: no third \(.*taken\.py:\d+\)"
    assert re.fullmatch(says, broken(made, "adamw", "float64"))
    assert "the contract" in made.breach()


def test_a_class_that_does_not_take_a_type_is_asked_in_the_other(taken):
    held = "s = self.state[p]"
    made = taken(AUTHOR.replace(held, f"assert p.element_size() < 8, 'no'; {held}"))
    assert made.dtypes == ("float32",)
    assert "NOT TESTED in float64: AssertionError: no" in made.notes
    assert "its state is read: m in mu, v in nu, t in int:step" in made.notes


def test_a_state_under_names_of_its_own_is_known_by_what_is_in_it(taken):
    own = AUTHOR
    for old, new in (("mu", "first"), ("nu", "second"), ("step", "n")):
        own = own.replace(f'"{old}"', f'"{new}"').replace(f"{old}=", f"{new}=")
    assert taken(own).notes[-1] == "its state is read: m in first, v in second, t in int:n"


def test_a_state_that_is_not_known_is_shown(taken):
    made = taken(AUTHOR.replace("step=0", "step=1").replace('s["step"])', '(s["step"] - 1))'))
    says = "level 0: no entry of its state is known to be t; after three steps it has step = 4, mu"
    assert made.notes[-1].startswith(says)


def test_a_class_that_writes_into_the_gradients_is_noted(taken):
    says = "it writes into the gradients that it is given (p.grad)"
    assert says not in taken(AUTHOR).notes
    assert says in taken(AUTHOR.replace('s["step"] += 1', 's["step"] += 1; p.grad.mul_(2)')).notes


def test_what_a_class_hands_on_by_keyword_is_known(taken):
    more = "\n\nclass Mine(AdamW):\n    def __init__(self, params, learning_rate=0.1, **more):\n"
    more += "        super().__init__(params, learning_rate, **more)\n"
    made = taken(AUTHOR + more, "Mine")
    assert "betas=(beta1, beta2), learning_rate=lr, epsilon=eps" in made.notes[0]


def test_a_class_of_torch_is_asked_for_groups(taken):
    assert wrong(taken(AUTHOR), "adamw", "groups") == ""
    first = AUTHOR.replace('rate = group["lr"]', 'rate = self.param_groups[0]["lr"]')
    assert "'wide' of two groups: 'wide' is" in wrong(taken(first), "adamw", "groups")


def test_a_class_of_torch_that_can_is_asked_to_maximize(taken):
    assert "maximize" not in taken(AUTHOR).capabilities
    ignored = taken(AUTHOR.replace("wd=0.01)", "wd=0.01, maximize=False)"))
    assert "negated gradients: " in wrong(ignored, "adamw", "maximize")


def test_a_search_is_given_up_after_numbers_only(monkeypatch):
    for name in ("diagnose", "misdeclared"):
        monkeypatch.setattr(f"goldstep.conformance.ask.{name}", lambda *_, **__: [])
    memory = Memory()
    for finite in (False, True):
        memory.diagnosed(None, None, finite=finite)
        assert memory.in_vain is finite


def test_more_can_be_declared_without_an_adapter(taken):
    made = taken(AUTHOR)
    more = declaring(made, ["scalar=float32", "dtypes=float32,bfloat16", "capabilities=mixed"])
    assert (more.scalar, more.dtypes) == ("float32", ["float32", "bfloat16"])
    assert {*more.capabilities} - {*made.capabilities} == {"mixed"}
    for said, says in (("scale=float32", "say one of dtypes, scalar"), ("scalar=fp32", "'fp32'")):
        with pytest.raises(UnusableError, match=says):
            declaring(made, [said])


def test_only_the_types_that_are_wanted_are_asked_also_of_the_whole(taken):
    made = taken(AUTHOR)
    assert only([made], ["float32"])[0].dtypes == ["float32"]
    with pytest.raises(UnusableError, match=r"declares float64, float32; .* --declare=dtypes=bfl"):
        only([made], ["bfloat16"])


def test_a_part_that_is_computed_in_float32_is_suspected(taken):
    coarse = AUTHOR.replace("root = (", "root = (1 + 1e-6) * (")
    (case,) = (c for c in asked("adamw", ()) if c.id == "adamw/designed-ties/dyadic/constant")
    assert "a part is computed in float32" in ask(taken(coarse), case, "float64").message


def test_a_factory_of_optax_is_judged_without_an_adapter(judge):
    pytest.importorskip("optax", reason="NOT RUN: optax is not installed")
    library = "import optax\n\ndef mine(step_size, b_1=0.9, beta2=0.99, wd=0.1):\n"
    library += "    return optax.lion(step_size, b_1, beta2, weight_decay=wd)\n"
    options = ["--rule=lion", "--dtype=float64", "--case=lion/*ties*"]
    code, output = judge({"mylib.py": library}, "--impl=optax:mylib.mine(b_1=beta1)", *options)
    assert code == 0, output
    assert "lion = mine(b_1=beta1, beta2=beta2, step_size=lr, wd=weight_decay)" in output
    assert "its state is read: m in mu" in output


def test_what_optax_injects_changes_where_optax_keeps_it(tmp_path, monkeypatch):
    pytest.importorskip("optax", reason="NOT RUN: optax is not installed")
    text = "import optax\n\ndef mine(learning_rate, b1, b2, weight_decay):\n"
    text += "    made = optax.inject_hyperparams(optax.lion)\n"
    text += "    return made(learning_rate, b1, b2, weight_decay=weight_decay)\n"
    (tmp_path / "injected.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    made = implementation("optax:injected.mine", ["lion"])
    assert "its state is read: m in mu" in made.notes
    assert wrong(made, "lion", "hypers") == ""


def test_three_lines_in_an_author_s_own_test_file_are_enough(judge):
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")
    lines = [
        '@conformance.parametrize(mylib.AdamW, rule="adamw")',
        "def test_adamw(question):",
        "    question.check()",
    ]
    test = "\n".join(["import mylib", "from goldstep import conformance", "", *lines, ""])
    for library, expected in ((AUTHOR, 0), (WRONG, 1)):
        files = {"mylib.py": library, "test_mine.py": test}
        code, output = judge(files, "-q", "-k", "shocks", program=("-m", "pytest"))
        assert code == expected, output
    assert "it is the trap decay-after-the-step of adamw" in output


@conformance.parametrize("reference", rule="lion")
def test_the_decorator_takes_what_impl_takes(question):
    question.check()


def test_a_dialect_is_claimed_on_the_command_line(judge):
    pytest.importorskip("torch", reason="NOT RUN: torch is not installed")
    options = [
        "--impl=torch:torch.optim.SGD",
        "--rule=heavy_ball",
        "--case=heavy_ball/*ties*changing*",
    ]
    code, output = judge({}, *options)
    assert code == 1
    assert "conforms to dialect rate-outside, claims heavy_ball" in output
    claim = re.search("If it is meant, claim it: (\\S+)", output)[1]
    code, output = judge({}, *options, claim)
    assert code == 0, output


def adam(params, lr, beta_1=0.9, b2=0.999, *, tiny=1e-8, amsgrad=False): ...


def test_parameters_are_known_by_the_names_that_libraries_use():
    made = mapped("adam", adam, {}, "torch:x.adam", skip=1)
    assert made.values({"lr": 1.0, "beta1": 0.5, "beta2": 0.75, "eps": 2.0}) == {
        "lr": 1.0,
        "beta_1": 0.5,
        "b2": 0.75,
        "tiny": 2.0,
    }
    assert made.left == ("amsgrad=False",)


def without_floor(params, lr, betas): ...


def either(params, lr, wd, decay, betas, eps): ...


def needs_more(params, lr, betas, eps, horizon): ...


@pytest.mark.parametrize(
    ("rule", "made", "said", "says"),
    [
        ("adam", without_floor, "", r"no parameter that is known to be eps .*m\.f\(eps=1e-08\)"),
        ("adamw", either, "", r"weight_decay of adamw may be wd or decay .*m\.f\(wd=weight_decay"),
        ("adam", needs_more, "", r"needs 'horizon'.*m\.f\(horizon=\.\.\.\)"),
        ("adam", adam, "(nothing=lr)", "has no parameter 'nothing'; it takes lr, beta_1"),
        ("adam", adam, "(tiny=floor)", "adam has no hyper-parameter 'floor'; it has lr"),
    ],
)
def test_what_cannot_be_mapped_says_how_to_give_it(rule, made, said, says):
    with pytest.raises(MappingError, match=says):
        mapped(rule, made, parse(f"m.f{said}")[1], "torch:m.f", skip=1)


def test_what_is_said_of_a_parameter_goes_before_its_name():
    _, said = parse("m.f(tiny=eps**0.5, amsgrad=True)")
    made = mapped("adam", adam, said, "torch:m.f", skip=1)
    values = made.values({"lr": 1.0, "beta1": 0.5, "beta2": 0.75, "eps": 4.0})
    assert (values["tiny"], values["amsgrad"]) == (2.0, True)


def test_what_a_library_has_built_in_is_not_asked_with_another_value():
    made = mapped("adam", without_floor, parse("m.f(eps=1e-8)")[1], "torch:m.f", skip=1)
    hyper = {"lr": 1.0, "beta1": 0.5, "beta2": 0.75, "eps": 1e-8}
    assert "eps" not in made.values(hyper)
    with pytest.raises(NotImplementedError, match="eps = 1e-08 built in"):
        made.values(hyper | {"eps": 0.5})


def test_a_slot_is_known_by_its_name_in_libraries():
    assert placed(["m", "v"], {"exp_avg", "exp_avg_sq"}) == {"m": "exp_avg", "v": "exp_avg_sq"}
    assert placed(["m", "v"], {"momentum_buffer"}) == {"m": "momentum_buffer"}


@pytest.mark.parametrize(
    ("name", "rules", "says"),
    [
        ("torch:json.dumps", [], "say which rule it is, as in --rule=adamw"),
        ("torch:json.nothing", ["adam"], "module json has no class or function nothing"),
        ("torch:dumps", ["adam"], "give its module too"),
        ("torch:json.dumps(3)", ["adam"], "give each parameter by name"),
        ("torch:json.dumps", ["adamm"], "no rule 'adamm'"),
        ("torch:json.", ["adam"], "is no dotted name"),
        ("torch:json.__all__", ["adam"], "no class or function __all__, but a list of that name"),
    ],
)
def test_a_class_that_cannot_be_had_says_why(name, rules, says):
    with pytest.raises(UnusableError, match=says):
        implementation(name, rules)


def test_a_module_that_cannot_be_imported_says_why(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, text, says in (
        ("unfinished", "def make(", "importing unfinished raises SyntaxError: '\\(' was never"),
        ("choosy", "raise OSError('no device')", "importing choosy raises OSError: no device"),
        ("stringy", "dtypes = 'float32'\ndef make(): ...", r"write dtypes = \['float32'\]"),
    ):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        with pytest.raises(UnusableError, match=says):
            implementation(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "say what to judge"),
        ("cmd:", "say what to judge"),
        ("torch:", "say what to judge"),
        ("./mylib.py", "give a module by its name, as --impl=mylib, with its folder on the Python"),
        ("json:JSONDecoder", "no function make.*; a class needs none, as --impl=torch:json.JSOND"),
        ("json.JSONDecoder", "no module but in json: .* if it is a class, --impl=torch:json.JSOND"),
    ],
)
def test_what_is_no_adapter_says_what_would_be(name, says):
    with pytest.raises(UnusableError, match=says):
        implementation(name)


def test_a_class_may_be_written_as_an_entry_point_is():
    assert parse("mylib.optim:Adam(eps=1e-8)")[0] == "mylib.optim.Adam"


def test_a_package_can_register_its_adapter_under_a_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    adapter = "version = '2.0'\n\ndef make(rule, hyper, params):\n    raise NotImplementedError\n"
    (tmp_path / "registered_library.py").write_text(adapter, encoding="utf-8")
    with pytest.raises(UnusableError, match="--impl=registered: there is no such module"):
        implementation("registered")
    package = tmp_path / "registered_library-2.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: registered-library\nVersion: 2.0\n")
    group = "[goldstep.implementations]\nregistered = registered_library\n"
    (package / "entry_points.txt").write_text(group)
    importlib.invalidate_caches()
    made = implementation("registered")
    assert (made.name, made.version) == ("registered", "2.0")


def test_the_examples_are_short():
    for path in EXAMPLES.iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, path


def test_a_program_in_c_conforms(judge, tmp_path):
    compiler = shutil.which("cc") or pytest.skip("NOT RUN: there is no C compiler")
    warnings = ["-Wall", "-Wextra", "-Werror", "-O2"]
    source = EXAMPLES / "adam.c"
    subprocess.run([compiler, *warnings, "-o", tmp_path / "adam", source, "-lm"], check=True)
    code, output = judge({}, "--impl=cmd:./adam", "--case=adam/*absences*")
    assert code == 0, output
    assert re.search(r"adam +adam +0 +\d+ +0\.\d+ +conforms", output)


def test_a_program_in_javascript_conforms(judge):
    node = shutil.which("node") or pytest.skip("NOT RUN: there is no node")
    code, output = judge({}, f"--impl=cmd:{node} {EXAMPLES / 'adam.mjs'}", "--case=adam/*absences*")
    assert code == 0, output
    assert re.search(r"adam +adam +2 +\d+ +0\.\d+ +conforms", output)


W = np.ones(2)
PROGRAM = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "hello":
        HELLO
        print(json.dumps({"protocol": 1, "rules": ["sgd"]}), flush=True)
    elif request["op"] == "make":
        params, lr = request["params"], request["hyper"]["lr"]
        print("{}", flush=True)
    else:
        STEP
"""


@pytest.mark.parametrize(
    ("hello", "step", "says"),
    [
        ("pass", "sys.exit(3)", "crashes: the program ended instead of an answer to step: exit"),
        ("pass", "time.sleep(60)", "hangs: the program does not answer step: 1 s have passed"),
        ("pass", "print('Step 1!', flush=True)", "garbage: the answer to step is no JSON object"),
        ("pass", "print('{}', flush=True)", "garbage: the answer to step is not as docs/protocol"),
        (
            "pass",
            'print(\'{"error": "no memory"}\', flush=True)',
            "reports an error: the program answers step with an error: no memory",
        ),
    ],
)
def test_a_program_that_goes_wrong_gets_a_verdict_of_its_own(judge, hello, step, says):
    program = PROGRAM.replace("HELLO", hello).replace("STEP", step)
    options = [f"--impl=cmd:{sys.executable} bad.py", "--rule=sgd"]
    code, output = judge({"bad.py": program}, *options, env={"GOLDSTEP_LIMIT": "1"})
    assert code == 1
    assert says in output


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("'{}\\n{}'", "more than one line answers step; the second is '{}'"),
        ("'[' * 99999", "the answer to step is no JSON object"),
        ("'{}'", "it has no list 'params'"),
        ("told([3])", "in 'params' is no array with a name: 3"),
        ("told(params + params)", "'w' is there twice"),
        ("told([{'name': 'w'}])", "'w': its dtype is None; there is float64, float32"),
        ("told([params[0] | {'data': 3}])", "'w': its data is neither base64 nor a list"),
        ("told([params[0] | {'shape': [3]}])", "'w': it has 2 elements, and shape [3]"),
        ("told([params[0] | {'shape': 2}])", "'w': it has 2 elements, and shape 2"),
        ("told([params[0] | {'data': ['1.5', '2']}])", "'1.5' is no hexadecimal number"),
        ("sys.exit(print(end='{', flush=True))", "exit code 0. It wrote '{', and no line feed."),
        ("time.sleep(60)", "0.1 s have passed. Does it flush each line?"),
        ("[print(end='x' * 9999) for _ in iter(int, 1)]", "0.1 s have passed. It wrote 'xxxx"),
        ("sys.exit('x' * 999 + ' warns\\nno memory')", "answer to step: exit code 1. no memory"),
    ],
)
def test_an_answer_that_is_none_says_what_is_wrong_with_it(tmp_path, answer, says):
    step = f"told = lambda x: json.dumps({{'params': x}})\n        print({answer}, flush=True)"
    (tmp_path / "bad.py").write_text(
        PROGRAM.replace("HELLO", "pass").replace("STEP", step), encoding="utf-8"
    )
    made = Program(f"{sys.executable} {tmp_path / 'bad.py'}").make("sgd", {"lr": 1.0}, {"w": W})
    made.line.limit = 0.1 if "0.1 s" in says else 60.0
    with pytest.raises(ContractError, match=re.escape(says)):
        made({"w": W})


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        ("time.sleep(60)", "the program does not answer hello: 1 s have passed"),
        ("print('Loading...', flush=True)", "the answer to hello is no JSON object: 'Loading"),
        ("import no_such_module", "exit code 1. .*No module named 'no_such_module'"),
    ],
)
def test_a_program_that_does_not_start_says_so(judge, hello, says):
    program = PROGRAM.replace("HELLO", hello)
    options = [f"--impl=cmd:{sys.executable} bad.py", "--rule=sgd"]
    code, output = judge({"bad.py": program}, *options, env={"GOLDSTEP_LIMIT": "1"})
    assert code == 4
    assert re.search(says, output, flags=re.DOTALL)


def test_a_program_that_is_not_there_says_so(judge):
    code, output = judge({}, "--impl=cmd:./nothing")
    assert code == 4
    assert "./nothing cannot be started" in output


def test_a_reader_who_has_seen_enough_gets_no_traceback(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-m", "goldstep.conformance", "--impl=reference", "--case=none"]
    done = subprocess.run(
        program, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=tmp_path, timeout=300
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


SGD = """
import json, sys
for line in sys.stdin:
    request, answer = json.loads(line), {}
    if request["op"] == "hello":
        can = ["groups", "saves", "maximize"]
        answer = {"protocol": 1, "rules": ["sgd"], "arrays": "hex", "capabilities": can}
    elif request["op"] == "make":
        params, rate = request["params"], request["hyper"]["lr"]
        rates = dict.fromkeys((p["name"] for p in params), -rate if "maximize" in request else rate)
        for group in request.get("groups", ()):
            rates.update(dict.fromkeys(group["params"], group.get("lr")))
    elif request["op"] == "step":
        for p, g in zip(params, request["grads"]):
            pairs = zip(p["data"], g["data"])
            moved = [float.fromhex(x) - rates[p["name"]] * float.fromhex(d) for x, d in pairs]
            p["data"] = [x.hex() for x in moved]
        answer = {"params": params}
    elif request["op"] == "save":
        answer = {"saved": params}
    elif request["op"] == "restore":
        params = request["saved"]
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize(
    ("name", "right", "wrong", "says"),
    [
        ("groups", '"groups", ()', '"none", ()', "groups: '.* is .* after step 1"),
        ("saves", '"restore"', '"none"', "saved after step 1, 'tall' is another after step 2"),
        ("saves", '{"saved": params}', "{}", "the answer to save is not .* it has no 'saved'"),
        ("maximize", '"maximize" in', "False and", "negated gradients: '.* is .* after step 1"),
    ],
)
def test_a_program_is_asked_what_it_declares_of_the_whole(tmp_path, name, right, wrong, says):
    path = tmp_path / "sgd.py"
    path.write_text(SGD, encoding="utf-8")
    whole.check(implementation(f"cmd:{sys.executable} {path}"), "sgd", name)
    assert right in SGD
    path.write_text(SGD.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ContractError, match=says):
        whole.check(implementation(f"cmd:{sys.executable} {path}"), "sgd", name)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({}, 'does not say "protocol":1'),
        ({"protocol": "1"}, 'the program speaks protocol "1", not 1'),
        ({"protocol": 1, "level": 3}, "has 3 as 'level', which is 0, 1 or 2"),
        ({"protocol": 1, "rules": "adam"}, "has \"adam\" as 'rules', which is a list of names"),
        ({"protocol": 1, "rules": ["Adam"]}, "offers 'Adam': no rule 'Adam'; there is adam"),
        ({"protocol": 1, "dtypes": ["bfloat16"]}, "which is a list of float64, float32"),
        ({"protocol": 1, "arrays": "hexadecimal"}, "which is base64 or hex"),
        ({"protocol": 1, "dialects": ["epsilon-hat"]}, "which is an object of names"),
        ({"protocol": 1, "scalar": ["float64"]}, "which is the name of a type, or an object"),
        ({"unsupported": "no licence"}, "the program does not take hello: no licence"),
    ],
)
def test_what_a_program_says_of_itself_is_checked(tmp_path, said, says):
    path = tmp_path / "hello.py"
    path.write_text(f"input()\nprint({json.dumps(json.dumps(said))}, flush=True)", encoding="utf-8")
    with pytest.raises(ContractError, match=re.escape(says)):
        Program(f"{sys.executable} {path}")


@pytest.mark.parametrize(
    ("command", "says"),
    [("", "cmd: names no program"), ("./opt 'a", "cmd:./opt 'a is no command: No closing quot")],
)
def test_what_is_no_command_says_so(command, says):
    with pytest.raises(ContractError, match=re.escape(says)):
        Program(command)


@pytest.mark.parametrize("said", ["soon", "0", "nan"])
def test_a_limit_that_is_no_number_of_seconds_is_an_error(monkeypatch, said):
    monkeypatch.setenv("GOLDSTEP_LIMIT", said)
    with pytest.raises(ValueError, match=f"GOLDSTEP_LIMIT={said}: that is no number of seconds"):
        limit(1.0)
    monkeypatch.setenv("GOLDSTEP_LIMIT", "inf")
    assert 60 < limit(1.0) < 1e9  # a wait that the system takes


def test_a_program_is_started_once_and_its_end_is_seen(tmp_path):
    (tmp_path / "good.py").write_text(
        PROGRAM.replace("HELLO", "pass").replace("STEP", "break"), encoding="utf-8"
    )
    program = Program(f"{sys.executable} {tmp_path / 'good.py'}")
    child = program.idle[0].child
    for _ in range(3):
        step = program.make("sgd", {"lr": 1.0}, {})
        assert step.line.child is child
        del step
    program.close()
    assert child.returncode is not None


def test_a_type_whose_arrays_there_are_not_is_an_error_with_its_remedy(monkeypatch):
    class Adapter:
        make, dtypes = reference.make, ("float32", "bfloat16")

    assert "bfloat16" in declared(Adapter, "mine").dtypes
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    says = r"declares bfloat16: .* pip install 'goldstep\[bfloat16\]'"
    with pytest.raises(UnusableError, match=says):
        declared(Adapter, "mine")


def test_the_reference_is_asked_in_the_types_that_there_are(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert {*importlib.reload(reference).dtypes} == {"float64", "float32", "float16"}
    monkeypatch.undo()
    assert "bfloat16" in importlib.reload(reference).dtypes
