"""Headless Chromium, as all tests of pages start it, and what a person does with it."""

import base64
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

from grading.tests.processes import wait_until

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH = 1200


@contextlib.contextmanager
def chromium(profile: Path, *flags: str, logs: tuple[str, ...] = ("browser",)) -> Iterator[webdriver.Chrome]:
    """profile: an empty folder. logs: what get_log may be asked for."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--window-size={WIDTH},1000", *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("unhandledPromptBehavior", "ignore")  # a dialog stays, for the test to see
    options.set_capability("goog:loggingPrefs", dict.fromkeys(logs, "ALL"))
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(60)
        yield driver
    finally:
        driver.quit()


class Browser:
    """What a person does with a browser. A failure says what was on the page."""

    def __init__(self, driver: webdriver.Chrome, screens: Path) -> None:
        self.driver, self.screens = driver, screens

    def open(self, url: str) -> None:
        self.driver.get(url)

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def until(self, what: str, condition: Callable[[], object], seconds: float = 60) -> None:
        assert wait_until(condition, seconds), f"{what}: not within {seconds} seconds.\n{self.page()}"

    def page(self) -> str:
        """What can be read there, and what the browser complained of."""
        text = self.driver.find_element(By.TAG_NAME, "body").text
        console = [entry["message"] for entry in self.driver.get_log("browser")]
        return f"{self.driver.current_url} “{self.driver.title}”\n{text[:3000]}\n{console}"

    def screen(self, name: str) -> None:
        """The whole page as a picture."""
        height = self.run("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        (self.screens / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
