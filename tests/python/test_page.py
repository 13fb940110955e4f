# SPDX-License-Identifier: Apache-2.0
"""The page of `lazyllm serve` in a real headless Chromium."""

import json
import re
import urllib.request

import pytest
from serving import ServeProcess

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys  # noqa: E402

from browsing import Page, QUESTION, chromium  # noqa: E402, F401

HOSTILE = "A line about <b id='injected'>bold</b> tags & <img src=x onerror=\"document.title='injected'\"> entities.\n\n"


@pytest.fixture(scope="module")
def server(program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "-c", 4096, "--parallel", 2) as process:
        yield process


@pytest.fixture
def page(chromium, server):
    return Page(chromium, server)


@pytest.fixture(scope="module")
def document(root, tmp_path_factory):
    """Some 1,200 tokens."""
    path = tmp_path_factory.mktemp("documents") / "handbook.txt"
    path.write_text(HOSTILE + (root / "docs" / "handbook.md").read_text()[:6000])
    return path


def test_loads_quietly_and_from_this_server_only(page, server):
    page.open()
    assert page.console() == []
    requested = page.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(requested) >= 10 and all(url.startswith(server.url + "/") for url in requested)
    with urllib.request.urlopen(server.url + "/", timeout=10) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert page.script("return document.activeElement.id") == "question"


def test_answers_as_a_stream_and_reads_the_document_once(page, document):
    page.open()
    page.add(document)
    page.set("max-tokens", 24)
    page.script("window.texts = new Set(); new MutationObserver(() => window.texts.add(document.querySelector('.answer')?.textContent))"
                ".observe(document.getElementById('turns'), {childList: true, subtree: true, characterData: true})")
    page.ask()
    assert "handbook.txt" in page.all(".turn .question")[0].text and page.all("#documents .chip") == []
    text = page.answered()
    assert len(text) > 10 and page.script("return window.texts.size") > 8
    figures = page.all(".turn .figures")[0].text
    for name in ("First word after", "Without skipping, about", "Work done", "Writing"):
        assert name in figures

    page.ask("Name one animal.")
    page.answered(turns=2)
    assert "Known already" in page.all(".turn .figures")[1].text
    assert page.script("return document.getElementById('injected') === null && document.title === 'lazyllm'")
    assert page.console() == []


def test_reads_ahead_while_the_question_is_typed(page, document):
    page.open()
    page.set("max-tokens", 8)
    page.add(document)
    page.until(lambda: "Ask away" in page.id("ahead").text)
    page.ask()
    page.answered()
    figures = page.all(".turn .figures")[-1].text
    assert "Known already" in figures, figures
    assert page.id("ahead").text == ""
    assert page.console() == []


def test_stop_ends_the_answer_and_frees_the_slot(page, server):
    page.open()
    page.set("max-tokens", 2000)
    page.set("temperature", 1)  # the most likely words would run in circles, which ends the answer before the click
    page.ask("Write a very long story about a sloth, with many chapters.")
    page.until(lambda: len(page.all(".turn .answer")[0].text) > 20)
    page.id("stop").click()
    page.until(lambda: "Stopped." in page.all(".turn .foot")[0].text)
    assert page.id("send").is_displayed() and not page.id("stop").is_displayed()
    server.wait_until_idle()
    page.set("max-tokens", 4)
    figures = len(page.all(".turn .figures"))  # a stopped answer may have its own
    page.ask("Hello")
    page.answered(figures + 1)


