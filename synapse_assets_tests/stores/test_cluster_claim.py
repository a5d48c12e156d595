"""One cluster at a time works on a data root, by the clock of its storage."""

from datetime import timedelta
from pathlib import Path

import pytest

from synapse_assets.errors import BadInput
from synapse_assets.stores import cluster_claim
from synapse_assets.stores.cluster_claim import FOLDER, ClusterName, claim
from synapse_assets.stores.files import Files
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore, object_store  # noqa: F401

OURS = ClusterName("session_1", "http://head:8265", is_loopback=False)
THEIRS = ClusterName("session_2", "http://other:8265", is_loopback=False)


@pytest.fixture
def root(object_store: ObjectStore, tmp_path: Path) -> Files:  # noqa: F811
    return Files(f"s3://{BUCKET}/{tmp_path.name}", str(tmp_path))


def test_a_second_cluster_is_refused_and_leaves_no_claim(root: Files) -> None:
    claim(root, OURS)
    with pytest.raises(BadInput) as error:
        claim(root, THEIRS)
    where = f"{root.root}/{FOLDER}/session_1.json"
    assert str(error.value) == (
        f"another cluster works on {root.root}: the one at http://head:8265, less than a minute ago. Give this one a data root of its own, "
        f"or end that one and wait 15 minutes, or remove {where}"
    )
    assert root.child(FOLDER).names() == ["session_1.json"]
    claim(root, OURS)  # as often as it likes
    root.child(FOLDER).remove("session_1.json")
    claim(root, THEIRS)


def test_of_two_that_claim_at_the_same_moment_one_is_refused(root: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Files.write_json

    def overtaken(self: Files, name: str, value: object) -> None:
        monkeypatch.setattr(Files, "write_json", write)
        claim(root, THEIRS)
        write(self, name, value)

    monkeypatch.setattr(Files, "write_json", overtaken)
    with pytest.raises(BadInput, match="the one at http://other:8265"):
        claim(root, OURS)
    assert root.child(FOLDER).names() == ["session_2.json"]


def test_a_cluster_that_is_silent_for_long_is_forgotten(root: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(root, OURS)
    monkeypatch.setattr(cluster_claim, "FORGOTTEN_AFTER", timedelta(0))
    claim(root, THEIRS)
    assert root.child(FOLDER).names() == ["session_2.json"]


def test_a_head_that_was_started_anew_is_the_same_cluster(root: Files) -> None:
    claim(root, OURS)
    claim(root, ClusterName("session_3", OURS.address, is_loopback=False))
    assert root.child(FOLDER).names() == ["session_3.json"]


def test_loopback_of_two_machines_is_two_clusters(root: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(root, ClusterName("session_1", "http://127.0.0.1:8265", is_loopback=True))
    claim(root, ClusterName("session_2", "http://127.0.0.1:8265", is_loopback=True))
    monkeypatch.setattr(cluster_claim.socket, "gethostname", lambda: "elsewhere")
    with pytest.raises(BadInput, match=r"the one at http://127\.0\.0\.1:8265 of "):
        claim(root, ClusterName("session_3", "http://127.0.0.1:8265", is_loopback=True))
