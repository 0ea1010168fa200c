"""class.html in a real browser: what an instructor does with it, on screens and paper, and students who attack it."""

import base64
import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grading.batch import page
from grading.batch.tally import Result, Tally
from grading.tests import reports
from grading.tests.browser import chromium
from grading.tests.processes import wait_until
from grading.tests.reports import FULL, HOSTILE, MIXED, STUB, alike, part, report, with_text
from tests.coach.report import Flag, Report

LIGHT, DARK = ({"name": "prefers-color-scheme", "value": value} for value in ("light", "dark"))
SCRIPT = "<script>alert(1);document.title='pwned'</script>"
MARKUP = f"""'"></pre></td></details></table>{SCRIPT}<img src=x onerror=alert(1)>{{{{ name }}}}{{% raw %}}&lt;b&gt;"""
PARTS = ("Ex 1", "Ex 2", "Ex 3", "Ex 4", "Ex 5", "Workflow")


def png(*colour: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (480, 360), colour).save(stream, "PNG")
    return stream.getvalue()


def marked(*right: str) -> Report:
    """All points in these exercises, and one point less in all others."""
    return report(
        *(part(of, *(("passed", "passed") if of in right else ("failed", "passed"))) for of in reports.POINTS)
    )


PLOTS = {"plot_predictions": png(0, 0, 99), "plot_data": png(99, 0, 0), "plot_loss_curves": png(0, 99, 0)}
REFUSED = "'a1.zip' holds more than 20,000 files and folders."
CLASS = [
    Result("a1", why=REFUSED),
    Result("a10", marked("ex1", "ex2")),
    Result("a2", MIXED, pictures=PLOTS),
    Result("a3", FULL),
    Result("B4", STUB),
    Result("b5", marked("ex2", "ex3")),
]


def write(folder: Path, results: list[Result], name: str = "homework") -> tuple[Path, Tally]:
    """What `batch` does at its end."""
    tally = Tally()
    for result in results:
        tally.add(result)
    only, file = page.listed(tally), folder / "class.html"
    page.write(file, tally, (r for r in results if only is None or r.student in only), name)
    return file, tally


