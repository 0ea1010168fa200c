"""What the kit's own tests share."""

from collections.abc import Iterator

import pytest

from grading.tests import suite
from grading.warm import Helper


@pytest.fixture(scope="session")
def forks() -> Iterator[suite.Forks]:
    """Runs functions in fresh forks of this process, several at a time."""
    with suite.forks() as forks:
        yield forks


@pytest.fixture(scope="session")
def helper() -> Iterator[Helper]:
    """A warm helper, whose runs are jailed by bubblewrap."""
    with Helper("bubblewrap") as helper:
        helper.wait_until_ready()
        yield helper
