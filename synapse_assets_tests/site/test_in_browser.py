"""A site in a real browser: it answers what the explorer answers, asks nobody else, and says in a sentence what it cannot do."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synapse_assets.explorer import create_app
from synapse_assets.query import Filters, Warehouse, open_warehouse
from synapse_assets.query.points import CATEGORIES, NUMBERS
from synapse_assets.query.search import VectorsInMemory
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.site.hosts import PREFIX, PlainHost, generous_host

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

METRICS = ("cosine", "l2", "l1", "inner_product")
HOSTILE = "\"><img src=x onerror=alert(1)>/../%2e?#&+é'`"


@pytest.fixture(scope="module")
def stored(site_folder: Path) -> Iterator[VectorsInMemory]:
    """The vectors that the site has, which every warehouse has while this module is tested."""
    folder = site_folder / "tiny" / "browse"
    described = json.loads((folder / "site.json").read_text())["vectors"]
    codes = np.fromfile(folder / "vectors.i8", dtype=np.int8).reshape(-1, described["dimensions"])
    present = pq.read_table(folder / "points.parquet").column("has_vector").to_numpy()
    vectors = VectorsInMemory((codes * np.array(described["scale"])).astype(np.float32), present)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "vectors", vectors)
        yield vectors


@pytest.fixture(scope="module")
def warehouse(finished_lab: Lab, stored: VectorsInMemory) -> Iterator[Warehouse]:
    with open_warehouse(finished_lab.dataset, finished_lab.root) as opened:
        yield opened


@pytest.fixture(scope="module")
def explorer(finished_lab: Lab, stored: VectorsInMemory) -> Iterator[str]:
    """Address of an explorer that searches the vectors of the site."""
    served = Served(create_app([finished_lab.dataset], finished_lab.root))
    yield served.url
    served.stop()


def shown(page: "Page", address: str) -> None:
    """Opens a page of the site, and waits until it is made."""
    page.goto(address)
    page.wait_for_selector("main:not([aria-busy=true]) > :not(noscript):not([role=status])")


def follow(page: "Page", path: str) -> None:
    """Goes to another page of the entry without loading it, as its links do."""
    page.evaluate("path => history.pushState(null, '', path)", path)
    page.evaluate("window.dispatchEvent(new PopStateEvent('popstate'))")
    page.wait_for_selector("main:not([aria-busy=true])")


def text_of(page: "Page") -> str:
    """What a reader sees in <main>, words apart by one blank."""
    return re.sub(r"\s+", " ", page.locator("main").inner_text()).strip()


def results(page: "Page") -> list[str]:
    """Ids of the tiles in the results, column by column."""
    return page.locator(".results figure.tile .id").all_inner_texts()


@pytest.mark.parametrize("metric", METRICS)
def test_results_are_those_of_the_warehouse(
    page: "Page", plain_host: PlainHost, warehouse: Warehouse, metric: str
) -> None:
    shown(page, f"{plain_host.url}/tiny/search/?synapse_id=s010")
    number = warehouse.points.categories["cluster"].names[0]
    chosen: list[dict[str, list[str]]] = [
        {},
        {"target": ["gaba", "glutamate"]},
        {"brain_region": ["EB"], "cluster": [number]},
    ]
    left_out = [(False, 0.0), (True, 150.0), (False, 48.0)]
    for columns, (filters, (own_neuron, near_nm)) in product(
        ("", "target", "cluster"), zip(chosen, left_out, strict=True)
    ):
        options = {"synapse_id": "s010", "columns": columns, "k": 5, "metric": metric, "near_nm": near_nm}
        options |= {"own_neuron": "in" if own_neuron else "out"}
        follow(page, f"?{urlencode({**options, **filters}, doseq=True)}")
        expected = warehouse.similar(
            "s010",
            k=5,
            columns=columns or None,
            metric=metric,  # type: ignore[arg-type]
            filters=Filters(filters),
            leave_out_own_neuron=not own_neuron,
            leave_out_within_nm=near_nm,
        )
        assert results(page) == expected["synapse_id"].tolist(), options
        numbers = page.locator(".results figure.tile b.number").all_inner_texts()
        assert [float(text) for text in numbers] == pytest.approx(expected["distance"].tolist(), abs=6e-4)
        if columns:
            titles = page.locator(".results h2").all_inner_texts()
            assert [title.removeprefix("cluster ") for title in titles] == expected["column"].unique().tolist()


PATHS = (
    "search",
    "search?synapse_id=s010",
    "search?synapse_id=%20s010%20",
    *(f"search?synapse_id=s010&k=3&near_nm=0&metric={metric}&columns=target" for metric in METRICS),
    "search?synapse_id=s010&columns=&k=12&brain_region=EB&target=gaba",
    "search?synapse_id=s010&columns=cluster&own_neuron=in",
    "search?synapse_id=s010&cluster=0&cluster=1",
    "search?synapse_id=s011&columns=brain_region&probability_least=0.4&valid_fraction_least=.5",
    "search?metric=l2&k=2",
    # What cannot be searched.
    "search?synapse_id=nobody",
    f"search?synapse_id={quote('<script>alert(1)</script>')}",
    "search?synapse_id=s010&metric=euclid",
    "search?synapse_id=s010&columns=size",
    "search?synapse_id=s010&k=many",
    "search?synapse_id=s010&k=9999",
    "search?synapse_id=s010&near_nm=nan",
    "search?synapse_id=s010&near_nm=-1",
    "search?synapse_id=s010&brain_region=XX",
    "search?synapse_id=s010&brain_region=' or 1=1 --",
    "search?synapse_id=s010&probability_least=2",
    "search?synapse_id=s010&columns=target&target=(none)",
    f"search?synapse_id={'x' * 3000}",
    *(f"search?synapse_id=s010&{name}=XX" for name in CATEGORIES),
    *(f"search?synapse_id=s010&{name}_least=many" for name in NUMBERS),
    "synapse/s010",
    "synapse/s036",
    "synapse/nobody",
    "gallery",
    "gallery?target=gaba&seed=3",
    "gallery?target=gaba&predicted=glutamate&predicted=gaba",
    "gallery?probability_least=0.5",
    "gallery?brain_region=EB&cluster=0&cluster=(none)",
    "gallery?target=gaba&predicted=XX",
    "gallery?seed=many",
    "clusters",
    "clusters/0",
    "clusters/1?seed=2",
    "classes",
)
# Title, text, pictures and links of a page. What the explorer has beside is left out: what needs a server, and pages that a site lacks.
_READ = """html => {
  const read = html === null ? document : new DOMParser().parseFromString(html, "text/html");
  const main = read.querySelector("main").cloneNode(true);
  const beside = `form[method=post], .ask details:has(input[name=place]), figcaption a[href*="/alike?"], figcaption a[href*="/neuron/"],
    noscript`;
  for (const element of main.querySelectorAll(beside)) element.remove();
  for (let part = main.querySelector("#explain"), next; part && (part.id === "explain" || !part.matches("h2")); part = next) {
    next = part.nextElementSibling;
    part.remove();
  }
  const names = (selector, name) => [...main.querySelectorAll(selector)].map(element => element.getAttribute(name));
  return {
    title: read.title,
    text: main.textContent.replace(/\\s+/g, " ").trim(),
    pictures: names("img", "alt"),
    links: names("a:not([href*='/neuron/'])", "href"),
  };
}"""


def as_on_the_site(link: str, root: str) -> str:
    """A link of the explorer as a site has it."""
    link = re.sub(r"^/tiny/synapse/(.*)", r"/tiny/synapse/?synapse_id=\1", link)
    return f"{root}{link}" if link.startswith("/") else link


def test_every_permalink_of_the_explorer_reads_the_same(page: "Page", explorer: str, plain_host: PlainHost) -> None:
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    shown(page, f"{plain_host.url}/tiny/gallery/")
    for path in PATHS:
        ours = as_on_the_site(f"/tiny/{path}", f"/{PREFIX}")
        if path.startswith(("clusters", "classes")):
            shown(page, f"{plain_host.url}/tiny/{path}")
        else:
            follow(page, ours)
        read = page.evaluate(_READ, None)
        expected = page.evaluate(_READ, httpx.get(f"{explorer}/tiny/{path}", timeout=60).text)
        text = expected["text"].replace(", a place in the volume, or a picture of your own.", ".")
        root = "../.." if path in ("clusters", "classes") else f"/{PREFIX}"
        links = [as_on_the_site(link, root) for link in expected["links"]]
        read["links"] = [link.removeprefix(plain_host.url.removesuffix(f"/{PREFIX}")) for link in read["links"]]
        if "A random sample" in text and "A random sample 48 of" in text:
            # The sample of a site lies together in few files, so that it is another one.
            text, read["text"] = (one.partition("Draw another")[0] for one in (text, read["text"]))
            count = len(expected["pictures"]) - 48
            for name, values in (("pictures", expected["pictures"]), ("links", links)):
                kept = count if name == "pictures" else next(at for at, link in enumerate(links) if "seed=" in link)
                assert len(read[name]) == len(values), path
                del read[name][kept:], values[kept:]
        assert (path, read["text"]) == (path, text)
        assert (path, read["links"]) == (path, links)
        assert (path, read["pictures"]) == (path, expected["pictures"])
        assert read["title"] == f"{expected['title']} – Tiny brain"
        if not path.startswith("synapse"):
            assert page.locator("header nav a[aria-current]").inner_text().lower() == re.split("[/?]", path)[0]
    assert refused == []


@pytest.mark.parametrize("query", ["place=1,2,3", "upload=abc", "synapse_id=&place=&place_before=4,5,6"])
def test_what_needs_the_encoder_is_told(page: "Page", plain_host: PlainHost, query: str) -> None:
    shown(page, f"{plain_host.url}/tiny/search?{query}")
    assert "needs the encoder" in page.locator(".reason").inner_text()
    assert page.locator("form.ask").count() == 1
    assert page.locator("input[type=file]").count() == 0


def test_a_sample_is_drawn_from_all_that_fulfil_the_filters(
    page: "Page", plain_host: PlainHost, warehouse: Warehouse
) -> None:
    column = warehouse.points.categories["target"]
    drawn: list[list[str]] = []
    for seed in range(3):
        shown(page, f"{plain_host.url}/tiny/gallery?target=gaba&target=glutamate&seed={seed}")
        assert "24 of 48" not in page.locator("main").inner_text()
        ids = page.locator("h2:has-text('A random sample') ~ .tiles .id").all_inner_texts()
        assert len(set(ids)) == len(ids) == 48
        assert {column.value(warehouse.points.row(one)) for one in ids} == {"gaba", "glutamate"}
        shown(page, f"{plain_host.url}/tiny/gallery?seed={seed}")
        ids = page.locator("h2:has-text('A random sample') ~ .tiles .id").all_inner_texts()
        assert len(set(ids)) == len(ids) == 48
        assert ids == sorted(ids)
        drawn.append(ids)
    page.get_by_role("link", name="Draw another").click()
    page.wait_for_url("**seed=3")


def test_clicks_lead_on_without_loading_and_back_leads_back(page: "Page", ranges_host: PlainHost) -> None:
    shown(page, f"{ranges_host.url}/tiny/search?metric=l2&k=2")
    page.evaluate("window.stays = true")
    page.get_by_label("Synapse id").fill("s010")
    page.keyboard.press("Enter")
    page.wait_for_url("**synapse_id=s010**")
    page.wait_for_selector(".query h2")
    seen = ["s010"]
    for _ in range(3):
        page.locator("figure.tile a").first.click()
        page.wait_for_function("id => document.querySelector('.query h2')?.innerText !== id", arg=seen[-1])
        seen.append(page.locator(".query h2").inner_text())
    assert "metric=l2" in page.url, "what was chosen is kept from click to click"
    assert page.locator("figure.tile").count() == 6
    assert page.evaluate("document.activeElement === document.querySelector('main')"), "a reader begins at the new page"
    assert page.evaluate("scrollY") == 0
    for expected in reversed(seen[:-1]):
        page.go_back()
        page.wait_for_function("id => document.querySelector('.query h2')?.innerText === id", arg=expected)
        assert page.get_by_label("Synapse id").input_value() == expected
    page.locator(".query h2 a").click()
    page.wait_for_url("**/tiny/synapse/?synapse_id=s010")
    page.wait_for_selector(".sections")
    assert page.title() == "Synapse s010 – Tiny brain"
    assert page.locator("header nav a[aria-current]").count() == 0
    sections = page.locator(".sections img")
    assert [sections.nth(at).is_visible() for at in range(sections.count())].count(True) == 1
    page.locator(".sections input:checked").focus()
    page.keyboard.press("ArrowRight")
    assert sections.last.is_visible()
    page.get_by_role("link", name=re.compile("^Cluster ")).click()
    page.wait_for_selector("h1:has-text('Cluster')")
    page.locator("header nav").get_by_role("link", name="Gallery").click()
    page.wait_for_selector("h1:has-text('All synapses')")
    assert page.evaluate("window.stays"), "nothing was loaded again"
    assert "/clusters/" not in page.url
    page.evaluate("scrollTo(0, 500)")
    page.wait_for_function("() => history.state?.scroll === 500")
    page.locator("figure.tile .id").nth(20).dispatch_event("click")
    page.wait_for_selector(".sections")
    page.go_back()
    page.wait_for_selector("h1:has-text('All synapses')")
    page.wait_for_function("() => scrollY === 500")


def test_a_filter_is_set_in_the_form(page: "Page", plain_host: PlainHost) -> None:
    shown(page, f"{plain_host.url}/tiny/search?synapse_id=s010&columns=&k=50")
    everyone = len(results(page))
    page.get_by_text("Filters").click()
    page.locator("details.filter", has_text="brain region").locator("summary").click()
    page.locator("details.filter input[value=EB]").check()
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**brain_region=EB**")
    page.wait_for_selector("summary:has-text('(on)')")
    assert 0 < len(results(page)) < everyone
    assert set(page.locator(".results figcaption span.quiet").all_inner_texts()) <= {"EB", "unclear"}
    assert page.locator("details.filter input:checked").count() == 1
    page.get_by_role("link", name="Start anew").click()
    page.wait_for_selector(".empty")


def test_a_screen_of_pictures_takes_few_requests(page: "Page", ranges_host: PlainHost) -> None:
    for path in ("search?synapse_id=s010", "gallery", "clusters", "synapse/?synapse_id=s010"):
        del ranges_host.asked[:]
        page.goto(f"{ranges_host.url}/tiny/{path}")
        page.wait_for_selector("main img[src^=blob]")
        page.wait_for_load_state("networkidle")
        packs = [(asked, status) for _, asked, status in ranges_host.asked if ".jpgs" in asked]
        assert 1 <= len(packs) <= 3, packs
        assert {status for _, status in packs} == {206}
        in_sight = "image => image.getBoundingClientRect().top < innerHeight && image.offsetParent"
        assert page.evaluate(f"[...document.images].filter({in_sight}).every(image => image.naturalWidth > 0)"), path
        page.wait_for_timeout(300)


def test_pictures_are_those_of_the_warehouse(page: "Page", plain_host: PlainHost, warehouse: Warehouse) -> None:
    pixels = """async selector => {
      const image = document.querySelector(selector);
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      return [canvas.width, canvas.height, Array.from(data).filter((_, at) => at % 4 === 0)];
    }"""
    tile = warehouse.tile("s010").astype(float)
    shown(page, f"{plain_host.url}/tiny/search?synapse_id=s010")
    page.wait_for_selector(".query img[src^=blob]")
    width, height, grey = page.evaluate(pixels, ".query img")
    assert (height, width) == tile.shape[1:]
    assert np.abs(np.reshape(grey, tile.shape[1:]) - tile[1]).mean() < 8
    shown(page, f"{plain_host.url}/tiny/synapse/?synapse_id=s010")
    page.wait_for_selector(".sections img[src^=blob]")
    width, height, grey = page.evaluate(pixels, ".sections img[src]")
    assert (height, width) == (3 * tile.shape[1], tile.shape[2])
    assert np.abs(np.reshape(grey, tile.shape) - tile).mean() < 8


def test_a_picture_that_is_gone_says_so(page: "Page", plain_host: PlainHost) -> None:
    page.route("**/tiles/*.jpgs*", lambda route: route.fulfill(status=404))
    shown(page, f"{plain_host.url}/tiny/search?synapse_id=s010")
    page.wait_for_selector("figure.tile .nothing")
    assert page.locator("figure.tile .nothing").first.inner_text() == "this picture could not be fetched"
    assert len(results(page)) == 12


@pytest.mark.parametrize("how", ["none", "refused"])
def test_a_browser_without_workers_shows_the_same(page: "Page", plain_host: PlainHost, how: str) -> None:
    address = f"{plain_host.url}/tiny/search?synapse_id=s010&columns=cluster"
    shown(page, address)
    assert len(page.workers) == 1
    expected = text_of(page)
    page.add_init_script(
        "delete window.Worker" if how == "none" else "window.Worker = class { constructor() { throw new Error('no') } }"
    )
    shown(page, address)
    assert page.workers == []
    assert text_of(page) == expected


@pytest.mark.parametrize(
    "path", ["", "tiny/clusters/", "tiny/classes/", "about/", "data/", "tiny/search/?synapse_id=s010"]
)
def test_without_javascript_what_is_written_reads(browser: "Browser", plain_host: PlainHost, path: str) -> None:
    told = {
        "": "Tiny brain",
        "tiny/clusters/": "adjusted Rand index",
        "tiny/classes/": "Balanced accuracy",
        "about/": "recall",
        "data/": "synapses",
    }
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"{plain_host.url}/{path}")
    assert told.get(path, "needs JavaScript") in opened.locator("main").inner_text()
    context.close()


def changed(site_folder: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the site whose site.json was changed."""
    copy = shutil.copytree(site_folder, folder / "changed")
    described = copy / "tiny" / "browse" / "site.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    change(content)
    described.write_text(json.dumps(content), encoding="utf-8")
    return copy


