"""Importing this makes a process warm: everything that a run of the suite needs is loaded, and none of the student's
code. `make watch` forks its runs from such a process."""

import gc

from tests.coach.headless import load_matplotlib


def _load() -> None:
    load_matplotlib()  # before the harness does
    from tests.coach.run import judge
    from tests.harness import warm

    warm.up()
    judge([])  # collects the tests, runs none
    gc.collect()
    gc.freeze()  # what the collector leaves alone stays shared with the forks


_load()