class Browser:
    """What a person does with a browser, on the page of a class."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver, self.folder = driver, folder
        self.cdp = driver.execute_cdp_cmd

    def open(self, results: list[Result], name: str = "homework", at: str = "") -> str:
        """The page's address."""
        return self.load(write(self.folder, results, name)[0].as_uri(), at)

    def load(self, address: str, at: str = "") -> str:
        self.driver.get("about:blank")  # or only the #… would be another, and nothing loaded
        self.driver.get(address + at)
        return address

    def media(self, *features: dict[str, str], kind: str = "") -> None:
        self.cdp("Emulation.setEmulatedMedia", {"media": kind, "features": list(features)})

    def width(self, pixels: int, mobile: bool = True) -> None:
        size = {"width": pixels, "height": 740, "deviceScaleFactor": 1, "mobile": mobile}
        self.cdp("Emulation.setDeviceMetricsOverride", size)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str = "body") -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def students(self) -> list[str]:
        """Those who are shown, from top to bottom."""
        return self.run(
            "return [...document.querySelectorAll('#list tr.row')].filter(row => row.checkVisibility())"
            ".map(row => row.cells[0].textContent)"
        )

    def opened(self) -> list[str]:
        """Whose reports are open; buttons say the same, a moment later."""
        bodies = "[...document.querySelectorAll('#list tbody')]"
        said = f"{bodies}.filter(student => student.querySelector('[aria-expanded=true]')).map(student => student.id)"
        shown = f"{bodies}.filter(student => student.querySelector('details').open)"
        ids = self.run(f"return {shown}.map(student => student.id)")
        assert wait_until(lambda: self.run(f"return {said}") == ids, 5)
        return self.run(f"return {shown}.map(student => student.rows[0].cells[0].textContent)")

    def sorted_by(self) -> list[tuple[str, str]]:
        heads = self.driver.find_elements(By.CSS_SELECTOR, "#list thead th[aria-sort]")
        return [(head.text.split("\n")[0], str(head.get_attribute("aria-sort"))) for head in heads]

    def button(self, words: str) -> Any:
        """The one that begins with these words."""
        return self.driver.find_element(By.XPATH, f"//button[starts-with(normalize-space(.), '{words}')]")

    def focused(self) -> str:
        return self.run("return document.activeElement.textContent.trim()")

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, words: str) -> None:
        for _ in range(60):
            if self.focused().startswith(words):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"Tab never comes to {words!r}")

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> list[str]:
        """Every address since the last time."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [
            p["request"]["url"] for p in asked if not p["documentURL"].startswith("chrome:")
        ]  # its own first page


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    profile = tmp_path_factory.mktemp("chromium")
    with chromium(profile, logs=("browser", "performance")) as driver:
        yield driver


@pytest.fixture
def browser(driver: webdriver.Chrome, tmp_path: Path) -> Iterator[Browser]:
    """After every test: nothing was asked for, the policy had nothing to forbid, no dialog is open."""
    browser = Browser(driver, tmp_path)
    browser.asked_for(), browser.complaints()
    yield browser
    with pytest.raises(NoAlertPresentException):
        driver.switch_to.alert.accept()
    assert driver.title.endswith(": marks")
    assert browser.complaints() == []
    pages = f"{tmp_path.as_uri()}/class.html"
    others = [url for url in browser.asked_for() if not url.startswith((pages, "data:", "about:blank"))]
    assert others == []
    assert browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)") == []
    browser.media()
    browser.cdp("Emulation.clearDeviceMetricsOverride", {})


def test_columns_sort_by_mouse(browser: Browser) -> None:
    browser.open(CLASS)
    assert browser.students() == ["a1", "a2", "a3", "a10", "B4", "b5"]
    assert browser.sorted_by() == [("Student", "ascending")]
    browser.button("Points").click()
    # Who has no points is last, either way; equals stay as they are.
    assert browser.students() == ["B4", "a2", "a10", "b5", "a3", "a1"]
    assert browser.sorted_by() == [("Points", "ascending")]
    browser.button("Points").click()
    assert browser.students() == ["a3", "a10", "b5", "a2", "B4", "a1"]
    assert browser.sorted_by() == [("Points", "descending")]
    browser.button("Ex 1").click()
    assert browser.students() == ["B4", "b5", "a3", "a10", "a2", "a1"]
    browser.button("Look").click()
    assert browser.students() == ["a1", "a2", "B4", "b5", "a3", "a10"]
    for name in PARTS:
        browser.button(name).click()
        assert browser.sorted_by() == [(name, "ascending")]
    browser.button("Student").click()
    browser.button("Student").click()
    assert browser.students() == ["b5", "B4", "a10", "a3", "a2", "a1"]


def test_everything_can_be_done_by_keyboard(browser: Browser) -> None:
    browser.open(CLASS)
    browser.tab_to("lesson 1")  # the hardest test
    browser.press(Keys.SPACE)
    assert "students:" in browser.text(".tests tbody tr:first-child details")
    browser.tab_to("Points")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(Keys.ENTER)
    assert browser.students()[0] == "B4" and browser.focused().startswith("Points")
    browser.press(Keys.SPACE)
    assert browser.students()[0] == "a3"
    browser.tab_to("a2")
    browser.press(Keys.ENTER)
    assert browser.opened() == ["a2"]
    browser.press(Keys.TAB, Keys.SPACE)
    assert browser.opened() == ["a2", "B4"]
    browser.press(Keys.SPACE)
    assert browser.opened() == ["a2"] and browser.focused() == "B4"
    browser.run("document.getElementById('name').focus()")
    browser.press("B", Keys.TAB, Keys.SPACE)
    assert browser.students() == [] and "0 of 6 shown" in browser.text(".controls")
    browser.press(Keys.SPACE)
    assert browser.students() == ["b5", "B4"] and "2 of 6 shown" in browser.text(".controls")
    browser.press(Keys.TAB, Keys.ENTER)
    assert browser.opened() == ["b5", "a2", "B4"] and browser.focused() == "Close all"


def test_a_student_opens_to_the_report(browser: Browser) -> None:
    browser.open(CLASS)
    browser.driver.find_element(By.XPATH, "//tr[th[.='a2']]/td[2]").click()
    assert browser.opened() == ["a2"]
    lines = browser.text("tbody:has(details[open]) .report").split("\n")
    expected = """\
        Flags to be looked at; they cost no points
        exit exercises/ex3_training.py, line 7: uses os._exit
        differs 2 tests
        ✓ Exercise 1 · The data done 20 / 20
        ✗ Exercise 2 · The model not right yet 1 / 15
        ✗ lesson 2 failed, 0 of 1 points
        failed 2
        exercises/ex2.py, line 12: line 2
        ○ 1 more: waiting for these, or not started
        ✗ Exercise 3 · Training not right yet 0 / 25
        ✗ lesson 1 did not end, 0 of 1 points
        timeout 1
        exercises/ex3.py, line 11: line 1
        ○ 2 more: waiting for these, or not started
        ✗ Exercise 4 · Predictions not right yet 14 / 15
        ✗ lesson 1 could not be judged, 0 of 1 points
        error 1
        exercises/ex4.py, cell 3, line 11: line 1
        ○ Exercise 5 · Saving and loading begun 1 / 15
        ○ The workflow waits for the others 0 / 10
        Notes
        ex9_more.py was left out
        Plots drawn by the student’s code, on the exercise’s own numbers
        plot_data
        plot_loss_curves
        plot_predictions
        Submission: alice; isolation: bubblewrap; graded on secret numbers."""
    assert " ".join(lines) == " ".join(line.strip() for line in expected.split("\n"))
    browser.run("document.querySelectorAll('details[open] img').forEach(img => img.scrollIntoView())")
    images = (
        "[...document.querySelectorAll('details[open] img')].map(i => [i.naturalWidth, i.alt, i.loading])"
    )
    expected_images = [[480, f"What {plot} of a2 draws", "lazy"] for plot in sorted(PLOTS)]
    assert wait_until(lambda: browser.run(f"return {images}") == expected_images, 5), browser.run(
        f"return {images}"
    )


def test_the_row_says_what_the_report_says(browser: Browser) -> None:
    browser.open(CLASS)
    rows = {
        row[0]: row[1:]
        for row in browser.run(
            "return [...document.querySelectorAll('#list tr.row')].map(row => [...row.cells].map(cell => cell.innerText))"
        )
    }
    assert [re.sub(r"\s+", " ", cell) for cell in rows["a2"]] == [
        "36",
        "✓ 20",
        "✗ 1",
        "✗ 0",
        "✗ 14",
        "○ 1",
        "○ 0",
        "flagged",
    ]
    assert rows["a1"] == ["–"] * 7 + ["not graded"]
    marks = browser.driver.find_elements(By.XPATH, "//tr[th[.='a2']]//span[@role='img']")
    assert [mark.accessible_name for mark in marks] == [
        "done",
        "not right yet",
        "not right yet",
        "not right yet",
        "begun",
        "waits for the others",
    ]


def test_a_link_opens_the_student(browser: Browser) -> None:
    address = browser.open(CLASS)
    assert browser.text(".looks") == f"a1 {REFUSED}"
    browser.driver.find_element(By.ID, "name").send_keys("nobody is called this")
    assert browser.students() == []
    for student in ("a1", "a2", "a1"):
        browser.driver.find_element(By.LINK_TEXT, student).click()
        assert student in browser.opened()
        assert browser.focused() == student
        assert len(browser.students()) == 6
        row = "const row = document.activeElement.getBoundingClientRect();"
        assert browser.run(f"{row} return row.top >= 0 && row.bottom <= innerHeight")
    assert REFUSED in browser.text("#list tbody:first-of-type .report")
    anchor = browser.run("return location.hash")
    assert re.fullmatch("#student-[0-9a-f]{16}", anchor)
    assert anchor not in address
    browser.load(address, anchor)
    assert browser.opened() == ["a1"]
    browser.load(address, "#student-0000000000000000")
    assert browser.opened() == []


def test_find_in_page_opens_the_student(browser: Browser) -> None:
    """A link to a piece of text opens what holds it the way that find-in-page does."""
    browser.open(CLASS, at="#:~:text=ex9_more.py")
    assert wait_until(lambda: browser.opened() == ["a2"], 5)


def test_the_top_says_how_the_class_did(browser: Browser) -> None:
    browser.open(CLASS, name="autumn/homework 1")
    assert browser.driver.title == "autumn/homework 1: marks"
    assert browser.text("h1") == "autumn/homework 1"
    facts = "Submissions 6 Graded 5 Mean 65.6 of 100 Median 96 of 100 All points 1 Worth a look 2"
    assert browser.text(".facts").replace("\n", " ") == facts
    rows = browser.text(".marks tbody").split("\n")
    assert rows == ["0–9 1", *(f"{n}0–{n}9 {(n == 3) + 2 * (n == 9)}" for n in range(1, 10)), "100 1"]
    bars = (
        "return [...document.querySelectorAll('.marks rect')].map(bar => bar.getBoundingClientRect().width)"
    )
    widths = browser.run(bars)
    assert widths[0] == pytest.approx(widths[9] / 2, abs=1) and widths[1] == 0 < widths[0]


def test_bars_cover_all_points_whatever_their_number() -> None:
    for most in (1, 7, 10, 95, 100, 120):
        tally = Tally()
        tally.max_score = most
        tally.scores.update(range(most + 1))
        bars = page._bars(tally)
        assert sum(bar.students for bar in bars) == most + 1
        spans = [[int(end) for end in bar.points.split("–")] for bar in bars]
        for bar, span in zip(bars, spans, strict=True):
            assert bar.students == span[-1] - span[0] + 1, (most, bar)
        assert [point for span in spans for point in range(span[0], span[-1] + 1)] == list(range(most + 1))


def test_the_hardest_tests_tell_what_students_read(browser: Browser) -> None:
    def failing(words: str) -> Report:
        return report(part("ex1", "failed", "blocked", text=words), part("ex2", "failed"))

    words = [f"what {number // 2 if number < 4 else number} means" for number in range(9)]
    browser.open([Result(f"s{number}", failing(text)) for number, text in enumerate(words)])
    rows = browser.driver.find_elements(By.CSS_SELECTOR, ".tests tbody tr")
    assert [row.text.replace("\n", " ") for row in rows] == [
        "9 100% lesson 1 Exercise 1 · The data 0",
        "9 100% lesson 1 Exercise 2 · The model 0",
    ]
    rows[0].find_element(By.TAG_NAME, "summary").click()
    told = rows[0].find_element(By.TAG_NAME, "details").text.split("\n")[1:]
    assert told == [
        "2 students:",
        "what 0 means",
        "2 students:",
        "what 1 means",
        *("1 student:", "what 4 means", "1 student:", "what 5 means", "1 student:", "what 6 means"),
        "2 students: other words.",
    ]


def test_more_than_ten_hard_tests_wait_behind_a_summary(browser: Browser) -> None:
    browser.open([Result("a", alike("failed", "failed", "failed"))])
    tables = browser.driver.find_elements(By.CSS_SELECTOR, ".tests")
    assert [table.is_displayed() for table in tables] == [True, False]
    browser.driver.find_element(By.CSS_SELECTOR, ".more > summary").click()
    assert tables[1].is_displayed() and len(tables[1].find_elements(By.CSS_SELECTOR, "tbody tr")) == 8


@pytest.mark.parametrize("text", [MARKUP, "\n".join(HOSTILE)[:5000]], ids=["markup", "every text"])
def test_text_of_students_is_only_ever_text(browser: Browser, text: str) -> None:
    """Wherever it may stand: no element, no attribute, no id comes of it."""
    shown = with_text(text)
    shown = msgspec.structs.replace(
        shown,
        flags=(*shown.flags, Flag(text, text, 3, text)),
        exercises=tuple(
            msgspec.structs.replace(
                each, tests=tuple(msgspec.structs.replace(test, title=text) for test in each.tests)
            )
            for each in shown.exercises
        ),
    )
    results = [Result(text, shown, pictures={text: png(0, 0, 0)}), Result(f"{text}2", why=text)]
    browser.open(results, name=text)
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    harmless = browser.run("""
        const ours = new Set(`html head meta title link style body header h1 dl div dt dd small main section h2 h3 table
            colgroup col thead tbody tr th td svg rect ul li a span p pre details summary form label input button output
            figure img figcaption b script`.trim().split(/\\s+/));
        const attributes = new Set(`lang charset http-equiv content name rel href class aria-labelledby id scope width
            height aria-hidden hidden type autocomplete spellcheck data-by role aria-label aria-expanded aria-sort
            colspan open src alt loading decoding`.trim().split(/\\s+/));
        return [...document.querySelectorAll('*')].filter(element => !ours.has(element.localName)
            || [...element.attributes].some(({name}) => !attributes.has(name))
            || element.id && !/^(marks|looks|tests|students|name|look|all|shown|list|student-[0-9a-f]{16})$/.test(element.id)
            || element.localName === 'script' && element !== document.body.lastElementChild
            || element.localName === 'img' && !element.src.startsWith('data:image/png;base64,')
        ).map(element => element.outerHTML.slice(0, 300))""")
    assert harmless == []
    if text == MARKUP:
        assert browser.text("h1") == text
        assert browser.students() == [text, f"{text}2"]
        assert browser.text(".report pre").startswith(text)
        assert browser.run("return document.querySelector('img').alt") == f"What {text} of {text} draws"


def test_a_long_message_is_cut(browser: Browser) -> None:
    file, _ = write(browser.folder, [Result("a", with_text("x" * 1_000_000), why="")])
    assert file.stat().st_size < 300_000
    browser.load(file.as_uri())
    browser.button("a").click()
    words = browser.text(".report pre")
    assert words.startswith("x" * 2000 + "… (998000 more characters)") and len(words) < 3000


def test_the_policy_forbids_what_escaping_would_have_let_through(browser: Browser) -> None:
    """So that the other tests' silence means something."""
    file, _ = write(browser.folder, CLASS)
    bad = (
        SCRIPT,
        "<img src='http://127.0.0.1:9/a.png' onerror='document.title=1'>",
        "<p id=styled style='color: rgb(1, 2, 3)'>x</p>",
        "<style>p { color: rgb(1, 2, 3) }</style>",
        "<iframe src='data:text/html,x'></iframe>",
        "<base href='http://127.0.0.1:9/'>",
    )
    file.write_text(file.read_text("utf-8").replace("</main>", f"{''.join(bad)}</main>"), "utf-8")
    browser.load(file.as_uri())
    assert browser.driver.title == "homework: marks"
    assert browser.run("return getComputedStyle(styled).color") != "rgb(1, 2, 3)"
    assert browser.run("return document.baseURI.startsWith('file:')")
    assert len([words for words in browser.complaints() if "Content Security Policy" in words]) >= len(bad)
    assert browser.run("return performance.getEntriesByType('resource').length") <= 1
    browser.open(CLASS)
    browser.asked_for()


