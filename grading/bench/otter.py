"""What a submission costs with `otter run`, otter-grader's command for machines without a container.

Its tests do what the locked cells of the released notebook do: one for each exercise, which runs our suite on the
functions that the notebook has defined, in the notebook's own process. (The last runs all of it once more, as that cell
does: 0.3 of some 8 seconds.)
"""

import json
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from grading.bench.classroom import Student
from grading.bench.clock import Cost, measured
from grading.course.source import released_files, requirements
from grading.jail import ROOT
from tests.coach import curriculum

VERSION = "7.0.0"
TEST = """\
OK_FORMAT = False

from otter.test_files import test_case

name = {id!r}
points = {points}


@test_case()
def every_lesson_passes(env):
    import sys

    sys.path.insert(0, "kit")  # otter has a folder `tests` of its own in the notebook's
    from tests.coach.notebook import check

    assert check({id!r}).points == {points}
"""


class Otter:
    """otter-grader in an environment of its own, with an autograder for our notebook. Nothing is left outside `folder`."""

    def __init__(self, folder: Path) -> None:
        """Takes half a minute."""
        folder.mkdir()
        self.folder = folder
        self._bin = folder / "venv" / "bin"
        self._install()
        self._generate()

    def score(self, student: Student) -> float:
        """The points of 100 that `otter run` gives."""
        place = self.folder / student.name
        place.mkdir(exist_ok=True)
        notebook = place / "notebook.ipynb"
        notebook.write_text(student.notebook, encoding="utf-8")
        self._run("run", "--no-logo", "-a", self.folder / "autograder.zip", "-o", place, notebook)
        results = json.loads((place / "results.json").read_bytes())
        return float(sum(test.get("score", 0) for test in results["tests"]))

    def _install(self) -> None:
        """An environment as a student's, with otter; from the package index, but for PyTorch, which is large."""
        venv.create(self.folder / "venv", symlinks=True)
        (site,) = self.folder.glob("venv/lib/python*/site-packages")
        torch = metadata.distribution("torch")
        for name in {file.parts[0] for file in torch.files or ()} - {".."}:
            (site / name).symlink_to(str(torch.locate_file(name)))
        wanted = self.folder / "requirements.txt"
        wanted.write_text(f"{requirements()}otter-grader=={VERSION}\nipykernel\n", encoding="utf-8")
        # --no-compile: the first run does that, for what is imported.
        pip = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install", "--no-compile"]
        constraint = ["--constraint", str(ROOT / "constraints.txt"), "--requirement", str(wanted)]
        subprocess.run([*pip, "--quiet", "--quiet", *constraint], check=True)

    def _generate(self) -> None:
        tests = self.folder / "tests"
        tests.mkdir()
        for exercise in curriculum.load():
            text = TEST.format(id=exercise.id, points=exercise.points)
            (tests / f"{exercise.id}.py").write_text(text, encoding="utf-8")
        for file in released_files():
            copy = self.folder / "kit" / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        self._run("generate", "-t", "tests", "-o", "autograder.zip", "kit")

    def _run(self, *arguments: object) -> None:
        done = subprocess.run(
            [str(self._bin / "otter"), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"otter {arguments}: {done.stdout}{done.stderr}"


def otter(students: list[Student], folder: Path) -> tuple[Cost, Cost]:
    """Of each submission: one after another, and two at a time."""
    grader = Otter(folder)
    grader.score(students[0])  # the first run compiles what it imports
    scores: list[float] = []
    one = measured(lambda: scores.extend(map(grader.score, students)))
    with ThreadPoolExecutor(2) as two_at_a_time:
        two = measured(lambda: scores.extend(two_at_a_time.map(grader.score, students)))
    expected = [student.right for student in students] * 2
    assert [score == 100 for score in scores] == expected, (
        f"all points for what is right, and only that: {scores}"
    )
    return one.each(len(students)), two.each(len(students))
