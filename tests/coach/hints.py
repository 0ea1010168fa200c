"""`make hint`: three hints for every function, one at a time."""

from tests.coach import curriculum, state
from tests.coach.terminal import Screen


def show(exercise: curriculum.Exercise, screen: Screen) -> None:
    """The next hint for the first function of the exercise that isn't right yet; after the last, all again."""
    remembered = state.read()
    function = remembered.functions.get(exercise.id, next(iter(exercise.hints)))
    if function not in exercise.hints:
        screen.line(f"{exercise.title} is done: there is nothing to hint at.")
        return
    hints, shown = exercise.hints[function], remembered.hints_shown.get(function, 0)
    screen.line()
    if shown < len(hints):
        screen.line(f"`{function}`, hint {shown + 1} of {len(hints)}", "bold")
        screen.line(hints[shown].strip(), "", 2)
        remembered.hints_shown[function] = shown + 1
        state.write(remembered)
        return
    screen.line(f"`{function}`: these were all the hints", "bold")
    for hint in hints:
        screen.line(hint.strip(), "", 2)
        screen.line()
    for reading in exercise.reading:
        screen.line(f"{reading.title}: {reading.url}", "cyan", 2)