def test_without_javascript_the_page_can_be_read(browser: Browser) -> None:
    file, _ = write(browser.folder, CLASS)
    file.write_text(re.sub("<script>.*</script>", "", file.read_text("utf-8"), flags=re.DOTALL), "utf-8")
    browser.load(file.as_uri())
    assert browser.driver.find_elements(By.CSS_SELECTOR, "#list button") == []
    assert not browser.driver.find_element(By.CSS_SELECTOR, ".controls").is_displayed()
    browser.driver.find_element(By.XPATH, "//tbody[.//th[.='a2']]//summary").click()
    assert "uses os._exit" in browser.text("tbody:has(details[open])")


def test_both_themes_can_be_read(browser: Browser) -> None:
    browser.open([*CLASS, Result("c", with_text("words"))])
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    pages = []
    for theme in (LIGHT, DARK):
        browser.media(theme)
        pages.append(browser.run("return getComputedStyle(document.documentElement).backgroundColor"))
        assert browser.run(CONTRAST) == []
    assert pages == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]


CONTRAST = """
    const light = colour => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : colour;
    };
    return [...document.querySelectorAll('body *')].filter(element => element.checkVisibility()
        && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    ).map(element => {
        const [low, high] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
        return [element.outerHTML.slice(0, 200), (high + 0.05) / (low + 0.05)];
    }).filter(([, contrast]) => contrast < 4.5)"""


