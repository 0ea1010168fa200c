"""`make watch`: at every save the verdict anew, in the same place on the screen."""

import contextlib
import difflib
import os
import queue
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from tests.coach import curriculum, hints
from tests.coach.commands import command
from tests.coach.keyboard import keys
from tests.coach.report import ExerciseResult, TestResult
from tests.coach.run import report
from tests.coach.runner import Ran, Run
from tests.coach.saves import listen, settled, stamps, unfinished
from tests.coach.suite import ROOT, Told
from tests.coach.terminal import Screen, show
from tests.coach.view import Panel, View
from tests.limits import CPU_SECONDS

LOOK_SECONDS = 0.5  # between two looks at the files, where no event says that one was saved
WAITING = "Waiting for a save; this is the verdict before."
BACK = ("\n", "\r", " ", "\x1b")
PATIENCE = 2.0  # seconds after which a run that goes on is worth a word

Event = str | tuple[Run, Ran | str] | None  # a key; a run that has ended; a file that was saved


class Watch:
    """What is known of the student's folder, and what is going on."""

    def __init__(self, tree: Path, first: str | None) -> None:
        """first: the exercise to begin with; None: the first that isn't done."""
        self.tree = tree
        self.own = tree == ROOT / "exercises"  # hints are for the student's own work
        self.exercises = curriculum.load()
        self.events: queue.Queue[Event] = queue.Queue()
        self.files = {e.id: tree / e.file for e in self.exercises if e.file}
        self.stamps = stamps([*self.files.values()])
        self.results: dict[str, TestResult] = {}  # by nodeid
        self.told = Told({}, {}, {})
        self.run: Run | None = None
        self.began = 0.0  # when the run did, by time.monotonic()
        self.stale = {e.id for e in self.exercises}  # the exercises whose results don't hold any more
        self.focus = first  # the exercise that is shown; None: the first that isn't done
        self.chosen = first is not None  # by the student: shown even when it is done
        self.view = View({"q": "quit"}, "Loading PyTorch: this takes a few seconds, once.")

    def start(self) -> None:
        """Run what is stale, in the place of a run that is going on."""
        self.stop()
        known = {node: r for node, r in self.results.items() if r.id.partition(".")[0] not in self.stale}
        self.began = time.monotonic()
        try:
            self.run = Run(self.tree, known, lambda run, ran: self.events.put((run, ran)))
        except (OSError, EOFError):
            self.view.note = f"The tests can't be loaded here: {command('test')} says why."

    def stop(self) -> None:
        if self.run:
            self.run.stop()
            self.run = None

    def look(self) -> None:
        """Begin a run, if a file was saved."""
        files = [*self.files.values()]
        if stamps(files) == self.stamps:
            return
        before, self.stamps = self.stamps, settled(files)
        saved = {id: file for id, file in self.files.items() if before[file] != self.stamps[file]}
        self.stale |= saved.keys() | {"workflow"}
        if len(saved) == 1:
            (self.focus,), self.chosen = saved, False
        self.view.panel = None
        broken = [f"{file.name}, {why}." for file in saved.values() if (why := unfinished(file))]
        if broken:
            self.stop()
            self.view.note = f"{broken[0]} {WAITING}"
        else:
            self.view.note = ""
            self.start()

    def take(self, run: Run, ran: Ran | str) -> None:
        """What came of a run; of one that was stopped, nothing."""
        if run is not self.run:
            return
        self.run = None
        if isinstance(ran, str):
            self.view.note = f"{ran} {WAITING}"
            return
        for exercise in self.stale:
            self.told.printed.pop(exercise, None)
        self.told = Told(
            ran.told.lessons, self.told.about | ran.told.about, self.told.printed | ran.told.printed
        )
        self.results, self.stale = ran.results, set()
        self.view.note = ""
        judged = report(self.results.values(), self.tree.name, "", self.began)
        found = {exercise.id: exercise for exercise in judged.exercises}
        open_ones = [exercise for exercise in judged.exercises if exercise.status != "done"]
        if self.focus and found[self.focus].status == "done" and not self.chosen:
            self.focus = None  # on to what is left
        shown = found[self.focus] if self.focus else next(iter(open_ones), judged.exercises[-1])
        self.view.report, self.view.told, self.view.shown = judged, self.told, shown
        if self.own:
            hints.remember(judged, self.told)

    def press(self, key: str) -> None:
        """Obey a key. One that means nothing is ignored."""
        view = self.view
        if key == "r":
            self.stale = {e.id for e in self.exercises}
            view.panel, view.note = None, "Running all …"
            self.start()
        if view.report is None or view.shown is None:
            return
        if key in ("n", "p"):
            every = view.report.exercises
            at = [exercise.id for exercise in every].index(view.shown.id) + (1 if key == "n" else -1)
            view.shown = every[at % len(every)]
            self.focus, self.chosen, view.panel = view.shown.id, True, None
        elif key in BACK:
            view.panel = None
        elif key == "h" and self.own and (todo := view.todo()):
            taken = hints.take(curriculum.find(todo.id))
            view.panel = Panel(lambda screen: hints.show(taken, screen))
        elif key == "d" and (files := self.compared(view.shown)):
            if view.panel and view.panel.key == "d":  # the next page, or back
                view.panel.first, view.panel = view.panel.next, view.panel if view.panel.next else None
            else:
                view.panel = Panel(lambda screen: difference(*files, screen), key="d")

    def compared(self, exercise: ExerciseResult) -> tuple[Path, Path] | None:
        """The student's file and the reference, once the exercise is done."""
        file = curriculum.find(exercise.id).file
        if exercise.status != "done" or not file or not (ROOT / "solutions" / file).exists():
            return None
        return self.tree / file, ROOT / "solutions" / file

    def settle_keys(self) -> None:
        """The last line: what can be typed now."""
        shown = self.view.shown
        offered = {
            "h": "hint" if self.view.todo() and self.own else "",
            "n": "next" if shown else "",
            "p": "previous" if shown else "",
            "r": "run all" if shown else "",
            "d": "difference" if shown and self.compared(shown) else "",
            "q": "quit",
            "Enter": "back" if self.view.panel else "",
        }
        self.view.keys = {key: words for key, words in offered.items() if words}

    def turn(self) -> bool:
        """Wait for what happens next, and see to it. False: the student has quit."""
        try:
            event = self.events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            event = None
        if event == "q":
            return False
        if isinstance(event, str):
            self.press(event)
        elif event:
            self.take(*event)
        self.look()
        seconds = int(time.monotonic() - self.began)
        if self.run and self.view.report and seconds >= PATIENCE:
            self.view.note = (
                f"Still running, for {seconds} s. What computes for {CPU_SECONDS:g} s is stopped."
            )
        self.settle_keys()
        return True


