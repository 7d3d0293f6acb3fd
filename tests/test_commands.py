"""The program `goldstep`: its commands are the files of a folder, its errors one sentence."""

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
