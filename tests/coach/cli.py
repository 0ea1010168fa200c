"""`python -m tests.coach test|watch|hint|plots|reset`: what `make test`, … call. Exit 0: done, 1: not yet, 2: misused."""

import argparse
import sys
import time
from pathlib import Path

from tests.coach import curriculum, files, hints, plots, reset, state
from tests.coach.commands import command
from tests.coach.report import to_json
from tests.coach.run import report_of, run
from tests.coach.suite import ROOT, Practice
from tests.coach.terminal import Screen, show
from tests.coach.watch import watch


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.coach", description="See where you stand.")
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("test", help="run the suite on your code")
    test.add_argument("--ex", default="", help="one exercise alone: 1 to 5, or workflow")
    test.add_argument("--tree", default="", help="the folder with the five modules (exercises)")
    test.add_argument("--json", default="", help="write the report to this file as well")
    again = commands.add_parser("watch", help="the same at every save, in place")
    again.add_argument("--ex", default="", help="the exercise to begin with: 1 to 5, or workflow")
    again.add_argument("--tree", default="", help="the folder with the five modules (exercises)")
    hint = commands.add_parser("hint", help="the next hint")
    hint.add_argument("--ex", default="", help="for which exercise: 1 to 5, or workflow")
    plot = commands.add_parser("plots", help="what your code draws, into plots/")
    plot.add_argument("--tree", default="", help="the folder with the five modules (exercises)")
    back = commands.add_parser("reset", help="the stub again; your file is kept beside it")
    back.add_argument("--ex", default="", help="of which exercise: 1 to 5")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "watch":
                return watch(_folder(options.tree), curriculum.find(options.ex).id if options.ex else None)
            case "hint":
                return _hint(options.ex)
            case "plots":
                return _plots(options.tree)
            case "reset":
                return _reset(options.ex)
            case _:
                return _test(options.ex, options.tree, options.json)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 2


def _test(ex: str, tree: str, json: str) -> int:
    started = time.monotonic()
    folder = _folder(tree)
    only = curriculum.find(ex).id if ex else None
    suite = run(Practice(folder), only)
    result = report_of(suite, folder, started)
    told = suite.told()
    if folder == ROOT / "exercises":  # hints are for the student's own work
        hints.remember(result, told)
    show(result, told, only is not None, Screen())
    if json:
        try:
            files.replace(Path(json), to_json(result))
        except OSError as error:
            raise ValueError(f"JSON={json}: can't be written ({error.strerror}).") from None
    return 0 if result.done else 1


def _folder(tree: str) -> Path:
    """The folder with the five modules, or some of them, that TREE= names. Raises ValueError."""
    folder = ROOT / (tree or "exercises")
    if not folder.is_dir() or not any((folder / e.file).exists() for e in curriculum.load() if e.file):
        raise ValueError(
            f"TREE={tree or 'exercises'}: there is no folder of that name with an ex1_dataset.py in it."
        )
    return folder


def _hint(ex: str) -> int:
    exercises = {e.id: e for e in curriculum.load()}
    unfinished = [id for id, function in state.read().functions.items() if function and id in exercises]
    if not ex and not unfinished:
        raise ValueError(f"For which exercise? {command('hint', '1')}")
    hints.show(hints.take(curriculum.find(ex) if ex else exercises[unfinished[0]]), Screen())
    return 0


def _plots(tree: str) -> int:
    return 0 if plots.draw(Practice(_folder(tree)), Screen()) else 1


def _reset(ex: str) -> int:
    if not ex:
        raise ValueError(f"Which exercise? {command('reset', '1')}")
    reset.reset(curriculum.find(ex), Screen())
    return 0
