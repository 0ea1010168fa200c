"""`python -m grading batch SUBMISSIONS --out DIR`."""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grading.key import read_key
from grading.options import Isolation
from grading.submissions import Refused
from grading.warm import CannotGrade

if TYPE_CHECKING:
    from grading.batch.store import Store

# Where a single submission is graded, in CI, not all of it is installed: the command imports what it needs.

NO_DASK = "{} is not installed here: .venv/bin/pip install --constraint constraints.txt distributed"
ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:[0-9]{1,5}")
AGAIN = "What is done is kept: the same command goes on from there."


def batch(
    submissions: Annotated[
        Path, typer.Argument(help="a folder of folders, zips or notebooks, or the zip that an LMS exports")
    ],
    out: Annotated[
        Path, typer.Option(help="the folder for the results; the same one to go on or grade again")
    ],
    jobs: Annotated[int, typer.Option(min=1, help="how many submissions at the same time")] = os.cpu_count()
    or 1,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="the course key: the points then come from numbers that nobody can know"),
    ] = None,
    plots: Annotated[
        bool, typer.Option(help="draw the students' plots, for a class.html of at most 1,000")
    ] = True,
    dask: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="grade on the workers of this Dask scheduler"),
    ] = None,
    isolation: Annotated[
        Isolation, typer.Option(help="process: only in a container that is thrown away afterwards")
    ] = Isolation.bubblewrap,
) -> None:
    """Grade a whole class; what has not changed since the last time costs nothing.

    Exit status: 0 all are graded, 1 some could not be, 2 stopped before the end.
    """
    from grading.batch.progress import Progress
    from grading.batch.run import Batch, Graders, How, insist_on_places
    from grading.batch.tally import summary
    from grading.pool import NoGraders, Pool

    if dask is not None and not ADDRESS.fullmatch(dask):
        raise _stopped(f"--dask {dask!r} is no scheduler's address: one looks like tcp://HOST:8786.")
    insist_on_places(submissions, out)
    key = read_key(secret_file) if secret_file else None
    try:
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(contextlib.closing(_store(out, key)))
            progress = stack.enter_context(Progress())

            def graders(draw: bool) -> Graders:
                if dask:
                    try:
                        from grading.batch.cluster import Cluster
                    except ModuleNotFoundError as error:
                        raise CannotGrade(NO_DASK.format(error.name)) from None
                    made: Pool | Cluster = Cluster(dask, isolation.value, key, draw)
                else:
                    made = Pool(jobs, isolation.value, key, draw)
                stack.enter_context(contextlib.closing(made)).wait_until_ready()
                return made

            run = Batch(store, graders, How(isolation.value, key), progress, plots)
            run.grade(submissions)
            tally = run.tables(submissions.name)
    except NoGraders as error:
        raise _stopped(f"{error} {AGAIN}") from None
    except (Refused, CannotGrade) as error:
        raise _stopped(str(error)) from None
    except OSError as error:
        raise _stopped(
            f"{error.filename or out} can't be read or written ({error.strerror}). {AGAIN}"
        ) from None
    except KeyboardInterrupt:
        raise _stopped(f"by you. {AGAIN}") from None
    written = f"Written: {out / 'class.html'}, {out / 'marks.csv'}, {out / 'reports'}"
    if run.gone:
        written += f"\nIn there, but not in {submissions} any more: {', '.join(run.gone[:10])}{' …' * (len(run.gone) > 10)}"
    print(*summary(tally, progress.unchanged), written, sep="\n", flush=True)
    raise typer.Exit(1 if tally.not_graded else 0)


def _store(out: Path, key: bytes | None) -> "Store":
    from grading.batch.store import Store

    try:
        return Store(out, key)
    except OSError as error:
        raise CannotGrade(f"--out {out} can't be written ({error.strerror}).") from None


def _stopped(words: str) -> typer.Exit:
    print(f"Stopped: {words}", file=sys.stderr)
    return typer.Exit(2)
