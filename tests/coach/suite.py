"""One run of the suite: where observations come from, the experiments as fixtures, and every test's result.

The tests only ever see outcomes, which come from a `Source`; where the student's code ran is not their business.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from tests.coach import words
from tests.coach.headless import load_matplotlib
from tests.coach.report import Location, Status, TestResult
from tests.harness.given import PRACTICE, Given
from tests.harness.observations import Outcome, Raised
from tests.limits import shorten

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
        self._student: tuple[str, Any] = "", None

    def observe(self, experiment: str) -> Outcome:
        load_matplotlib()
        from tests.harness.observe import observe
        from tests.harness.student import Folder

        topic = experiment.partition(".")[0]
        if self._student[0] != topic:  # no exercise feels what another left in a module
            self._student = topic, Folder(self.tree)
        return observe(experiment, self._student[1], self.given)


class Told(msgspec.Struct):
    """What a run has to say besides its results."""

    lessons: dict[str, str]  # test id -> its docstring
    about: dict[str, str]  # test id -> the student's function that it is about
    printed: dict[str, str]  # exercise id -> what the student's code printed in its experiments first


class Suite:
    """One run of the suite: the source, the outcomes so far, and the result of every test.

    known: results, by nodeid, of tests that need not run.
    """

    def __init__(self, source: Source, known: Mapping[str, TestResult] | None = None) -> None:
        self.source = source
        self.known = known or {}
        self.outcomes: dict[str, Outcome] = {}  # by fixture
        self.gates: dict[str, str] = {}  # fixture -> nodeid of the first test that uses it
        self.results: dict[str, TestResult] = {}  # by nodeid, in the order of the curriculum
        self.raised: dict[
            tuple[str, Raised | None], str
        ] = {}  # (file, exception) -> nodeid of the test that told it
        self.lessons: dict[str, str] = {}  # test id -> its docstring
        self.about: dict[str, str] = {}  # test id -> the student's function that it is about …
        self.places: dict[str, Location | None] = {}  # … and where that is defined

    def enlist(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Write down every test as not run, so that none can go missing, and the gate of each experiment.

        Returns the tests that have to run.
        """
        for item in items:
            if is_lesson(item):
                listed = result(item, "error", NOT_RUN)
                self.results[item.nodeid] = self.known.get(item.nodeid, listed)
                self.lessons[listed.id] = " ".join(lesson(item).split())
                for name in experiments(item):
                    self.gates.setdefault(name, item.nodeid)
        return [item for item in items if item.nodeid not in self.known]

    def outcome(self, fixture: str) -> Outcome:
        if fixture not in self.outcomes:
            self.outcomes[fixture] = self.source.observe(EXPERIMENTS[fixture])
        return self.outcomes[fixture]

    def told(self) -> Told:
        printed: dict[str, str] = {}
        for fixture, outcome in self.outcomes.items():
            exercise = self.results[self.gates[fixture]].id.partition(".")[0]
            if outcome.output.strip():
                printed.setdefault(exercise, outcome.output)
        return Told(self.lessons, self.about, printed)

    def closed_gate(self, item: pytest.Item) -> TestResult | None:
        """The test that has to pass before this one can be judged, if it ran and did not."""
        gates = (self.gates[name] for name in experiments(item))
        closed = (self.results[gate] for gate in gates if gate != item.nodeid)
        return next(
            (result for result in closed if result.status != "passed" and result.message != NOT_RUN), None
        )

    def told_before(self, item: pytest.Item, outcome: Outcome) -> TestResult | None:
        """The earlier test of the same exercise that already told of this very exception."""
        first = self.raised.setdefault((item.path.stem, outcome.raised), item.nodeid)
        return self.results[first] if first != item.nodeid else None

    def earlier_are_done(self, item: pytest.Item) -> bool:
        """Whether every test before this test's file has passed."""
        earlier = (
            r for nodeid, r in self.results.items() if nodeid.split("::")[0] != item.nodeid.split("::")[0]
        )
        return all(result.status == "passed" for result in earlier)


SUITE = pytest.StashKey[Suite]()
EXPERIMENTS: dict[str, str] = {}  # fixture -> "module.function" in tests/harness
OTHER_NUMBERS = (
    "What came back is about other numbers than were put in: something replaced what the tests look at."
)
NOT_RUN = "this test did not run"
MOST_WORDS = 4000  # characters of a message: what it quotes is the student's, and may be of any length


class NoObservation(Exception):
    """The experiment's outcome holds no observation."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(words.explain(outcome)[1])
        self.outcome = outcome


def experiment(name: str, observation: Any, echo: Callable[[Any, Given], bool] | None = None) -> Any:
    """A fixture, named as the function in "module.function", that runs it once and decodes what it saw.

    echo: whether what was seen is about these numbers; None where it repeats none of them.
    """
    fixture = name.rpartition(".")[2]
    EXPERIMENTS[fixture] = name

    @pytest.fixture(scope="session", name=fixture)
    def run(request: pytest.FixtureRequest) -> Any:
        outcome = request.config.stash[SUITE].outcome(fixture)
        if outcome.status != "ok":
            raise NoObservation(outcome)
        found = msgspec.msgpack.decode(outcome.observation, type=observation)
        if echo and not echo(found, request.config.stash[SUITE].source.given):
            raise NoObservation(Outcome("lost", raised=Raised("Lost", OTHER_NUMBERS)))
        return found

    return run


def experiments(item: pytest.Item) -> list[str]:
    return [name for name in getattr(item, "fixturenames", ()) if name in EXPERIMENTS]


def is_lesson(item: pytest.Item) -> bool:
    return item.get_closest_marker("points") is not None


def lesson(item: pytest.Item) -> str:
    """What the test teaches: its docstring."""
    return (isinstance(item, pytest.Function) and item.function.__doc__) or ""


def result(item: pytest.Item, status: Status, text: str | None, place: Location | None = None) -> TestResult:
    marker = item.get_closest_marker("points")
    worth = int(marker.args[0]) if marker else 0
    exercise = item.path.stem.removeprefix("test_").split("_")[0]
    name = item.name.removeprefix("test_")
    score = worth if status == "passed" else 0
    text = text and shorten(text, MOST_WORDS)
    return TestResult(f"{exercise}.{name}", name.replace("_", " "), status, score, worth, text, place)
