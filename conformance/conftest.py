"""Gives `pytest conformance` its options in a checkout."""

import pytest

from goldstep.conformance import door


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    door.enter(pluginmanager)