@pytest.fixture
def hostile(site_folder: Path, tmp_path: Path) -> Iterator[PlainHost]:
    """The site with names that try to be markup."""
    names: dict[str, str] = {}

    def rename(content: dict[str, Any]) -> None:
        for column in content["categories"]:
            new = {name: f"{name}{HOSTILE}" for name in column["names"]}
            column["names"] = list(new.values())
            column["colours"] = {new.get(name, name): colour for name, colour in column["colours"].items()}
            names.update(new)
        content["cluster_verdict"] += HOSTILE
        content["datasets"]["tiny"] += HOSTILE

    copy = changed(site_folder, tmp_path, rename)
    points = copy / "tiny" / "browse" / "points.parquet"
    table = pq.read_table(points)
    for name in ("synapse_id", "neuron_id"):
        texts = pa.array([f"{text}{HOSTILE}" for text in table.column(name).to_pylist()])
        table = table.set_column(table.column_names.index(name), name, texts)
    pq.write_table(table, points)
    host = generous_host(copy)
    yield host
    host.stop()


def test_names_can_inject_nothing(page: "Page", hostile: PlainHost) -> None:
    synapse_id = f"s010{HOSTILE}"
    address = quote(synapse_id, safe="")
    for path in (
        f"search?synapse_id={address}",
        f"synapse/?synapse_id={address}",
        "gallery",
        f"search?brain_region={address}",
    ):
        shown(page, f"{hostile.url}/tiny/{path}")
        assert page.locator("img[src=x]").count() == 0, path
        assert HOSTILE in page.locator("main").inner_text(), path
    shown(page, f"{hostile.url}/tiny/search?synapse_id={address}")
    page.locator("figure.tile a").first.click()
    page.wait_for_function("id => document.querySelector('.query h2')?.innerText !== id", arg=synapse_id)
    assert HOSTILE in page.locator(".query h2").inner_text()
    page.locator(".query h2 a").click()
    page.wait_for_selector(".sections")
    assert HOSTILE in page.title()
    page.wait_for_selector(".sections img[src^=blob]")


