"""The title page and the page on numbers: what is said stands there whole, and markup of others does not."""

import logging
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import CHAINS, Publication
from synapse_assets.site.export import export_site
from synapse_assets.site.exported import NOT_EXPORTED, SITE_PAGES, not_exported
from synapse_assets.site.front import about_content, markdown, title_content
from synapse_assets.site.public import public_release
from synapse_assets_tests import detection_release
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.documentation import ROOT


def test_markdown_has_no_html_no_pictures_and_links_to_the_web_only() -> None:
    html = markdown(
        "# Title\n\n<img src=x onerror=alert(1)> [good](https://example.org/a?b=c) [bad](javascript:alert(1)) [file](file:///etc)\n\n"
        "![pixel](https://tracker.example/x.png) <https://example.org>"
    )
    assert "<h1>Title</h1>" in html
    assert '<a href="https://example.org/a?b=c">good</a>' in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert 'href="file' not in html
    assert "&lt;img src=x" in html


def test_every_page_of_every_chain_is_exported_or_says_why_not() -> None:
    pages = {page for chain in CHAINS.values() for page in chain.pages}
    assert pages <= {*SITE_PAGES, *NOT_EXPORTED}
    assert {*SITE_PAGES}.isdisjoint(NOT_EXPORTED)
    tables = {name for chain in CHAINS.values() for facts in chain.assets for name in facts.released}
    assert {missing.table for missing in NOT_EXPORTED.values()} - {""} <= tables
    guide = (ROOT / "docs" / "guides" / "site.md").read_text(encoding="utf-8")
    lines = "\n".join(line for line in guide.splitlines() if line.startswith("|"))
    assert not [missing.title for missing in NOT_EXPORTED.values() if missing.title not in lines]


@pytest.mark.parametrize("leave_out", [[], ["neuron_id", "brain_region"]])
def test_the_title_page_says_what_the_report_says(leave_out: list[str], finished_lab: Lab) -> None:
    publish = Publication(title="A paper", licence="MIT", text="*Hello*", leave_out=leave_out)
    dataset = finished_lab.dataset.model_copy(update={"publish": publish})
    with public_release(finished_lab.store, dataset) as public, public.warehouse() as warehouse:
        content = title_content(public, warehouse, dataset, [])
        about = about_content(public, warehouse, dataset, [], [])
    assert (content["title"], content["licence_url"]) == ("A paper", "https://spdx.org/licenses/MIT.html")
    assert "<em>Hello</em>" in content["text"]
    said = " ".join(content["sentences"])
    assert "a random split would claim" in said
    assert ("in 3 brain regions, of 12 neurons" in said) == (not leave_out)
    assert ("brain regions" in said) == (not leave_out)
    assert about["without_neurons"] == bool(leave_out)
    assert {"Neurons", "Search with a picture or a place"} <= {missing.title for missing in not_exported(dataset)}


def test_a_dataset_without_pages_has_a_title_its_tables_and_the_reasons(tmp_path: Path) -> None:
    planted = detection_release.planted(tmp_path)
    written = export_site(planted.dataset, planted.store.data_root, tmp_path / "site", logging.getLogger(__name__))
    assert (written.pages, sorted(path.name for path in written.out.iterdir() if path.is_dir())) == (
        {},
        ["about", "data", "look"],
    )
    title, about = ((written.out / path).read_text() for path in ("index.html", "about/index.html"))
    assert "With block held out, F1 of cleft is 0.72 (95 % interval 0.58 to 0.83)." in title
    assert (
        '<b>Detectors</b>: a server cuts what it shows out of volumes of many gigabytes; <a href="../data/#detector_scores">'
        in about
    )
    urls = pq.read_table(written.out / "data/volume_blocks.parquet", columns=["url"]).column(0).to_pylist()
    assert not [url for url in urls if str(tmp_path) in url]


def test_a_licence_in_words_is_no_address(finished_lab: Lab) -> None:
    publish: Any = Publication(licence="Ask us first.")
    dataset = finished_lab.dataset.model_copy(update={"publish": publish})
    with public_release(finished_lab.store, dataset) as public, public.warehouse() as warehouse:
        assert title_content(public, warehouse, dataset, [])["licence_url"] == ""
