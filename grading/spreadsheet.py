"""CSV files that can be opened in a spreadsheet without running anything that a student wrote.

RFC 4180: comma, CRLF, text in quotes, a quote doubled. Numbers stay bare, so that they stay numbers.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.coach.files import whole

Cell = str | int | float | None  # None is an empty cell

# OWASP («CSV Injection») names = + - @ tab CR LF, and NUL in ASVS 1.2.10. Excel in Japanese and Chinese takes the
# wide forms as well, and Excel and Calc look past leading blanks.
_SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫"
# Where lists are separated by semicolons (German Excel, say) a double click splits our lines at the wrong places, even
# within quotes. So what follows a semicolon, a tab or a line break may begin a cell, too.
_FORMULA = re.compile(rf'\A(?=[\t\r\n\0]|[\s"]*[{_SIGNS}])|(?<=[;\t\r\n])(?=[ "]*[{_SIGNS}])')


def defused(text: str) -> str:
    """The text with an apostrophe before everything that a spreadsheet could take for a formula."""
    return _FORMULA.sub("'", text)


def number(value: float) -> int | float:
    """Points as people write them: 87 and 66.6667, not 87.0 and 66.66666666666667."""
    rounded = round(float(value), 4)
    return int(rounded) if rounded.is_integer() else rounded


def write(file: Path, rows: Iterable[Sequence[Cell]], mark: bool) -> None:
    """Write the rows, all at once or not at all: until then a file that was there before stays.

    `mark` sets the byte order mark that Excel knows UTF-8 by. OSError when the place can't be written.
    """
    encoding = "utf-8-sig" if mark else "utf-8"
    with whole(file) as beside, beside.open("w", encoding=encoding, errors="replace", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerows([_cell(cell) for cell in row] for row in rows)


def _cell(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    return defused(cell) if isinstance(cell, str) else cell
