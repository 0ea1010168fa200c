"""The pytest plugin: experiments as fixtures, one gate per experiment, a result for every test.

Whatever runs the suite (`make test`, plain pytest, an editor, a grader) goes through these hooks. They
only ever see outcomes, which come from a `Source`; where the student's code ran is not their business.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from tests.coach import words
from tests.coach.expect import FACTS, Expect, message
from tests.coach.report import Location, Status, TestResult
from tests.harness.given import PRACTICE, Given
from tests.harness.observations import Outcome

ROOT = Path(__file__).resolve().parents[2]


class Source(Protocol):
    """Where observations come from."""

    given: Given

    def observe(self, experiment: str) -> Outcome: ...


class Practice:
    """Runs the student's code in this very process, so that `breakpoint()` works."""

    def __init__(self, tree: Path, given: Given = PRACTICE) -> None:
        self.tree = tree
        self.given = given
        self._student: Any = None

    def observe(self, experiment: str) -> Outcome:
        os.environ.setdefault("MPLBACKEND", "agg")  # no window may open; before matplotlib is imported
        from tests.harness.observe import observe
        from tests.harness.student import Folder

        self._student = self._student or Folder(self.tree)
        return observe(experiment, self._student, self.given)


class Suite:
    """One run of the suite: the source, the outcomes so far, and the result of every test."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.outcomes: dict[str, Outcome] = {}  # by fixture
        self.gates: dict[str, str] = {}  # fixture -> nodeid of the first test that uses it
        self.results: dict[str, TestResult] = {}  # by nodeid, in the order of the curriculum
        self.lessons: dict[str, str] = {}  # test id -> its docstring
        self.about: dict[str, str] = {}  # test id -> the student's function that it is about

    def outcome(self, fixture: str) -> Outcome:
        if fixture not in self.outcomes:
            self.outcomes[fixture] = self.source.observe(EXPERIMENTS[fixture])
        return self.outcomes[fixture]

    def printed(self, exercise: str) -> Iterator[str]:
        """What the student's code printed in the experiments of an exercise."""
        of_tests = {self.gates[name]: outcome for name, outcome in self.outcomes.items()}
        return (o.output for gate, o in of_tests.items() if self.results[gate].id.startswith(f"{exercise}."))

    def closed_gate(self, item: pytest.Item) -> TestResult | None:
        """The test that has to pass before this one can be judged, if it ran and did not."""
        gates = (self.gates[name] for name in experiments(item))
        closed = (self.results[gate] for gate in gates if gate != item.nodeid)
        return next((result for result in closed if result.status != "passed" and result.message != NOT_RUN), None)

    def earlier_are_done(self, item: pytest.Item) -> bool:
        """Whether every test before this test's file has passed."""
        earlier = (r for nodeid, r in self.results.items() if nodeid.split("::")[0] != item.nodeid.split("::")[0])
        return all(result.status == "passed" for result in earlier)


SUITE = pytest.StashKey[Suite]()
EXPERIMENTS: dict[str, str] = {}  # fixture -> "module.function" in tests/harness
NOT_RUN = "this test did not run"


class NoObservation(Exception):
    """The experiment's outcome holds no observation."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(words.explain(outcome)[1])
        self.outcome = outcome


def experiment(name: str, observation: Any) -> Any:
    """A fixture, named as the function in "module.function", that runs it once and decodes what it saw."""
    fixture = name.rpartition(".")[2]
    EXPERIMENTS[fixture] = name

    @pytest.fixture(scope="session", name=fixture)
    def run(request: pytest.FixtureRequest) -> Any:
        outcome = request.config.stash[SUITE].outcome(fixture)
        if outcome.status != "ok":
            raise NoObservation(outcome)
        return msgspec.msgpack.decode(outcome.observation, type=observation)

    return run


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
    """Write down every test as not run, so that none can go missing, and the gate of each experiment."""
    suite = config.stash[SUITE]
    for item in items:
        if is_lesson(item):
            suite.results[item.nodeid] = result(item, "error", NOT_RUN)
            suite.lessons[suite.results[item.nodeid].id] = " ".join((item.function.__doc__ or "").split())
            for name in experiments(item):
                suite.gates.setdefault(name, item.nodeid)


def is_lesson(item: pytest.Item) -> bool:
    return item.get_closest_marker("points") is not None


def experiments(item: pytest.Item) -> list[str]:
    return [name for name in getattr(item, "fixturenames", ()) if name in EXPERIMENTS]


def pytest_runtest_setup(item: pytest.Item) -> None:
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
    suite.about[judged.id] = next((o.function or "" for o in observed(suite, item)), "")
    if judged.status == "passed":
        report.outcome, report.longrepr = "passed", None
    elif judged.status in ("todo", "blocked"):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"{judged.status}: {judged.message}")
    else:
        where = judged.location
        report.outcome = "failed"
        report.longrepr = (judged.message or "") + (f"\n{where.file}:{where.line}: {where.source}" if where else "")
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
    elif error is not None:
        text = f"What your code returned could not be judged ({type(error).__name__}: {error})."
        status, place = "error", _definition(suite, item)
    else:
        return result(item, "passed", None)
    if item.path.stem == "test_workflow" and status != "todo" and not suite.earlier_are_done(item):
        return result(item, "blocked", "waits for the exercises before it")
    return result(item, status, text, place)


def result(item: pytest.Item, status: Status, text: str | None, place: Location | None = None) -> TestResult:
    marker = item.get_closest_marker("points")
    worth = int(marker.args[0]) if marker else 0
    exercise = item.path.stem.removeprefix("test_").split("_")[0]
    name = item.name.removeprefix("test_")
    score = worth if status == "passed" else 0
    return TestResult(f"{exercise}.{name}", name.replace("_", " "), status, score, worth, text, place)


def observed(suite: Suite, item: pytest.Item) -> Iterator[Outcome]:
    """The outcomes that a test is about."""
    return (suite.outcomes[name] for name in experiments(item) if name in suite.outcomes)


def _definition(suite: Suite, item: pytest.Item) -> Location | None:
    """Where the function is defined that the test is about."""
    return next((words.location(outcome.place) for outcome in observed(suite, item)), None)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test is not a passed one: the run fails until every test has passed."""
    results = session.config.stash[SUITE].results.values()
    if exitstatus == 0 and any(result.status != "passed" for result in results):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
