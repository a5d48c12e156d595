"""The labelling page in a browser: thirty tiles a minute by keyboard, and nothing lost or doubled whatever happens meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from synapse_assets.explorer import create_app
from synapse_assets.stores.annotators import Annotators
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.explorer.labelled import HOSTILE, ROUND, Labelled

if TYPE_CHECKING:
    from playwright.sync_api import Page

BATCH = f"/labelling/tiny/{ROUND}"


@pytest.fixture
def lab(labelled_once: Labelled, tmp_path: Path) -> Labelled:
    return labelled_once.again(tmp_path / "data")


@pytest.fixture
def server(lab: Labelled) -> Iterator[str]:
    served = Served(create_app([lab.dataset], lab.root, labelling=True))
    yield served.url
    served.stop()


class Process:
    """`synapse-assets explore --labelling` as a process that can be killed and started again where it was."""

    def __init__(self, lab: Labelled) -> None:
        described = lab.root / "tiny.yaml"
        described.write_text(yaml.safe_dump(lab.dataset.model_dump(mode="json", exclude_unset=True)))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ, "SYNAPSE_DATA_ROOT": str(lab.root), "SYNAPSE_DATASETS": str(described),
        }  # fmt: skip
        self._running: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", "from synapse_assets.cli import app; app()", "explore", "--labelling"]
        self._running = subprocess.Popen(
            [*command, "--port", str(self.port)], env=self._environment, cwd=self._environment["SYNAPSE_DATA_ROOT"]
        )
        deadline = time.monotonic() + 90
        while True:
            try:
                assert httpx.get(f"{self.url}/labelling").status_code == 401
                return
            except httpx.TransportError:
                assert self._running.poll() is None, "the explorer ended"
                assert time.monotonic() < deadline, "the explorer did not start"
                time.sleep(0.2)

    def kill(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()


@pytest.fixture
def process(lab: Labelled) -> Iterator[Process]:
    running = Process(lab)
    yield running
    running.kill()


def opened(page: "Page", url: str, token: str, path: str = BATCH) -> None:
    """The page of a batch, for the person whose token a link carries."""
    page.goto(f"{url}{path}#token={token}")
    page.wait_for_selector("button.answer")
    page.wait_for_load_state("networkidle")
    shown(page)


def shown(page: "Page") -> str:
    """Id of the tile that is shown, once its picture is there; "" where none is left."""
    page.wait_for_function(
        "() => document.querySelector('.one .done') || document.querySelector('.one .frame:not(.loading) img')?.complete"
    )
    found = page.locator(".about h2").all_inner_texts()
    return found[0].split()[-1] if found else ""


def kept(lab: Labelled) -> list[dict[str, Any]]:
    return lab.store.annotation_log.rows().to_pylist()


def saved(page: "Page") -> None:
    page.wait_for_function("() => document.querySelector('.saved').textContent === 'saved'")


def test_more_than_thirty_tiles_a_minute_by_keyboard(page: "Page", lab: Labelled, server: str) -> None:
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(answer.text()) if answer.url.endswith("/items") else None)
    opened(page, server, lab.tokens["Ada"])
    assert "token" not in page.url
    order, began = [], time.perf_counter()
    for number in range(36):
        order.append(shown(page))
        if number == 0:
            assert "gaba (0.63)" not in page.content(), "the guess is hidden"
            assert "The model" not in page.inner_text("main")
        page.keyboard.press("123nu"[number % 5])
    page.wait_for_selector(".done")
    saved(page)
    minutes = (time.perf_counter() - began) / 60
    print(f"{36 / minutes:.0f} tiles a minute")
    assert 36 / minutes > 30
    assert order == [f"s{at:03d}" for at in range(36)]
    rows = kept(lab)
    assert [row["item"] for row in rows] == order
    assert [row["answer"] for row in rows[:5]] == ["acetylcholine", "gaba", "glutamate", "not a synapse", "unsure"]
    assert {row["annotator"] for row in rows} == {"Ada"}
    assert not any(row["guess_seen"] for row in rows)
    assert all(0 < row["seconds"] < 60 for row in rows)
    assert "The model says" in page.inner_text(".last:not(.like)") or "The model agrees" in page.inner_text(
        ".last:not(.like)"
    )
    assert seen
    assert not any("guess_probability" in text for text in seen)


def test_sections_undo_and_buttons(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    assert page.inner_text(".one > p") == "Section 2 of 3"
    page.keyboard.press("]")
    assert page.inner_text(".one > p") == "Section 3 of 3"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("[")
    assert page.inner_text(".one > p") == "Section 1 of 3"
    page.get_by_role("button", name="glutamate").click()
    assert shown(page) == "s001"
    page.keyboard.press("z")
    assert shown(page) == "s000"
    page.keyboard.press("s")
    assert shown(page) == "s001"
    saved(page)
    assert [(row["kind"], row["item"], row["answer"]) for row in kept(lab)] == [
        ("answer", "s000", "glutamate"),
        ("undo", "s000", None),
        ("answer", "s000", "skip"),
    ]
    # The keys are said, also to who does not see them.
    assert page.locator("button.answer").first.get_attribute("aria-keyshortcuts") == "1"
    assert "sections" in page.inner_text(".keys")
    page.reload()
    assert shown(page) == "s001"
    page.keyboard.press("z")
    assert shown(page) == "s000", "what was said before the reload can be taken back"


def test_many_at_once_in_the_grid(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    page.keyboard.press("g")
    for key in ("Space", "ArrowRight", "Space", "ArrowDown", "Space", "2"):
        page.keyboard.press(key)
    saved(page)
    chosen = [row["item"] for row in kept(lab)]
    assert chosen[:2] == ["s000", "s001"]
    assert len(chosen) == 3
    page.keyboard.press("z")
    saved(page)
    assert [row["kind"] for row in kept(lab)] == ["answer"] * 3 + ["undo"] * 3
    page.goto(f"{server}/labelling/tiny/like_another?synapse_id=nobody")
    assert page.locator(".reason + a").get_attribute("href") == "/labelling/tiny"
    page.goto(f"{server}/labelling/tiny/like_another?synapse_id=s030")
    page.wait_for_selector(".cell.current")
    assert page.locator(".side").get_by_text("synapse s030, which these are like").is_visible()
    assert page.locator(".side img[alt='synapse s030']").is_visible()
    page.keyboard.press("a")
    assert page.locator(".cell[aria-selected=true]").count() == page.locator(".cell").count() > 10
    page.locator(".cell").nth(1).click()
    page.keyboard.press("n")
    saved(page)
    rows = kept(lab)[6:]
    assert len(rows) == page.locator(".cell").count() - 1
    assert {(row["answer"], row["origin"]) for row in rows} == {("not a synapse", "like another")}


def test_a_second_tab_learns_what_was_answered(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    other = page.context.new_page()
    opened(other, server, lab.tokens["Ada"])
    for _ in range(3):
        shown(page)
        page.keyboard.press("1")
    saved(page)
    other.wait_for_function("() => document.querySelector('.top .number').textContent.startsWith('3 ')")
    for _ in range(6):
        shown(other)
        other.keyboard.press("2")
    saved(other)
    page.wait_for_function("() => document.querySelector('.top .number').textContent.startsWith('8 ')", timeout=15_000)
    standing = {row["item"]: row["answer"] for row in kept(lab)}
    assert len(standing) == 8, "the first tile of the second tab was answered in both"
    assert len({row["answer_id"] for row in kept(lab)}) == 9
    other.close()


def test_a_killed_server_loses_and_doubles_nothing(page: "Page", lab: Labelled, process: Process) -> None:
    opened(page, process.url, lab.tokens["Ada"])
    for number in range(20):
        shown(page)
        if number == 7:
            process.kill()
        page.keyboard.press("123"[number % 3])
    page.wait_for_function("() => document.querySelector('.saved').textContent.includes('not saved yet, trying again')")
    # The page is gone before the server is back.
    assert page.evaluate("Object.keys(localStorage).length") >= 13
    page.goto("about:blank")
    assert len(kept(lab)) <= 7
    process.start()
    page.goto(f"{process.url}{BATCH}")
    for number in range(20, 36):
        assert shown(page) == f"s{number:03d}"
        page.keyboard.press("123"[number % 3])
    page.wait_for_selector(".done")
    saved(page)
    rows = kept(lab)
    assert sorted(row["item"] for row in rows) == [f"s{at:03d}" for at in range(36)]
    assert len({row["answer_id"] for row in rows}) == 36
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_a_tile_that_changed_is_shown_again(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    before = page.locator(".one .frame img").get_attribute("src")
    lab.change_tile("s000")
    page.keyboard.press("1")
    page.wait_for_selector(".reason:not([hidden])")
    assert "has changed since it was shown" in page.inner_text(".batch > .reason")
    assert kept(lab) == []
    page.wait_for_function(
        "before => document.querySelector('.one .frame img')?.getAttribute('src') !== before", arg=before
    )
    assert shown(page) == "s000"
    page.keyboard.press("1")
    saved(page)
    assert [row["item"] for row in kept(lab)] == ["s000"]


def test_who_is_logged_out_meanwhile_loses_nothing(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    page.context.clear_cookies()
    page.keyboard.press("1")
    page.wait_for_selector(".saved a")
    assert kept(lab) == []
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Your token").fill(lab.tokens["Ada"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("button.answer")
    saved(page)
    assert [(row["annotator"], row["item"]) for row in kept(lab)] == [("Ada", "s000")]


def test_what_one_has_said_is_never_sent_under_the_name_of_another(page: "Page", lab: Labelled, server: str) -> None:
    """One browser, several people one after the other; the name of one begins the name of another."""
    lee = Annotators(lab.root).add("Ada Lee")
    opened(page, server, lee)
    page.context.route("**/answers", lambda route: route.abort())
    page.keyboard.press("1")
    page.wait_for_function("() => document.querySelector('.saved').textContent.includes('trying again')")
    left_open = page.context.new_page()
    opened(left_open, server, lee)
    # A link with a token is that person's, whoever was logged in before.
    opened(page, server, lab.tokens["Ada"])
    page.context.unroute("**/answers")
    assert page.inner_text(".labeller b") == "Ada"
    left_open.wait_for_function("() => document.querySelector('.labeller b')?.textContent === 'Ada'")
    left_open.close()
    page.keyboard.press("2")
    saved(page)
    page.wait_for_timeout(2_500)
    assert [(row["annotator"], row["answer"]) for row in kept(lab)] == [("Ada", "gaba")]
    opened(page, server, lee)
    saved(page)
    said = [(row["annotator"], row["answer"]) for row in kept(lab)]
    assert said == [("Ada", "gaba"), ("Ada Lee", "acetylcholine")]


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, '{"error": "There is no such page"}'), (400, "This server is not called x"), (413, "<html>")],
)
def test_a_server_that_labels_nothing_at_the_moment_loses_nothing(
    page: "Page", lab: Labelled, server: str, status: int, body: str
) -> None:
    """Started without --labelling, under another name, or with a proxy before it that says something else."""
    opened(page, server, lab.tokens["Ada"])
    page.route("**/answers", lambda route: route.fulfill(status=status, body=body))
    page.keyboard.press("1")
    page.get_by_role("heading", name="s001").wait_for()
    shown(page)
    page.keyboard.press("2")
    page.get_by_role("heading", name="s002").wait_for()
    page.wait_for_function("() => document.querySelector('.saved').textContent.startsWith('2 not saved yet')")
    page.unroute("**/answers")
    saved(page)
    # Answers about different items wait for each other no more once one was not taken.
    assert sorted((row["item"], row["answer"]) for row in kept(lab)) == [("s000", "acetylcholine"), ("s001", "gaba")]


def test_an_answer_that_cannot_be_sent_holds_up_no_other(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    page.evaluate(
        """() => localStorage.setItem(`labelling /labelling/tiny/answers Ada old`, JSON.stringify({at: 0, number: 0, tab: "",
            body: {answer_id: "old", round: "round_009", item: "s005", answer: "gaba", tile_hash: "x", seconds: 1}}))"""
    )
    page.keyboard.press("1")
    page.wait_for_function("() => document.querySelector('.saved').textContent.startsWith('1 not saved yet')")
    assert "there is no round 'round_009'" in page.inner_text(".saved")
    assert [row["item"] for row in kept(lab)] == ["s000"]


def test_a_full_browser_asks_before_the_page_closes(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full'); }; }")
    page.route("**/answers", lambda route: route.abort())
    page.keyboard.press("1")
    page.wait_for_function("() => document.querySelector('.saved').textContent.includes('trying again')")
    is_asked = "() => !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert page.evaluate(is_asked)
    page.unroute("**/answers")
    saved(page)
    assert not page.evaluate(is_asked)
    assert [row["item"] for row in kept(lab)] == ["s000"]


def test_a_double_click_answers_one_tile(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens["Ada"])
    page.get_by_role("button", name="glutamate").dblclick()
    saved(page)
    assert [row["item"] for row in kept(lab)] == ["s000"]


def test_a_name_with_markup_is_text(page: "Page", lab: Labelled, server: str) -> None:
    opened(page, server, lab.tokens[HOSTILE])
    assert page.inner_text(".labeller b") == HOSTILE
    page.keyboard.press("1")
    saved(page)
    # Were it read as markup: the browser runs no script but those that the page names.
    page.evaluate(
        """() => {
            const inline = document.createElement("script");
            inline.textContent = "window.ran = true";
            const other = Object.assign(document.createElement("script"), {src: "/static/js/bokeh.min.js"});
            const image = document.createElement("div");
            image.innerHTML = "<img src=x onerror='window.ran = true'>";
            document.body.append(inline, other, image);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran || window.Bokeh") is None
    page.goto(f"{server}/labelling/tiny/agreement")
    assert page.locator("b[onmouseover]").count() == 0
    assert kept(lab)[0]["annotator"] == HOSTILE
