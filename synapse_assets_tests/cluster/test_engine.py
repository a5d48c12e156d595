"""What is said before a cluster carries out anything: without Ray, without a cluster, with a folder that nodes do not share."""

import logging
import sys

import pytest

from synapse_assets.cluster.engine import RayEngine, require_shared
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput

LOG = logging.getLogger(__name__)


def test_without_an_address_everything_runs_in_one_process(tmp_path: object) -> None:
    assert Installation(data_root=str(tmp_path)).engine() is None


def test_a_folder_of_one_machine_is_no_place_for_a_cluster() -> None:
    require_shared("s3://lab/data")
    for root in ("/srv/data", "file:///srv/data"):
        with pytest.raises(BadInput, match=r"is a folder of this machine, .*set SYNAPSE_DATA_ROOT to an address"):
            Installation(data_root=root, ray_address="http://head:8265").engine()


def test_networks_run_on_what_a_part_has() -> None:
    assert [RayEngine(8, gpus=0.5, wanted_device=name).device for name in ("auto", "cuda:1")] == ["cuda", "cuda"]
    assert RayEngine(8, wanted_device="cuda").device == "cpu"


def test_ray_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"Ray is not installed here: pip install 'synapse-assets\[ray\]'"):
        RayEngine(8).at_once(1)


def test_a_process_outside_of_any_cluster_is_told_how_to_get_into_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="clusters are tested with Ray: pip install 'synapse-assets[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        BadInput, match=r"belongs to no Ray cluster, .* make this machine a node .*Nothing listens at 127\.0\.0\.1:1 "
    ):
        list(RayEngine(8).run(str, [1], str, LOG))
