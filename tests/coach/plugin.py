"""The pytest plugin: it sets every test's result, from what its experiment observed.

Whatever runs the suite (`make test`, plain pytest, an editor, a grader) goes through these hooks.
"""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.coach import words
from tests.coach.expect import FACTS, Expect, message
from tests.coach.report import Location, Status, TestResult
from tests.coach.suite import ROOT, SUITE, NoObservation, Practice, Suite, experiments, is_lesson, result
from tests.harness.given import Given
from tests.harness.observations import Outcome


@pytest.fixture(scope="session")
def given(request: pytest.FixtureRequest) -> Given:
    """The numbers that the experiments ran on."""
    return request.config.stash[SUITE].source.given


@pytest.fixture
def expect(request: pytest.FixtureRequest) -> Expect:
    return Expect(request.node)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "points(n): what the test is worth")
    if SUITE not in config.stash:
        config.stash[SUITE] = Suite(Practice(ROOT / os.environ.get("TREE", "exercises")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[SUITE].enlist(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[FACTS] = []
    closed = item.config.stash[SUITE].closed_gate(item) if is_lesson(item) else None
    if closed:
        pytest.skip(f"waits for «{closed.title}»")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what happened into a result, and let what pytest itself shows be the same words."""
    report = yield
    if not is_lesson(item) or (call.when == "setup" and report.passed) or (call.when == "teardown"):
        return report
    judged, suite = judge(item, call), item.config.stash[SUITE]
    suite.results[item.nodeid] = judged
    about = next((o for o in observed(suite, item)), None)
    suite.about[judged.id] = about.function or "" if about and (about.raised or not is_workflow(item)) else ""
    suite.places[judged.id] = _definition(suite, item)
    if judged.status == "passed":
        report.outcome, report.longrepr = "passed", None
    elif judged.status in ("todo", "blocked"):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"{judged.status}: {judged.message}")
    else:
        where = judged.location
        report.outcome = "failed"
        report.longrepr = (judged.message or "") + (
            f"\n{where.file}:{where.line}: {where.source}" if where else ""
        )
    return report


def judge(item: pytest.Item, call: pytest.CallInfo[None]) -> TestResult:
    """The result of a test that has just been run, or could not be."""
    suite = item.config.stash[SUITE]
    facts = item.stash.get(FACTS, [])
    error = call.excinfo.value if call.excinfo else None
    closed = suite.closed_gate(item)
    status: Status
    if closed:
        status = "todo" if closed.status == "todo" else "blocked"
        return result(item, status, f"waits for «{closed.title}»")
    if facts:
        status, text, place = "failed", message(facts), _definition(suite, item)
    elif isinstance(error, NoObservation):
        status, text, place = words.explain(error.outcome)
        if status != "todo" and (same := suite.told_before(item, error.outcome)):
            return result(item, "blocked", f"the same as «{same.title}»")
    elif isinstance(error, pytest.skip.Exception):
        return result(item, "blocked", str(error))
    elif error is not None:
        text = f"What your code returned could not be judged ({type(error).__name__}: {error})."
        status, place = "error", _definition(suite, item)
    else:
        return result(item, "passed", None)
    if is_workflow(item) and status != "todo" and not suite.earlier_are_done(item):
        return result(item, "blocked", "waits for the exercises before it")
    return result(item, status, text, place)


def observed(suite: Suite, item: pytest.Item) -> Iterator[Outcome]:
    """The outcomes that a test is about."""
    return (suite.outcomes[name] for name in experiments(item) if name in suite.outcomes)


def is_workflow(item: pytest.Item) -> bool:
    """The test is about all functions: no single one is to blame."""
    return item.path.stem == "test_workflow"


def _definition(suite: Suite, item: pytest.Item) -> Location | None:
    """Where the function is defined that the test is about."""
    if is_workflow(item):
        return None
    return next((words.location(outcome.place) for outcome in observed(suite, item)), None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test is not a passed one: the run fails until every test has passed."""
    results = session.config.stash[SUITE].results.values()
    if exitstatus == 0 and any(result.status != "passed" for result in results):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
