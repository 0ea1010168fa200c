"""`check("ex1")` in a notebook: the exercise's lessons, judged on what the notebook's cells have defined so far."""

import base64
import contextlib
import linecache
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tests.coach import curriculum
from tests.coach.pictures import CAPTIONS, HEIGHT, PICTURES, WIDTH, png
from tests.coach.report import ExerciseResult
from tests.coach.run import report, run
from tests.coach.suite import Suite
from tests.coach.table import table
from tests.coach.terminal import heading, urgent
from tests.harness.given import PRACTICE
from tests.harness.live import Live, set_aside
from tests.harness.observations import Outcome
from tests.harness.observe import observe


@dataclass(frozen=True)
class Verdict:
    """What a cell shows. As plain text it is the points alone: nbgrader reads them there."""

    points: int
    html: str

    def __repr__(self) -> str:
        return str(self.points)

    def _repr_html_(self) -> str:
        return self.html


class Kernel:
    """Runs the functions of the running notebook, in this very process. A source of the suite."""

    def __init__(self) -> None:
        self.given = PRACTICE
        shell = _shell()
        namespace = shell.user_ns if shell else vars(sys.modules["__main__"])
        self._student = Live(namespace, _cells(shell) if shell else {})

    def observe(self, experiment: str) -> Outcome:
        return observe(experiment, self._student, self.given)


def check(exercise: str) -> Verdict:
    """Judge an exercise: "ex1" to "ex5", or "workflow". Nothing is remembered from one call to the next."""
    try:
        wanted = curriculum.find(exercise)
    except ValueError as error:
        return Verdict(0, f"<pre>{escape(str(error).removeprefix('EX='))}</pre>")
    started = time.monotonic()
    with set_aside(), _nothing_displayed():
        kernel = Kernel()
        # What the workflow says depends on whether the exercises before it are done.
        suite = run(kernel, None if wanted.id == "workflow" else wanted.id)
        drawn = kernel.observe(PICTURES[wanted.id][0]) if wanted.id in PICTURES else None
    exercises = report(suite.results.values(), "notebook", "", started).exercises
    judged = exercises[-1]
    return Verdict(judged.score, table(judged) + _next(exercises, suite) + _image(wanted.id, drawn))


def _next(exercises: Sequence[ExerciseResult], suite: Suite) -> str:
    """What to do now, and why: in the first exercise that isn't done."""
    exercise = next((exercise for exercise in exercises if exercise.status != "done"), None)
    test = urgent(exercise) if exercise else None
    if exercise is None or test is None:
        return ""
    verb, function = "write" if test.status == "todo" else "mend", suite.about.get(test.id)
    title = f"«{escape(test.title)}»"
    what, which = (f"{verb} <code>{escape(function)}</code>", f"{title}: ") if function else (title, "")
    where = "" if exercise is exercises[-1] else f", {escape(heading(exercise))}"
    return f"<div><strong>Next: {what}{where}.</strong> {which}{escape(suite.lessons.get(test.id, ''))}</div>"


def _image(exercise: str, drawn: Outcome | None) -> str:
    data = png(drawn) if drawn else None
    if data is None:
        return ""
    function, source = PICTURES[exercise][1], base64.b64encode(data).decode()
    image = f'<img src="data:image/png;base64,{source}" alt="What {function} draws" width="{WIDTH}" height="{HEIGHT}">'
    caption = CAPTIONS.get(function)
    return f"{image}<div><em>{caption}</em></div>" if caption else image


def _shell() -> Any:
    """IPython's, where this runs in one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _cells(shell: Any) -> Mapping[str, tuple[int, str]]:
    """(execution count, source) of every cell that has run, by the file name under which it was compiled."""
    labels = {file: shell.compile.format_code_name(file) for file in list(linecache.cache)}
    return {
        file: (int(re.sub(r"\D", "", label[1])), "".join(linecache.getlines(file)))  # ("Cell", "In[5]")
        for file, label in labels.items()
        if label
    }


@contextlib.contextmanager
def _nothing_displayed() -> Iterator[None]:
    """What student code displays would stand between the cell and its verdict, once for each experiment."""
    if not _shell():
        yield
        return
    from IPython.utils.capture import capture_output

    with capture_output(stdout=False, stderr=False, display=True):
        yield
