"""`make watch`, in a real terminal and without one."""

import functools
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from grading.tests import corpus, test_golden
from grading.tests.processes import descendants, wait_until
from grading.tests.terminal import Terminal, terminal
from grading.tests.watching import WATCH, kit, session, solution
from tests.coach import runner
from tests.coach.keyboard import keys
from tests.coach.saves import stamps, unfinished
from tests.coach.view import Panel, View, rows_of
from tests.coach.watch import Watch


def test_a_session_from_the_first_stub_to_all_points(tmp_path: Path) -> None:
    """With a syntax error, a mistake, a reset, an endless loop and a program that ends itself on the way."""
    for name, screen in session(tmp_path):
        assert screen == (test_golden.GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), name


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Path]]:
    """A narrow terminal without colours, beginning with exercise 3; there are no solutions."""
    folder = tmp_path_factory.mktemp("watch")
    own, settings = kit(folder / "kit"), {"NO_COLOR": "1", "WATCHFILES_FORCE_POLLING": "1"}
    with terminal(own, folder, [*WATCH, "--ex", "3"], settings, 60, 16) as screen:
        screen.wait("Exercise 3", "q quit")
        yield screen, own


def test_it_begins_where_it_is_told_to_and_fits(started: tuple[Terminal, Path]) -> None:
    screen = started[0].screen()
    assert "Next: write `create_loss`" in screen
    assert "0 / 100" in screen
    assert len(screen.splitlines()) == 16
    assert max(map(len, screen.splitlines())) <= 60


def test_ctrl_z_does_nothing(started: tuple[Terminal, Path]) -> None:
    """Half of the programs below would stop, and the screen stay."""
    screen, _ = started
    screen.type("C-z")
    screen.type("n")
    screen.wait("Exercise 4", "q quit")
    screen.type("p")
    screen.wait("Exercise 3", "q quit")


def test_no_color_means_none(started: tuple[Terminal, Path]) -> None:
    codes = {int(code) for sequence in started[0].colours() for code in sequence.split(";") if code.isdigit()}
    assert not codes - {0, 1, 2, 3, 39, 49}, "bold, dim, italic, and the colours that the terminal has itself"


def test_a_save_that_nobody_announces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens to the system's events here."""
    began: list[set[str]] = []
    monkeypatch.setattr(Watch, "start", lambda watch: began.append(set(watch.stale)))
    watch = Watch(corpus.write(tmp_path / "mine"), None)
    watch.stale.clear()
    watch.turn()
    assert began == []
    (tmp_path / "mine" / "ex3_training.py").write_text("x = 1\n", encoding="utf-8")
    watch.turn()
    assert began == [{"ex3", "workflow"}]


def test_a_save_is_found_by_polling(started: tuple[Terminal, Path]) -> None:
    screen, own = started
    (own / "exercises" / "ex3_training.py").write_text(solution("ex3_training"), encoding="utf-8")
    screen.wait("25 / 100", "Exercise 1")


def test_a_terminal_of_a_few_rows_keeps_what_matters(started: tuple[Terminal, Path]) -> None:
    screen, _ = started
    for columns, rows in ((24, 6), (60, 3), (200, 50), (60, 16)):
        screen.resize(columns, rows)
        assert wait_until(functools.partial(fits, screen, rows)), screen.screen()


def fits(screen: Terminal, rows: int) -> bool:
    """As many rows as there are, the keys once, and what to do next; nothing left of what was there before."""
    lines = screen.screen().splitlines()
    keys = [line for line in lines if line.startswith("h ") and line.endswith((" q", "quit"))]
    return len(lines) == rows and keys == lines[-1:] and (rows < 6 or any("Next: " in line for line in lines))


def test_ctrl_c_gives_the_terminal_back(started: tuple[Terminal, Path]) -> None:
    screen, _ = started
    screen.type("C-c")
    assert ", echo" in screen.wait("ended: 0")