def test_drops_documents_and_refuses_what_is_no_text(page):
    page.open()
    drop = """
        const transfer = new DataTransfer();
        for (const [name, bytes] of arguments[0]) transfer.items.add(new File([new Uint8Array(bytes)], name));
        for (const type of ['dragover', 'drop']) {
          document.body.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
          if (type === 'dragover') window.veil = !document.getElementById('drop').hidden;
        }"""
    page.script(drop, [["good.txt", list(b"A sloth sleeps. " * 50)], ["also.txt", list("Größe".encode())], ["latin1.txt", [0x47, 0xFC]],
                       ["image.bin", [65, 0, 66]], ["empty.txt", [32]]])
    page.until(lambda: len(page.all("#documents .chip")) == 3 and "counting" not in page.id("documents").text and page.id("notice").text)
    assert page.script("return window.veil") is True and not page.id("drop").is_displayed()
    notice = page.id("notice").text
    assert "image.bin is not a text" in notice and "empty.txt is empty" in notice
    page.all("#documents .remove")[2].click()  # latin1.txt, which the server could read
    _, answer = page.server.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "A sloth sleeps. " * 50}], "max_tokens": 1})
    counted = answer["usage"]["prompt_tokens"]
    shown = int(page.all("#documents .size")[0].text.split()[0].replace(",", ""))
    assert 0 <= counted - shown < 40  # the template's tokens
    assert "of 4,096 tokens" in page.id("fit").text
    page.all("#documents .remove")[0].click()
    assert len(page.all("#documents .chip")) == 1 and "also.txt" in page.id("documents").text

    page.script(drop, [["long.txt", list(b"word " * 6000)]])
    page.until(lambda: "the model holds 4,096" in page.id("fit").text)
    page.ask()
    assert page.all(".turn") == [] and "the model holds 4,096" in page.id("notice").text


def test_reading_view_shows_what_each_layer_read(page, server, document):
    page.open()
    page.add(document)
    page.set("preset", "own")
    page.set("schedule", "10:0.5,20:0.4")
    page.set("max-tokens", 8)
    page.ask()
    page.answered()
    assert not page.id("reading").is_displayed()  # only when asked
    page.all(".show-reading")[0].click()
    assert page.id("layer").get_attribute("value") == "30"

    prompt = document.read_text().rstrip("\n") + "\n\n" + QUESTION  # as run -f composes it
    _, answer = server.ask("/v1/chat/completions", {
        "messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 8,
        "lazy": {"policy": "lazy", "prune": "10:0.5,20:0.4", "report": "tokens"}})
    kept, tokens = answer["lazy"]["kept_per_layer"], answer["lazy"]["tokens"]
    assert len(page.all(".token")) == len(tokens["pieces"]) == kept[0]
    assert page.script("return document.getElementById('prompt-text').textContent") == "".join(tokens["pieces"])
    seen = []
    for layer in (1, 10, 11, 21, 30):
        page.set("layer", layer)
        alive = int(page.id("layer-text").text.split(":")[1].split()[0].replace(",", ""))
        assert alive == kept[layer - 1]
        shaded = sum(count for shade, count in page.shades().items() if not shade.endswith("/ 0)") and shade != "rgba(0, 0, 0, 0)")
        assert shaded == alive
        seen.append(alive)
    assert seen[0] == seen[1] > seen[2] > seen[3] == seen[4]

    page.set("layer", 1)
    before = page.shades()
    page.set("step", 7)
    revived = {token for step, token, depth in tokens["revived"] if step <= 7}
    assert len(revived) > 0 and len(page.all(".token.revived")) == len(revived) and page.shades() != before
    page.set("step", 0)
    assert page.shades() == before and page.all(".token.revived") == []
    assert [item.text for item in page.all("#legend li")][:3] == ["all 30 layers", "skipped after layer 20", "skipped after layer 10"]
    # A schedule of one's own is kept to, also where dense would find the whole document in the cache and be sooner.
    speed = page.id("reading-speed").text
    own, dense = (float(time) * {"ms": 1, "s": 1000}[unit] for time, unit in re.findall(r"^([\d.]+) (ms|s)$", speed, re.MULTILINE))
    words = {"sooner": dense >= 1.1 * own, "later": own >= 1.1 * dense}  # in between the page may round to "as soon"
    assert all(word in speed for word, so in words.items() if so), speed
    assert not (words["sooner"] and "later" in speed) and not (words["later"] and "sooner" in speed), speed
    assert page.console() == []


def test_shows_errors_and_goes_on(page):
    page.open()
    page.set("preset", "own")
    page.set("schedule", "99:0.5")
    page.set("max-tokens", 4)
    page.ask("Hello there")
    page.until(lambda: page.all(".turn .error"))
    assert "99" in page.all(".turn .error")[0].text and page.id("question").get_attribute("value") == "Hello there"
    page.set("preset", "")
    page.ask("")
    page.answered()
    assert page.all(".error") == []