def watch(tree: Path, first: str | None) -> int:
    """Until the student quits, which is no failure: the exit status is 0."""
    for fixed in ("COLUMNS", "LINES"):  # exported by some shells, and not true any more after a resize
        os.environ.pop(fixed, None)
    console = Console(highlight=False)
    watched = Watch(tree, first)
    listen(tree, lambda: watched.events.put(None))
    with _ended_by_signals():
        if console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty():
            _in_place(watched, console)
        else:
            _line_by_line(watched, console)
    return 0


def _in_place(watched: Watch, console: Console) -> None:
    with (
        keys(watched.events.put),
        contextlib.suppress(KeyboardInterrupt),
        Live(watched.view, console=console, screen=True, auto_refresh=False) as live,
    ):
        watched.start()
        before = None
        live.refresh()
        while watched.turn():
            now = console.size, watched.view.state()
            if now != before:
                live.refresh()
                before = now
    watched.stop()
    if watched.view.report and watched.view.told:  # what stood there stays to be read
        show(watched.view.report, watched.view.told, False, Screen(console))
        if watched.stale:
            Screen(console).line("This was before your last save.", "yellow")


def _line_by_line(watched: Watch, console: Console) -> None:
    """For a pipe, or a terminal that can't draw: one verdict below the other."""
    screen, view = Screen(console), watched.view
    screen.line(f"Watching {watched.tree.name}/: save a file to see where you stand. Ctrl-C ends it.")
    report, note = view.report, view.note
    with contextlib.suppress(KeyboardInterrupt):
        watched.start()
        while watched.turn():
            if view.report is not report and view.report and view.told:
                show(view.report, view.told, False, screen)
            elif view.note != note and not watched.run:
                screen.line(view.note)
            report, note = view.report, view.note
    watched.stop()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Whoever closes the window or ends the program gets a terminal as it was."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):  # Windows has only the first
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, do in before.items():
            signal.signal(number, do)


def difference(mine: Path, reference: Path, screen: Screen) -> None:
    """What the reference has in other words: - the student's lines, + the reference's."""
    old, new = (
        [line for line in text.splitlines() if not line.strip().startswith("### ")]
        for text in (file.read_text(encoding="utf-8-sig") for file in (mine, reference))
    )
    screen.line(f"- {mine.parent.name}/{mine.name}   + {reference.parent.name}/{reference.name}", "bold")
    lines = list(difflib.unified_diff(old, new, n=2, lineterm=""))[2:]
    if not lines:
        screen.line("No difference.")
    for line in lines:
        style = {"-": "red", "+": "green", "@": "dim"}.get(line[0], "")
        screen.line("…" if line[0] == "@" else line, style, wrap=False)
