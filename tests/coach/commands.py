"""What a student types: `make hint EX=1`, or the same without make, as on Windows."""

import shutil


def command(name: str, ex: str = "") -> str:
    """One of the coach's commands in full. ex: "1" … "5", "workflow", or "" where it takes none."""
    if shutil.which("make"):
        return f"make {name} EX={ex}" if ex else f"make {name}"
    return f"python -m tests.coach {name} --ex {ex}" if ex else f"python -m tests.coach {name}"