@pytest.mark.parametrize("safe", ["", "/&+'"])
def test_an_address_of_a_card_in_the_explorer_leads_to_the_card(page: "Page", hostile: PlainHost, safe: str) -> None:
    synapse_id = f"s010{HOSTILE}"
    # A browser takes /../ out of a path, unless it is quoted.
    path = quote(synapse_id, safe=safe).replace("/../", "/..%2F")
    page.goto(f"{hostile.url}/tiny/synapse/{path}")
    page.wait_for_selector(".sections")
    assert page.title().startswith(f"Synapse {synapse_id}")
    page.goto(f"{hostile.url}/tiny/nothing")
    assert "There is no such page" in page.locator("body").inner_text()


def unavailable(route: "Route") -> None:
    route.fulfill(status=503)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("**/browse/site.json*", "site.json could not be fetched: the server answered 503"),
        ("**/browse/points.parquet*", "points.parquet could not be fetched: the server answered 503"),
        ("**/browse/vectors.i8*", "vectors.i8 could not be fetched: the server answered 503"),
        ("**/look/worker.js", "worker.js could not be fetched"),
    ],
)
def test_data_that_cannot_be_fetched_are_told(page: "Page", plain_host: PlainHost, missing: str, told: str) -> None:
    context = page.context
    context.route(missing, unavailable)
    page.goto(f"{plain_host.url}/tiny/search?synapse_id=s010")
    page.wait_for_selector(".reason[role=alert]")
    assert told in page.locator(".reason").inner_text()
    context.unroute(missing)
    if "worker" not in missing:
        page.evaluate("window.dispatchEvent(new PopStateEvent('popstate'))")
        page.locator("header nav").get_by_role("link", name="Gallery").click()
        page.wait_for_selector("h1:has-text('All synapses')")


