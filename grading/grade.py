"""Grade submissions: run them in a jail, judge what was observed, and write the report.

With a course key, the points come from a run on numbers that belong to this student, and every word that the
student is shown from a run on the exercise's own numbers. The two runs share no jail and no process.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from grading.flags import flags
from grading.submissions import MODULES, Submission, digest
from grading.warm import Client, Experiments, experiments
from tests.coach.pictures import PICTURES, png
from tests.coach.report import Flag, Report, TestResult
from tests.coach.run import judge, report
from tests.coach.suite import Suite
from tests.harness.given import PRACTICE, Given

OWN_NUMBERS_ONLY = "Right for the exercise's own numbers only: is one of them written into your code?"
NO_KEY = "Graded on the exercise's own numbers only: no course key was given."

Pictures = dict[str, bytes]  # PNG files, by the names of the functions that drew them
# Each exercise in a process of its own, so that none feels another, costs much more than all of them in one. So all
# are run in one first, within the time that right code needs, and what fails there is looked at again alone.
TOGETHER: Experiments = (tuple(name for group in experiments() for name in group),)
TOGETHER_SECONDS = 4.0, 12.0  # of the processor, and on the clock

_DRAWINGS: Experiments = (tuple(experiment for experiment, _ in PICTURES.values()),)


def grade(
    submissions: Iterable[tuple[Submission, Given | None]],
    done: Callable[[Submission, Report, Pictures], None],
    helper: Client,
    pictures: bool = False,
) -> None:
    """Grade submissions one after another, each on its secret numbers (variants.derive). Raises warm.CannotGrade.

    None: on the exercise's own numbers. With `pictures`, what the student's functions draw of the exercise's own
    numbers comes along. The suite is loaded once, however many there are.
    """

    def suites() -> Iterator[Suite]:
        for submission, numbers in submissions:
            started = time.monotonic()
            given = numbers or PRACTICE
            deciding = shown = Suite(helper.observe(submission, given, TOGETHER, *TOGETHER_SECONDS))
            yield deciding
            doubtful = unfinished = _unfinished(deciding)
            again = experiments(unfinished) if numbers and unfinished else ()
            drawings = _DRAWINGS if pictures else ()
            if again or drawings:
                run = helper.observe(submission, PRACTICE, again + drawings)
            if again:
                shown = Suite(run, _without(deciding, unfinished))
                yield shown
                doubtful = {r.id.partition(".")[0] for r in _only_here(shown, deciding)}
            if doubtful:  # was it another exercise, or the clock, that made them fail?
                alone = helper.observe(submission, given, experiments(doubtful))
                deciding = Suite(alone, _without(deciding, doubtful))
                yield deciding
            shown = shown if numbers else deciding
            drawn = {f: data for n, f in PICTURES.values() if drawings and (data := png(run.outcomes[n]))}
            done(
                submission, _report(submission, deciding, shown, helper, numbers is not None, started), drawn
            )

    judge(suites())


def _unfinished(suite: Suite) -> set[str]:
    """The exercises of which a test has not passed."""
    return {result.id.partition(".")[0] for result in suite.results.values() if result.status != "passed"}


def _without(suite: Suite, exercises: set[str]) -> dict[str, TestResult]:
    """The results of all other exercises, by nodeid."""
    return {n: r for n, r in suite.results.items() if r.id.partition(".")[0] not in exercises}


def _only_here(passing: Suite, other: Suite) -> Iterator[TestResult]:
    """The tests that pass in the one suite and not in the other."""
    for nodeid, result in passing.results.items():
        if result.status == "passed" and other.results[nodeid].status != "passed":
            yield result


def _report(
    submission: Submission, deciding: Suite, shown: Suite, helper: Client, secret: bool, started: float
) -> Report:
    pairs = [(result, shown.results[nodeid]) for nodeid, result in deciding.results.items()]
    results = [_placed(told(points, words, shown), submission) for points, words in pairs]
    return report(
        results,
        submission=submission.name,
        digest=digest(submission),
        started=started,
        isolation=helper.isolation,
        variant="secret" if secret else "practice",
        notes=(*submission.notes, *(() if secret else (NO_KEY,))),
        flags=tuple(
            replace(flag, file=_place(flag.file, submission))
            for flag in (*flags(submission.modules, submission.cells), *_differences(pairs, shown))
        ),
    )


def _placed(result: TestResult, submission: Submission) -> TestResult:
    """The result with the paths that the student's files have in what was handed in."""
    if submission.folder is None or result.status == "passed":
        return result
    place = result.location
    return replace(
        result,
        message=result.message and _place(result.message, submission),
        location=place and replace(place, file=_place(place.file, submission)),
    )


def _place(text: str, submission: Submission) -> str:
    if submission.folder is None:
        return text
    folder = f"{submission.folder}/" if submission.folder else ""
    for module in MODULES:
        text = text.replace(f"exercises/{module}", f"{folder}{module}")
    return text


def told(points: TestResult, words: TestResult, shown: Suite) -> TestResult:
    """The result of a test: whether it passed on the student's numbers, in words about the exercise's own."""
    if points.status == "passed":
        return points
    if words.status != "passed":
        return words
    if points.status in ("blocked", "todo"):  # says which test it waits for, and no more
        return points
    return TestResult(
        points.id, points.title, "failed", 0, points.max_score, OWN_NUMBERS_ONLY, shown.places.get(points.id)
    )


def _differences(pairs: list[tuple[TestResult, TestResult]], shown: Suite) -> Iterator[Flag]:
    """A submission that does well on the numbers it knows, or only on others, is worth a look."""
    differing = [
        points for points, words in pairs if (points.status == "passed") != (words.status == "passed")
    ]
    for first in differing[:1]:
        place = shown.places.get(first.id)
        names = ", ".join(points.id for points in differing[:5]) + (" …" if len(differing) > 5 else "")
        message = f"{len(differing)} tests come out differently on the exercise's own numbers: {names}"
        yield Flag("differs", place.file if place else "", place.line if place else 0, message)
