"""The report in every format: valid by its schema, its sums right, and what a student or an instructor reads."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

from grading.formats import FORMATS
from grading.formats.classroom import MOST_BYTES
from grading.tests.reports import (
    MIXED,
    ORDINARY,
    REPORTS,
    part,
    payload,
    report,
    validator,
    with_text,
    written,
    xsd,
)
from tests.coach.report import Report, exercise


def sums_hold(of: dict[str, Any]) -> None:
    """What the schema can't say."""
    assert of["score"] == sum(each["score"] for each in of["exercises"])
    assert of["max_score"] == sum(each["max_score"] for each in of["exercises"]) == 100
    for each in of["exercises"]:
        assert each["score"] == sum(test["score"] for test in each["tests"])
        assert each["max_score"] == sum(test["max_score"] for test in each["tests"])
        assert all(test["score"] in (0, test["max_score"]) for test in each["tests"])
        assert all(test["id"].startswith(f"{each['id']}.") for test in each["tests"])


def test_the_formats_and_their_order() -> None:
    assert [*FORMATS] == [
        "text", "json", "junit", "gradescope", "classroom", "markdown", "github", "codequality"
    ]  # fmt: skip


@pytest.mark.parametrize("of", REPORTS)
def test_json_is_the_report(of: Report) -> None:
    text = written("json", of)
    content = json.loads(text)
    validator("report").validate(content)
    sums_hold(content)
    if of in ORDINARY.values():
        assert msgspec.json.decode(text, type=Report) == of