def test_works_by_keyboard_alone(page, chromium, document):
    page.open()
    page.add(document)
    page.set("max-tokens", 6)

    def press(*keys):
        webdriver.ActionChains(chromium).send_keys(*keys).perform()

    def focused():
        return page.script("return document.activeElement.id || document.activeElement.className")

    def tab_to(wanted):
        for _ in range(40):
            if wanted in focused():
                ring = page.script("const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none'")
                assert ring or focused() in ("question", "files"), f"{wanted} has no visible focus"
                return
            press(Keys.TAB)
        raise AssertionError(f"tab never reaches {wanted}")

    press("What is a token?", Keys.ENTER)
    page.answered()
    for name in ("files", "send", "chats", "new-chat", "show-reading"):
        tab_to(name)
    press(Keys.ENTER)
    assert focused() == "reading-title"
    tab_to("layer")
    press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.id("layer-text").text.startswith("3 of 30")
    tab_to("prompt-text")
    first = page.script("return Number(document.querySelector('.token.current').dataset.token)")
    assert first > 0 and page.script("return document.querySelector('.token.current').textContent").strip() == "A"  # past the template
    press(Keys.ARROW_RIGHT)
    assert f"token {first + 2} of" in page.id("token-detail").text and len(page.all(".token.current")) == 1
    webdriver.ActionChains(chromium).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    detail = page.id("token-detail").text
    assert f"token {first + 2} of" not in detail and "layer" in detail
    press(Keys.ESCAPE)
    assert not page.id("reading").is_displayed() and "show-reading" in focused()


CONTRASTS = """
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const context = canvas.getContext('2d', {willReadFrequently: true});
    const paint = (colors) => {
      for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const worst = {};
    for (const element of document.querySelectorAll('body *')) {
      const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
      if (!text || !element.checkVisibility() || element.disabled) continue;
      const backgrounds = [];
      for (let part = element; part; part = part.parentElement) backgrounds.unshift(getComputedStyle(part).backgroundColor);
      const behind = paint(['white', ...backgrounds]);
      const [a, b] = [luminance(behind), luminance(paint([getComputedStyle(element).color]))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const name = element.className || element.id || element.tagName;
      worst[name] = Math.min(worst[name] ?? 99, ratio);
    }
    return worst;"""


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_in_light_and_dark(page, document, dark):
    page.open(dark=dark)
    background = page.script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == dark
    page.add(document)
    page.set("preset", "fast")
    page.set("max-tokens", 6)
    page.script("document.getElementById('settings').open = true")
    page.ask()
    page.answered()
    page.all(".show-reading")[0].click()
    page.set("step", 4)
    for layer in (1, 30):
        page.set("layer", layer)
        poor = {name: round(ratio, 2) for name, ratio in page.script(CONTRASTS).items() if ratio < 4.5}
        assert poor == {}


def test_fits_a_phone(page, document):
    page.open(width=360, height=740)
    assert page.fits()
    page.script("document.getElementById('settings').open = true")
    assert page.fits()
    page.script("document.getElementById('settings').open = false")
    page.add(document)
    assert page.fits()
    page.set("max-tokens", 6)
    page.ask("What is this? " + "Averylongwordwithoutanyplacetobreakit" * 3)
    page.answered()
    assert page.fits() and not page.id("reading").is_displayed()
    page.all(".show-reading")[0].click()
    assert page.fits() and page.id("reading").is_displayed()
    page.id("reading-close").click()
    assert page.id("question").is_displayed()


def test_asks_for_the_key(chromium, program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "-c", 512, "--parallel", 1, "--api-key", "sesame", "--no-warmup") as server:
        page = Page(chromium, server)
        chromium.get(server.url + "/")
        page.until(lambda: page.id("key-dialog").is_displayed())
        page.id("key").send_keys("wrong", Keys.ENTER)
        page.until(lambda: "refused" in page.id("key-title").text)
        page.id("key").send_keys("sesame", Keys.ENTER)
        page.until(lambda: "512" in page.id("model").get_property("textContent"))
        page.set("max-tokens", 3)
        page.ask("Hello")
        page.answered()
        stored = page.script("return [Object.values(sessionStorage), Object.values(localStorage)]")
        assert "sesame" in stored[0] and "sesame" not in json.dumps(stored[1])
