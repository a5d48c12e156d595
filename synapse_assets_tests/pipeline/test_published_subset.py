"""From a public brain on this machine to the table of chosen sites: what it takes, broken off and gone on with, made once, and checked."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from synapse_assets.datasets import EmDataset, PublishedSubset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.published_subset import chosen_sites, cost_of, make_sites
from synapse_assets.sources import downloads
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON
from synapse_assets_tests.published import (
    NEURONS,
    TABLE,
    PublicServer,
    dataset_file,
    public_server,
    publish,
    published_synapses,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicServer]:
    folder = tmp_path_factory.mktemp("public")
    publish(folder)
    with public_server(folder) as server:
        yield server


class Lab:
    """A lab with nothing but the dataset's file."""

    def __init__(self, server: PublicServer, root: Path, **changes: str) -> None:
        file = dataset_file(server, root / "tiny.yaml")
        text = file.read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        file.write_text(text)
        dataset = load_dataset(str(file), str(root / "data"))
        assert isinstance(dataset, EmDataset)
        assert dataset.subset is not None
        self.dataset, self.subset = dataset, dataset.subset
        self.store = DatasetStore(str(root / "data"), dataset.name)
        self.told: list[tuple[str, int]] = []

    def make(self) -> dict[str, object]:
        def progress(file: object, size: int) -> None:
            self.told.append((Path(getattr(file, "path", "")).name, size))

        return make_sites(self.store, self.dataset, self.subset, progress, lambda _: None)

    @property
    def sites(self) -> pd.DataFrame:
        return pd.read_csv(self.store.raw / "sites.csv")

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.store.raw.iterdir()) if self.store.raw.is_dir() else []


