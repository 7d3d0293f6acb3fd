"""What a run found, for people and machines: reports, the ledger, and what is made of them."""

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from goldstep.conformance import commands, ledger, report
from goldstep.conformance.ledger import LedgerError

SCHEMA = json.loads(Path(report.__file__).with_name("report.schema.json").read_text())
LION = """
import numpy as np

version = "1.0"
capabilities = {"changes", "absences"}


def make(rule, hyper, params):
    if rule not in {"lion", "sgd"}:
        raise NotImplementedError(rule)
    h, theta = dict(hyper), {k: x.copy() for k, x in params.items()}
    m = {k: np.zeros_like(x) for k, x in params.items()}

    def step(grads, **changes):
        h.update(changes)
        for k, g in grads.items():
            if g is None:
                continue
            if rule == "sgd":
                theta[k] = theta[k] - h["lr"] * g
                continue
            vote = np.sign(h["beta1"] * m[k] + (1 - h["beta1"]) * g)
            theta[k] = theta[k] - h["lr"] * (vote + h["weight_decay"] * theta[k])
            m[k] = KEPT
        return {k: x.copy() for k, x in theta.items()}

    return step
"""
RIGHT = LION.replace("KEPT", 'h["beta2"] * m[k] + (1 - h["beta2"]) * g')
WRONG = LION.replace("KEPT", '(1 - h["beta2"]) * m[k] + h["beta2"] * g')
ASKED = ["--rule=lion", "--rule=sgd", "--dtype=float64"]
CASES = ["--case=lion/designed-shocks/*", "--case=sgd/designed-shocks/*"]


