"""The planted dataset taken through the whole chain, once."""

from collections.abc import Iterator

import dagster as dg
import pytest

from synapse_assets_tests.defs.staining.planted import COMPOUNDS, PLATES, WELLS, StainLab
from synapse_assets_tests.defs.test_automation import Automation

NETWORKS = {"small": {"architecture": "small_stain", "head": "linear", "steps": 20, "batch_size": 8}}


@pytest.fixture(scope="session")
def stain_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StainLab]:
    """Three plates with a network from files to a release; tests that change it work on a copy (`copied`)."""
    with dg.DagsterInstance.ephemeral() as instance:
        lab = StainLab(tmp_path_factory.mktemp("stain"), instance, networks=NETWORKS, answers_from="small")
        for plate in PLATES:
            lab.add(plate, {**WELLS, **COMPOUNDS})
        Automation(lab).observe()  # type: ignore[arg-type] -- it asks for what both kinds of lab have
        lab.to_vectors()
        lab.from_networks()
        yield lab
