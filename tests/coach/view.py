"""The screen of `make watch`: the verdict where the eye expects it, the keys in the last line, whatever its size."""

import io
from collections.abc import Callable

import msgspec
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from tests.coach import terminal
from tests.coach.report import ExerciseResult, Report
from tests.coach.suite import Told
from tests.coach.terminal import Screen

Write = Callable[[Screen], None]


class Panel(msgspec.Struct):
    """What a key asked for, in the place of the lessons."""

    write: Write
    key: str = ""  # that turns the page, where it is longer than the screen
    first: int = 0  # the first row that is shown …
    next: int = 0  # … and of the next page, as of the last drawing; 0: there is none


class View(msgspec.Struct):
    """What is to be seen now. A renderable of rich's."""

    keys: dict[str, str]  # what can be typed now, and what it does
    note: str  # what is going on
    report: Report | None = None
    told: Told | None = None
    shown: ExerciseResult | None = None  # the exercise that is told about
    panel: Panel | None = None

    def todo(self) -> ExerciseResult | None:
        """What is to be done next: the exercise that is shown, or else the first that isn't done."""
        every = self.report.exercises if self.report else ()
        return next((e for e in (self.shown, *every) if e and e.status != "done"), None)

    def state(self) -> tuple[object, ...]:
        """Equal to the one before: nothing has to be drawn."""
        page = (id(self.panel), self.panel.first) if self.panel else None
        return tuple(self.keys), self.note, self.report, self.shown, page

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.size
        yield Text("\n").join(self._rows(console, width, height))

    def _rows(self, console: Console, width: int, height: int) -> list[Text]:
        """As many as the screen has. Where there is too little room, the last lines stay: keys, note, what to do next."""

        def rows(write: Write) -> list[Text]:
            return rows_of(write, console, width)

        below = [*rows(self._next), *rows(self._note), *rows(self._keys)]
        room = max(0, height - len(below) - 1)
        heads, bodies = [rows(self._overview), rows(self._total)], [rows(self._lessons)]
        if self.panel:
            asked = rows(self.panel.write)
            bodies = [asked] if self.panel.key else [bodies[0] + asked, asked]
        ways = [(head, body) for body in bodies for head in heads]
        if self.panel:
            ways.append(([], asked[self.panel.first :]))
        fitting = (way for way in ways if len(way[0]) + 1 + len(way[1]) <= room)
        head, body = next(fitting, ways[-1])
        top = [*head, Text(), *body] if head else body
        missing = len(top) - room
        if self.panel:
            self.panel.next = self.panel.first + room - 1 if missing > 0 and self.panel.key else 0
        if missing > 0:
            how = f"{self.panel.key}: go on" if self.panel and self.panel.key else "make this window taller"
            last = rows(lambda screen: screen.line(f"… {missing + 1} more rows: {how}", "dim", wrap=False))
            top = [*top[: max(0, room - 1)], *last][:room]
        return [*top, *[Text()] * (height - len(top) - len(below)), *below][-height:]

    def _overview(self, screen: Screen) -> None:
        if self.report:
            terminal.overview(self.report, screen)

    def _total(self, screen: Screen) -> None:
        if self.report:
            screen.line(f"{self.report.score} / {self.report.max_score}", "bold")

    def _lessons(self, screen: Screen) -> None:
        if self.shown and self.told:
            if self.shown.status == "done":
                terminal.praise(self.shown, screen)
            else:
                terminal.detail(self.shown, self.told, every=False, screen=screen)

    def _next(self, screen: Screen) -> None:
        if not (self.report and self.told):
            return
        todo = self.todo()
        screen.line(
            terminal.next_step(todo, self.told, "h") if todo else terminal.finished(self.report), "bold"
        )

    def _note(self, screen: Screen) -> None:
        if self.note:
            screen.line(self.note, "yellow")

    def _keys(self, screen: Screen) -> None:
        told = [f"{key} {does}" for key, does in self.keys.items()]
        ways = ("   ".join(told), " ".join(told), " ".join(self.keys))
        fits = (way for way in ways if len(way) <= screen.console.width)
        screen.line(next(fits, ways[-1]), "dim", wrap=False)


def rows_of(write: Write, console: Console, width: int) -> list[Text]:
    """What is written to a screen of that width, row by row, in the console's own characters."""
    out = io.StringIO()
    copy = Screen(
        Console(file=out, width=width, force_terminal=True, color_system="standard", highlight=False)
    )
    copy.unicode = Screen(console).unicode
    write(copy)
    rows = [Text.from_ansi(row, no_wrap=True) for row in out.getvalue().split("\n")[:-1]]
    while rows and not rows[-1].plain.strip():
        rows.pop()
    return rows
