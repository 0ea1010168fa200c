"""matplotlib without a window, and without a word about the machine."""

import logging
import os


def load_matplotlib() -> None:
    """Import it before any code of the student's does.

    Where the home folder can't be written it works all the same, in a temporary folder, but says so in four lines
    that a student can do nothing about; as it does when it looks through the fonts for the first time.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        import matplotlib.pyplot  # noqa: F401
    finally:
        log.setLevel(level)  # what it says of the student's plots is the student's to read
