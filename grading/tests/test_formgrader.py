"""nbgrader's formgrader on a course of ours: a real Jupyter server, a real browser, and a student who attacks both."""

import http.server
import re
import threading
from collections.abc import Iterator

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grading.course.intake import Course
from grading.course.source import ANSWER, ASSIGNMENT, MANUAL_POINTS, NOTEBOOK
from grading.tests import corpus, courses, jupyter
from grading.tests.browser import Browser
from grading.tests.jupyter import Server
from grading.tests.processes import descendants, processes, wait_until

MISTAKE = next(mistake for mistake in corpus.mistakes() if mistake.name == "step_without_parentheses")
SOLVED, WRONG, ATTACKER, NEW = "ada", "bob", "mallory", "newcomer"
COMMENT = "The test points & the line: *which* is which?"


class Beacon:
    """Whoever asks for anything here has run, or fetched, what the attacker wrote."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *words: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def beacon() -> Iterator[Beacon]:
    beacon = Beacon()
    yield beacon
    beacon.server.shutdown()
    beacon.server.server_close()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, beacon: Beacon) -> Course:
    """One has it right, one is wrong, one attacks: graded. And one whom nobody has graded yet."""
    course = courses.create(tmp_path_factory.mktemp("formgrader") / "course")
    courses.submit(course, SOLVED, courses.notebook_of(course, courses.modules()))
    courses.submit(course, WRONG, courses.notebook_of(course, courses.modules(MISTAKE.change)))
    courses.submit(course, ATTACKER, attack(course, beacon.url))
    courses.warm_kit("course", "autograde", course.root, "--jobs", 2)
    courses.submit(course, NEW, courses.notebook_of(course, courses.modules()))
    return course


def attack(course: Course, beacon: str) -> str:
    """A notebook with scripts wherever a student may write, and fields that pretend to be formgrader's."""
    script = f"window.pwned=1;document.title=`pwned`;fetch(`{beacon}/script`)"
    text = f"""\
# ex1

Look: <b id="ex1" class="score">mine</b> <a class="full-credit" href="#x">full-credit</a>
<a class="mark-graded">graded</a> <textarea id="{ANSWER}-comment" class="comment">great</textarea>

A <script>{script}</script> and <img src=x onerror="{script}"> in a line.

<script>{script}</script>

<script src="{beacon}/source"></script>

<svg onload="{script}"><script>{script}</script></svg>

<iframe srcdoc="<script>parent.pwned=1;parent.document.title='pwned'</script>"></iframe>

<style>body {{ display: none; background: url({beacon}/style) }}</style>

<div style="position: fixed; inset: 0; background: url({beacon}/styled)" onclick="{script}">all over</div>

[one](javascript:{script}) [two](JaVaScript&#58;{script}) <a href="java&#115;cript:{script}">three</a>
[four](data:text/html,<script>{script}</script>)

![seen]({beacon}/picture) ![lost](attachment:lost.png) <img src="{beacon}/image">

$x<script>{script}</script>$ and `<script>{script}</script>`

```mermaid
<script>{script}</script>
```

</div></div></div></body></html> <plaintext> <!-- <script>{script}</script>
"""
    raising = f"""

# </pre><script>{script}</script>
class Told(Exception): pass
Told.__name__ = Told.__qualname__ = "<script>{script}</script>"


def create_loss():  # <script>{script}</script> </code></pre></div>
    print("</pre><script>{script}</script>")
    raise Told("</pre></li></ul></div><script>{script}</script><img src=x onerror='{script}'>")  # <script>{script}</script>
"""
    change = corpus.Change("ex3_training", define=raising)
    notebook = nbformat.reads(courses.notebook_of(course, courses.modules(change)), as_version=4)
    assert notebook.cells[-1].metadata.nbgrader.grade_id == ANSWER
    notebook.cells[-1].source = text
    notebook.cells.insert(1, new_markdown_cell(text))
    notebook.cells.insert(1, new_code_cell(f"# </pre></div><script>{script}</script>\nprint('own')"))
    return str(nbformat.writes(notebook))


