# SPDX-License-Identifier: Apache-2.0
"""The page with answers that a test writes: what is kept, what is shown, what happens when the server goes away."""

import json
import time

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys  # noqa: E402

from browsing import Page, chromium  # noqa: E402, F401
from page_server import BREAK, DEFAULTS, PageServer, chunk, last, progress  # noqa: E402

STORY = "The committee met on Monday in the old town hall of the village. " * 6 + \
    "It decided to sell the boat to the school for ninety crowns. " + "Nobody spoke of the weather that day, and the tea was cold. " * 6


@pytest.fixture
def server(root):
    with PageServer(root / "src" / "server" / "page") as running:
        yield running


@pytest.fixture
def page(chromium, server):  # noqa: F811
    return Page(chromium, server).open()


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "minutes of 3 May.txt"
    path.write_text(STORY)
    return path


def test_a_conversation_and_its_documents_survive_a_reload(page, server, story, tmp_path):
    page.add(story)
    page.ask("What was decided?")
    page.answered()
    other = tmp_path / "second.txt"
    other.write_text("Something else altogether.")
    page.add(other)
    page.id("question").send_keys("A draft")
    time.sleep(1.3)  # it is kept once a second
    page.reload()
    page.until(lambda: len(page.all(".turn .figures")) == 1)
    assert page.all(".turn .answer")[0].text == "Yes." and page.all(".turn .question p")[0].text == "What was decided?"
    assert "minutes of 3 May.txt" in page.all(".turn .chips")[0].text
    assert "second.txt" in page.id("documents").text and page.id("question").get_attribute("value") == "A draft"
    page.id("question").clear()
    page.ask("And then?")
    page.answered(turns=2)
    contents = [message["content"] for message in server.asked[-1]["messages"]]
    assert contents == [STORY + "\n\nWhat was decided?", "Yes.", "Something else altogether.\n\nAnd then?"]
    assert page.console() == []


def test_conversations_are_listed_opened_saved_brought_back_and_deleted(page, server, story, tmp_path):
    page.add(story)
    page.ask("First question")
    page.answered()
    page.id("new-chat").click()
    page.until(lambda: page.all(".turn") == [] and len(page.all("#documents .chip")) == 1)
    page.ask("Second question")
    page.answered()
    page.id("chats").click()
    page.until(lambda: len(page.all("#chats-list li")) == 2)
    titles = [title.text for title in page.all(".chat-title")]
    assert titles == ["Second question", "First question"]
    kept = page.browser.execute_async_script("""
        const done = arguments[0];
        Promise.all([import('/store.js'), import('/exporting.js')]).then(async ([store, exporting]) => {
          const chats = await store.all();
          done([exporting.asJson(chats), exporting.asMarkdown(chats[1])]);
        });""")
    assert "## First question" in kept[1] and "minutes of 3 May.txt" in kept[1] and "Yes." in kept[1]
    page.all("#chats-list .chat-open")[1].click()
    page.until(lambda: page.all(".turn .question p") and page.all(".turn .question p")[0].text == "First question")

    page.id("chats").click()
    for left in (1, 0):
        page.all("#chats-list li button:last-child")[0].click()
        page.until(lambda: len(page.all("#chats-list li")) == left)
    assert page.all(".turn") == []
    file = tmp_path / "kept.json"
    file.write_text(kept[0])
    page.id("import").send_keys(str(file))
    page.until(lambda: len(page.all("#chats-list li")) == 2)
    page.all("#chats-list .chat-open")[0].click()
    page.answered()
    assert len(page.all(".show-reading")) == 1

    for content, told in (("{", "no conversations"), (json.dumps({"format": "lazyllm-conversations", "version": 1, "conversations": [{"id": "x", "turns": [{}]}]}), "damaged"),
                          (json.dumps({"format": "lazyllm-conversations", "version": 99}), "version 99")):
        file.write_text(content)
        page.id("chats").click()
        page.id("import").send_keys(str(file))
        page.until(lambda: told in page.id("chats-notice").text)
        page.id("chats-close").click()


