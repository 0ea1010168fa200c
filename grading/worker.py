"""A grading process, `python -m grading.worker FD CONTROL ISOLATION`: it decides marks, and never runs student code.

FD is its connection to the grading.pool.Pool that started it, CONTROL a warm helper's control socket.
"""

import socket
import sys
from collections.abc import Iterator
from typing import cast

import msgspec

from grading import wire
from grading.grade import Pictures, grade
from grading.jail import Isolation
from grading.submissions import Submission
from grading.variants import derive
from grading.warm import CannotGrade, Client
from tests.coach.report import Report
from tests.harness.given import Given


class Setting(msgspec.Struct, frozen=True):
    """What holds for all tasks of a worker."""

    key: bytes | None
    pictures: bool


class Task(msgspec.Struct, frozen=True):
    """given: the numbers, where whoever sends this has derived them."""

    submission: Submission
    student: str
    given: Given | None = None


class Graded(msgspec.Struct, frozen=True):
    """A report, with PNG files by the names of the functions that drew them; or why there can be no mark."""

    report: Report | None = None
    pictures: Pictures = {}
    trouble: str = ""


def main(pool: socket.socket, control: socket.socket, isolation: Isolation) -> None:
    """Grade one task after another, until the pool hangs up."""
    setting = wire.receive(pool, Setting)

    def tasks() -> Iterator[tuple[Submission, Given | None]]:
        while True:
            try:
                task = wire.receive(pool, Task, wire.TASK_BYTES)
            except EOFError:
                return
            key = setting.key
            yield task.submission, task.given or (derive(key, task.student) if key else None)

    def done(submission: Submission, report: Report, pictures: Pictures) -> None:
        pool.sendall(wire.pack(Graded(report, pictures)))

    try:
        grade(tasks(), done, Client(control, isolation), setting.pictures)
    except CannotGrade as error:
        pool.sendall(wire.pack(Graded(trouble=str(error))))
    except BrokenPipeError:
        pass  # nobody waits for the answer any more


if __name__ == "__main__":
    main(
        socket.socket(fileno=int(sys.argv[1])),
        socket.socket(fileno=int(sys.argv[2])),
        cast(Isolation, sys.argv[3]),
    )
