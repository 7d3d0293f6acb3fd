"""The command `goldstep spec` lists the rules, shows their equations, and computes them."""

import json

import pytest

from goldstep import spec
from goldstep.conformance.commands import main
from goldstep.oracle import certify, plain


def said(capsys, *args):
    assert main(["spec", *args]) == 0
    return capsys.readouterr().out


def test_without_names_every_rule_is_listed(capsys):
    out = said(capsys)
    for kind, name in spec.every():
        assert any(line.split()[:2] == [name, kind] for line in out.splitlines())
    assert f"{len(spec.every())} rules" in out


def test_a_row_says_family_and_how_many_of_each_there_are(capsys):
    s = spec.load("optimizers", "adamw")
    row = next(line for line in said(capsys, "adam*").splitlines() if line.startswith("adamw "))
    counts = [str(len(s[what])) for what in ("dialect", "trap", "law", "witness")]
    assert row.split()[1:7] == ["optimizers", "adam", *counts]


def test_patterns_kinds_and_contents_narrow_the_list(capsys):
    assert "adam" not in said(capsys, "--kind=transforms").splitlines()[1]
    assert "\nmuon" not in said(capsys, "adam*")
    with_dialect = said(capsys, "--has=dialect")
    assert "\nadam " in with_dialect
    assert "\nsgd " not in with_dialect
    assert "heavy_ball" not in said(capsys, "--used-by=keras.optimizers.Adam")


@pytest.mark.parametrize("columns", ["200", "60"])
def test_a_name_shows_each_equation_with_its_line(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    lines = said(capsys, "adam").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  adam.2"))
    both = " ".join(lines[at : at + (1 if columns == "200" else 2)])
    assert "mₜ = β₁ mₜ₋₁ + (1 - β₁) gₜ" in both
    assert "m = b1 * m + (1 - b1) * g" in both
    assert any("dialect epsilon-hat" in line for line in lines)


def test_equations_can_be_had_as_they_are_written_and_as_data(capsys):
    assert r"m_t = \beta_1 m_{t-1}" in said(capsys, "adam", "--tex")
    assert json.loads(said(capsys, "lion", "--json"))["lion"]["title"] == "Lion"


def test_check_computes_the_equations(capsys, monkeypatch):
    assert "sgd: 1 equations say what their lines do" in said(capsys, "sgd", "--check")
    monkeypatch.setattr(certify, "failures", lambda *_: ["no"])
    assert main(["spec", "sgd", "--check"]) == 1


@pytest.mark.parametrize("args", [["adamm"], ["zzz*"], ["--kind=schedules", "--has=witness", "a*"]])
def test_what_is_not_there_is_one_sentence(capsys, args):
    assert main(["spec", *args]) == 2
    assert capsys.readouterr().err.startswith("goldstep: no rule")


@pytest.mark.parametrize(("kind", "name"), spec.every())
def test_nothing_of_an_equation_is_left_in_tex(kind, name):
    s = spec.load(kind, name)
    written = [e["tex"] for e in s["equation"] if "says-only" not in e] + [
        x for d in s["dialect"] if "says-only" not in d for x in d["tex"].values()
    ]
    for tex in written:
        assert "\\" not in plain.text(tex), plain.text(tex)
        assert "{" not in plain.text(tex), plain.text(tex)
