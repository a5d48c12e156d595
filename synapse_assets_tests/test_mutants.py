"""The trial of small changes tells what planted tests notice and what they do not, and leaves the planted code alone."""

from pathlib import Path

import pytest

from synapse_assets_tests.mutants.__main__ import (
    NOT_TRIED,
    NOTICED,
    PACKAGE,
    ROOMS,
    SAYS_NOTHING,
    UNNOTICED,
    Trial,
    sample,
)
from synapse_assets_tests.mutants.changes import changes
from synapse_assets_tests.mutants.nearest import nearest_tests

ROOT = Path(__file__).parents[1]
CODE = '''"""Two functions: one is tested."""

LIMIT_NM: float = 1 < 2


def within(distances: list[int], *, limit: int) -> list[int]:
    """The distances below the limit (1 < 2)."""
    if limit is None:
        raise ValueError(f"no limit: {1 + 1}")
    return [one for one in distances if one < limit]


def unseen(first: int, second: int) -> bool:
    return first > second


def endless(count: int) -> int:
    while count % 3 != 0:
        count += 1
    return within(distances=[count], limit=9)[-1]
'''
TESTS = """from planted.room.kinds import endless, within


def test_within() -> None:
    assert within([1, 2, 3], limit=2) == [1]


def test_endless() -> None:
    assert endless(4) == 6
"""


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A repository with one room, one module and its tests."""
    root = tmp_path / "planted_root"
    for path, text in {
        "planted/__init__.py": "",
        "planted/room/__init__.py": "",
        "planted/room/kinds.py": CODE,
        "planted_tests/__init__.py": "",
        "planted_tests/room/__init__.py": "",
        "planted_tests/room/test_kinds.py": TESTS,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def shown(root: Path) -> list[str]:
    return [
        str(change) for change in changes(Path("planted/room/kinds.py"), (root / "planted/room/kinds.py").read_text())
    ]


def test_texts_annotations_and_errors_are_left_alone(planted: Path) -> None:
    found = shown(planted)
    assert "return first > second -> return first >= second" in found
    assert any("if one < limit" in text and "if one <= limit" in text for text in found)
    assert "while count % 3 != 0: -> while count // 3 != 0:" in found
    assert not [text for text in found if "no limit" in text or '"""' in text]
    assert len(found) == len(set(found))


def test_a_change_is_the_only_one_in_its_module(planted: Path) -> None:
    path = Path("planted/room/kinds.py")
    first, *others = changes(path, CODE)
    before = first.source()
    assert all(one.source() != before for one in others)
    assert first.source() == before


def test_what_planted_tests_notice(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    trial = Trial(planted, tmp_path / "scratch", budget_seconds=250)
    wanted = {
        "one < limit] -> ": NOTICED,
        "first > second -> ": UNNOTICED,
        "limit=9)[-1] -> ": SAYS_NOTHING,
    }
    every = changes(Path("planted/room/kinds.py"), CODE)
    found = {}
    for beginning, verdict in wanted.items():
        kind = "keyword dropped" if verdict == SAYS_NOTHING else "boundary"
        change = next(one for one in every if beginning in str(one) and one.kind == kind)
        found[beginning] = [one.verdict for one in trial.run({"room": iter([change])}, 1)]
    assert found == {beginning: [verdict] for beginning, verdict in wanted.items()}
    assert (planted / "planted/room/kinds.py").read_text() == CODE
    assert not [*planted.rglob("__pycache__")]


def test_tests_that_fail_unchanged_judge_nothing(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (planted / "planted_tests/room/test_kinds.py").write_text("def test_nothing() -> None:\n    assert False\n")
    trial = Trial(planted, tmp_path / "scratch", budget_seconds=250)
    (result,) = trial.run(sample(planted, ["room"], 0, "planted"), 1)
    assert result.verdict == NOT_TRIED
    assert "fails without a change" in result.why


def test_equal_seeds_draw_equal_changes_from_every_room() -> None:
    def first_of(seed: int) -> dict[str, list[str]]:
        rooms = sample(ROOT, ("datasets", "query"), seed)
        return {
            room: [f"{one.module}:{one.line} {one}" for one, _ in zip(drawn, range(9), strict=False)]
            for room, drawn in rooms.items()
        }

    assert first_of(0) == first_of(0)
    assert first_of(0) != first_of(1)
    assert all(len({line.split(":")[0] for line in lines}) > 1 for lines in first_of(0).values())


def test_every_module_has_a_room_and_every_test_file_a_place() -> None:
    modules = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / PACKAGE / room).rglob("*.py")]
    without = [module for module in modules if module.name != "__init__.py" and not nearest_tests(ROOT, module)]
    assert not without
    assert nearest_tests(ROOT, Path("synapse_assets/stores/rows.py")) == [
        Path("synapse_assets_tests/stores/test_rows.py")
    ]
    assert nearest_tests(ROOT, Path("synapse_assets/volumes/_stated.py")) == [
        Path("synapse_assets_tests/volumes/test_stated.py")
    ]
    for module, test in (
        ("stores/models.py", "stores/test_models_and_staging.py"),
        ("sources/dialects.py", "conformance/test_dialects.py"),
        ("datasets/yaml_text.py", "test_datasets.py"),
    ):
        assert test in {
            str(path.relative_to("synapse_assets_tests")) for path in nearest_tests(ROOT, Path(PACKAGE, module))[:2]
        }
