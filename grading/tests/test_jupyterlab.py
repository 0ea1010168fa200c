"""What was handed out, in JupyterLab, as a student works on it: a real server, a real kernel, a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from grading.course.source import ASSIGNMENT
from grading.notebooks import FILE
from grading.tests import corpus, courses, jupyter
from grading.tests.browser import Browser
from tests.coach import curriculum

MISTAKE = next(mistake for mistake in corpus.mistakes() if mistake.name == "step_without_parentheses")
EXERCISES = curriculum.load()
VERDICT = ".jp-OutputArea-executeResult .jp-OutputArea-output"


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released folder; in its notebook, a student has done everything, and made one mistake."""
    course = courses.create(tmp_path_factory.mktemp("lab") / "course")
    folder = tmp_path_factory.mktemp("student") / ASSIGNMENT
    shutil.copytree(course.root / "release" / ASSIGNMENT, folder)
    (folder / FILE).write_text(courses.notebook_of(course, courses.modules(MISTAKE.change)))
    return folder


@pytest.fixture(scope="module")
def browser(handed_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    new = tmp_path_factory.mktemp
    with (
        jupyter.lab(handed_out, new("home")) as server,
        jupyter.visited(server, new("chromium"), new("screens")) as browser,
    ):
        browser.open(f"{server.url}/lab/tree/{FILE}")
        yield browser


def test_it_runs_from_top_to_bottom_and_says_where_the_student_stands(browser: Browser) -> None:
    browser.until("the notebook", lambda: elements(browser, ".jp-Notebook .jp-Cell"))
    browser.until("a kernel", lambda: "Idle" in elements(browser, "#jp-main-statusbar")[0].text)
    assert not elements(browser, ".jp-Dialog"), browser.page()
    from_the_menu(browser, "Run", "runmenu:run-all")
    browser.until("all verdicts", lambda: len(elements(browser, VERDICT)) == len(EXERCISES), 120)
    verdicts = dict(zip((e.id for e in EXERCISES), texts(browser, VERDICT), strict=True))
    assert not elements(browser, ".jp-Notebook [data-mime-type='application/vnd.jupyter.stderr']"), (
        browser.page()
    )
    browser.screen("run")
    for exercise in EXERCISES:
        points = {"ex3": 7, "workflow": 5}.get(exercise.id, exercise.points)
        assert f"{points} / {exercise.points} points" in verdicts[exercise.id]
    assert all(said in verdicts["ex3"] for said in MISTAKE.says)
    assert "Next: mend train." in verdicts["ex3"]
    assert "Next: mend train, Exercise 3 · Training." in verdicts["workflow"]
    assert len(elements(browser, f"{VERDICT} img")) == 3


def from_the_menu(browser: Browser, menu: str, command: str) -> None:
    browser.driver.find_element(By.XPATH, f"//li[contains(@class, 'lm-MenuBar-item')][.='{menu}']").click()
    item = f"li.lm-Menu-item[data-command='{command}']"
    browser.until(command, lambda: elements(browser, item))
    elements(browser, item)[0].click()


def elements(browser: Browser, selector: str) -> list[Any]:
    return browser.driver.find_elements(By.CSS_SELECTOR, selector)


def texts(browser: Browser, selector: str) -> list[str]:
    found = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )
    assert isinstance(found, list)
    return found
