"""JUnit XML, for GitLab's merge requests, Jenkins, and the actions that show test results on GitHub.

All of these count a <skipped> test as fine: GitLab lists it apart from the failed ones, and the GitHub actions
call a run of nothing but passed and skipped tests a success. So <skipped> is only written where the same suite has
something red: a suite that isn't done always has a <failure> or an <error>, be it only its first test that is not
started. More red than that would hide the one mistake to be mended among the tests that merely wait for it.

GitLab shows an element's text and not its `message`, and takes an element without text for one without words: the
words are in both. JUnit knows no points: they are properties. Flags are the instructor's and this is shown to
students: they are not in here.
"""

from xml.etree import ElementTree

from grading.formats.common import heading, lessons, said, tidy
from tests.coach.report import ExerciseResult, Report, TestResult

TAGS = {"failed": "failure", "error": "error", "timeout": "error", "todo": "failure", "blocked": "failure"}


def write(report: Report) -> str:
    """One <testsuite> for each exercise, as grading/schemas/junit.xsd describes it."""
    report = tidy(report)
    root = ElementTree.Element("testsuites", name="pytorch-workflow", time=f"{report.duration_s:.3f}")
    for exercise in report.exercises:
        _suite(root, report, exercise)
    _count(root, root)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, report: Report, exercise: ExerciseResult) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=heading(exercise))
    values: dict[str, str | int] = {
        "score": exercise.score,
        "max_score": exercise.max_score,
        "submission": report.submission,
        "isolation": report.isolation,
        "variant": report.variant,
    }
    _properties(suite, values)
    red = lessons(exercise)
    for test in exercise.tests:
        _case(suite, exercise, test, test in red)
    _count(suite, suite)


def _case(suite: ElementTree.Element, exercise: ExerciseResult, test: TestResult, red: bool) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=exercise.id, name=test.title)
    if test.location and test.location.file:
        case.set("file", test.location.file)
        if test.location.cell is None and test.location.line:
            case.set("line", str(test.location.line))
    _properties(case, {"id": test.id, "score": test.score, "max_score": test.max_score})
    if test.status != "passed":
        verdict = ElementTree.SubElement(case, TAGS[test.status] if red else "skipped")
        verdict.set("message", said(test).split("\n")[0])
        if red:
            verdict.set("type", test.status)
        verdict.text = said(test)


def _properties(parent: ElementTree.Element, values: dict[str, str | int]) -> None:
    properties = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        ElementTree.SubElement(properties, "property", name=name, value=str(value))


def _count(element: ElementTree.Element, within: ElementTree.Element) -> None:
    for name, tag in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        element.set(name, str(sum(1 for _ in within.iter(tag))))
