"""What the pages say is so: their screens, commands, links, paths, numbers and promises."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.main import get_command

from grading import bundle
from grading.cli import app
from grading.formats import FORMATS
from grading.tests import corpus, test_golden
from tests import limits
from tests.coach.cli import main as coach

ROOT = test_golden.ROOT
FOLDERS = (".", ".github", "exercises", "tests", "grading", "grading/ci")
PAGES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for folder in FOLDERS
    for file in sorted((ROOT / folder).glob("*.md"))
}
README, STUDENTS, GRADING = PAGES["README.md"], PAGES["exercises/README.md"], PAGES["grading/README.md"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = (ROOT / "grading" / "targets.mk").read_text(encoding="utf-8")
SCREENS = [(page, block[2], block[0]) for page in PAGES for block in test_golden.SHOWN.finditer(PAGES[page])]
OURS = ("exercises/", "solutions/", "tests/", "grading/", ".github/", ".devcontainer/")

on_every_page = pytest.mark.parametrize("page", PAGES)


@pytest.mark.parametrize(("page", "name", "block"), SCREENS, ids=lambda value: value.partition("\n")[0])
def test_screens_are_real(page: str, name: str, block: str) -> None:
    """test_golden.py holds the golden screens against the kit itself."""
    assert block == f"<!-- screen: {name} -->\n```text\n{test_golden.screen_text(name)}```"


def test_every_screen_is_written_anew_by_make_golden() -> None:
    written = {str(page.relative_to(ROOT)) for page in test_golden.PAGES}
    assert {page for page, *_ in SCREENS} == written
    assert len(SCREENS) == sum(text.count("<!-- screen:") for text in PAGES.values())


def test_the_first_page_is_three_screens() -> None:
    lines = README.splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


@on_every_page
def test_every_make_command_exists(page: str) -> None:
    rules = MAKEFILE if page == "exercises/README.md" else MAKEFILE + TARGETS  # students have no targets.mk
    for target, variables in re.findall(r"(?:^|`)make ([a-z]+)((?: [A-Z_]+=)?)", PAGES[page], re.MULTILINE):
        assert re.search(rf"^{target}:", rules, re.MULTILINE), f"make {target}"
        name = variables.strip(" =")
        assert not name or re.search(rf"^{name} \?=", rules, re.MULTILINE), f"make {target} {name}="


def commands(page: str, module: str) -> Iterator[tuple[list[str], set[str]]]:
    """The words and the options of every `python -m MODULE …`."""
    text = PAGES[page].replace("\\\n", " ").replace("`… ", "`python -m tests.coach ")
    for words in re.findall(rf"python -m {re.escape(module)} ([^`\n#|)]+)", text):
        yield words.split(), set(re.findall(r"--[a-z-]+", words))


@on_every_page
def test_every_grading_command_exists(page: str) -> None:
    for words, options in commands(page, "grading"):
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            word = words.pop(0)
            assert word in command.commands, f"python -m grading … {word}"
            command = command.commands[word]
        assert options <= {name for option in command.params for name in option.opts}, (command.name, options)


@on_every_page
def test_every_coach_command_exists(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words, options in commands(page, "tests.coach"):
        with pytest.raises(SystemExit, match="0"):
            coach([words[0], "--help"])
        help = capsys.readouterr().out
        assert all(option in help for option in options), (words, options)


def test_every_format_is_named() -> None:
    named = re.findall(r"`--format ([a-z|]+)`", GRADING)
    assert [set(names.split("|")) for names in named] == [FORMATS.keys() - {"text"}]


def test_commands_are_found() -> None:
    assert len(list(commands("exercises/README.md", "tests.coach"))) >= 6
    assert [words[0] for words, _ in commands("README.md", "grading")] == ["grade", "batch", "course"]


# ── links and paths ──────────────────────────────────────────────────────────────────────────────


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link, as GitHub and GitLab have it."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@on_every_page
def test_every_link_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(PAGES[page])):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@on_every_page
def test_every_path_exists(page: str) -> None:
    """In the text and in pictures; but for those that a page tells its readers to make."""
    made = set(re.findall(r"Make `([^`]+)`", PAGES[page]))
    for path in paths(PAGES[page]) - made:
        assert list(ROOT.glob(path.rstrip("/"))), path


def paths(text: str) -> set[str]:
    named = re.findall(r"`([^`\s]+)`", prose(text))
    for picture in re.findall(r"^```mermaid$(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        named += re.findall(r"\b(?:tests|grading)/[\w*./]*", picture)
    return {name for name in named if name.startswith(OURS) and "…" not in name}


def test_the_students_page_holds_in_the_students_copy() -> None:
    """There it is the only page, at the top: it links to no other, and names what is there."""
    copy = {name.partition("/")[2] for name in bundle.for_students()}
    assert not re.search(r"\]\((?!https://)", STUDENTS)
    assert paths(STUDENTS)
    for path in paths(STUDENTS):
        assert any(name == path or name.startswith(path.rstrip("/") + "/") for name in copy), path


# ── numbers and promises ─────────────────────────────────────────────────────────────────────────


def test_numbers_are_counted() -> None:
    attacks, mistakes, variants = len(corpus.attacks()), len(corpus.mistakes()), len(corpus.variants())
    assert f"{attacks} attacks" in GRADING
    assert f"{attacks} attacks" in README
    assert f"{mistakes} mistakes and {variants} right programs" in GRADING
    assert f"{mistakes} wrong programs" in README
    assert f"{variants} right ones" in README.replace("\n ", "")
    told = f"{limits.CPU_SECONDS:g} CPU-seconds an experiment, {limits.SUBMISSION_CPU_SECONDS:g} in all, "
    told += (
        f"{limits.MEMORY_BYTES >> 30} GiB, {limits.PROCESSES} processes, {limits.FILE_BYTES >> 20} MiB a file"
    )
    assert told in GRADING
    assert f"compute for {limits.CPU_SECONDS:g} seconds" in STUDENTS


def test_what_the_first_page_says_of_speed_was_measured() -> None:
    measured = re.search(r"<!-- bench -->(.*)<!-- /bench -->", GRADING, re.DOTALL)[1].replace("\n", " ")  # type: ignore[index]
    said = README.replace("\n ", "")
    bare, plain = (
        re.search(r"less than ([\d.]+) × a bare run", said),
        re.search(r"more than (\d+) × faster than plain nbgrader", said),
    )
    assert float(re.search(r"costs ([\d.]+) × a bare script", measured)[1]) < float(bare[1])  # type: ignore[index]
    assert int(re.search(r"(\d+) × less than plain nbgrader", measured)[1]) > int(plain[1])  # type: ignore[index]


@on_every_page
def test_every_test_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`(test_\w+\.py)`", PAGES[page])
    assert not [name for name in named if not (ROOT / "grading" / "tests" / name).exists()]


def test_every_promise_names_a_test() -> None:
    table = GRADING.partition("| what is promised |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) >= 7
    assert all(re.search(r"`test_\w+\.py`", row) for row in table)


# ── what GitHub reads ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/wrong_verdict.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_issue_forms_keep_to_their_schema(schema: str, file: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    found = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


TEXT = {"type": "string"}
# The part of https://containers.dev/implementors/json_schema that is used here.
DEVCONTAINER = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "image": TEXT,
        "postCreateCommand": TEXT,
        "waitFor": {"enum": ["onCreateCommand", "updateContentCommand", "postCreateCommand"]},
        "hostRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpus": {"type": "integer", "minimum": 1},
                "memory": {"type": "string", "pattern": r"^\d+([tgmk]b)?$"},
            },
        },
        "customizations": {
            "type": "object",
            "properties": {
                "vscode": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "extensions": {"type": "array", "items": TEXT},
                        "settings": {"type": "object"},
                    },
                }
            },
        },
    },
}


def test_the_codespace_is_what_a_student_installs() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    jsonschema.validate(container, DEVCONTAINER)
    target, variable, _ = re.fullmatch(r"make (\S+) ([A-Z_]+)=(\S+)", container["postCreateCommand"]).groups()  # type: ignore[union-attr]
    assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE)
    assert re.search(rf"^{variable} \?=", MAKEFILE, re.MULTILINE)
