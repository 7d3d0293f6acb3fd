"""How many examples a property is tried on: few in every run, many by hand.

pytest tests/test_laws*.py --hypothesis-profile=long
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "few",
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("few"), max_examples=2000, derandomize=False, print_blob=True
)
settings.load_profile("few")
