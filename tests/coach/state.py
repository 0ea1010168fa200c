"""What the coach remembers between two runs, in `.coach/state.json`: where the student stands, and which
hints they have seen. Losing it costs nothing, so a folder that can't be written is no error."""

from pathlib import Path

import msgspec

from tests.coach.files import replace

FILE = Path(__file__).resolve().parents[2] / ".coach" / "state.json"


UNKNOWN = "?"  # in the place of a function: the file can't be used at all


class State(msgspec.Struct):
    functions: dict[str, str] = {}  # exercise -> the first function of it that isn't right yet
    hints_shown: dict[str, int] = {}  # function -> how many


def read() -> State:
    try:
        return msgspec.json.decode(FILE.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return State()


def write(state: State) -> bool:
    """Whether it could be written."""
    try:
        FILE.parent.mkdir(exist_ok=True)
        replace(FILE, msgspec.json.encode(state))
    except OSError:
        return False
    return True
