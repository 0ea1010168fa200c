"""`make hint`: three hints for every function, one at a time."""

from tests.coach import curriculum, state
from tests.coach.terminal import Screen


def show(exercise: curriculum.Exercise, screen: Screen) -> None:
    """The next hint for the first function of the exercise that isn't right yet; after the last, all again."""
    remembered = state.read()
    function = remembered.functions.get(exercise.id, next(iter(exercise.hints)))
    if function == state.UNKNOWN and exercise.file:
        screen.line(
            f"{exercise.file} can't be used as it is: `make test` says where. Mend that first, then hints go on."
        )
        return
    function = next(iter(exercise.hints)) if function == state.UNKNOWN else function
    if function not in exercise.hints:
        screen.line(
            f"{exercise.title}: all done at the last `make test`. Changed something since? Run it again."
        )
        return
    hints, shown = exercise.hints[function], remembered.hints_shown.get(function, 0)
    screen.line()
    if shown < len(hints):
        screen.line(f"`{function}`, hint {shown + 1} of {len(hints)}", "bold")
        screen.line(" ".join(hints[shown].split("\n")).strip(), "", 2)
        remembered.hints_shown[function] = shown + 1
        if not state.write(remembered):
            screen.line(
                f"({state.FILE.parent} can't be written, so the next hint will be this one again.)", "dim"
            )
        return
    screen.line(f"`{function}`: these were all the hints", "bold")
    for hint in hints:
        screen.line(" ".join(hint.split("\n")).strip(), "", 2)
        screen.line()
    for reading in exercise.reading:
        screen.line(f"{reading.title}: {reading.url}", "cyan", 2)
