"""The documentation as web pages: it is built without a warning, asks no other machine for anything, and its reference is complete."""

import html
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from synapse_assets.cli import app
from synapse_assets.datasets import CHAINS
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets_tests.documentation import ROOT, pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REMEDY = "What to do: "


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` builds them, in a folder of their own."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--builder", "html"]
    built = subprocess.run([*command, ROOT / "docs", folder, "-d", folder / ".trees"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def text_of(page: Path) -> str:
    """What a reader sees, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))).split())


def test_every_page_is_built(site: Path) -> None:
    for page in pages():
        if page.startswith("docs/"):
            assert (site / page.removeprefix("docs/")).with_suffix(".html").is_file(), page


def test_nothing_is_asked_of_another_machine(site: Path) -> None:
    elsewhere = re.compile(
        r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
    )
    styles = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")
    for path in site.rglob("*.html"):
        assert not elsewhere.findall(path.read_text(encoding="utf-8")), path
    for path in site.rglob("*.css"):
        assert not styles.findall(path.read_text(encoding="utf-8")), path
    assert elsewhere.findall('<script defer src="https://cdn.example.org/a.js"></script>')


def test_every_setting_has_its_meaning(site: Path) -> None:
    text = text_of(site / "reference" / "settings.html")
    for name, field in Settings.model_fields.items():
        assert f"SYNAPSE_{name.upper()}" in text
        assert field.description, name


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield f"{path}{name}", inner
        yield from commands(inner, f"{path}{name} ")


def test_every_command_and_option_is_there(site: Path) -> None:
    text = text_of(site / "reference" / "cli.html")
    assert "synapse-assets materialize sample --assets 'tiles+' --regions EB,AL_L" in text
    for path, command in commands(typer.main.get_command(app)):
        assert f"synapse-assets {path}" in text or hasattr(command, "commands")
        for option in command.params:
            if option.name != "help" and not option.hidden:
                assert option.opts[0] in text, f"{path} {option.opts[0]}"


def letters(text: str) -> str:
    """Without what typography changes: quotes, dots, blanks."""
    return re.sub(r"\W+", "", text)


def test_every_table_and_column_is_there(site: Path) -> None:
    text = letters(text_of(site / "reference" / "tables.html"))
    tables = [table for chain in CHAINS.values() for facts in chain.facts.values() for table in facts.tables]
    assert [table.name for table in tables if table.name not in text] == []
    columns = [(table.name, column) for table in tables for column in table.columns]
    assert [(name, column.name) for name, column in columns if letters(column.description) not in text] == []


def test_every_asset_is_there(site: Path) -> None:
    text = text_of(site / "reference" / "assets.html")
    missing = [name for chain in CHAINS.values() for name in chain.facts if name not in text]
    assert missing == []


def test_every_field_of_a_dataset_file_says_what_it_means(site: Path) -> None:
    page = (site / "reference" / "datasets.html").read_text(encoding="utf-8")
    rows = [
        re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    ]
    fields = {re.sub(r"<[^>]+>", "", cells[0]).strip(): cells[-1] for cells in rows if cells}
    assert len(fields) > 100
    assert [name for name, meaning in fields.items() if not re.sub(r"<[^>]+>", "", meaning).strip()] == []
    text = text_of(site / "reference" / "datasets.html")
    for chain in CHAINS.values():
        assert [name for name in chain.dataset_type.model_fields if name not in text] == []


def error_classes(parent: type[Exception] = SynapseAssetsError) -> Iterator[type[Exception]]:
    yield parent
    for child in parent.__subclasses__():
        yield from error_classes(child)


def test_every_class_of_error_has_a_remedy(site: Path) -> None:
    page = (site / "troubleshooting.html").read_text(encoding="utf-8")
    rows = [
        re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    ]
    remedies = {re.sub(r"<[^>]+>", "", cells[0]).strip(): re.sub(r"<[^>]+>", "", cells[2]) for cells in rows if cells}
    ours = [
        kind for kind in error_classes() if kind.__module__.startswith("synapse_assets.") and kind.__name__[0] != "_"
    ]
    assert {kind.__name__ for kind in ours} <= remedies.keys()
    short = [name for name, remedy in remedies.items() if len(remedy.strip()) < 20]
    assert short == [], f"their docstrings need a paragraph that begins with `{REMEDY}`"


def test_a_message_is_found_by_pasting_it(site: Path, browser: "Browser") -> None:
    page = browser.new_page()
    page.goto((site / "troubleshooting.html").as_uri())
    page.fill("#pasted", "BadInput: port 3000 cannot be used (Address already in use): choose another with --port")
    assert "cannot be used" in page.locator("#found li").first.inner_text()
    assert "serving.py" in page.locator("#found li").first.inner_text()
    page.fill("#pasted", "no dataset 'fafbb': give one of ['cbp', 'fafb'], or the path of a YAML file")
    assert "datasets/loading.py" in page.locator("#found li").first.inner_text()
    page.fill("#pasted", "")
    assert page.locator("#found li").count() == 0
    page.close()
