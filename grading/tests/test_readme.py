"""What the README shows is what the kit prints."""

import re
from pathlib import Path

import pytest

from grading.tests.test_golden import GOLDEN

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SCREENS = re.findall(r"<!-- screen: (\w+) -->\n```text\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(("name", "shown"), SCREENS, ids=[name for name, _ in SCREENS])
def test_screens_are_real(name: str, shown: str) -> None:
    """The golden screens are held against the kit itself in test_golden.py."""
    assert shown == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").lstrip("\n")


def test_there_are_screens_to_compare() -> None:
    assert len(SCREENS) == README.count("<!-- screen:") >= 3


def test_every_command_in_it_exists() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"
