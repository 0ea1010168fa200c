"""What the kit's own tests share."""

from collections.abc import Iterator

import pytest

from grading.tests import suite


@pytest.fixture(scope="session")
def forks() -> Iterator[suite.Forks]:
    """Runs functions in fresh forks of this process, several at a time."""
    with suite.forks() as forks:
        yield forks