def test_what_is_waited_for_is_said(page: "Page", plain_host: PlainHost) -> None:
    held: list[Route] = []
    page.context.route("**/browse/vectors.i8*", lambda route: held.append(route))
    page.goto(f"{plain_host.url}/tiny/search?synapse_id=s010")
    page.wait_for_selector("main [role=status]")
    megabytes = (
        r"() => /^Loading \d+\.\d( of \d+\.\d)? MB/.test(document.querySelector('main [role=status]').innerText)"
    )
    page.wait_for_function(megabytes)
    assert page.locator("main").get_attribute("aria-busy") == "true"
    held[0].continue_()
    page.wait_for_selector(".results figure.tile")
    assert page.locator("main [role=status]").count() == 0


def test_data_of_another_format_are_told(page: "Page", site_folder: Path, tmp_path: Path) -> None:
    host = PlainHost(changed(site_folder, tmp_path, lambda content: content.update(format=2)))
    try:
        shown(page, f"{host.url}/tiny/search")
        assert (
            "the data of this site are of format 2, and its scripts read format 1"
            in page.locator(".reason").inner_text()
        )
        (tmp_path / "changed/tiny/browse/vectors.i8").write_bytes(b"cut")
        described = tmp_path / "changed/tiny/browse/site.json"
        described.write_text(described.read_text().replace('"format": 2', '"format": 1'))
        shown(page, f"{host.url}/tiny/gallery")
        assert "vectors.i8 has 3 bytes and should have" in page.locator(".reason").inner_text()
    finally:
        host.stop()


def test_opened_from_a_file_the_page_says_what_serves_it(browser: "Browser", site_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(site_folder, tmp_path / "my site's copy")
    context = browser.new_context()
    page = context.new_page()
    for path in ("index.html", "tiny/search/index.html"):
        page.goto((folder / path).as_uri())
        told = page.locator(".reason[role=alert]").first
        assert "need a web server" in told.inner_text()
    command = shlex.split(told.locator("code").inner_text())
    context.close()
    assert command[:3] == ["python3", "-m", "http.server"]
    assert command[-1] == "8000"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    free = [*command[:-1], "0"]
    serving = subprocess.Popen(free, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        assert serving.stdout is not None
        port = re.search(r"port (\d+)", serving.stdout.readline())
        assert port is not None
        assert "Tiny brain" in httpx.get(f"http://127.0.0.1:{port[1]}/").text
    finally:
        serving.terminate()
        serving.wait(20)