def suite(folder, *options):
    done = subprocess.run(
        [sys.executable, "-m", "goldstep.conformance", "--impl=mine", *options],
        cwd=folder,
        env=os.environ | {"CI": "1"},  # there pytest says at the end again what failed, in full
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """A folder with the reports of a run in which one of two rules is wrong, and its output."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "mine.py").write_text(WRONG)
    kinds = [f"--report=out.{kind}" for kind in ("json", "html", "md")]
    more = ["--badge=badge.json", "--write-xfail=xfail.toml", "--junitxml=junit.xml", "--shrink"]
    code, output = suite(folder, *ASKED, *CASES, *kinds, *more)
    assert code == 1, output
    return folder, output


def test_a_report_is_as_its_schema_says(wrong):
    folder, _ = wrong
    found = json.loads((folder / "out.json").read_text())
    jsonschema.validate(found, SCHEMA)
    (made,) = found["implementations"]
    assert made["totals"] == {"rules": 2, "conform": 1, "differ": 1, "expected": 0, "not tested": 0}
    bad = next(row for row in found["rows"] if row["status"] == "differs")
    assert bad["cause"]["name"] == "swapped-beta2"
    assert bad["cause"]["equations"][0]["tag"] == "lion.3"
    assert len(bad["curves"]["free-running"]) == 24
    assert max(bad["curves"]["free-running"]) == pytest.approx(bad["ratio"], rel=1e-3)


def test_the_terminal_shows_a_cause_once_and_counts_what_it_explains(wrong):
    _, output = wrong
    assert output.count("matches   trap swapped-beta2 of lion") == 1
    assert re.search("CAUSE of [0-9]+ cases: lion: does not conform: it is the trap", output)
    assert "1 of 2 rules conform, 1 do not, 0 are NOT TESTED" in output


def test_markdown_has_the_table_and_the_causes(wrong):
    text = (wrong[0] / "out.md").read_text()
    assert "| rule | dialect | level | cases | error/bound | verdict |" in text
    assert "| sgd | sgd | 0 |" in text
    assert "- CAUSE of" in text


def test_a_badge_names_what_it_is_about(wrong):
    said = json.loads((wrong[0] / "badge.json").read_text())
    assert said["schemaVersion"] == 1
    assert said["label"] == "mine"
    assert said["message"].startswith("1 of 2 rules differs, level 0, float64, suite ")


def test_junit_has_every_case(wrong):
    text = (wrong[0] / "junit.xml").read_text()
    rows = json.loads((wrong[0] / "out.json").read_text())["rows"]
    cases = [f"{row['case']}/{row['dtype']}]" for row in rows if row["case"]]
    assert cases
    assert all(case in text for case in cases)


def test_the_smallest_test_fails_for_what_is_wrong_and_passes_for_what_is_right(wrong):
    _, output = wrong
    lines = r"^import numpy as np\n.*?^    assert .*?$"
    text = re.search(lines, output, re.MULTILINE | re.DOTALL)[0]
    assert len(text.splitlines()) <= 14
    for library, passes in ((WRONG, False), (RIGHT, True)):
        names = {}
        exec(library, names)  # noqa: S102 - the adapter, and then the test that was printed
        exec(text, names)  # noqa: S102
        if passes:
            names["test_lion"](names["make"])
        else:
            with pytest.raises(AssertionError):
                names["test_lion"](names["make"])


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return [found, "--headless", "--no-sandbox", "--disable-gpu"]
    return pytest.skip("NOT RUN: there is no Chromium")


def dom(page, width=1280):
    done = subprocess.run(
        [
            *browser(),
            f"--window-size={width},1200",
            "--virtual-time-budget=3000",
            "--dump-dom",
            page,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


def test_a_failing_cell_opens_its_divergence_when_it_is_clicked(wrong):
    folder, _ = wrong
    page = (folder / "out.html").read_text()
    click = "<script>document.querySelector('a.cell.fails').click()</script></body>"
    (folder / "clicked.html").write_text(page.replace("</body>", click))
    before, after = dom((folder / "out.html").as_uri()), dom((folder / "clicked.html").as_uri())
    assert 'id="detail"' not in before.partition('id="page"')[2].partition("<script")[0]
    shown = after.partition('id="page"')[2].partition("<script")[0]
    assert 'id="detail"' in shown
    assert "lion: does not conform: it is the trap swapped-beta2 of lion" in shown
    assert "lion.3   m = b2 * m + (1 - b2) * g" in shown
    assert "trap: swapped-beta2" in shown
    assert re.search(r'<svg[^>]*class="plot"', shown)
    assert "the bound" in shown
    assert shown.count("<circle") >= 24


def test_a_cell_has_an_address_of_its_own(wrong):
    folder, _ = wrong
    rows = json.loads((folder / "out.json").read_text())["rows"]
    bad = next(row for row in rows if row["status"] == "differs")
    name = "%2F".join(["mine", *bad["case"].split("/"), bad["dtype"]])
    shown = dom(f"{(folder / 'out.html').as_uri()}#{name}", width=400)
    assert f"{bad['case']}/{bad['dtype']}</p>" in shown


def test_the_page_needs_nothing_else(wrong):
    text = (wrong[0] / "out.html").read_text()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "@import" not in text


def test_a_ledger_that_was_written_makes_the_same_run_pass(wrong):
    folder, _ = wrong
    code, output = suite(folder, *ASKED, *CASES, "--xfail=xfail.toml")
    assert code == 0, output
    assert "1 of 2 rules conform, 0 do not, 1 are in the ledger" in output
    assert "as expected: does not conform: it is the trap swapped-beta2" in output


def test_what_the_ledger_expects_may_not_conform_unnoticed(wrong, tmp_path):
    (tmp_path / "mine.py").write_text(RIGHT)
    shutil.copy(wrong[0] / "xfail.toml", tmp_path)
    code, output = suite(tmp_path, *ASKED, *CASES, "--xfail=xfail.toml")
    assert code == 1
    assert "conforms, although the ledger says so: remove its line" in output


TODAY = dt.date(2026, 1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[expected]]\nid = 'a/*'\n", "'a/\\*': say the reason"),
        ("[[expected]]\nid = 3\nreason = 'r'\n", "id is a case as a failure names it"),
        ("[[expected]]\nid = 'a'\nreason = 'r'\nwhy = 'x'\n", "no field 'why'; there is id, link"),
        ("[[expected]]\nid = 'a'\nreason = 'r'\nuntil = 2025-12-31\n", "was to hold until 2025"),
        ("[[expected]]\nid = 'a'\nreason = 'r'\nuntil = 'soon'\n", "until is a date"),
        ("[[xfail]]\nid = 'a'\n", "it holds \\[\\[expected\\]\\] entries, and nothing else"),
        ("not toml", "xfail.toml"),
    ],
)
def test_a_ledger_that_says_too_little_is_refused(tmp_path, text, says):
    (tmp_path / "xfail.toml").write_text(text)
    with pytest.raises(LedgerError, match=says):
        ledger.read(tmp_path / "xfail.toml", TODAY)


def test_an_entry_holds_until_its_day(tmp_path):
    said = "[[expected]]\nid = ['a/*', 'b']\nreason = 'r'\nlink = 'l'\nuntil = 2026-01-01\n"
    (tmp_path / "xfail.toml").write_text(said)
    (entry,) = ledger.read(tmp_path / "xfail.toml", TODAY)
    assert [entry.covers(name) for name in ("a/x", "b", "c")] == [True, True, False]
    assert entry.says() == "r (l)"
    assert ledger.unmatched([entry], ["a/x"]) == ["b"]


def test_an_id_that_matches_nothing_fails_the_run(tmp_path):
    (tmp_path / "mine.py").write_text(RIGHT.replace('"lion", "sgd"', '"sgd"'))
    said = "[[expected]]\nid = 'sgd/nothing/*'\nreason = 'a slip'\n"
    (tmp_path / "xfail.toml").write_text(said)
    code, output = suite(tmp_path, "--xfail=xfail.toml")
    assert code == 1
    assert "LEDGER xfail.toml: 'sgd/nothing/*' matches nothing that was asked" in output


def test_compare_shows_only_what_has_changed(wrong, tmp_path, capsys):
    before = json.loads((wrong[0] / "out.json").read_text())
    after = json.loads(json.dumps(before))
    after["implementations"][0]["version"] = "1.1"
    for row in after["rows"]:
        if row["rule"] == "lion" and row["case"]:
            row |= {"status": "conforms", "verdict": "conforms", "message": ""}
    for name, found in (("a.json", before), ("b.json", after)):
        (tmp_path / name).write_text(json.dumps(found))
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert commands.main(["compare", *files]) == 0
    said = capsys.readouterr().out
    assert "mine 1.0 -> 1.1\n" in said
    assert re.search("lion: conforms now, was: does not conform: it is the trap", said)
    assert "sgd" not in said
    assert commands.main(["compare", *reversed(files)]) == 1
    assert "lion: newly fails: does not conform" in capsys.readouterr().out
    assert commands.main(["compare", files[0], files[0]]) == 0
    assert "nothing has changed in" in capsys.readouterr().out


def test_compare_refuses_what_is_no_report(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert commands.main(["compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 2
    assert "is no report of goldstep's" in capsys.readouterr().err


def test_identify_tells_who_agrees_with_each_part_of_a_pipeline(capsys):
    assert commands.main(["identify", "--impl=reference", "--rule=sgd@cosine"]) == 2
    assert "no rule is named sgd@cosine" in capsys.readouterr().err
    assert commands.main(["identify", "--impl=reference", "--rule=adam@cosine"]) == 0
    assert "torch.optim.Adam" in capsys.readouterr().out


def test_identify_names_a_rule_and_who_agrees_with_it(tmp_path, monkeypatch, capsys):
    for name, text in (("right_lion", RIGHT), ("wrong_lion", WRONG)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert commands.main(["identify", "--impl=right_lion", "--rule=lion"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("lion, with the hyper-parameters that it is given\n  agrees with ")
    assert commands.main(["identify", "--impl=wrong_lion", "--rule=lion"]) == 0
    assert capsys.readouterr().out.startswith("lion, trap: swapped-beta2")
    assert commands.main(["identify", "--impl=right_lion", "--rule=adamw"]) == 2
    assert "can be asked for no rule" in capsys.readouterr().err
