"""What several commands are asked."""

import enum


class Isolation(enum.Enum):
    bubblewrap = "bubblewrap"
    process = "process"