def test_without_a_terminal_verdicts_stand_below_one_another(tmp_path: Path) -> None:
    own = kit(tmp_path / "kit")
    with subprocess.Popen(
        WATCH, cwd=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as watch:
        assert watch.stdout
        said = read_until(watch.stdout, "Next: write `pick_device`")
        assert said[0].startswith("Watching exercises/")
        (own / "exercises" / "ex1_dataset.py").write_text(solution("ex1_dataset"), encoding="utf-8")
        said = read_until(watch.stdout, "Next: write `LinearRegressionModel`")
        assert any("20 / 100" in line for line in said)
        assert not any("\x1b" in line for line in said)
        (own / "exercises" / "ex1_dataset.py").write_text("def f(:\n", encoding="utf-8")
        read_until(watch.stdout, "before.")
        below = descendants(watch.pid)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(20) == 0
        assert watch.stdout.read() == ""
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


def read_until(stream: "object", text: str) -> list[str]:
    """The lines up to the one with this text. A program that says nothing ends the test's own patience: it hangs up."""
    found = []
    for line in stream:  # type: ignore[attr-defined]
        found.append(line)
        if text in line:
            return found
    raise AssertionError(f"{text!r} is not in {found}")


def test_where_nothing_can_be_forked_a_fresh_process_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on Windows."""
    monkeypatch.setattr(runner, "_processes", multiprocessing.get_context("spawn"))
    answers: queue.Queue[runner.Ran | str] = queue.Queue()
    runner.Run(corpus.SOLUTIONS, {}, lambda run, ran: answers.put(ran))
    ran = answers.get(timeout=120)
    assert isinstance(ran, runner.Ran)
    assert sum(result.score for result in ran.results.values()) == 100


def test_a_run_that_is_stopped_has_no_answer_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answers: queue.Queue[runner.Ran | str] = queue.Queue()
    run = runner.Run(corpus.SOLUTIONS, {}, lambda run, ran: answers.put(ran))
    assert wait_until(lambda: list(tmp_path.glob("pytorch-workflow-*/*")))  # an experiment has its folder
    run.stop()
    assert "was killed" in str(answers.get(timeout=60))
    assert not list(tmp_path.glob("pytorch-workflow-*"))


@pytest.mark.parametrize(
    "stop",
    [
        "def predict(model, X):\n    breakpoint()\n    return X\n",
        "def predict(model, X):\n    import pdb; pdb.set_trace()\n    return X\n",
        "breakpoint()\n",
    ],
)
def test_a_debugger_is_told_where_it_works(stop: str, tmp_path: Path) -> None:
    folder = corpus.write(tmp_path / "mine")
    (folder / "ex4_predictions.py").write_text(stop)
    answers: queue.Queue[runner.Ran | str] = queue.Queue()
    runner.Run(folder, {}, lambda run, ran: answers.put(ran))
    assert "It works with make test" in str(answers.get(timeout=60))


def test_what_is_saved_and_what_is_gone(tmp_path: Path) -> None:
    files = [tmp_path / "ex1_dataset.py", tmp_path / "ex2_model.py"]
    files[0].write_text("x = 1\n")
    before = stamps(files)
    assert before[files[0]]
    assert before[files[1]] is None
    (tmp_path / "notes.txt").write_text("")
    assert stamps(files) == before
    files[0].write_text("x = 12\n")
    assert stamps(files) != before


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"x = 1\n", ""),
        (b"def f(\n", "line 1: '(' was never closed"),
        (b"if x:\npass\n", "line 2: expected an indented block after 'if' statement on line 1"),
        (b"x = 1\n\0\n", "source code string cannot contain null bytes"),
        ("größe = 1\n".encode("latin-1"), "line 1: (unicode error) 'utf-8' codec can't decode byte 0xf6"),
        (b'"\\d"\n', ""),  # only a warning
        (b"\xef\xbb\xbfx = 1\r\n", ""),
    ],
)
def test_a_file_in_the_middle_of_typing(source: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "ex1_dataset.py"
    file.write_bytes(source)
    assert unfinished(file).startswith(why)
    assert bool(unfinished(file)) == bool(why)


def test_a_file_that_is_gone_is_for_the_run_to_tell(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "ex1_dataset.py") == ""


@pytest.mark.parametrize(("columns", "rows"), [(100, 24), (40, 10), (10, 3), (80, 1)])
def test_a_long_panel_has_pages(columns: int, rows: int) -> None:
    """Every row of it is seen once, on screens of any size."""
    view = View({"q": "quit"}, "a note")
    view.panel = Panel(
        lambda screen: [screen.line(f"row {number}") for number in range(60)] and None, key="d"
    )
    console = Console(width=columns, height=rows, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    seen: list[str] = []
    for _ in range(70):
        with console.capture() as capture:
            console.print(view)
        drawn = capture.get().splitlines()
        assert len(drawn) == rows
        seen += [line.strip() for line in drawn if "row " in line and "more" not in line]
        if not view.panel.next:
            break
        view.panel.first = view.panel.next
    if rows > 4:
        assert len(seen) == len(set(seen)) == 60


def test_a_dumb_terminal_shows_plain_characters() -> None:
    console = Console(file=open(os.devnull, "w", encoding="ascii"), force_terminal=True)  # noqa: SIM115
    (row,) = rows_of(lambda screen: screen.line("✓ done …"), console, 40)
    assert row.plain == "+ done ..."


def test_keys_come_one_at_a_time_and_arrows_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    ours, theirs = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs))
    pressed: queue.Queue[str] = queue.Queue()
    with keys(pressed.put):
        os.write(ours, b"\x1b[A")
        time.sleep(0.1)
        os.write(ours, b"hn")
        assert [pressed.get(timeout=10), pressed.get(timeout=10)] == ["h", "n"]
    assert pressed.empty()