MARKDOWN = """# A title

Some **bold**, *slanted* and `code <b>` text, snake_case_name, 2 * 3 * 4.
A second line with [a link](https://example.org/a_b) and [a trap](javascript:alert(1)).

1. first
2. second
   - inner *point*
   - another

> quoted
> text

| name | price |
|------|------:|
| boat | 90 `a|b` |

```python
print("<script>document.title='injected'</script>")
```

<img src=x onerror="document.title='injected'"> ![picture](https://example.org/track.png) &amp; **unclosed
"""


def test_markdown_becomes_elements_and_nothing_else_does(page, server):
    server.answer = lambda body: [*[chunk(MARKDOWN[i:i + 7]) for i in range(0, len(MARKDOWN), 7)], last(body)]
    page.ask("Write")
    page.answered()
    shape = page.script("""
        const of = (selector) => [...document.querySelectorAll('.answer ' + selector)].map((found) => found.textContent);
        return Object.fromEntries(['h3', 'strong', 'em', 'ol > li', 'ol ul > li', 'blockquote', 'th', 'td', 'pre', 'p code', 'a', 'img', 'script'].map((s) => [s, of(s)]))""")
    assert shape["h3"] == ["A title"] and shape["strong"] == ["bold"] and shape["em"] == ["slanted", "point"]
    assert len(shape["ol > li"]) == 2 and shape["ol ul > li"] == ["inner point", "another"] and shape["blockquote"] == ["quotedtext"]
    assert shape["th"] == ["name", "price"] and shape["td"][0] == "boat" and shape["p code"] == ["code <b>"]
    assert shape["pre"] == ["print(\"<script>document.title='injected'</script>\")"] and shape["img"] == shape["script"] == []
    assert shape["a"] == ["a link", "picture"] and "a trap" in page.all(".answer")[0].text
    text = page.all(".answer")[0].text
    assert "snake_case_name, 2 * 3 * 4." in text and "**unclosed" in text and "<img src=x" in text
    assert page.script("return document.title") == "lazyllm" and page.console() == []


def test_hostile_markdown_costs_little(page):
    spent = page.browser.execute_async_script("""
        const done = arguments[0];
        import('/markdown.js').then(({MarkdownView}) => {
          const begin = performance.now();
          for (const text of ['*a '.repeat(20000), '['.repeat(20000), '> '.repeat(3000), '`'.repeat(9999) + 'x', '**a*_'.repeat(8000),
                              '[a]('.repeat(9000), '- '.repeat(4000), '|'.repeat(20000) + '\\n|-|', '__a '.repeat(15000), '# '.repeat(9000),
                              ' '.repeat(20000) + '-', '- a\\n\\n'.repeat(3000), '~~a '.repeat(9000)])
            new MarkdownView(document.createElement('div')).show(text);
          done(performance.now() - begin);
        });""")
    assert spent < 5000


def test_the_passages_that_counted_are_listed(page, server, story):
    deep = set("It decided to sell the boat school for ninety crowns.".split())
    server.answer = lambda body: [chunk("The boat."), last(body, lambda piece: piece.strip() in deep)]
    page.add(story)
    page.ask("What was decided?")
    page.answered()
    assert not page.id("reading").is_displayed()  # only when asked
    assert not page.all(".source")[0].is_displayed()
    page.all(".sources summary")[0].click()
    assert page.all(".source")[0].text == "It decided to sell the boat to the school for ninety crowns."
    page.all(".source")[0].click()
    assert page.id("reading").is_displayed() and page.id("layer").get_attribute("value") == "10"  # the deepest
    assert page.script("return document.querySelector('.token.current').textContent.trim()") == "It"
    shown = page.id("prompt-text").text
    assert "<|user|>" not in shown and "It decided" in shown
    page.id("show-template").click()
    assert "<|user|>" in page.id("prompt-text").text


