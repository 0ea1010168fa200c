"""A class in one go: whatever ends a run, the same command goes on, and the results are the same bytes."""

import contextlib
import csv
import io
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import grading.batch.progress as progress_module
import grading.pool as pool_module
from grading.batch.progress import Progress
from grading.batch.store import JOURNAL, Store
from grading.batch.tally import MOST_NAMED, Result, Tally, summary
from grading.jail import ROOT
from grading.pool import NoGraders, Pool
from grading.submissions import Refused
from grading.tests import batches, corpus, reports
from grading.tests.batches import HOW, KEY, Canned, results, run
from grading.tests.processes import descendants, processes, wait_until
from grading.warm import CannotGrade, Helper
from grading.worker import Graded, Task
from tests.coach.report import Report, to_json


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with contextlib.closing(Pool(2, "bubblewrap", KEY)) as pool:
        pool.wait_until_ready()
        yield pool


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return batches.classroom(tmp_path_factory.mktemp("class") / "class")


@pytest.fixture(scope="module")
def expected(classroom: Path, pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a run leaves that nothing disturbed."""
    out = tmp_path_factory.mktemp("expected") / "out"
    run(classroom, out, lambda: pool)
    return results(out)


def test_what_a_run_leaves(expected: dict[str, object]) -> None:
    reports = [f"reports/student-{number}.json" for number in range(6)]
    assert [*expected] == ["class.html", "marks.csv", *reports]
    rows = list(csv.DictReader(str(expected["marks.csv"], "utf-8-sig").splitlines()))  # type: ignore[arg-type,call-overload]
    assert [row["student"] for row in rows] == ["essay", *(f"student-{n}" for n in range(6)), "torn"]
    assert [row["score"] for row in rows] == ["", *["0"] * 6, ""]
    assert rows[1]["variant"] == "secret" and rows[1]["ex3"] == "0" and "essay.txt" in rows[0]["why"]


def test_what_has_not_changed_is_not_graded_again(classroom: Path, pool: Pool, tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    shutil.copytree(classroom, folder)
    run(folder, out, lambda: pool)
    before = (out / "reports" / "student-3.json").read_bytes()

    def never() -> object:
        raise AssertionError("there is nothing to grade")

    _, _, progress = run(folder, out, never)
    assert progress.unchanged == 6
    assert progress.failed == 2
    with (folder / "student-1" / "ex1_dataset.py").open("a") as file:
        file.write("# once more\n")
    (out / "reports" / "student-2.json").write_text("{}")  # somebody else wrote there
    (out / "reports" / "student-4.json").unlink()
    _, _, progress = run(folder, out, lambda: pool)
    assert progress.unchanged == 3
    assert (out / "reports" / "student-3.json").read_bytes() == before
    with pytest.raises(AssertionError, match="nothing to grade"):
        run(folder, out, never, HOW._replace(isolation="process"))


def test_another_key_needs_another_folder(
    classroom: Path, expected: dict[str, object], tmp_path: Path
) -> None:
    """Marks on other numbers must not take the place of those that are there, because an option was forgotten."""
    out, canned = tmp_path / "out", Canned(expected, random.Random(1))
    run(classroom, out, lambda: canned)
    for key, words in (
        (None, "with a course key, and this run has none"),
        (b"another key, and so other numbers", "with another course key than this run has"),
    ):
        with pytest.raises(Refused, match=words):
            run(classroom, out, lambda: canned, HOW._replace(key=key))
    assert results(out) == expected


def test_who_is_gone_is_said(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    shutil.copytree(classroom, folder)
    run(folder, out, lambda: Canned(expected, random.Random(1)))
    shutil.rmtree(folder / "student-3")
    batch, tally, _ = run(folder, out, lambda: None)
    assert (tally.students, batch.gone) == (7, ["student-3"])
    assert b"student-3" not in results(out)["marks.csv"]  # type: ignore[operator]


def test_a_report_says_what_the_submission_is_called(classroom: Path, pool: Pool, tmp_path: Path) -> None:
    """The same files under another name make another report."""
    folder, out = tmp_path / "class", tmp_path / "out"
    shutil.copytree(classroom / "student-1", folder / "a" / "work")
    run(folder, out, lambda: pool)
    (folder / "a" / "work").rename(folder / "a" / "final")
    _, _, progress = run(folder, out, lambda: pool)
    assert progress.unchanged == 0


@pytest.mark.parametrize("seed", range(13))
def test_a_killed_run_goes_on(
    seed: int, classroom: Path, pool: Pool, expected: dict[str, object], tmp_path: Path
) -> None:
    """The process that writes, at any moment: between two reports, in a report, in the journal, in a table."""
    out, draw = tmp_path / "out", random.Random(seed)
    canned = Canned(expected, draw)
    child = multiprocessing.get_context("fork").Process(target=run, args=(classroom, out, lambda: canned))
    child.start()
    assert wait_until(lambda: (out / JOURNAL).exists())
    time.sleep(draw.random() * 0.25)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    run(classroom, out, lambda: canned)
    assert results(out) == expected


def test_a_killed_command_goes_on(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    """As it is typed; and nothing that it has started stays."""
    out = tmp_path / "out"
    command = started(classroom, out)
    assert wait_until(lambda: len(list(out.glob("reports/*.json"))) > 1, 120)
    theirs = descendants(command.pid)
    command.kill()
    command.wait()
    assert wait_until(lambda: not theirs & processes(), 60)
    assert typed(classroom, out)[0] == 1
    assert results(out) == expected


def test_interrupted_by_the_keyboard(pool: Pool, tmp_path: Path) -> None:
    folder, out = batches.classroom(tmp_path / "class", 20), tmp_path / "out"
    # Whoever started the tests in the background may have told them to ignore it.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = started(folder, out, "--jobs", "1")
    signal.signal(signal.SIGINT, heeded)
    assert wait_until(lambda: list(out.glob("reports/*.json")), 120)
    theirs = descendants(command.pid)
    command.send_signal(signal.SIGINT)
    said = command.communicate(timeout=60)[1]
    assert command.returncode == 2
    assert said == "Stopped: by you. What is done is kept: the same command goes on from there.\n"
    assert wait_until(lambda: not theirs & processes(), 60)
    _, tally, progress = run(folder, out, lambda: pool)
    assert tally.graded == 20
    assert 0 < progress.unchanged < 20


def test_nobody_reads_what_it_prints(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    """A pipe that is full: all is written, and it waits with its last words only."""
    out = tmp_path / "out"
    run(classroom, out, lambda: Canned(expected, random.Random(1)))
    (out / "class.html").unlink()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with started(classroom, out, stdout=writing, stderr=writing) as command:
        assert wait_until((out / "class.html").exists, 60)
        command.kill()
    os.close(reading)
    os.close(writing)
    assert results(out) == expected


@pytest.mark.parametrize(
    ("victim", "seed"),
    [(victim, seed) for victim in ("grader", "helper") for seed in range(3 if corpus.ALL else 1)],
)
def test_what_grades_is_killed(
    victim: str, seed: int, classroom: Path, pool: Pool, expected: dict[str, object], tmp_path: Path
) -> None:
    """It is replaced, and nobody's mark changes."""
    out, draw = tmp_path / "out", random.Random(f"{victim} {seed}")
    grader = draw.choice(pool._graders)
    pid = grader._process.pid if victim == "grader" else pool._helper.pid
    kill = threading.Timer(draw.random() * 0.8, os.kill, (pid, signal.SIGKILL))
    kill.start()
    run(classroom, out, lambda: pool)
    kill.join()
    run(classroom, out, lambda: pool)
    assert results(out) == expected


def test_whoever_kills_its_grader_twice_is_left_out(
    classroom: Path, pool: Pool, expected: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch goes on, says so, and tries it again the next time."""
    grade = pool_module._Grader.grade

    def deadly(grader: pool_module._Grader, task: Task) -> Graded:
        if task.student == "student-1":
            grader._process.kill()
        return grade(grader, task)

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(pool_module._Grader, "grade", deadly)
        _, tally, progress = run(classroom, out, lambda: pool)
    assert (tally.graded, tally.not_graded, progress.failed) == (5, 3, 3)
    assert [look.why for look in tally.looks if look.student == "student-1"] == [
        "The grader died twice over the submission of 'student-1'."
    ]
    assert not (out / "reports" / "student-1.json").exists()
    run(classroom, out, lambda: pool)
    assert results(out) == expected


def test_without_graders_it_stops(
    classroom: Path, expected: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message for all, not one for each of 100,000 students."""
    out = tmp_path / "out"
    with contextlib.closing(Pool(1, "bubblewrap", KEY)) as pool:
        pool.wait_until_ready()
        monkeypatch.setattr(Helper, "wait_until_ready", no_jail)
        os.kill(pool._helper.pid, signal.SIGKILL)
        with pytest.raises(NoGraders, match="no jail any more"):
            run(classroom, out, lambda: pool)
    run(classroom, out, lambda: Canned(expected, random.Random(1)))
    assert results(out) == expected


def no_jail(helper: Helper) -> None:
    raise CannotGrade("there can be no jail any more")


FULL_DISK = """
mount -t tmpfs -o size=120k none "$OUT" || exit 9
"$PYTHON" -m grading.tests.batches "$CLASS" "$OUT" "$EXPECTED"; echo "status $?"
ls "$OUT/reports" | grep -c json
ls -A "$OUT" "$OUT/reports" | grep -E 'new|csv' && exit 8
mount -o remount,size=20m "$OUT" && "$PYTHON" -m grading.tests.batches "$CLASS" "$OUT" "$EXPECTED"; echo "status $?"
cp -r "$OUT" "$COPY"
"""


def test_a_full_disk(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    """One clear error and nothing half written; with room made, the same command goes on."""
    known = tmp_path / "known"
    known.mkdir()
    for name, data in expected.items():
        if isinstance(data, Report):
            (known / Path(name).name).write_bytes(to_json(data))
    out = tmp_path / "out"
    out.mkdir()
    own = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    places = {
        "OUT": out,
        "CLASS": classroom,
        "EXPECTED": known,
        "COPY": tmp_path / "copy",
        "PYTHON": sys.executable,
    }
    done = subprocess.run(
        [*own, "sh", "-c", FULL_DISK],
        cwd=ROOT,
        env=os.environ | {name: str(place) for name, place in places.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    first, written, second = done.stdout.split("\n")[:3]
    assert first == "status 2"
    assert 0 < int(written) < 6
    assert second == "status 0"
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert results(tmp_path / "copy") == expected


def test_a_torn_journal(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    """Its last line was cut short, one is no line at all: those are graded again, the others are not."""
    out, canned = tmp_path / "out", Canned(expected, random.Random(1))
    run(classroom, out, lambda: canned)
    whole = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(whole[0] + b"\xff\0 junk\n" + b"".join(whole[1:])[:-20])
    _, _, progress = run(classroom, out, lambda: canned)
    assert progress.unchanged == 5
    _, _, progress = run(classroom, out, lambda: canned)
    assert progress.unchanged == 6


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        contextlib.closing(Store(tmp_path / "out", KEY)),
        pytest.raises(Refused, match="Another run is writing"),
    ):
        Store(tmp_path / "out", KEY)


def test_a_folder_with_other_things_in_it_is_left_alone(classroom: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    status, _, said = typed(classroom, tmp_path)
    assert status == 2
    assert (
        said
        == f"Stopped: {tmp_path} holds what no batch has written (thesis.tex). Name a new folder for the results.\n"
    )
    status, _, said = typed(classroom, classroom / "out")
    assert status == 2
    assert "lies in" in said
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_plots_are_kept(tmp_path: Path) -> None:
    """For class.html, and drawn again where one is missing. A run without them finds the report, one with them not."""
    folder, out = tmp_path / "class", tmp_path / "out"
    corpus.write(folder / "ada")
    with contextlib.closing(Pool(1, "bubblewrap", KEY, pictures=True)) as drawing:
        run(folder, out, lambda: drawing, plots=True)
        first = results(out)
        assert [name for name in first if name.startswith("plots")] == [
            f"plots/ada/{function}.png" for function in ("plot_data", "plot_loss_curves", "plot_predictions")
        ]
        page = str(first["class.html"], "utf-8")  # type: ignore[arg-type,call-overload]
        assert page.count("data:image/png;base64,") == 3
        (out / "plots" / "ada" / "plot_data.png").unlink()
        run(folder, out, lambda: drawing, plots=True)
        assert results(out) == first
    _, _, progress = run(folder, out, lambda: None)
    assert progress.unchanged == 1


def test_what_is_printed(classroom: Path, expected: dict[str, object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(classroom, out, lambda: Canned(expected, random.Random(1)))
    status, said, errors = typed(classroom, out)
    assert (status, errors) == (1, "")
    assert said.splitlines() == [
        "8 submissions, 6 graded, 6 of them before",
        "Mean 0.0, median 0 of 100 points; 0 of 6 have all points",
        "Worth a look:",
        "      2  could not be graded",
        "         essay: 'essay' has none of the modules ex1_dataset.py … ex5_persistence.py, and no notebook: it holds only 'essay.txt'. Is it the right one?",
        "         torn: 'torn.zip' is damaged, or no zip at all. Ask for a new one, and try to unpack it before.",
        f"Written: {out}/class.html, {out}/marks.csv, {out}/reports",
    ]


def test_the_summary_of_a_class() -> None:
    tally = Tally()
    students = [reports.FULL, reports.FULL, *[reports.MIXED] * 7, reports.ALL_STATUSES]
    for number, report in enumerate(students):
        tally.add(Result(f"student-{number}", report))
    tally.add(Result("nobody", why="no\nmodules"))
    assert list(summary(tally)) == [
        "11 submissions, 10 graded",
        "Mean 52.2, median 36 of 100 points; 2 of 10 have all points",
        "Most failed:",
        "      8  ex2.lesson_2  (The model)",
        "      8  ex3.lesson_1  (Training)",
        "      8  ex4.lesson_1  (Predictions)",
        "Worth a look:",
        "      1  could not be graded",
        "         nobody: no modules",
        "      7  flagged",
        *(f"         student-{number}: flagged: exit, differs" for number in range(2, 2 + MOST_NAMED)),
        "         and 2 more: see class.html and marks.csv",
    ]


def test_progress_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    progress = Progress()
    with progress:
        progress.expect(1000)
        for number in range(300):
            now += 0.5
            progress.done(failed=number % 100 == 0, unchanged=False)
        for _ in range(2):
            now += 100
            progress.tick(["ada", "ben"])
    assert capfd.readouterr().err.splitlines() == [
        "121 of 1000 done, 2 not graded, 2.0 a second, about 7 min to go",
        "242 of 1000 done, 3 not graded, 2.0 a second, about 6 min to go",
        "300 of 1000 done, 3 not graded, 1.2 a second, about 10 min to go",
        "300 of 1000 done, 3 not graded, 0.8 a second, waiting for ada, ben",
    ]


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(progress_module, "Console", lambda stderr: screen)
    with Progress() as progress:
        progress.expect(4)
        progress.done(failed=True, unchanged=False)
    assert "Grading" in screen.file.getvalue()  # type: ignore[attr-defined]
    assert "1/4" in screen.file.getvalue()  # type: ignore[attr-defined]
    assert "1 not graded" in screen.file.getvalue()  # type: ignore[attr-defined]


def started(folder: Path, out: Path, *options: str, **streams: int) -> "subprocess.Popen[str]":
    key = out.parent / "course.key"
    if out.name == "out" and not key.exists():
        key.write_bytes(KEY)
    key_file = ["--secret-file", str(key)] if key.exists() else []
    command = [
        sys.executable,
        "-m",
        "grading",
        "batch",
        str(folder),
        "--out",
        str(out),
        "--no-plots",
        *key_file,
        *options,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]


def typed(folder: Path, out: Path) -> tuple[int, str, str]:
    """Exit status, and what is printed."""
    with started(folder, out) as command:
        said, errors = command.communicate(timeout=300)
    return command.returncode, said, errors