@pytest.fixture(scope="module")
def server(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter.lab(course.root, tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Browser]:
    new = tmp_path_factory.mktemp
    with jupyter.visited(server, new("chromium"), new("screens")) as browser:
        yield browser


def test_the_list_shows_everybodys_points_and_who_is_to_be_graded(
    course: Course, server: Server, browser: Browser
) -> None:
    browser.open(f"{server.url}/formgrader/manage_submissions/{ASSIGNMENT}")
    browser.until("four students", lambda: len(rows(browser)) == 4)
    browser.screen("manage_submissions")
    found = {student: (status, points) for _, student, _, status, points, *_ in rows(browser)}
    by_hand, most = "needs manual grading", 100 + 4 * MANUAL_POINTS
    assert found == {
        SOLVED: (by_hand, f"100 / {most}"),
        WRONG: (by_hand, f"{courses.report(course, WRONG).score} / {most}"),
        ATTACKER: (by_hand, f"{courses.report(course, ATTACKER).score} / {most}"),
        NEW: ("needs autograding", ""),
    }, browser.page()

    browser.open(f"{server.url}/formgrader/gradebook/{ASSIGNMENT}/{NOTEBOOK}")
    browser.until("three notebooks", lambda: len(rows(browser)) == 3)
    browser.run("toggleAllNames()")
    browser.screen("manual_grading")
    found = {name: (points, failed) for _, name, points, _, _, _, _, failed, _ in rows(browser)}
    assert found.keys() == {SOLVED, WRONG, ATTACKER}, browser.page()
    assert {row[6] for row in rows(browser)} == {"needs manual grade"}, browser.page()
    assert found[SOLVED] == (f"100 / {most}", "") and found[WRONG][1] == "tests failed", browser.page()


def test_a_submission_shows_the_lessons_their_words_and_the_plots(
    course: Course, server: Server, browser: Browser
) -> None:
    open_submission(course, server, browser, WRONG)
    browser.screen("wrong")
    lessons_are_shown(course, browser, WRONG)
    words = "\n".join(word for exercise in shown(browser) for word in exercise["words"])
    assert [word for word in MISTAKE.says if word not in words] == [], words
    assert plots(browser) == [480] * 3, browser.page()


def test_a_mark_and_a_comment_are_in_the_gradebook_and_on_the_page(
    course: Course, server: Server, browser: Browser
) -> None:
    open_submission(course, server, browser, WRONG)
    type_in(browser, "ex1-plot_data", "4.5")
    type_in(browser, f"{ANSWER}-comment", COMMENT)
    marked = (WRONG, "Grade", "ex1-plot_data", None, 4.5, None, False)
    told = (WRONG, "Comment", ANSWER, "No response.", COMMENT)
    browser.until("a mark", lambda: {marked, told} <= set(gradebook(course)))

    open_submission(course, server, browser, WRONG)
    assert value(browser, "ex1-plot_data") == "4.5", browser.page()
    assert value(browser, f"{ANSWER}-comment") == COMMENT, browser.page()


def test_nothing_of_what_an_attacker_wrote_runs_or_is_fetched_in_the_formgrader(
    course: Course, server: Server, browser: Browser, beacon: Beacon
) -> None:
    open_submission(course, server, browser, ATTACKER)
    browser.screen("attacker")
    lessons_are_shown(course, browser, ATTACKER)
    assert "</pre></li></ul></div><script>window.pwned" in str(shown(browser)), browser.page()
    for exercise in courses.report(course, ATTACKER).exercises:  # formgrader finds its fields by these names
        fields = browser.run("return document.querySelectorAll('#' + arguments[0]).length", exercise.id)
        assert fields == 1, f"{exercise.id}: {fields}\n{browser.page()}"
    before = gradebook(course)
    nothing_runs(browser, beacon)
    browser.until("all that was asked for", lambda: browser.run("return jQuery.active") == 0)
    assert gradebook(course) == before, "a click on what a student wrote has changed a mark"


def test_nothing_of_what_an_attacker_wrote_runs_or_is_fetched_in_the_feedback(
    course: Course, browser: Browser, beacon: Beacon
) -> None:
    courses.warm_nbgrader(course.root, "generate_feedback", ASSIGNMENT)
    for student in (WRONG, ATTACKER):
        browser.open((course.root / "feedback" / student / ASSIGNMENT / f"{NOTEBOOK}.html").as_uri())
        browser.screen(f"feedback_{student}")
        lessons_are_shown(course, browser, student)
        nothing_runs(browser, beacon)
    browser.driver.back()
    text = browser.driver.find_element(By.TAG_NAME, "body").text
    assert "The test points & the line: which is which?" in text and "4.5 / 5.0" in text, browser.page()


def test_its_own_button_grades_and_leaves_no_process_behind(
    course: Course, server: Server, browser: Browser
) -> None:
    assert descendants(server.pid) == set()
    browser.open(f"{server.url}/formgrader/manage_submissions/{ASSIGNMENT}")
    browser.until("four students", lambda: len(rows(browser)) == 4)
    row = browser.driver.find_element(By.XPATH, f"//tr[td[contains(@class, 'student-id')][text()='{NEW}']]")
    row.find_element(By.CSS_SELECTOR, ".autograde a").click()
    graders: set[int] = set()

    def ended() -> bool:
        graders.update(descendants(server.pid))
        return bool(browser.run("return document.querySelector('.modal-title')"))

    browser.until("graded", ended)
    title = browser.driver.find_element(By.CSS_SELECTOR, ".modal-title")
    browser.until("a title", lambda: title.text)
    assert title.text == "Success", browser.page()
    browser.until(
        "its points",
        lambda: (
            [NEW, "needs manual grading", "100 / 120"]
            in [[student, status, points] for _, student, _, status, points, *_ in rows(browser)]
        ),
    )
    assert graders, "no process was seen: where was it graded?"
    assert wait_until(lambda: not (graders & processes() or descendants(server.pid)), 10), (
        f"still there: {graders & processes() | descendants(server.pid)}"
    )


def test_grading_again_keeps_what_was_marked_by_hand(
    course: Course, server: Server, browser: Browser
) -> None:
    before = gradebook(course)
    courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT, f"--student={WRONG}", "--force")
    theirs, others = [row for row in before if row[0] == WRONG], [row for row in before if row[0] != WRONG]
    again = courses.graded_again(theirs)
    assert again != theirs  # the mark is to be looked at again
    assert gradebook(course) == sorted([*again, *others], key=str)
    open_submission(course, server, browser, WRONG)
    assert value(browser, "ex1-plot_data") == "4.5", browser.page()
    assert value(browser, f"{ANSWER}-comment") == COMMENT, browser.page()
    field = browser.driver.find_element(By.ID, "ex1-plot_data")
    assert "needs_manual_grade" in field.get_attribute("class"), browser.page()


