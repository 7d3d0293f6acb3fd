"""What a run holds in memory is what one trajectory takes, however many are asked."""

import tracemalloc

from goldstep.conformance.ask import Memory, ask
from goldstep.conformance.cases import asked, rules
from goldstep.conformance.implementations import implementation


def test_memory_does_not_grow_with_the_cases_that_are_asked():
    made, memory = implementation("reference"), Memory()
    cases = sorted(asked("heavy_ball", {"changes"}), key=lambda c: c.id)[:4]

    def run():
        for case in cases:
            assert ask(made, case, "float32", memory=memory).status == "conforms"

    tracemalloc.start()
    run()  # what is made once, such as plans, is there from now on
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    ask(made, cases[0], "float32", memory=memory)
    one = tracemalloc.get_traced_memory()[1] - held
    run()
    run()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - held < one / 4
    assert peak - held < 4 * one


def test_a_case_that_waits_holds_no_numbers_of_its_own():
    """All cases are made before the first is asked. What they share is held once."""

    def made():
        return [case for rule in rules() for case in asked(rule, {"changes", "absences"})]

    made()  # what they share
    tracemalloc.start()
    cases = made()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 4096 * len(cases)
