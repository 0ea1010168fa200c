"""`make plots`: what the student's code draws, as PNG files in plots/."""

from tests.coach import files, words
from tests.coach.pictures import PICTURES, png
from tests.coach.suite import ROOT, Source
from tests.coach.terminal import MARKS, Screen

FOLDER = ROOT / "plots"


def draw(student: Source, screen: Screen) -> bool:
    """Draw every plot of the exercises, and say where it is or why there is none. Whether all are there.

    Raises ValueError where plots/ can't be written.
    """
    try:
        FOLDER.mkdir(exist_ok=True)  # asked first: it costs nothing, and the student's code seconds
        screen.line()
        drawn = [_draw(*picture, student, screen) for picture in PICTURES.values()]
    except OSError as error:
        raise ValueError(f"plots/ can't be written ({error.strerror}).") from None
    if any(drawn):
        screen.line(
            "Losses and predictions in them are made up, so that no exercise waits for another.", "dim"
        )
    return all(drawn)


def _draw(experiment: str, function: str, student: Source, screen: Screen) -> bool:
    """A picture that can't be drawn any more is not left lying. Raises OSError."""
    file = FOLDER / f"{function.removeprefix('plot_')}.png"
    outcome = student.observe(experiment)
    data = png(outcome)
    if data is not None:
        files.replace(file, data)
        screen.line(f"✓ plots/{file.name}", "green")
        return True
    status, text, place = words.explain(outcome)
    mark, style = MARKS.get(status, ("○", "dim"))
    older = ": the older one is removed" if file.exists() else ""
    file.unlink(missing_ok=True)
    screen.line(f"{mark} no plots/{file.name}{older}", style)
    screen.line(text, "", 4)
    if place and place.source:
        screen.line(f"{place.file}:{place.line}: {place.source}", "cyan", 4, wrap=False)
    return False