@pytest.fixture
def lab(published: PublicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(downloads, "WAIT_S", 0.0)
    published.breaks, published.asked = [], []
    return Lab(published, tmp_path)


def told_again(
    subset: PublishedSubset, rows: pd.DataFrame, classes: dict[int, str], lineages: dict[int, str]
) -> set[str]:
    """The rule told in pandas, for neurons that all have their turn: ids of the chosen sites."""
    digest = lambda value: hashlib.sha256(f"{subset.salt}/{value}".encode()).hexdigest()  # noqa: E731
    rows = rows[(rows.cleft_score >= 50) & (rows.pre_pt_root_id > 0) & (rows.pre_pt_root_id != rows.post_pt_root_id)]
    rows = (
        rows.assign(key=rows.id.map(digest), nt=rows.pre_pt_root_id.map(classes)).dropna(subset="nt").sort_values("key")
    )
    place = ["pre_pt_position_x", "pre_pt_position_y", "pre_pt_position_z"]
    rows = rows.drop_duplicates(["pre_pt_root_id", *place])
    rows["turn"] = rows.groupby("pre_pt_root_id").cumcount()
    neurons = pd.DataFrame(
        {"id": list(classes), "lineage": [lineages[one] for one in classes], "nt": list(classes.values())}
    )
    neurons = neurons.assign(key=neurons.id.map(digest)).sort_values("key")
    neurons["nth"] = neurons.groupby(["nt", "lineage"]).cumcount()
    order = {one: place for place, one in enumerate(neurons.sort_values(["nth", "key"]).id)}
    rows["order"] = rows.pre_pt_root_id.map(order)
    return set(rows.sort_values(["turn", "order"]).groupby("nt").head(20).id.astype(str))


def test_from_nothing_to_the_sites(published: PublicServer, lab: Lab) -> None:
    before = cost_of(lab.store, lab.dataset, lab.subset)
    sizes = {name: (published.folder / name).stat().st_size for name in (TABLE, NEURONS)}
    assert {Path(file.path).name: left for file, left in before.downloads} == sizes
    assert not before.tile_gb_is_exact
    assert before.tile_gb > 0
    assert all(hours > 0 for hours in before.hours.values())
    assert chosen_sites(lab.store, lab.dataset, lab.subset) is None
    published.breaks = [3_000]
    record = lab.make()
    assert published.asked == [None, "bytes=3000-"]
    assert [size for name, size in lab.told if name == TABLE][-1] == sizes[TABLE]

    neurons = pd.read_csv(published.folder / NEURONS, sep="\t")
    known = neurons[neurons.root_id < FIRST_NEURON + 100].set_index("root_id")
    lineages = {int(str(neuron)): str(lineage) for neuron, lineage in known.ito_lee_hemilineage.items()}
    transmitters = {int(str(neuron)): str(name) for neuron, name in known.known_nt.items()}
    assert set(lab.sites.synapse_id.astype(str)) == told_again(lab.subset, published_synapses(), transmitters, lineages)
    assert lab.sites.target.value_counts().to_dict() == dict.fromkeys(lab.subset.classes, 20)
    assert lab.sites.hemilineage.isna().any()  # putative_primary is none
    by_id = published_synapses().set_index("id").loc[lab.sites.synapse_id]
    assert (lab.sites.neuron_id.to_numpy() == by_id.pre_pt_root_id.to_numpy()).all()
    assert (lab.sites.x_nm.to_numpy() == by_id.pre_pt_position_x.to_numpy()).all()
    assert (lab.sites.brain_region.to_numpy() == by_id.neuropil.to_numpy()).all()
    assert record["sha256"] == hashlib.sha256((lab.store.raw / "sites.csv").read_bytes()).hexdigest()
    assert lab.files == [NEURONS, TABLE, "sites.csv", "subset.json"]


def test_it_is_made_once_and_the_large_table_may_go(published: PublicServer, lab: Lab) -> None:
    record = lab.make()
    (lab.store.raw / TABLE).unlink()
    published.asked.clear()
    after = cost_of(lab.store, lab.dataset, lab.subset)
    assert (sum(left for _, left in after.downloads), after.tile_gb_is_exact, after.hours["choice"]) == (0, True, 0)
    assert lab.make() == record
    assert published.asked == []
    # The table of neurons is read by the dataset itself: it is fetched again, alone.
    (lab.store.raw / NEURONS).unlink()
    assert lab.make() == record
    assert published.asked == []
    assert NEURONS in lab.files
    # A table that somebody has changed is made anew.
    (lab.store.raw / "sites.csv").write_text("synapse_id\n1\n")
    assert lab.make() == record
    assert published.asked == [None]
    assert len(lab.sites) == 60


def test_rows_in_another_order_give_the_same_bytes_and_another_salt_others(tmp_path: Path, lab: Lab) -> None:
    record = lab.make()
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    publish(shuffled)
    rows = published_synapses().sample(frac=1, random_state=7)
    pyarrow.feather.write_feather(pa.Table.from_pandas(rows, preserve_index=False), str(shuffled / TABLE), chunksize=7)
    for name in ("second", "third"):
        (tmp_path / name).mkdir()
    with public_server(shuffled) as server:
        assert Lab(server, tmp_path / "second").make()["sha256"] == record["sha256"]
        other = Lab(server, tmp_path / "third", **{"salt: tests": "salt: others"})
        assert other.make()["sha256"] != record["sha256"]


def test_a_file_that_is_not_the_published_one_leaves_nothing(published: PublicServer, tmp_path: Path, lab: Lab) -> None:
    wrong = "0" * 64
    digest = next(file.sha256 for file in lab.subset.downloads if file.path.endswith(TABLE))
    (tmp_path / "wrong").mkdir()
    other = Lab(published, tmp_path / "wrong", **{str(digest): wrong})
    with pytest.raises(
        BadInput, match=rf"{TABLE} sent has the sha256 {digest}, and {wrong} was published; it was removed"
    ):
        other.make()
    assert other.files == []


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    published: PublicServer, tmp_path: Path, lab: Lab
) -> None:
    size = str((published.folder / TABLE).stat().st_size)
    (tmp_path / "large").mkdir()
    other = Lab(published, tmp_path / "large", **{f"bytes: {size}": f"bytes: {10**16}"})
    with pytest.raises(BadInput, match=r"tiny_public needs 1e\+07 GB of disk, .* SYNAPSE_DATA_ROOT"):
        cost_of(other.store, other.dataset, other.subset)
    assert other.files == []
