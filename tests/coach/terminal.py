"""What the student sees: a line an exercise, the first unfinished one in detail, the next thing to do."""

import unicodedata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.coach.commands import command
from tests.coach.report import ExerciseResult, Report, TestResult
from tests.coach.suite import Told

STATUS = {
    "done": ("✓", "green", "done"),
    "failing": ("✗", "red", "not right yet"),
    "todo": ("○", "dim", "not started"),
}
MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "error": ("✗", "red"), "timeout": ("✗", "red")}
OUTPUT_LINES = 4
WIDE = 72  # columns, that the overview needs with a status in words


class Screen:
    """Writes to a terminal, a pipe or a file; in ASCII where the stream knows nothing else."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=False)
        self.unicode = self.console.encoding.lower().startswith("utf")

    def line(self, text: str = "", style: str = "", indent: int = 0, wrap: bool = True) -> None:
        """A paragraph; with wrap=False, as much of it as one row holds."""
        whole, width = self.text(text, style), max(20, self.console.width - indent)
        if not wrap:
            whole.truncate(width, overflow="ellipsis" if self.unicode else "crop")
        for row in whole.wrap(self.console, width) or [Text()]:
            row.rstrip()
            self.console.print(Text(" " * indent) + row if row else "", soft_wrap=True)

    def text(self, text: str, style: str = "") -> Text:
        """Text of the student's may hold anything: it must not move the cursor or change colours."""
        clean = "".join(
            c for c in text.expandtabs(4) if c == "\n" or not unicodedata.category(c).startswith("C")
        )
        if not self.unicode:
            clean = clean.translate(ASCII).encode("ascii", "replace").decode()
        return Text(clean, style=style)


ASCII = {
    ord(k): v
    for k, v in {"✓": "+", "✗": "x", "○": "o", "·": "-", "→": "->", "…": "...", "«": '"', "»": '"'}.items()
}


def show(report: Report, told: Told, only: bool, screen: Screen) -> None:
    """The whole picture; with `only`, a single exercise with all its failures and no total."""
    screen.line()
    if not only:
        overview(report, screen)
    unfinished = next((e for e in report.exercises if e.status != "done"), None)
    if unfinished:
        detail(unfinished, told, every=only, screen=screen)
    elif only:
        praise(report.exercises[0], screen)
    if unfinished or only:
        screen.line()
    screen.console.print(
        screen.text(next_action(report, told, only), "bold"), soft_wrap=True
    )  # one line, always


def heading(exercise: ExerciseResult) -> str:
    number = exercise.id.removeprefix("ex")
    return f"Exercise {number} · {exercise.title}" if number.isdigit() else exercise.title


def overview(report: Report, screen: Screen) -> None:
    table = Table.grid(padding=(0, 2))
    wide = screen.console.width >= WIDE
    for justify in ("left", "left", "left", "right") if wide else ("left", "right"):
        table.add_column(justify=justify, no_wrap=True)
    for exercise in report.exercises:
        mark, style, words = STATUS[exercise.status]
        if exercise.status == "todo" and any(test.status == "passed" for test in exercise.tests):
            mark, style, words = "○", "yellow", "begun"
        elif exercise.status == "todo" and exercise.id == "workflow":
            words = "waits for the others"
        points = f"{exercise.score} / {exercise.max_score}"
        title = f"{mark} {heading(exercise)}"
        cells = (title, words, "", points) if wide else (title, points)
        table.add_row(*(screen.text(cell, style) for cell in cells))
    table.add_row(*[""] * (3 if wide else 1), Text(f"{report.score} / {report.max_score}", style="bold"))
    screen.console.print(table)
    screen.line()


def praise(exercise: ExerciseResult, screen: Screen) -> None:
    screen.line(f"✓ {heading(exercise)}: done, {exercise.score} points", "green")


def detail(exercise: ExerciseResult, told: Told, every: bool, screen: Screen) -> None:
    """The first lesson that isn't passed, or every one."""
    passed = sum(test.status == "passed" for test in exercise.tests)
    screen.line(f"{heading(exercise)}: {passed} of {len(exercise.tests)} lessons passed", "bold")
    open_ones = [test for test in exercise.tests if test.status != "passed"]
    failing = [test for test in open_ones if test.status in ("failed", "error", "timeout")]
    shown = failing or open_ones[:1]
    if every:
        for test in exercise.tests:
            _lesson(test, told, test in failing or test in shown[:1], screen)
        _output(exercise, told, screen)
        return
    _lesson(shown[0], told, True, screen)
    _output(exercise, told, screen)
    rest = {"more fail": len(failing) - 1, "wait": len(open_ones) - max(len(failing), 1)}
    words = " and ".join(f"{n} {verb}{'s' if n == 1 else ''}" for verb, n in rest.items() if n > 0)
    if words:
        screen.line(
            f"{words}: {command('test', exercise.id.removeprefix('ex'))} shows this exercise alone", "dim", 2
        )


def _lesson(test: TestResult, told: Told, whole: bool, screen: Screen) -> None:
    mark, style = MARKS.get(test.status, ("○", "dim"))
    waits = " (waits)" if test.status == "blocked" else ""
    screen.line(f"{mark} {test.title}{waits}", style, 2)
    if not whole:
        return
    screen.line(told.lessons.get(test.id, ""), "italic", 4)
    if test.status != "todo":
        screen.line(test.message or "", "", 4)
        if test.location and test.location.source:
            place = f"{test.location.file}:{test.location.line}: {test.location.source}"
            screen.line(place, "cyan", 4, wrap=False)


def _output(exercise: ExerciseResult, told: Told, screen: Screen) -> None:
    printed = told.printed.get(exercise.id)
    if printed:
        lines = printed.strip().splitlines()
        screen.line("your code printed:", "dim", 2)
        for line in lines[:OUTPUT_LINES]:
            screen.line(line[:200], "dim", 4)
        if len(lines) > OUTPUT_LINES:
            screen.line(f"… {len(lines) - OUTPUT_LINES} more lines", "dim", 4)


def urgent(exercise: ExerciseResult) -> TestResult | None:
    """The test to see to first: what fails, or else the first that is not passed."""
    tests = [test for test in exercise.tests if test.status != "passed"]
    failing = (test for test in tests if test.status in ("failed", "error", "timeout"))
    return next(failing, tests[0] if tests else None)


def next_action(report: Report, told: Told, only: bool) -> str:
    """One line: what to do now, and in which file."""
    unfinished = next((e for e in report.exercises if e.status != "done"), None)
    if unfinished:
        return next_step(unfinished, told, command("hint", unfinished.id.removeprefix("ex")))
    if only:
        return f"{heading(report.exercises[0])} is done. Next: {command('test')}"
    return finished(report)


def finished(report: Report) -> str:
    return f"All {report.max_score} points: your workflow is complete, on every device."


def next_step(exercise: ExerciseResult, told: Told, hint: str) -> str:
    """The same for an exercise that isn't done. hint: what to type for one."""
    test = urgent(exercise)
    assert test
    function = told.about.get(test.id)
    verb = "write" if test.status == "todo" else "mend"
    what = [f"`{function}`"] if function else []
    where = [f"{test.location.file}:{test.location.line}"] if test.location else []
    more = f" (a hint: {hint})" if function or exercise.id == "workflow" else ""
    return f"Next: {verb} {', '.join(what + where) or exercise.title}{more}"