@pytest.mark.parametrize("of", REPORTS)
def test_junit_counts_what_it_holds_and_is_green_only_where_all_is_done(of: Report) -> None:
    root = etree.fromstring(written("junit", of).encode())
    xsd().assertValid(root)
    for suite, each in zip(root, of.exercises, strict=True):
        cases = suite.findall("testcase")
        red = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        green = [case for case in cases if len(case) == 1]
        assert bool(red) == (each.status != "done")
        assert len(green) == sum(test.status == "passed" for test in each.tests)
        assert [int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")] == [
            len(cases), *(len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped"))
        ]  # fmt: skip
        points = [case.find("properties/property[@name='score']") for case in cases]
        assert sum(int(point.get("value")) for point in points) == each.score


def test_junit_tells_one_mistake_once() -> None:
    root = etree.fromstring(FORMATS["junit"](MIXED).encode())
    kinds = [[case[-1].tag for case in suite.findall("testcase")] for suite in root]
    assert kinds == [
        ["properties", "properties"], ["properties", "failure", "skipped"], ["error", "skipped", "skipped"],
        ["error", "properties"], ["properties", "failure"], ["failure", "skipped"],
    ]  # fmt: skip


@pytest.mark.parametrize("of", REPORTS)
def test_gradescope_shows_the_student_a_total(of: Report) -> None:
    content = json.loads(written("gradescope", of))
    validator("gradescope").validate(content)
    assert content["score"] == sum(test["score"] for test in content["tests"]) == of.score
    assert sum(test["max_score"] for test in content["tests"]) == 100
    shown = json.dumps({key: value for key, value in content.items() if key != "extra_data"})
    assert "os._exit" not in shown
    assert "left out" not in shown


@pytest.mark.parametrize("of", REPORTS)
def test_classroom_gets_points_and_always_tests(of: Report) -> None:
    content = payload(of)
    validator("classroom").validate(content)
    assert sum(test["score"] for test in content["tests"]) == of.score
    assert content["max_score"] == 100
    assert (content["status"] == "pass") == of.done
    text = FORMATS["classroom"](of)
    assert text.count("\n") == 1
    assert len(text) <= MOST_BYTES + 1


def test_a_classroom_payload_is_small_enough_for_an_environment_variable() -> None:
    """Linux: no string of more than 128 KiB. Messages are cut then, never tests."""
    of = with_text("語" * 5000, most=12)
    assert len(FORMATS["classroom"](of)) < 128 << 10
    assert len(payload(of)["tests"]) == 13 * 6


@pytest.mark.parametrize("of", REPORTS)
def test_code_quality_finds_what_fails_on_a_line(of: Report) -> None:
    content = json.loads(written("codequality", of))
    validator("codequality").validate(content)
    fingerprints = [finding["fingerprint"] for finding in content]
    assert len({*fingerprints}) == len(fingerprints)
    assert not (of.done and content)


def test_code_quality_names_the_students_lines() -> None:
    of = report(
        part("ex1", "passed"),
        part("ex2", "failed", text="50 % off:\nno, really"),
        part("ex3", "timeout", "blocked", cell=4),
        part("ex4", "todo"),
    )
    found = json.loads(FORMATS["codequality"](of))
    places = [
        (finding["check_name"], finding["location"]["path"], finding["location"]["lines"]["begin"])
        for finding in found
    ]
    assert places == [("ex2.lesson_1", "exercises/ex2.py", 11), ("ex3.lesson_1", "exercises/ex3.py", 1)]
    assert [finding["description"] for finding in found] == [
        "Exercise 2 · The model: lesson 1. 50 % off: no, really",
        "Exercise 3 · Training: lesson 1. timeout 1 exercises/ex3.py, cell 4, line 11: line 1",
    ]


def test_code_quality_knows_a_finding_again_on_another_line() -> None:
    """GitLab tells what a merge request has mended, and what it has broken, by the fingerprints alone."""
    moved = MIXED.exercises[1].tests[1]
    assert moved.location
    elsewhere = msgspec.structs.replace(moved, location=msgspec.structs.replace(moved.location, line=99))
    one, other = (
        json.loads(FORMATS["codequality"](report(exercise("ex2", "The model", (test,)))))
        for test in (moved, elsewhere)
    )
    assert one[0]["location"] != other[0]["location"]
    assert one[0]["fingerprint"] == other[0]["fingerprint"]


def test_schemas_are_strict() -> None:
    good = json.loads(FORMATS["json"](MIXED))
    first, second = good["exercises"][:2]
    bad = [
        {**good, "more": 1},
        {**good, "score": 101},
        {**good, "isolation": "docker"},
        {**good, "exercises": []},
        {**good, "exercises": [{**first, "status": "failing"}]},
        {**good, "exercises": [{**second, "status": "done"}]},
        {**good, "exercises": [{**second, "status": "todo"}]},
        {**good, "exercises": [{**second, "tests": [{**second["tests"][1], "score": 1}]}]},
    ]
    assert validator("report").is_valid(good)
    assert not any(validator("report").is_valid(each) for each in bad)
    grades = json.loads(FORMATS["gradescope"](MIXED))
    grades["tests"][0]["visibility"] = "hidden"
    assert not validator("gradescope").is_valid(grades)
    assert not validator("classroom").is_valid({**payload(MIXED), "status": "pass"})
    assert not validator("codequality").is_valid([{"description": "no place"}])
    assert not xsd().validate(etree.fromstring("<testsuites/>"))


@pytest.mark.parametrize("of", REPORTS)
def test_text_ends_with_the_score(of: Report) -> None:
    assert written("text", of).splitlines()[-1] == f"Score: {of.score} / 100"


def test_text_says_what_is_wrong_and_where() -> None:
    assert (
        FORMATS["text"](MIXED)
        == """\
Submission: alice
Isolation: bubblewrap; graded on secret numbers

  ✓ Exercise 1 · The data            done                   20 / 20
  ✗ Exercise 2 · The model           not right yet           1 / 15
  ✗ Exercise 3 · Training            not right yet           0 / 25
  ✗ Exercise 4 · Predictions         not right yet          14 / 15
  ○ Exercise 5 · Saving and loading  begun                   1 / 15
  ○ The workflow                     waits for the others    0 / 10

Exercise 2 · The model: 1 of 3 lessons passed
  ✗ lesson 2 (failed, 0 of 1 points)
    failed 2
    exercises/ex2.py, line 12: line 2
  ○ 1 more: waiting for these, or not started

Exercise 3 · Training: 0 of 3 lessons passed
  ✗ lesson 1 (did not end, 0 of 1 points)
    timeout 1
    exercises/ex3.py, line 11: line 1
  ○ 2 more: waiting for these, or not started

Exercise 4 · Predictions: 1 of 2 lessons passed
  ✗ lesson 1 (could not be judged, 0 of 1 points)
    error 1
    exercises/ex4.py, cell 3, line 11: line 1

Notes:
  - ex9_more.py was left out

Flags (to be looked at; they cost no points):
  - exit: exercises/ex3_training.py, line 7: uses os._exit
  - differs: 2 tests

Score: 36 / 100
"""
    )


def test_nothing_of_the_students_is_lost_but_what_can_not_be_shown() -> None:
    of = report(
        part("ex1", "failed", text="\x1b[1mté\x1b[0m\ud800\n\tx = a[::2]  # ok"), part("ex2", "passed")
    )
    (test,) = json.loads(FORMATS["json"](of))["exercises"][0]["tests"]
    assert test["message"] == "té\ufffd\n    x = a[::2]  # ok"


def test_every_format_is_the_same_at_each_writing() -> None:
    assert all(write(MIXED) == write(MIXED) for write in FORMATS.values())


def rendered(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grading", "render", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_a_report_can_be_rendered_again(tmp_path: Path) -> None:
    file, out = tmp_path / "report.json", tmp_path / "junit.xml"
    file.write_text(FORMATS["json"](MIXED), encoding="utf-8")
    done = rendered(file, "--format", "junit", "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text(encoding="utf-8") == FORMATS["junit"](MIXED)
    assert rendered(file).stdout == FORMATS["text"](MIXED)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\0", b'{"score": "100"}'])
def test_what_is_no_report_is_not_rendered(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_bytes(content)
    done = rendered(file, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Not written: .*report.json.*\n", done.stderr)
    assert not (tmp_path / "out").exists()
