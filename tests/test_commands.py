"""The program `goldstep`: its commands are the files of a folder, its errors one sentence."""

import re
import sys

import pytest

from goldstep.conformance import commands


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        commands.main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in commands.names())


@pytest.mark.parametrize("name", commands.names())
def test_every_command_has_help_of_its_own(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        commands.main([name, "--help"])
    assert f"goldstep {name}" in capsys.readouterr().out


def test_no_command_is_an_error_that_shows_the_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main([])
    assert "usage: goldstep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("identify --impl=no_such_module", "--impl=no_such_module: there is no such module"),
        ("identify --impl=torch:json.dumps --rule=adamm", "no rule is named adamm"),
        (
            "identify --impl=raising --rule=sgd",
            "as sgd it raises ZeroDivisionError: .*raising.py:2",
        ),
        ("coverage garbage.json", "garbage.json is no JSON: "),
        ("coverage object.json", "object.json is no list of objects, each with its id"),
        ("coverage nothing.json", "nothing.json: No such file or directory"),
        ("compare garbage.json object.json", "garbage.json is no JSON: "),
        ("window l2+adam", "l2.adam has no window of its own: ask of its parts, l2, adam"),
        ("window adm", "no rule 'adm'; there is adam"),
    ],
)
def test_a_wrong_command_is_told_in_one_sentence(line, says, tmp_path, monkeypatch, capsys):
    (tmp_path / "garbage.json").write_text("not this", encoding="utf-8")
    (tmp_path / "object.json").write_text("{}", encoding="utf-8")
    raising = "def make(rule, hyper, params):\n    return lambda grads: 1 / 0\n"
    (tmp_path / "raising.py").write_text(raising, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    assert commands.main(line.split()) == 2
    said = capsys.readouterr().err
    assert re.match(f"goldstep: .*{says}", said)
    assert said.count("\n") == 1
