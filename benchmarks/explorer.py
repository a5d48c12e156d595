"""What a person waits for in the explorer: opening a release, six columns of similar synapses, galleries, and the map.

    python -m benchmarks.explorer [--million]

A planted release of 100,000 synapses (with --million, ten times as many) of 6 classes, 40 regions and 2,000 neurons, with vectors of
384 numbers, in a data root of its own. The server runs in a process; questions come over http, one after the other. Beside it
stand the product of matrix and vector that the answer needs at least, and six filtered searches of the Lance table.

The map is opened and moved in headless Chromium, if there is one, on the same processors; told is when the browser has the
picture.

median ms   of 40 questions          recall   share of the synapses on the page that brute force finds
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.search import WIDTH, drawn
from synapse_assets.schema import (
    CLUSTERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    SYNAPSES,
    UMAP_COORDINATES,
    Table,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_rows
from synapse_assets.stores.vector_index import EXACT_BELOW, build_or_refresh
from synapse_assets.stores.warehouse import build_warehouse
from synapse_assets_tests.explorer.conftest import Served

CLASSES = ("acetylcholine", "dopamine", "gaba", "glutamate", "octopamine", "serotonin")
# A transmitter in 200 synapses is rare, in 2 common.
SHARES = (0.5, 0.005, 0.2, 0.2, 0.045, 0.05)
REGIONS, NEURONS, QUESTIONS = 40, 2_000, 40
NAME = "planted"


def plant(root: str, rows: int) -> None:
    """A release of that many synapses."""
    store, random = DatasetStore(root, NAME), np.random.default_rng(0)
    vectors = store.vectors("encoder", WIDTH)
    for number in range(REGIONS):
        count, region = rows // REGIONS, f"R{number:02d}"
        ids = [f"{region}-{at:06d}" for at in range(count)]
        target = random.choice(CLASSES, count, p=SHARES)
        about: dict[str, Any] = {
            "synapse_id": ids,
            "brain_region": [region] * count,
            "volume": ["v"] * count,
            **{axis: random.uniform(0, 2e5, count) for axis in ("x_nm", "y_nm", "z_nm")},
            "neuron_id": random.integers(0, NEURONS, count),
            "source": ["s"] * count,
            "source_file": ["f"] * count,
            "target": target,
            "predicted": target,
            "probability": random.uniform(0.2, 1, count),
            "probabilities": [{"gaba": 1.0}] * count,
            "reduced": [[0.0]] * count,
            "known_classes": [[]] * count,
            "out_of_fold": [True] * count,
            "classifier": ["c"] * count,
            "umap_1": random.normal(size=count),
            "umap_2": random.normal(size=count),
            "umap_model": ["u"] * count,
            "cluster": random.integers(-1, 30, count),
            "cluster_model": ["k"] * count,
        }
        store.synapses.replace_region(region, _table(SYNAPSES, about), [])
        for table in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS):
            store.results(table).write_partition(region, _table(table, about))
        rows_of = vector_rows(vectors.table, ids, region, ["h"] * count, "encoder", drawn(count, number))
        vectors.replace_region(region, rows_of, [])
    began = time.perf_counter()
    state = build_or_refresh(vectors)
    print(f"index: {state.kind}, {time.perf_counter() - began:.1f} s")
    tables = [store.results(one) for one in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS)]
    named = {"models": {"encoder": "encoder"}, "scores": {"encoder": {"dimensions": WIDTH}}}
    build_warehouse(store, [store.synapses, vectors, *tables], named)


def _table(table: Table, about: dict[str, Any]) -> pa.Table:
    count = len(about["synapse_id"])
    return pa.table(
        {
            field.name: pa.array(about[field.name], field.type) if field.name in about else pa.nulls(count, field.type)
            for field in table.arrow
        },
        schema=table.arrow,
    )


def _serve(root: str, orders: Any) -> None:
    from synapse_assets.datasets import load_dataset
    from synapse_assets.explorer import create_app

    dataset = load_dataset("sample", root).model_copy(update={"name": NAME})
    served = Served(create_app([dataset], root))
    orders.put(served.port)
    orders.get()
    orders.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(rows: int) -> None:
    """Print the figures for that many synapses."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        plant(root, rows)
        print(f"\n{rows:,} synapses x {WIDTH}, planted in {time.perf_counter() - began:.0f} s")
        to, back = spawn.Queue(), spawn.Queue()
        server = spawn.Process(target=_serve, args=(root, _Both(to, back)), daemon=True)
        server.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{back.get(timeout=120)}", timeout=120) as web:
            first = _seconds(lambda: web.get(f"/api/{NAME}/synapses/R00-000000").raise_for_status())
            asked = f"/api/{NAME}/similar?k=4&near_nm=0&synapse_id="
            second = _seconds(lambda: web.get(f"{asked}R00-000001").raise_for_status())
            print(f"first question {first:.1f} s, first search {second:.1f} s (both read the release)")
            ids = [f"R{n % REGIONS:02d}-{n * 37 % (rows // REGIONS):06d}" for n in range(QUESTIONS)]
            base, exact = _brute(root, ids)
            print(f"{'matrix times vector, in memory':46s}{base * 1000:9.1f} ms")
            print(f"{'six filtered searches of the Lance table':46s}{_lance(root, ids) * 1000:9.1f} ms")
            for name, more in {
                "six columns, cosine": "",
                "six columns, in one region": "&brain_region=R07",
                "six columns, two clusters, probability 0.5": "&cluster=3&cluster=4&probability_least=0.5",
                "six columns, l1": "&metric=l1",
                "one list": "&columns=",
            }.items():
                spent, found = [], []
                # Without an index every vector is read for every question.
                for one in ids[:5] if "l1" in more and rows > EXACT_BELOW else ids:
                    began = time.perf_counter()
                    answer = web.get(f"{asked}{one}{more}").raise_for_status().json()
                    spent.append(time.perf_counter() - began)
                    found.append({row["synapse_id"] for row in answer})
                recall = np.mean([len(a & b) / len(b) for a, b in zip(found, exact, strict=False)])
                told = f"   recall {recall:.3f}" if not more else ""
                print(f"{name:46s}{np.median(spent) * 1000:9.1f} ms   {np.median(spent) / base:5.1f} times{told}")
            gallery = np.median([_seconds(lambda: web.get(f"/{NAME}/gallery?target=gaba&seed=1")) for _ in range(5)])
            print(f"{'gallery of a class':46s}{gallery * 1000:9.1f} ms")
            _map(f"{web.base_url}/{NAME}/map")
        to.put("end")
        print(f"{'memory of the server, peak':46s}{back.get(timeout=60):9.0f} MB", flush=True)
        server.kill()
        server.join()


