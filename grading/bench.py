"""`make bench`: what the suite costs, as ratios within one run, written into grading/README.md.

Times are CPU seconds of whole processes, in turn A B A B …; the median counts. For what somebody waits for they are
seconds of the clock on the wall.
"""

import functools
import io
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from grading.course.source import ASSIGNMENT
from grading.grade import grade
from grading.submissions import Submission, read
from grading.variants import derive
from grading.warm import Helper
from tests.coach.state import replace
from tests.coach.suite import EXPERIMENTS
from tests.harness.given import Given

ROOT = Path(__file__).parents[1]
RUNS = 7


def cpu_seconds(*command: str, environment: Mapping[str, str] = MappingProxyType({})) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite_against_bare_script() -> tuple[float, float]:
    """CPU seconds of `make test` on solved exercises, and of a bare script that runs the workflow once."""
    test = ("-m", "tests.coach", "test", "--tree", "solutions")
    bare = ("-m", "grading.bare")
    pairs = [(cpu_seconds(*test), cpu_seconds(*bare)) for _ in range(RUNS + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


SAVES = 50


def watched() -> tuple[float, float, float]:
    """Wall seconds from a save to its verdict, drawn, in `make watch`: the median and the 95th percentile; and those of
    a cold `make test`. The five modules are saved in turn, now a stub and now the solution."""
    from tests.coach.saves import listen
    from tests.coach.watch import Watch

    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "exercises")
        shutil.copytree(ROOT / "solutions", tree, ignore=shutil.ignore_patterns("__pycache__"))
        watch = Watch(tree, None)
        watch.start()
        screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
        listen(tree, lambda: watch.events.put(None))

        def verdict() -> None:
            while watch.run is None:
                watch.turn()
            while watch.run:
                watch.turn()
            screen.print(watch.view)

        def saved(number: int) -> None:
            source = ROOT / ("exercises", "solutions")[number // len(modules) % 2]
            module = modules[number % len(modules)]
            (tree / module).write_bytes((source / module).read_bytes())
            verdict()

        verdict()
        modules = sorted(file.name for file in tree.glob("ex*.py"))
        seconds = []
        for number in range(SAVES):
            time.sleep(0.3)  # nobody saves faster
            seconds.append(wall_seconds(functools.partial(saved, number)))
        watch.stop()
    cold = [
        wall_seconds(lambda: cpu_seconds("-m", "tests.coach", "test", "--tree", "solutions")) for _ in "abc"
    ]
    return statistics.median(seconds), sorted(seconds)[int(SAVES * 0.95)], statistics.median(cold)


def wall_seconds(command: Callable[[], object]) -> float:
    before = time.monotonic()
    command()
    return time.monotonic() - before


def experiments_warm() -> tuple[float, float, int]:
    """CPU seconds of all experiments in a warm process, and of the 300 epochs alone, unwatched; their number."""
    os.environ["MPLBACKEND"] = "agg"
    import torch

    from tests.harness.dataset import columns
    from tests.harness.given import PRACTICE
    from tests.harness.observe import observe
    from tests.harness.student import Folder

    torch.set_num_threads(1)
    student, given = Folder(ROOT / "solutions"), PRACTICE
    every, alone = [], []
    for _ in range(RUNS + 2):
        start = time.process_time()
        for name in EXPERIMENTS.values():
            observe(name, student, given)
        every.append(time.process_time() - start)
        linear = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(linear.parameters(), lr=given.lr)
        data = columns(*given.train(), *given.test())
        start = time.process_time()
        student.train(linear, torch.nn.L1Loss(), optimizer, *data)
        alone.append(time.process_time() - start)
    return statistics.median(every[2:]), statistics.median(alone[2:]), len(EXPERIMENTS)


def jailed() -> tuple[float, float]:
    """CPU seconds of grading a solved submission on secret numbers, warm, in all processes together; and of a cold
    pytest over the same."""
    submission, key = read(ROOT / "solutions"), b"a key for nothing but this measurement"
    with Helper("bubblewrap") as helper:
        spent: list[float] = []

        def students(number: int) -> Iterator[tuple[Submission, Given | None]]:
            return ((submission, derive(key, f"student {n}")) for n in range(number))

        def graded(number: int) -> None:
            grade(students(number), lambda *_: None, helper)

        graded(3)
        for _ in range(RUNS):
            before = time.process_time() + process_seconds(helper.pid)
            graded(5)
            spent.append((time.process_time() + process_seconds(helper.pid) - before) / 5)
    cold = [cpu_seconds("-m", "pytest", "--quiet", environment={"TREE": "solutions"}) for _ in range(3)]
    return statistics.median(spent), statistics.median(cold)


COURSE = 100  # notebooks
PLAIN = """\
import os, sys
os.environ["PATH"] = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.submitted_directory = "submissions"
"""


def course() -> tuple[float, float, float]:
    """Wall seconds a notebook: plain nbgrader, which runs it; nbgrader's command with our graders; ours with two jobs.

    The same released notebook, solved. Plain nbgrader's start isn't counted, ours is.
    """
    from grading.tests import courses

    with tempfile.TemporaryDirectory() as folder:
        graded = courses.create(Path(folder, "graded"))
        notebook = courses.notebook_of(graded, courses.modules())
        plain = courses.copied(graded, Path(folder, "plain"))
        (plain.root / "nbgrader_config.py").write_text(PLAIN.format(root=str(plain.root)))
        for number in range(COURSE):
            courses.submit(graded, f"student-{number}", notebook)
        for number in range(8):
            courses.submit(plain, f"{'some' if number < 2 else 'more'}-{number}", notebook)
        few = wall_seconds(lambda: courses.nbgrader(plain.root, "autograde", ASSIGNMENT, "--student=some*"))
        more = wall_seconds(lambda: courses.nbgrader(plain.root, "autograde", ASSIGNMENT, "--student=more*"))
        assert {points["ex3"] for points in courses.points(plain).values()} == {25.0}, (
            "plain nbgrader ran them"
        )
        command = wall_seconds(lambda: courses.nbgrader(graded.root, "autograde", ASSIGNMENT))
        ours = wall_seconds(lambda: courses.kit("course", "autograde", graded.root, "--jobs", 2, "--force"))
    return (more - few) / 4, command / COURSE, ours / COURSE


def process_seconds(pid: int) -> float:
    """CPU seconds of a process and of those of its children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def private_megabytes() -> float:
    """The memory that a fork of a warm process takes for itself alone to run exercise 3, the largest."""
    from tests.harness.given import PRACTICE
    from tests.harness.observe import observe
    from tests.harness.student import Folder

    reading, writing = os.pipe()
    if os.fork() == 0:
        student = Folder(ROOT / "solutions")
        for name in (name for name in EXPERIMENTS.values() if name.startswith("training.")):
            observe(name, student, PRACTICE)
        held = re.findall(
            r"^Private_Dirty: +(\d+)", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE
        )
        os.write(writing, held[0].encode())
        os._exit(0)
    os.wait()
    return int(os.read(reading, 20)) / 1024


def write(line: str) -> None:
    """Put the figures into the page, between their markers."""
    page = ROOT / "grading" / "README.md"
    text = page.read_text(encoding="utf-8")
    block = f"<!-- bench -->\n{line}\n<!-- /bench -->"
    new = re.sub(r"<!-- bench -->.*?<!-- /bench -->", lambda _: block, text, flags=re.DOTALL)
    replace(page, new.encode())


def main() -> None:
    suite, bare = suite_against_bare_script()
    # As a program of its own: every run of the watch would import this one first.
    alone = "from grading.bench import watched; print(*watched())"
    said = subprocess.run([sys.executable, "-c", alone], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    saved, slowest, test = map(float, said.split())
    graded, cold = jailed()
    every, epochs, number = experiments_warm()
    private = private_megabytes()
    plain, command, ours = course()
    line = (
        f"`make test` on solved exercises costs {suite / bare:.2f} × a bare script that runs the workflow once\n"
        f"({suite:.1f} against {bare:.1f} CPU-seconds, nearly all of it the import of PyTorch and matplotlib). The {number}\n"
        f"experiments together take {every:.2f} CPU-seconds in a warm process, of which the one run of 300 epochs takes\n"
        f"{epochs:.2f} when nobody watches it.\n\n"
        f"From a save to the verdict of `make watch`: {saved:.2f} s in the median of {SAVES} saves, {slowest:.2f} s in the 95th percentile. A cold\n"
        f"`make test` takes {test:.1f} s, {test / saved:.0f} × longer.\n\n"
        f"Grading a solved submission in its jail, on secret numbers, with a warm helper, costs {graded / every:.1f} × those bare\n"
        f"experiments ({graded:.2f} CPU-seconds in all processes together), and is {cold / graded:.0f} × cheaper than a cold `pytest` over it\n"
        f"({cold:.1f}). The largest exercise takes {private:.0f} MB of memory for itself.\n\n"
        f"{COURSE} notebooks in a course: `python -m grading course autograde --jobs 2` takes {ours:.2f} s for each, {plain / ours:.0f} × less\n"
        f"than plain nbgrader, which runs the same notebook ({plain:.1f} s); nbgrader's own command with these graders takes\n"
        f"{command:.2f} s, {plain / command:.0f} × less."
    )
    write(line)
    print(line)


if __name__ == "__main__":
    main()
