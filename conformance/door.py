"""The pytest plugin that an installed goldstep registers: shut, unless it is asked for by name.

Any project's pytest loads it. It adds no option and imports nothing of goldstep's until a command
line names the package `goldstep.conformance`.
"""

import os

import pytest


def enter(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the suite, once."""
    # Before NumPy is imported: threads for matrices as small as these only stand in the way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from goldstep.conformance import plugin  # noqa: PLC0415

    if not pluginmanager.is_registered(plugin):
        pluginmanager.register(plugin, plugin.NAME)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    if any(str(arg).startswith("goldstep.conformance") for arg in args):
        enter(early_config.pluginmanager)
