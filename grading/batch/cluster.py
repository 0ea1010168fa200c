"""Grading on the workers of a Dask cluster, started with the ordinary `dask scheduler` and `dask worker`.

Submissions travel as bytes, each with the numbers of its student: the course key stays here. On its host, a worker
has a grading.pool.Pool of its own: a warm jail, and beside it the processes that decide.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import msgspec
from distributed import Client, KilledWorker, Reschedule, Worker, WorkerPlugin, get_worker

from grading.batch import kit
from grading.jail import Isolation
from grading.pool import NoGraders, Pool
from grading.submissions import Submission
from grading.variants import derive
from grading.warm import CannotGrade
from grading.worker import Graded, Task
from tests.harness.given import Given

TOPIC = "pytorch-workflow"  # of what workers tell whoever sends them work: (ready or not, address, words)
NO_WORKER = (
    "No worker is ready: waiting for one. Each is started with the kit's Python: .venv/bin/dask worker {}"
)
CONNECT_SECONDS = 30
REFUSAL_SECONDS = 0.3  # until a worker that has been refused ends
COUNT_SECONDS = 5.0  # between two questions how many workers there are

log = logging.getLogger("distributed.worker")  # what a worker's terminal shows


class Cluster:
    """Grades on all workers that the scheduler has, whenever they join. See grading.batch.run.Graders."""

    def __init__(self, address: str, isolation: Isolation, key: bytes | None, plots: bool) -> None:
        """Raises CannotGrade where nobody answers. TLS and all else is as Dask's own configuration says."""
        self._address = address
        self._key = key
        # It logs tracebacks: we have words.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            self._client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise CannotGrade(f"No Dask scheduler answers at {address} ({error}).") from None
        self._graders = Graders(kit.digest(), isolation, plots)
        # A worker's threads take over what it does; numbers are derived here, in processes: they take a while.
        self._numbers = (
            ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _leave_interrupts) if key else None
        )
        self._threads, self._counted = 1, -COUNT_SECONDS

    def close(self) -> None:
        if self._numbers:
            self._numbers.shutdown(cancel_futures=True)
        with contextlib.suppress(Exception):  # from a scheduler that is gone
            self._client.close(timeout=5)
        self._client.status = "closed"  # or it tries again when it is collected, for a minute

    def wait_until_ready(self) -> None:
        """Raises CannotGrade where a worker has no kit. Others may still be on their way."""
        self._client.subscribe_topic(TOPIC, _tell)
        try:
            self._client.register_plugin(self._graders, name=self._graders.id)
        except Exception as error:  # whatever a worker raised that has no kit, or quite another one
            raise CannotGrade(
                f"A worker of the cluster can't load the kit ({type(error).__name__}: {error}).\n"
                "Start it with the kit's Python: .venv/bin/dask worker …"
            ) from None

    @property
    def room(self) -> int:
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._counted = time.monotonic()
            before, self._threads = self._threads, self._ready()
            if before and not self._threads:
                print(NO_WORKER.format(self._address), file=sys.stderr, flush=True)
        return 2 * max(1, self._threads)

    def _ready(self) -> int:
        """The threads of all workers that can grade. The scheduler also counts those that failed to start."""
        ready = {address for _, (ready, address, _) in self._client.get_events(TOPIC) if ready}
        return sum(threads for address, threads in self._client.nthreads().items() if address in ready)

    def start(self, submission: Submission, student: str) -> "Future[Graded]":
        result: Future[Graded] = Future()
        if self._numbers and self._key:
            derived = self._numbers.submit(derive, self._key, student)
            derived.add_done_callback(lambda done: self._send(submission, student, done.result, result))
        else:
            self._send(submission, student, lambda: None, result)
        return result

    def _send(
        self,
        submission: Submission,
        student: str,
        given: Callable[[], Given | None],
        result: "Future[Graded]",
    ) -> None:
        try:
            task = msgspec.msgpack.encode(Task(submission, student, given()))
            sent = self._client.submit(grade_there, self._graders.id, task, pure=False)
            sent.add_done_callback(lambda sent: _receive(sent, student, result))
        except Exception as error:
            result.set_exception(NoGraders(f"Nothing can be sent to the workers any more ({error})."))


def _tell(event: tuple[float, tuple[bool, str, str]]) -> None:
    ready, address, words = event[1]
    if not ready:
        print(f"The worker {address} {words}", file=sys.stderr, flush=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the one who coordinates."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _receive(sent: Any, student: str, result: "Future[Graded]") -> None:
    try:
        graded = msgspec.msgpack.decode(sent.result(), type=Graded)
    except KilledWorker:
        why = f"Several workers died over the submission of {student!r}."
        result.set_exception(CannotGrade(why))
    except (CancelledError, asyncio.CancelledError, OSError):
        result.set_exception(NoGraders("The Dask scheduler is gone."))
    except Exception as error:
        result.set_exception(CannotGrade(f"A worker failed: {type(error).__name__}: {error}"))
    else:
        if graded.trouble:
            result.set_exception(CannotGrade(graded.trouble))
        else:
            result.set_result(graded)


class Graders(WorkerPlugin):
    """The graders of one worker. A worker that can't grade as its coordinator would says so, and ends."""

    idempotent = True  # they stay warm for the next batch

    def __init__(self, digest: str, isolation: Isolation, plots: bool) -> None:
        self.digest, self.isolation, self.plots = digest, isolation, plots
        self.id = f"{TOPIC}-{digest[:16]}-{isolation}-{plots}"
        self.pool: Pool | None = None

    async def setup(self, worker: Worker) -> None:
        if self.digest != kit.digest():
            why = f"has another kit ({kit.digest()[:12]}) than the one that grades ({self.digest[:12]}): update it"
            self._refuse(worker, why)
            return
        pool = Pool(worker.state.nthreads, self.isolation, None, self.plots)
        try:
            await asyncio.to_thread(pool.wait_until_ready)
            self.pool = pool
            log.info("Ready to grade, %d at a time", worker.state.nthreads)
            worker.log_event(TOPIC, (True, worker.address, ""))
        except CannotGrade as error:
            pool.close()
            self._refuse(worker, f"can't grade: {error}")

    def teardown(self, worker: Worker) -> None:
        if self.pool:
            self.pool.close()

    def _refuse(self, worker: Worker, why: str) -> None:
        log.error("This worker %s. It takes no part.", why)
        worker.log_event(TOPIC, (False, worker.address, f"{why}. It takes no part."))
        worker.loop.call_later(REFUSAL_SECONDS, worker.close)  # not now: the scheduler waits for an answer


def grade_there(graders: str, data: bytes) -> bytes:
    """On a worker: a Task in, a Graded out."""
    worker = get_worker()
    plugin: Any = worker.plugins.get(graders)
    if plugin is None or plugin.pool is None:  # it is about to end
        time.sleep(REFUSAL_SECONDS / 2)
        raise Reschedule
    task = msgspec.msgpack.decode(data, type=Task)
    try:
        graded = plugin.pool.start(task.submission, task.student, task.given).result()
    except NoGraders as error:  # on this host; there are others
        worker.log_event(TOPIC, (False, worker.address, f"can grade no more: {error}. It ends."))
        worker.loop.add_callback(worker.close)
        raise Reschedule from None
    except CannotGrade as error:
        graded = Graded(trouble=str(error))
    return msgspec.msgpack.encode(graded)