def test_the_arrow_keys_pass_over_the_template(page, server, story):
    for deep, ends in ((lambda piece: piece.strip() == "sell", "sell"), (lambda piece: False, "decided?")):
        server.answer = lambda body, deep=deep: [chunk("Yes."), last(body, deep)]
        page.add(story)
        page.ask("What was decided?")
        page.until(lambda: page.all(".show-reading"))
        page.all(".show-reading")[-1].click()
        current = "return document.querySelector('.token.current')?.textContent.trim()"
        page.id("prompt-text").send_keys(Keys.ARROW_RIGHT)
        assert page.script(current) == "committee"  # the first word is "The"
        page.id("prompt-text").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        assert page.script(current) == "The"  # nothing in sight before it
        webdriver.ActionChains(page.browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
        assert page.script(current) == ends  # where the depth changes, or the last one in sight
        page.id("reading-close").click()
        page.id("new-chat").click()
        page.until(lambda: page.all(".turn") == [])
        page.all("#documents .remove")[0].click()


def test_an_answer_in_circles_is_stopped(page, server):
    server.answer = lambda body: [*[item for _ in range(60) for item in (chunk("The boat is blue and the boat is old. ", timings={"predicted_n": 9, "predicted_per_second": 30.5, "cache_n": 0}), 0.01)], last(body)]
    page.ask("What is it?")
    page.until(lambda: page.all(".turn .note"))
    assert "round in circles" in page.all(".turn .note")[0].text
    assert "30.5 tokens/s" in page.all(".turn .figures")[0].text and "9 tokens" in page.all(".turn .figures")[0].text
    length = len(page.all(".answer")[0].text)
    page.script("document.getElementById('settings').open = true")
    page.set("loops", "allow")
    page.ask("What is it?")
    page.answered(turns=2)
    assert len(page.all(".answer")[1].text) > 2 * length


def test_a_stopped_answer_keeps_its_figures(page, server):
    server.answer = lambda body: [item for word in range(400) for item in (chunk(f"word{word} ", timings={"predicted_n": word + 1, "predicted_per_second": 12.5, "cache_n": 3}), 0.05)]
    page.ask("Count")
    page.until(lambda: "word5" in page.all(".answer")[0].text)
    page.id("stop").click()
    page.until(lambda: page.all(".turn .figures"))
    figures = page.all(".turn .figures")[0].text
    assert "Stopped." in page.all(".turn .foot")[0].text
    assert "First word after" in figures and "12.5 tokens/s" in figures and "Known already" in figures


def test_a_broken_connection_loses_nothing_and_is_found_again(page, server):
    server.answer = lambda body: [chunk("Half of an "), chunk("answer"), 0.2, BREAK]
    page.ask("Tell me")
    page.until(lambda: page.all(".turn .note"))
    assert page.all(".answer")[0].text == "Half of an answer" and "broke off" in page.all(".turn .note")[0].text
    page.reload()
    page.until(lambda: page.all(".answer"))
    assert page.all(".answer")[0].text == "Half of an answer"

    port = server.port
    server.stop()
    page.ask("Still there?")
    page.until(lambda: "does not answer" in page.id("connection").text)
    assert page.id("question").get_attribute("value") == "Still there?"
    server.start(port)
    page.until(lambda: not page.id("connection").is_displayed())
    server.answer = lambda body: [chunk("Back."), last(body)]
    page.id("send").click()
    page.until(lambda: page.all(".answer")[-1].text == "Back.")
    assert [message["content"] for message in server.asked[-1]["messages"]] == ["Tell me", "Half of an answer", "Still there?"]


def test_a_server_that_loads_its_model_is_waited_for(chromium, server):  # noqa: F811
    server.loading = True
    page = Page(chromium, server)
    chromium.get(server.url + "/")
    page.until(lambda: page.id("connection").text == "The model is being loaded …")
    assert page.id("notice").text == ""
    server.loading = False
    page.until(lambda: "stub.gguf" in page.id("model").text and not page.id("connection").is_displayed())


def test_left_in_the_middle_keeps_what_was_written(page, server):
    server.answer = lambda body: [item for word in range(200) for item in (chunk(f"word{word} "), 0.05)]
    page.ask("Count")
    page.until(lambda: "word30" in page.all(".answer")[0].text)
    page.reload()
    page.until(lambda: page.all(".answer"))
    assert "word9" in page.all(".answer")[0].text and "Interrupted" in page.all(".turn .note")[0].text


def test_thoughts_are_folded_away(page, server):
    thought = {"choices": [{"index": 0, "delta": {"reasoning_content": "Let me <b>see</b>. "}, "finish_reason": None}]}
    server.answer = lambda body: [thought, 3, thought, chunk("Yes."), last(body)]
    page.ask("Well?")
    page.until(lambda: page.all(".wait") and "Thinking" in page.all(".wait")[0].text)
    page.answered()
    assert page.all(".answer")[0].text == "Yes." and not page.all(".thoughts p")[0].is_displayed()
    page.all(".thoughts summary")[0].click()
    assert page.all(".thoughts p")[0].text.strip() == "Let me <b>see</b>. Let me <b>see</b>."
    page.ask("And?")
    page.answered(turns=2)
    assert server.asked[1]["messages"][1] == {"role": "assistant", "content": "Yes."}
    page.reload()
    page.until(lambda: len(page.all(".thoughts")) == 2)


def test_retry_edit_and_copy(page, server):
    server.answer = lambda body: [chunk(f"Answer {len(server.asked)}"), last(body)]
    page.ask("One")
    page.answered()
    page.ask("Two")
    page.answered(turns=2)
    page.all(".turn .retry")[1].click()
    page.until(lambda: page.all(".answer")[-1].text == "Answer 3")
    assert len(page.all(".turn")) == 2

    page.all(".turn .edit")[0].click()
    assert page.id("editing").is_displayed() and page.id("question").get_attribute("value") == "One"
    page.id("edit-cancel").click()
    assert page.id("question").get_attribute("value") == "" and len(page.all(".turn")) == 2
    page.all(".turn .edit")[0].click()
    page.id("question").send_keys(" and more", Keys.ENTER)
    page.until(lambda: len(page.all(".turn")) == 1 and page.all(".answer")[0].text == "Answer 4")
    assert [message["content"] for message in server.asked[-1]["messages"]] == ["One and more"]
    assert not page.id("editing").is_displayed()

    page.browser.execute_cdp_cmd("Browser.grantPermissions", {"origin": server.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    page.all(".turn .copy")[0].click()
    page.until(lambda: page.all(".turn .copy")[0].text == "Copied")
    assert page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == "Answer 4"


def test_asks_without_skipping_beside_the_answer(page, server, story):
    server.answer = lambda body: [chunk("Dense says so." if body["lazy"].get("policy") == "dense" else "Lazy says so."), last(body, policy=body["lazy"].get("policy", "lazy"))]
    page.add(story)
    page.ask("What?")
    page.answered()
    page.all(".turn .compare")[0].click()
    page.answered(turns=2)
    assert [answer.text for answer in page.all(".answer")] == ["Lazy says so.", "Dense says so."]
    assert server.asked[1]["messages"] == server.asked[0]["messages"] and server.asked[1]["lazy"] == {"policy": "dense"}
    left, right = (column.rect for column in page.all(".column"))
    assert abs(left["y"] - right["y"]) < 2 and right["x"] > left["x"]
    page.reload()
    page.until(lambda: len(page.all(".answer")) == 2)
    page.ask("And?")
    page.until(lambda: len(server.asked) == 3)
    assert server.asked[2]["messages"][1] == {"role": "assistant", "content": "Lazy says so."}


@pytest.mark.parametrize("profile", [None, "stub.profile.json"])
def test_one_control_says_how_much_is_skipped(chromium, root, profile):  # noqa: F811
    with PageServer(root / "src" / "server" / "page", defaults={**DEFAULTS, "profile": profile}) as server:
        page = Page(chromium, server).open()
        names = [choice.text for choice in page.all("#skipping .choice")]
        assert names == (["Measured"] if profile else []) + ["Careful", "Balanced", "Fast", "Off"]

        def chosen():
            return [choice.text for choice in page.all("#skipping .choice:has(:checked)")]

        assert chosen() == ["Measured" if profile else "Careful"]
        page.ask("x")
        page.answered()
        assert "prune" not in server.asked[0]["lazy"] and "policy" not in server.asked[0]["lazy"]
        for name, sent in (("Fast", {"prune": "fast"}), ("Off", {"policy": "dense"}), ("Balanced", {"prune": "balanced"})):
            [choice for choice in page.all("#skipping .choice") if choice.text == name][0].click()
            assert chosen() == [name]
            page.ask("x")
            page.until(lambda: len(page.all(".turn .figures")) == len(server.asked) and not page.id("stop").is_displayed())
            told = server.asked[-1]["lazy"]
            assert {key: told.get(key) for key in ("prune", "policy") if key in told} == sent
        page.reload()
        assert chosen() == ["Balanced"]
        page.script("document.getElementById('settings').open = true")
        page.set("policy", "random")
        page.set("preset", "")
        assert chosen() == [] and "Expert" in page.id("skipping-summary").text


def test_says_how_long_reading_will_take(page, server):
    server.answer = lambda body: [progress(0, 10000), 1.2, progress(1000, 10000), 0.3, progress(1500, 10000), 2, chunk("Yes."), last(body)]
    page.ask("x")
    page.until(lambda: page.all(".wait") and "left" in page.all(".wait")[0].text)
    assert "Reading 10,000 tokens: 1" in page.all(".wait")[0].text
    page.answered()


def test_names_of_files_stay_as_they_are(page, tmp_path):
    for name, content in (("report.pdf", b"%PDF-1.7 \xff\xfe"), ("iPhone notes.txt", b"")):
        (tmp_path / name).write_bytes(content)
        page.id("files").send_keys(str(tmp_path / name))
        page.until(lambda: name in page.id("notice").text)
        assert page.id("notice").text.startswith(name)
        transformed = page.script("return [getComputedStyle(document.getElementById('notice')).textTransform,"
                                  "getComputedStyle(document.getElementById('notice'), '::first-letter').textTransform]")
        assert transformed == ["none", "none"]
    (tmp_path / "Other.pdf").write_bytes(b"%PDF-1.7 \xff\xfe")  # what the server says of it is told with its name
    page.id("files").send_keys(str(tmp_path / "Other.pdf"))
    page.until(lambda: "Other.pdf" in page.id("notice").text)
    assert page.id("notice").text == "Other.pdf: The PDF is damaged."


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (360, True)])
def test_axe_finds_nothing(chromium, server, story, width, dark):  # noqa: F811
    """Rules for accessible pages, in every state that the page has."""
    axe = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed")
    server.answer = lambda body: [chunk(MARKDOWN), last(body, lambda piece: "boat" in piece, policy=body["lazy"].get("policy", "lazy"))]
    page = Page(chromium, server).open(width=width, height=800, dark=dark)

    def check(state):
        checker = axe.Axe(chromium)
        checker.inject()
        found = [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in checker.run()["violations"]]
        assert found == [], state

    check("empty")
    page.add(story)
    page.script("document.getElementById('settings').open = true")
    check("a document and the settings")
    page.script("document.getElementById('settings').open = false")
    page.ask("What was decided?")
    page.answered()
    page.all(".sources summary")[0].click()
    assert page.fits()
    check("an answer")
    page.all(".compare")[0].click()
    page.answered(turns=2)
    assert page.fits()
    check("two answers")
    page.id("chats").click()
    page.until(lambda: page.all("#chats-list li"))
    assert page.fits()
    check("conversations")
    page.id("chats-close").click()
    page.all(".edit")[0].click()
    assert page.fits()
    check("editing")
    page.id("edit-cancel").click()
    page.all(".show-reading")[0].click()
    assert page.fits()
    check("what was read")
