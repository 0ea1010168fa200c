"""`python -m tests.coach test|hint`: what `make test` and `make hint` call. Exit 0: done, 1: not yet, 2: misused."""

import argparse
import sys
import time
from pathlib import Path

from tests.coach import curriculum, hints, state
from tests.coach.report import to_json
from tests.coach.run import report_of, run
from tests.coach.suite import ROOT, Practice
from tests.coach.terminal import Screen, show


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.coach", description="See where you stand.")
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("test", help="run the suite on your code")
    test.add_argument("--ex", default="", help="one exercise alone: 1 to 5, or workflow")
    test.add_argument("--tree", default="", help="the folder with the five modules (exercises)")
    test.add_argument("--json", default="", help="write the report to this file as well")
    hint = commands.add_parser("hint", help="the next hint")
    hint.add_argument("--ex", default="", help="for which exercise: 1 to 5, or workflow")
    options = parser.parse_args(arguments)
    try:
        return (
            _hint(options.ex) if options.command == "hint" else _test(options.ex, options.tree, options.json)
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 2


def _test(ex: str, tree: str, json: str) -> int:
    started = time.monotonic()
    folder = ROOT / (tree or "exercises")
    exercises = curriculum.load()
    if not folder.is_dir() or not any((folder / e.file).exists() for e in exercises if e.file):
        raise ValueError(
            f"TREE={tree or 'exercises'}: there is no folder of that name with an ex1_dataset.py in it."
        )
    only = curriculum.find(ex).id if ex else None
    suite = run(Practice(folder), only)
    result = report_of(suite, folder, started)
    remembered = state.read()
    for exercise in result.exercises:
        unfinished = [suite.about.get(test.id, "") for test in exercise.tests if test.status != "passed"]
        unknown = state.UNKNOWN if unfinished else ""
        remembered.functions[exercise.id] = next((name for name in unfinished if name), unknown)
    if folder == ROOT / "exercises":  # hints are for the student's own work
        state.write(remembered)
    show(result, suite, only is not None, Screen())
    if json:
        try:
            state.replace(Path(json), to_json(result))
        except OSError as error:
            raise ValueError(f"JSON={json}: can't be written ({error.strerror}).") from None
    return 0 if result.done else 1


def _hint(ex: str) -> int:
    exercises = {e.id: e for e in curriculum.load()}
    unfinished = [id for id, function in state.read().functions.items() if function and id in exercises]
    if not ex and not unfinished:
        raise ValueError("For which exercise? make hint EX=1")
    hints.show(curriculum.find(ex) if ex else exercises[unfinished[0]], Screen())
    return 0


if __name__ == "__main__":
    sys.exit(main())
