"""Make the stubs in exercises/ from the solved modules in solutions/, and the copies that `make reset` puts back.

`python -m grading.stubs` writes them, `python -m grading.stubs --check` tells which ones drifted.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import jupytext
from nbgrader.preprocessors import ClearSolutions

ROOT = Path(__file__).resolve().parents[1]
FORMAT = "py:percent"


def stub(source: str) -> str:
    """The module without its solutions, for the `py:percent` text of a solved one."""
    notebook = jupytext.reads(source, fmt=FORMAT)
    for cell in notebook.cells:
        # A marked cell without a solution region would be cleared as a whole: mark the others only.
        if cell.cell_type == "code" and "### BEGIN SOLUTION" in cell.source:
            cell.metadata["nbgrader"] = {"solution": True}
    notebook, _ = ClearSolutions().preprocess(notebook, {})
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    # The header that jupytext would write names its own version.
    notebook.metadata["jupytext"] = {"notebook_metadata_filter": "-all"}
    text: str = jupytext.writes(notebook, fmt=FORMAT)
    return text.rstrip("\n") + "\n"


def fresh_stubs() -> dict[str, bytes]:
    """What the files of each name should hold."""
    solutions = sorted((ROOT / "solutions").glob("ex*.py"))
    return {solution.name: stub(solution.read_text(encoding="utf-8")).encode() for solution in solutions}


def is_edited(path: Path, fresh: bytes) -> bool:
    """Whether the file holds work that is neither the fresh stub nor the committed one."""
    return path.exists() and path.read_bytes() not in (fresh, committed(path))


def committed(path: Path) -> bytes | None:
    """The file as of git's HEAD; None where git, the repository or the file is missing there."""
    try:
        shown = subprocess.run(
            ["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return shown.stdout if shown.returncode == 0 else None


def write(path: Path, content: bytes) -> None:
    """Write beside, then rename: an interrupted run leaves no half of a stub."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def names(paths: list[Path]) -> str:
    """The paths as they are typed from the root of the repository."""
    return ", ".join(path.relative_to(ROOT).as_posix() for path in paths)


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 `--check` found a drift, 2 refused because a stub was edited."""
    parser = argparse.ArgumentParser(prog="python -m grading.stubs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a stub drifted")
    check: bool = parser.parse_args(argv).check
    stubs = fresh_stubs()
    copies = {ROOT / "tests" / "stubs" / name: content for name, content in stubs.items()}
    exercises = {ROOT / "exercises" / name: content for name, content in stubs.items()}
    if check:
        fresh = exercises | copies
        drifted = [path for path in fresh if not path.exists() or path.read_bytes() != fresh[path]]
        if drifted:
            print(f"out of step with solutions/: {names(drifted)} (run: make stubs)")
        return 1 if drifted else 0
    for path, content in copies.items():  # nobody works in these
        write(path, content)
    edited = [path for path, content in exercises.items() if is_edited(path, content)]
    if edited:
        advice = "edited, so exercises/ was left alone. Move or delete what you changed, then run this again."
        print(f"{names(edited)}: {advice}", file=sys.stderr)
        return 2
    for path, content in exercises.items():
        write(path, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