def gradebook(course: Course) -> list[tuple[object, ...]]:
    return courses.gradebook(f"sqlite:///{course.root}/gradebook.db")


def rows(browser: Browser) -> list[list[str]]:
    """The cells of formgrader's table, a list for each row."""
    found = browser.run(
        "return [...document.querySelectorAll('#main-table tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText.trim() || cell.dataset.search || ''))"
    )
    assert isinstance(found, list)
    return found


def open_submission(course: Course, server: Server, browser: Browser, student: str) -> None:
    """Open it from the list, and wait until formgrader has filled in marks and comments."""
    browser.open(f"{server.url}/formgrader/gradebook/{ASSIGNMENT}/{NOTEBOOK}")
    find = (
        f"return [...document.querySelectorAll('a.name-shown')].find(a => a.textContent == '{student}')?.href"
    )
    browser.until(student, lambda: browser.run(find))
    browser.open(str(browser.run(find)))
    browser.until(
        "marks and comments",
        lambda: browser.run("return formgrader.grades?.loaded && formgrader.comments?.loaded"),
    )


def type_in(browser: Browser, field: str, text: str) -> None:
    """What was there is replaced; the field is left, which is when formgrader saves."""
    element = browser.driver.find_element(By.ID, field)
    browser.run(
        "arguments[0].focus()", element
    )  # a click might miss it: the page grows while pictures come in
    element.send_keys(Keys.CONTROL, "a")
    element.send_keys(text, Keys.TAB)


def value(browser: Browser, field: str) -> object:
    return browser.driver.find_element(By.ID, field).get_property("value")


def shown(browser: Browser) -> list[dict[str, list[str]]]:
    """The lessons of each exercise, and the words below them: long lines of these are broken, which is undone here."""
    found = browser.run("""
        return [...document.querySelectorAll('.output_html')].map(output => ({
            lessons: [...output.querySelectorAll('div')].map(item => item.innerText.split('\\n')[0]),
            words: [...output.querySelectorAll('pre')].map(words => words.textContent.replaceAll('\\n', '')),
        }))""")
    assert isinstance(found, list)
    return found


def lessons_are_shown(course: Course, browser: Browser, student: str) -> None:
    expected = [
        [(test.status == "passed", test.title) for test in exercise.tests]
        for exercise in courses.report(course, student).exercises
    ]
    lines = [exercise["lessons"] for exercise in shown(browser)]
    found = [
        [(line[0] == "✓", re.sub(r" \d+ / \d+.*", "", line[2:])) for line in lessons] for lessons in lines
    ]
    assert found == expected, browser.page()


def plots(browser: Browser) -> object:
    """The widths of the pictures: 0 for one that is broken."""
    return browser.run(
        "return [...document.querySelectorAll('.output_png img')].map(img => img.naturalWidth)"
    )


def nothing_runs(browser: Browser, beacon: Beacon) -> None:
    """Not by itself, nor when somebody points at it and clicks on it."""
    title = browser.driver.title
    browser.run("""
        document.addEventListener('click', event => {
            const link = event.target.closest('a');
            if (link && /^(https?|mailto|file):/.test(link.href)) event.preventDefault();
        });
        for (const element of document.querySelectorAll('.rendered_html *, .output_html *, .highlight *'))
            for (const kind of ['mouseover', 'focus', 'mousedown', 'click'])
                element.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true}));
    """)
    with pytest.raises(NoAlertPresentException):
        browser.driver.switch_to.alert.accept()
    assert browser.run("return window.pwned") is None, browser.page()
    assert browser.driver.title == title != "pwned", browser.page()
    assert beacon.asked == [], browser.page()
    strange = browser.run("""
        return [...document.querySelectorAll('.rendered_html *, .output_html *')].filter(element =>
            /^(script|style|iframe|svg|img|object|embed|form|input|textarea|button)$/i.test(element.tagName)
            && !element.closest('.output_png') || element.hasAttribute('style') || element.id
            || [...element.attributes].some(attribute => attribute.name.startsWith('on'))
            || !/^(https?|mailto|file):$/.test(element.protocol ?? 'http:') && element.href
        ).map(element => element.outerHTML)""")
    assert strange == [], strange
    assert browser.driver.find_element(By.TAG_NAME, "body").is_displayed()