# Notes when the mouse did something, and when the browser got a picture of the map.
_WATCH = """() => { window.did = []; window.got = [];
for (const name of ["wheel", "pointermove"]) addEventListener(name, () => did.push(performance.now()), true);
Bokeh.documents[0].on_change(event => { if (event.attr == "data" && event.model.data.image?.length) got.push(performance.now()) }) }"""
_PICTURE = """() => [...(window.Bokeh?.documents[0]?._all_models.values() ?? [])].some(one => one.data?.get?.("image")?.length
|| one.data?.image?.length)"""


def _map(address: str) -> None:
    """Seconds until the map is there, and until it shows what a person moved it to."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: the map was not measured")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 850})
        began = time.perf_counter()
        page.goto(address)
        page.get_by_text("synapses shown").wait_for(timeout=120_000)
        page.wait_for_function(_PICTURE, timeout=120_000)
        print(f"{'map: opened, with its picture':46s}{1000 * (time.perf_counter() - began):9.1f} ms")
        page.wait_for_timeout(3_000)
        page.evaluate(_WATCH)
        box = page.locator(".map-plot").bounding_box() or {}
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)

        def pan() -> None:
            page.mouse.down()
            page.evaluate("did.length = 0")
            for step in range(10):
                page.mouse.move(x + 8 * step, y + 4 * step)
                page.wait_for_timeout(16)
            page.mouse.up()
            page.mouse.move(x, y)

        for name, action in {"zoom": lambda: page.mouse.wheel(0, -120), "pan": pan}.items():
            answered, sharp = [], []
            for _ in range(6):
                page.wait_for_timeout(1_500)
                page.evaluate("did.length = got.length = 0")
                action()
                page.wait_for_timeout(2_500)
                did, got = page.evaluate("[did, got]")
                moved = did[: 10 if name == "pan" else None]
                answered.append(min((at for at in got if at > moved[0]), default=np.nan) - moved[0])
                sharp.append(max(got, default=np.nan) - moved[-1])
            told = f"{np.median(answered):9.1f} ms   sharp after {np.median(sharp):.0f} ms"
            print(f"{f'map: {name}, until a new picture':46s}{told}")
        browser.close()


class _Both:
    """Two queues as one: what the server puts, the other side gets, and the other way round."""

    def __init__(self, to: Any, back: Any) -> None:
        self.put, self.get = back.put, to.get


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _brute(root: str, ids: list[str]) -> tuple[float, list[set[str]]]:
    """Median seconds of a product of matrix and vector, and the four nearest of each class, of other neurons."""
    from synapse_assets.query import open_warehouse

    with open_warehouse(NAME, root) as warehouse:
        points, store = warehouse.points, DatasetStore(root, NAME)
        rows = store.vectors("encoder", WIDTH).read(None, ["synapse_id", "vector"])
        matrix = rows.column("vector").combine_chunks().flatten().to_numpy().reshape(-1, WIDTH).astype(np.float32)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        seconds, found = [], []
        for one in ids:
            at = points.row(one)
            began = time.perf_counter()
            alike = matrix @ matrix[at]
            seconds.append(time.perf_counter() - began)
            alike[points.neurons == points.neurons[at]] = -2
            codes = points.categories["target"].codes
            best = [
                members[np.argpartition(-alike[members], 4)[:4]]
                for code in range(len(CLASSES))
                if len(members := np.flatnonzero(codes == code))
            ]
            found.append({points.ids[int(row)].as_py() for of_class in best for row in of_class})
    return float(np.median(seconds)), found


def _lance(root: str, ids: list[str]) -> float:
    """Median seconds of six searches of the stored table, each with a filter as selective as a class."""
    import lancedb

    table = lancedb.connect(f"{root}/{NAME}/vectors").open_table("embeddings_encoder")
    spent = []
    for one in ids[:10]:
        query = (
            table.search().where(f"synapse_id = '{one}'").select(["vector"]).limit(1).to_arrow()["vector"][0].as_py()
        )
        began = time.perf_counter()
        for number in range(6):
            names = ", ".join(f"'R{6 * at + number:02d}'" for at in range(6))
            table.search(query).distance_type("cosine").where(f"brain_region in ({names})", prefilter=True).limit(
                4
            ).select(["synapse_id", "_distance"]).to_arrow()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="a million synapses as well")
    million = parser.parse_args().million
    measure(100_000)
    if million:
        measure(1_000_000)


if __name__ == "__main__":
    main()
