"""`make hint`: three hints for every function, one at a time."""

from tests.coach import curriculum, state
from tests.coach.commands import command
from tests.coach.report import Report
from tests.coach.suite import Told
from tests.coach.terminal import Screen

Paragraph = tuple[str, str, int]  # text, style, indent


def show(paragraphs: list[Paragraph], screen: Screen) -> None:
    for text, style, indent in paragraphs:
        screen.line(text, style, indent)


def take(exercise: curriculum.Exercise) -> list[Paragraph]:
    """The next hint for the first function of the exercise that isn't right yet; after the last, all again."""
    remembered = state.read()
    first = next(iter(exercise.hints))
    function = remembered.functions.get(exercise.id, first)
    if function == state.UNKNOWN and exercise.file:
        words = f"{exercise.file} can't be used as it is: `{command('test')}` says where. Mend that first, then hints go on."
        return [(words, "", 0)]
    if function == "":
        words = f"{exercise.title}: all done at the last `{command('test')}`. Changed something since? Run it again."
        return [(words, "", 0)]
    # The workflow may be waiting for a function of another exercise.
    every = {name: hints for e in (exercise, *curriculum.load()) for name, hints in e.hints.items()}
    function = function if function in every else first
    hints, shown = every[function], remembered.hints_shown.get(function, 0)
    if shown < len(hints):
        taken = [
            ("", "", 0),
            (f"`{function}`, hint {shown + 1} of {len(hints)}", "bold", 0),
            _hint(hints[shown]),
        ]
        remembered.hints_shown[function] = shown + 1
        if not state.write(remembered):
            words = (
                f"({state.FILE.parent.as_posix()} can't be written, so the next hint will be this one again.)"
            )
            taken.append((words, "dim", 0))
        return taken
    told = [paragraph for hint in hints for paragraph in (_hint(hint), ("", "", 0))]
    reading = [(f"{reading.title}: {reading.url}", "cyan", 2) for reading in exercise.reading]
    return [("", "", 0), (f"`{function}`: these were all the hints", "bold", 0), *told, *reading]


def _hint(text: str) -> Paragraph:
    return " ".join(text.split("\n")).strip(), "", 2


def remember(report: Report, told: Told) -> None:
    """Where the student stands, for the hints to follow."""
    remembered = state.read()
    for exercise in report.exercises:
        unfinished = [told.about.get(test.id, "") for test in exercise.tests if test.status != "passed"]
        unknown = state.UNKNOWN if unfinished else ""
        remembered.functions[exercise.id] = next((name for name in unfinished if name), unknown)
    state.write(remembered)