@pytest.mark.parametrize("width", [320, 360, 800, 1000])
def test_nothing_is_wider_than_the_screen(browser: Browser, width: int) -> None:
    long = Result("w" * 200, with_text("x" * 900), pictures={"f" * 200: png(1, 1, 1)})
    browser.width(width)
    browser.open([*CLASS, long], name="n" * 150)
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert browser.run("return document.scrollingElement.scrollWidth") <= width
    small = browser.run("""
        return [...document.querySelectorAll('#list thead button')].map(button => button.getBoundingClientRect())
            .filter(box => box.width < 20 || box.height < 24).map(box => [box.width, box.height])""")
    assert small == [] or width > 800
    cut = browser.run("""
        return [...document.querySelectorAll('#list tr.row td, #list thead th')].filter(cell =>
            cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent)""")
    assert cut == []


def test_on_paper_there_are_no_controls_and_no_dark_page(browser: Browser) -> None:
    browser.open([*CLASS, *(Result(f"c{number}", FULL) for number in range(60))])
    browser.button("a2").click()
    browser.media(DARK, kind="print")
    assert browser.run("return getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    for control in ("#name", "#look", "#all", ".unprinted"):
        assert not browser.driver.find_element(By.CSS_SELECTOR, control).is_displayed()
    assert browser.run("return getComputedStyle(document.querySelector('#list .row')).breakInside") == "avoid"
    browser.media()
    paper = {"paperWidth": 8.27, "paperHeight": 11.69}
    pdf = base64.b64decode(browser.cdp("Page.printToPDF", paper)["data"])
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) in (4, 5, 6)
    assert len(set(re.findall(rb"/Subtype\s*/Image\b.*?/Height 360", pdf, re.DOTALL))) >= 1, (
        "plots are printed"
    )


