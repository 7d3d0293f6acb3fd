"""The pytest plugin that an installed goldstep registers: shut, unless it is asked for by name.

Any project's pytest loads it. It adds no option and imports nothing of goldstep's until a command
line names the package `goldstep.conformance`.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    if any(str(arg).startswith("goldstep.conformance") for arg in args):
        from goldstep.conformance import plugin  # noqa: PLC0415

        if not early_config.pluginmanager.is_registered(plugin):
            early_config.pluginmanager.register(plugin, plugin.NAME)
