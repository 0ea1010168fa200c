"""`make mutants`: is every small change of the reference solutions noticed by the suite?

cosmic-ray makes the mutants, and every line is left out once; each runs through the suite in a fork, on practice numbers. A survivor is either
equivalent, and listed below with the reason, or a hole in the suite. Exit 1 when there is a hole.
"""

import contextlib
import difflib
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from grading.tests import corpus, suite

# (a piece of the mutant's line, why it is just as right)
EQUIVALENT: list[tuple[str, str]] = [
    ("s=", "the size of a dot on a plot is a matter of taste"),
    ("ax.set(xlabel=", "so are the names of the axes"),
    ("if epoch % eval_every <= 0:", "a remainder is never negative here"),
    (
        "weights_only=False",
        "loads the same values; a file is only as dangerous as whoever wrote it, here the student",
    ),
]


class Mutant(NamedTuple):
    module: str
    operator: str
    line: str  # as the mutant has it
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a reference module, each once."""
    original = (corpus.SOLUTIONS / f"{module}.py").read_text(encoding="utf-8")
    seen = {original}
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():  # made for one program: it has to be told which names to use
            continue
        for occurrence in count():
            mutated = mutate_code(original, operator(), occurrence)
            if mutated is None:
                break
            if mutated not in seen:
                seen.add(mutated)
                yield Mutant(module, name, _changed_line(original, mutated), mutated)


def without_a_line(module: str) -> Iterator[Mutant]:
    """Every line of the solutions replaced by `pass`, where that is still Python. cosmic-ray has no such operator."""
    lines = (corpus.SOLUTIONS / f"{module}.py").read_text(encoding="utf-8").splitlines()
    inside = False
    for number, line in enumerate(lines):
        inside = "BEGIN SOLUTION" in line or (inside and "END SOLUTION" not in line)
        if inside and line.strip() and "SOLUTION" not in line:
            indent = line[: len(line) - len(line.lstrip())]
            source = "\n".join([*lines[:number], f"{indent}pass", *lines[number + 1 :]]) + "\n"
            with contextlib.suppress(SyntaxError):
                compile(source, module, "exec")
                yield Mutant(module, "line removed", line.strip(), source)


def _changed_line(original: str, mutated: str) -> str:
    new = [
        line[2:]
        for line in difflib.ndiff(original.splitlines(), mutated.splitlines())
        if line.startswith("+ ")
    ]
    return new[0].strip() if new else ""


def judge(mutant: Mutant, folder: Path) -> int:
    """The points that a mutant gets."""
    corpus.write(folder)
    (folder / f"{mutant.module}.py").write_text(mutant.source, encoding="utf-8")
    return suite.judge(folder).score


def main() -> int:
    every = [m for module in corpus.MODULES for m in (*mutants(module), *without_a_line(module))]
    with suite.forks() as forks, TemporaryDirectory() as root:
        jobs = [forks.start(judge, mutant, Path(root) / str(n)) for n, mutant in enumerate(every)]
        survivors = [mutant for mutant, job in zip(every, jobs, strict=True) if job.get() == 100]
    holes = [m for m in survivors if not any(piece in m.line for piece, _ in EQUIVALENT)]
    print(
        f"{len(every)} mutants: {len(every) - len(survivors)} killed, {len(survivors) - len(holes)} equivalent, {len(holes)} missed"
    )
    for mutant in holes:
        print(f"  {mutant.module}: {mutant.operator}: {mutant.line}")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
