"""What the README shows is what the kit prints."""

import re
from pathlib import Path

import pytest

from grading.tests import corpus, test_golden
from tests import limits

README = test_golden.README.read_text(encoding="utf-8")
SCREENS = {block[2]: block[0] for block in test_golden.SHOWN.finditer(README)}


@pytest.mark.parametrize("name", SCREENS)
def test_screens_are_real(name: str) -> None:
    """test_golden.py holds the golden screens against the kit itself."""
    assert SCREENS[name] == f"<!-- screen: {name} -->\n```text\n{test_golden.screen_text(name)}```"


def test_there_are_screens_to_compare() -> None:
    assert len(SCREENS) == README.count("<!-- screen:") >= 3


def test_every_command_in_it_exists() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"


def test_its_numbers_are_counted() -> None:
    assert f"{len(corpus.attacks())} attacks" in README
    assert f"{len(corpus.mistakes())} mistakes and {len(corpus.variants())} right programs" in README
    told = f"{limits.CPU_SECONDS:g} CPU-seconds an experiment, {limits.SUBMISSION_CPU_SECONDS:g} in all, "
    told += (
        f"{limits.MEMORY_BYTES >> 30} GiB, {limits.PROCESSES} processes, {limits.FILE_BYTES >> 20} MiB a file"
    )
    assert told in README


def test_every_promise_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", README))
    assert len(named) >= 7
    assert not [name for name in named if not (Path(__file__).parent / name).exists()]
