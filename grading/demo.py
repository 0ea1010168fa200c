"""`make demo`: a class of thirty, made from the corpora of the kit's tests, and graded."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from grading.tests import corpus, courses

ROOT = Path(__file__).parents[1]
OUT = ROOT / "dist" / "demo"
STUDENTS = (
    "ada", "ben", "chiara", "dmitri", "emeka", "fatima", "goran", "hana", "ines", "jonas", "keiko", "lars", "mina", "noor",
    "omar", "priya", "quentin", "rosa", "sven", "tala", "umut", "vera", "wei", "xenia", "yusuf", "zoe", "anouk", "bilal",
    "carmen", "dario",
)  # fmt: skip

KEY = "of a class that does not exist, and so no secret: its marks are the same on every machine\n"

Sources = dict[str, str]  # file -> its text


class Draw(random.Random):
    """Draws what students hand in. A class has its own mistakes: some that many make, and others."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._variants = corpus.variants()
        self._wrong = [mistake.change for mistake in corpus.mistakes()]
        self._common = self.sample(self._wrong, 5)

    def sources(self) -> Sources:
        """A student's modules: right in some style, or begun, or with a mistake or two."""
        kind = self.random()
        if kind < 0.45:
            return courses.modules(*self.choice(self._variants).changes)
        if kind < 0.6:
            files, stubs, done = courses.modules(), courses.stubs(), self.randrange(1, 5)
            return {name: files[name] if n < done else stubs[name] for n, name in enumerate(files)}
        first, second = self._mistake(), self._mistake()
        return courses.modules(
            *([first, second] if kind > 0.85 and first.module != second.module else [first])
        )

    def _mistake(self) -> corpus.Change:
        return self.choice(self._common if self.random() < 0.7 else self._wrong)


def as_folder(place: Path, files: Sources) -> None:
    (place / "exercises").mkdir(parents=True)
    for name, text in files.items():
        (place / "exercises" / name).write_text(text, encoding="utf-8")


def as_zip(place: Path, files: Sources) -> None:
    as_folder(place, files)
    shutil.make_archive(str(place), "zip", place)
    shutil.rmtree(place)


def classroom(folder: Path, students: int, seed: int = 7) -> None:
    """Write a class: for each student a folder or a zip."""
    draw = Draw(seed)
    folder.mkdir(parents=True)
    for number in range(students):
        turn, name = divmod(number, len(STUDENTS))
        write: Callable[[Path, Sources], None] = as_zip if number % 5 == 4 else as_folder
        write(folder / (STUDENTS[name] + (f"-{turn}" if turn else "")), draw.sources())


def main() -> int:
    """The class, with one essay, one program that knows the numbers, and one that looks around in it."""
    shutil.rmtree(OUT, ignore_errors=True)
    handed = OUT / "submissions"
    classroom(handed, len(STUDENTS) - 3)
    (handed / STUDENTS[-1]).mkdir()
    (handed / STUDENTS[-1] / "essay.txt").write_text("I did not understand this.\n")
    for student, attack in zip(STUDENTS[-3:-1], ("knowing", "looking around"), strict=True):
        entry = next(entry for entry in corpus.attacks() if attack in entry.field and not entry.slow)
        corpus.write(handed / student, *entry.changes, files=entry.files)
    (OUT / "course.key").write_text(KEY)
    place = OUT.relative_to(ROOT)
    command = [
        "batch",
        f"{place}/submissions",
        "--out",
        f"{place}/results",
        "--secret-file",
        f"{place}/course.key",
    ]
    print(f"$ python -m grading {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", "grading", *command], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main() == 2)
