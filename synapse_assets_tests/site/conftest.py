"""The tiny lab as a site, and hosts that serve it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_assets.site.export import export_site
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.explorer.conftest import page
from synapse_assets_tests.site.hosts import PlainHost, generous_host

__all__ = ["page"]


@pytest.fixture(scope="session")
def site_folder(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny lab as a site. For reading only."""
    out = tmp_path_factory.mktemp("site") / "out"
    export_site(finished_lab.dataset, finished_lab.root, out, logging.getLogger(__name__))
    return out


@pytest.fixture(scope="session")
def plain_host(site_folder: Path) -> Iterator[PlainHost]:
    """Serves the site from a sub-path, without ranges."""
    host = PlainHost(site_folder)
    yield host
    host.stop()


@pytest.fixture(scope="session")
def ranges_host(site_folder: Path) -> Iterator[PlainHost]:
    """Serves the site from a sub-path, with ranges and 404.html."""
    host = generous_host(site_folder)
    yield host
    host.stop()
