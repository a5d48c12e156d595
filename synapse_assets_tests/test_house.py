"""How the house is built: work stands outside of what declares it, and no room asks which kind of dataset it has."""

from synapse_assets_tests.house import (
    asset_bodies,
    dataset_ladders,
    factories,
    names_of_private_dagster,
    without_dagster,
)


def test_no_asset_body_does_the_work_itself() -> None:
    bodies = asset_bodies()
    assert len(bodies) > 30
    assert [str(body) for body in bodies if body.lines > 25] == []


def test_no_factory_is_longer_than_a_person_reads() -> None:
    assert [str(factory) for factory in factories() if factory.lines > 120] == []


def test_nothing_asks_for_the_type_of_a_dataset() -> None:
    assert dataset_ladders() == []


def test_what_needs_no_dagster_is_elsewhere() -> None:
    assert without_dagster() == []


def test_one_module_knows_what_dagster_keeps_private() -> None:
    found = names_of_private_dagster()
    assert list(found) == ["defs/dagster_private.py"]
    assert len(found["defs/dagster_private.py"]) > 10