def test_of_a_large_class_only_those_worth_a_look_are_listed(browser: Browser) -> None:
    class_ = [Result(f"s{number:04}", FULL) for number in range(1001)]
    assert page.listed(write(browser.folder, class_[:1000])[1]) is None
    class_[7], class_[500] = Result("s0007", MIXED), Result("s0500", why="no module")
    assert page.listed(write(browser.folder, class_)[1]) == {"s0007", "s0500"}
    browser.open(class_)
    assert browser.students() == ["s0007", "s0500"]
    note = "Listed here: 2 students worth a look. 999 more are not on this page: marks.csv has everybody."
    assert browser.text("section:last-of-type .note") == note
    assert "Submissions\n1,001" in browser.text(".facts")
    browser.driver.find_element(By.LINK_TEXT, "s0500").click()
    assert browser.opened() == ["s0500"]


def test_a_class_without_marks_has_a_page(browser: Browser) -> None:
    browser.open([])
    assert browser.text() == "homework\nThere are no submissions."
    browser.open([Result("a", why="no module"), Result("b", why="")])
    assert "Nobody has a mark." in browser.text() and "Could not be graded: 2 students" in browser.text()
    assert browser.students() == ["a", "b"]
    browser.open([Result(f"s{number:04}", FULL) for number in range(1001)])
    assert "Listed here: 0 students" in browser.text() and "Nobody fails a test." in browser.text()


