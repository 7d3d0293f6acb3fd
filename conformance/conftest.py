"""Gives `pytest conformance` its options in a checkout."""

import pytest

from goldstep.conformance import plugin


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.is_registered(plugin):
        pluginmanager.register(plugin, plugin.NAME)
