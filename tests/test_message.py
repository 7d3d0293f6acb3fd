"""What is said of a failure is laid out to be read, and its command to be copied."""

from goldstep.conformance.message import row


def test_a_long_text_goes_on_under_itself():
    first, second = row("matches", "word " * 30).splitlines()
    assert first.index("word") == second.index("word")
    assert max(map(len, (first, second))) <= 90