def test_many_looks_are_cut_at_the_top(browser: Browser) -> None:
    browser.open([Result(f"s{number:04}", why="no module") for number in range(30)])
    entries = browser.text(".looks").split("\n")
    assert len(entries) == 21
    assert entries[-1] == "and 10 more: see the list of students, and marks.csv"


def test_the_same_class_gives_the_same_bytes(tmp_path: Path) -> None:
    def faster(result: Result) -> Result:
        report = result.report and msgspec.structs.replace(result.report, duration_s=9.0)
        pictures = dict(reversed(result.pictures.items()))
        return Result(result.student, report, result.why, pictures)

    first = write(tmp_path, CLASS)[0].read_bytes()
    assert write(tmp_path, [faster(result) for result in CLASS])[0].read_bytes() == first


def test_one_student_is_in_memory_at_a_time(tmp_path: Path) -> None:
    tally = Tally()
    for number in range(100):
        tally.add(Result(f"s{number:03}", MIXED))
    pictures: Callable[[int], dict[str, bytes]] = lambda number: {"plot_data": bytes([number]) * 200_000}  # noqa: E731
    results = (Result(f"s{number:03}", MIXED, pictures=pictures(number)) for number in range(100))
    tracemalloc.start()
    page.write(tmp_path / "class.html", tally, results, "homework")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "class.html").stat().st_size > 26_000_000
    assert peak < 6_000_000
