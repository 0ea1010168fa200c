"""What the student sees: a line an exercise, the first unfinished one in detail, the next thing to do."""

import unicodedata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.coach.report import ExerciseResult, Report, TestResult
from tests.coach.suite import Suite

STATUS = {
    "done": ("✓", "green", "done"),
    "failing": ("✗", "red", "not right yet"),
    "todo": ("○", "dim", "not started"),
}
MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "error": ("✗", "red"), "timeout": ("✗", "red")}
OUTPUT_LINES = 4


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


def show(report: Report, suite: Suite, only: bool, screen: Screen) -> None:
    """The whole picture; with `only`, a single exercise with all its failures and no total."""
    screen.line()
    if not only:
        _overview(report, screen)
    unfinished = next((e for e in report.exercises if e.status != "done"), None)
    if unfinished:
        _detail(unfinished, suite, every=only, screen=screen)
    elif only:
        screen.line(f"✓ {heading(report.exercises[0])}: done, {report.score} points", "green")
    if unfinished or only:
        screen.line()
    screen.console.print(
        screen.text(next_action(report, suite, only), "bold"), soft_wrap=True
    )  # one line, always


def heading(exercise: ExerciseResult) -> str:
    number = exercise.id.removeprefix("ex")
    return f"Exercise {number} · {exercise.title}" if number.isdigit() else exercise.title


def _overview(report: Report, screen: Screen) -> None:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "left", "right"):
        table.add_column(justify=justify)
    for exercise in report.exercises:
        mark, style, words = STATUS[exercise.status]
        if exercise.status == "todo" and any(test.status == "passed" for test in exercise.tests):
            mark, style, words = "○", "yellow", "begun"
        elif exercise.status == "todo" and exercise.id == "workflow":
            words = "waits for the others"
        points = f"{exercise.score} / {exercise.max_score}"
        cells = (f"{mark} {heading(exercise)}", words, "", points)
        table.add_row(*(screen.text(cell, style) for cell in cells))
    table.add_row("", "", "", Text(f"{report.score} / {report.max_score}", style="bold"))
    screen.console.print(table)
    screen.line()


def _detail(exercise: ExerciseResult, suite: Suite, every: bool, screen: Screen) -> None:
    """The first lesson that isn't passed, or every one."""
    passed = sum(test.status == "passed" for test in exercise.tests)
    screen.line(f"{heading(exercise)}: {passed} of {len(exercise.tests)} lessons passed", "bold")
    open_ones = [test for test in exercise.tests if test.status != "passed"]
    failing = [test for test in open_ones if test.status in ("failed", "error", "timeout")]
    told = failing or open_ones[:1]
    if every:
        for test in exercise.tests:
            _lesson(test, suite, test in failing or test in told[:1], screen)
        _output(exercise, suite, screen)
        return
    _lesson(told[0], suite, True, screen)
    _output(exercise, suite, screen)
    rest = {"more fail": len(failing) - 1, "wait": len(open_ones) - max(len(failing), 1)}
    words = " and ".join(f"{n} {verb}{'s' if n == 1 else ''}" for verb, n in rest.items() if n > 0)
    if words:
        screen.line(
            f"{words}: make test EX={exercise.id.removeprefix('ex')} shows this exercise alone", "dim", 2
        )


def _lesson(test: TestResult, suite: Suite, told: bool, screen: Screen) -> None:
    mark, style = MARKS.get(test.status, ("○", "dim"))
    waits = " (waits)" if test.status == "blocked" else ""
    screen.line(f"{mark} {test.title}{waits}", style, 2)
    if not told:
        return
    screen.line(suite.lessons.get(test.id, ""), "italic", 4)
    if test.status != "todo":
        screen.line(test.message or "", "", 4)
        if test.location and test.location.source:
            place = f"{test.location.file}:{test.location.line}: {test.location.source}"
            screen.line(place, "cyan", 4, wrap=False)


def _output(exercise: ExerciseResult, suite: Suite, screen: Screen) -> None:
    printed = next((text for text in suite.printed(exercise.id) if text.strip()), "")
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


def next_action(report: Report, suite: Suite, only: bool) -> str:
    """One line: what to do now, and in which file."""
    for exercise in report.exercises:
        number = exercise.id.removeprefix("ex")
        test = urgent(exercise)
        if test is None:
            continue
        function = suite.about.get(test.id)
        verb = "write" if test.status == "todo" else "mend"
        what = [f"`{function}`"] if function else []
        where = [f"{test.location.file}:{test.location.line}"] if test.location else []
        hint = f" (a hint: make hint EX={number})" if function or exercise.id == "workflow" else ""
        return f"Next: {verb} {', '.join(what + where) or exercise.title}{hint}"
    if only:
        return f"{heading(report.exercises[0])} is done. Next: make test"
    return f"All {report.max_score} points: your workflow is complete, on every device."
