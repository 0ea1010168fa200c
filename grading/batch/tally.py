"""What can be said of a whole class, added up one student at a time."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from grading.formats.common import FAILING, tidy
from grading.grade import NO_KEY, Pictures
from tests.coach import curriculum
from tests.coach.plain import STATUS, line
from tests.coach.report import Report

MOST_WORDS = 500  # different messages of one test; of what is told beyond them, only the number is kept
MOST_LOOKS = 1000  # students that are named as worth a look


class Result(msgspec.Struct, frozen=True):
    """What became of one student's submission: a report, or why there is none.

    pictures: PNG files by the names of the student's functions that drew them.
    """

    student: str
    report: Report | None = None
    why: str = ""
    pictures: Pictures = {}


class Lesson(msgspec.Struct):
    """One test of the suite, and how a class did."""

    id: str
    title: str
    failed: int = 0  # students who fail it
    waiting: int = 0  # … whom it could not be asked of yet
    words: Counter[str] = msgspec.field(default_factory=Counter)  # what those who fail it read

    @property
    def told(self) -> list[tuple[str, int]]:
        """The messages and how many read each, the most frequent first."""
        return sorted(self.words.items(), key=lambda entry: (-entry[1], entry[0]))


class Look(msgspec.Struct, frozen=True):
    """A student whom a person should look at, and why."""

    student: str
    why: str
    graded: bool


class Tally:
    """A class so far."""

    def __init__(self) -> None:
        self.students = 0
        self.scores: Counter[int] = Counter()  # points -> students
        self.max_score = 0
        self.lessons: dict[str, Lesson] = {}  # by id, in the order of the curriculum
        self.exercises = {exercise.id: exercise.title for exercise in curriculum.load()}
        self.not_graded = self.flagged = self.practised = 0
        self.looks: list[Look] = []

    def add(self, result: Result) -> None:
        self.students += 1
        if result.report is None:
            self.not_graded += 1
            self._look(result.student, line(result.why, 300), graded=False)
            return
        report = tidy(result.report)
        self.scores[report.score] += 1
        self.practised += report.variant == "practice"
        self.max_score = report.max_score
        if report.flags:
            self.flagged += 1
            rules = ", ".join(dict.fromkeys(flag.rule for flag in report.flags))
            self._look(result.student, f"flagged: {rules}", graded=True)
        for exercise in report.exercises:
            for test in exercise.tests:
                lesson = self.lessons.setdefault(test.id, Lesson(test.id, test.title))
                if test.status in FAILING:
                    lesson.failed += 1
                    words = test.message or STATUS[test.status]  # without the place: everybody has another
                    if words in lesson.words or len(lesson.words) < MOST_WORDS:
                        lesson.words[words] += 1
                elif test.status != "passed":
                    lesson.waiting += 1

    @property
    def graded(self) -> int:
        return self.scores.total()

    @property
    def mean(self) -> float:
        """Points; 0 where nobody was graded."""
        return sum(score * number for score, number in self.scores.items()) / max(1, self.graded)

    @property
    def median(self) -> float:
        """Points; of two in the middle, what lies between them."""
        middle = [self._ranked((self.graded - 1) // 2), self._ranked(self.graded // 2)]
        return sum(middle) / 2

    @property
    def hardest(self) -> list[Lesson]:
        """The tests that somebody fails, the one that most do first."""
        failed = (lesson for lesson in self.lessons.values() if lesson.failed)
        return sorted(failed, key=lambda lesson: -lesson.failed)  # equals stay in the order of the curriculum

    def _ranked(self, rank: int) -> int:
        """The score of the student who has `rank` others below."""
        for score in sorted(self.scores):
            rank -= self.scores[score]
            if rank < 0:
                return score
        return 0

    def _look(self, student: str, why: str, graded: bool) -> None:
        if len(self.looks) < MOST_LOOKS:
            self.looks.append(Look(student, why, graded))


MOST_NAMED = 5


def summary(tally: Tally, unchanged: int = 0) -> Iterator[str]:
    """What an instructor reads in ten seconds. unchanged: so many were graded before."""
    before = f", {unchanged} of them before" if unchanged else ""
    yield f"{tally.students} {'submission' if tally.students == 1 else 'submissions'}, {tally.graded} graded{before}"
    if tally.graded:
        full = tally.scores[tally.max_score]
        yield (
            f"Mean {tally.mean:.1f}, median {tally.median:g} of {tally.max_score} points; "
            f"{full} of {tally.graded} have all points"
        )
    if tally.practised:
        yield NO_KEY
    if tally.hardest:
        yield "Most failed:"
        width = max(len(lesson.id) for lesson in tally.hardest[:3])
        for lesson in tally.hardest[:3]:
            exercise = tally.exercises.get(lesson.id.partition(".")[0], "")
            yield f"  {lesson.failed:5}  {lesson.id:{width}}  ({exercise})"
    if tally.not_graded or tally.flagged:
        yield "Worth a look:"
    for number, graded, what in (
        (tally.not_graded, False, "could not be graded"),
        (tally.flagged, True, "flagged"),
    ):
        if number:
            yield f"  {number:5}  {what}"
            named = [look for look in tally.looks if look.graded == graded]
            most = number if number <= MOST_NAMED + 1 else MOST_NAMED  # one more is no longer than to say so
            yield from (f"         {look.student}: {look.why}" for look in named[:most])
            if number > most:
                yield f"         and {number - most} more: see class.html and marks.csv"
