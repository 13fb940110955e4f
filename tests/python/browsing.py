# SPDX-License-Identifier: Apache-2.0
"""The page of `lazyllm serve` in a real headless Chromium: what a user does with it."""

import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

QUESTION = "What is this document about?"


@pytest.fixture(scope="session")
def chromium():
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield browser
    browser.quit()


class Page:
    """What a user does with the page."""

    def __init__(self, browser, server):
        self.browser = browser
        self.server = server

    def open(self, width=1400, height=900, dark=False):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1,
                                                                            "mobile": width < 500})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get(self.server.url + "/")
        self.browser.execute_async_script("localStorage.clear(); sessionStorage.clear(); history.replaceState(null, '', '/');"
                                          "const store = indexedDB.deleteDatabase('lazyllm');"
                                          "store.onsuccess = store.onerror = arguments[0]")
        self.browser.get_log("browser")  # what earlier tests left
        self.browser.refresh()
        self.until(lambda: "tokens" in self.id("model").get_property("textContent"))
        return self

    def script(self, code: str, *arguments):
        return self.browser.execute_script(code, *arguments)

    def until(self, condition, seconds=60):
        # What was found may be drawn anew before it is read.
        wait = WebDriverWait(self.browser, seconds, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition())

    def id(self, name: str):
        return self.browser.find_element(By.ID, name)

    def all(self, selector: str):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def add(self, *files):
        before = len(self.all("#documents .chip"))
        self.id("files").send_keys("\n".join(map(str, files)))
        self.until(lambda: len(self.all("#documents .chip")) == before + len(files) and
                   all("counting" not in chip.text for chip in self.all("#documents .chip")))

    def set(self, name: str, value):
        self.script("const field = document.getElementById(arguments[0]); field.value = arguments[1];"
                    "field.dispatchEvent(new Event('input', {bubbles: true}))", name, str(value))

    def reload(self):
        self.browser.refresh()
        self.until(lambda: "tokens" in self.id("model").get_property("textContent"))

    def ask(self, question: str = QUESTION):
        self.id("question").send_keys(question, Keys.ENTER)

    def answered(self, turns=1):
        self.until(lambda: len(self.all(".turn .figures")) == turns)
        return self.all(".turn .answer")[-1].text

    def console(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def shades(self):
        """How often each background colour occurs among the tokens of the reading view."""
        return self.script("""
            const counts = {};
            for (const token of document.querySelectorAll('.token')) {
              const shade = getComputedStyle(token).backgroundColor;
              counts[shade] = (counts[shade] ?? 0) + 1;
            }
            return counts;""")

    def fits(self):
        return self.script("return document.documentElement.scrollWidth <= innerWidth && "
                           "[...document.querySelectorAll('main, aside, .conversation, .composer')].every("
                           "(part) => part.scrollWidth <= part.clientWidth + 1)")
