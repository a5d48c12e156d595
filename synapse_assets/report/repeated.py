"""What everybody should see of a dataset that anybody can make again, beside what was seen here. The comparison itself belongs to
`pipeline.em.reproduction`."""

from synapse_assets.pipeline.em.reproduction import REPRODUCTION_FILE
from synapse_assets.report.content import Block, Table, Text
from synapse_assets.report.release import Release
from synapse_assets.stores.warehouse import content_version

_MARKS = {True: "as expected", False: "differs", None: "not assessed"}


def repeated(release: Release) -> list[Block]:
    """The numbers that `synapse-assets reproduce` compared; nothing where it was not given for a release of this content."""
    folder = release.store.folder
    if not folder.exists(REPRODUCTION_FILE):
        return []
    compared = folder.read_json(REPRODUCTION_FILE)
    if compared["release"] != content_version(release.warehouse.release):
        return []
    shared = [
        [number["name"], number["expected"], number["yours"], _MARKS[number["holds"]], number["note"] or None]
        for number in compared["numbers"]
        if number["expected"]
    ]
    own = [
        [number["name"], number["yours"], number["note"] or None]
        for number in compared["numbers"]
        if not number["expected"]
    ]
    columns = ["number", "expected", "this run", "", "note"]
    return [
        Table("What everybody who makes this dataset should see", columns, shared, source=REPRODUCTION_FILE),
        Table("What only this run can tell", ["number", "this run", "note"], own, source=REPRODUCTION_FILE),
        Text(compared["orientation"]),
    ]
