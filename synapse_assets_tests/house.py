"""How the house is built, measured from its source: `python -m synapse_assets_tests.house` prints the figures that the tests hold."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import synapse_assets

ROOT = Path(synapse_assets.__file__).parent


@dataclass(frozen=True)
class Function:
    """A function: where it stands, and its lines of code after the docstring."""

    module: str
    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.lines:4d}  {self.module}: {self.name}"


def modules(room: str = "") -> Iterator[tuple[str, ast.Module]]:
    """The modules of a room with their syntax trees, by path below the package."""
    for path in sorted((ROOT / room).rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def _length(function: ast.FunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _declares_asset(function: ast.FunctionDef) -> bool:
    calls = [one.func if isinstance(one, ast.Call) else one for one in function.decorator_list]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    return bool(names & {"asset", "multi_asset", "multi_observable_source_asset"})


def asset_bodies() -> list[Function]:
    """The bodies of all assets, the longest first."""
    return _longest(
        Function(module, node.name, _length(node))
        for module, tree in modules("defs")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _declares_asset(node)
    )


def factories() -> list[Function]:
    """The functions that declare assets or an application's routes inside them, the longest first."""
    return _longest(
        Function(module, node.name, _length(node))
        for room in ("defs", "explorer")
        for module, tree in modules(room)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(inner, ast.FunctionDef) and inner.decorator_list for inner in node.body)
    )


def _longest(functions: Iterator[Function]) -> list[Function]:
    return sorted(functions, key=lambda function: -function.lines)


def dataset_ladders() -> list[str]:
    """Places that ask which type of dataset they have, by `isinstance` or by the name of the chain."""
    kinds = {"EmDataset", "MorphologyDataset", "Dataset"}
    return [
        f"{module}:{node.lineno}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "isinstance"
        and any(getattr(name, "id", "") in kinds for name in ast.walk(node.args[1]))
    ]


def without_dagster() -> list[str]:
    """Modules of `defs` with functions or classes of their own that use neither Dagster nor the rest of `defs`."""
    return [
        module
        for module, tree in modules("defs")
        if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
        and not any(
            (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "dagster" for name in node.names))
            or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("dagster", "synapse_assets.defs")))
            for node in ast.walk(tree)
        )
    ]


def names_of_private_dagster() -> dict[str, set[str]]:
    """What each module names of `dagster._*`, by import or as the name of a module in a text; modules without any are left out."""
    found: dict[str, set[str]] = {}
    for module, tree in modules():
        for node in ast.walk(tree):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{name.name}" for name in node.names]
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.replace(".", "").isidentifier()
            ):
                names = [node.value]
            if private := {name for name in names if name.startswith("dagster._")}:
                found.setdefault(module, set()).update(private)
    return found


def importing(*packages: str) -> list[str]:
    """Modules that import one of these packages, anywhere in them."""
    found = set()
    for module, tree in modules():
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if {name.split(".")[0] for name in names} & set(packages):
                found.add(module)
    return sorted(found)


def lines_with(pattern: str) -> int:
    """Lines of the package in which that regular expression is found."""
    return sum(
        bool(re.search(pattern, line))
        for path in ROOT.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    )


if __name__ == "__main__":
    print("longest asset bodies (lines after the docstring)", *asset_bodies()[:5], sep="\n")
    print("longest factories", *factories()[:5], sep="\n")
    print("places that ask for the type of a dataset:", ", ".join(dataset_ladders()) or "none")
    print("modules that name dagster._*:", ", ".join(names_of_private_dagster()) or "none")
    print("modules of defs without Dagster:", ", ".join(without_dagster()) or "none")
    print("rooms that draw:", ", ".join(sorted({name.split("/")[0] for name in importing("matplotlib", "plotly")})))
    files = sorted(ROOT.rglob("*.py"), key=lambda path: -len(path.read_text(encoding="utf-8").splitlines()))
    print("longest file:", files[0].relative_to(ROOT), len(files[0].read_text(encoding="utf-8").splitlines()))
    print("lines with Any:", lines_with(r"\bAny\b"), "  type: ignore:", lines_with("type: ignore"))
    words = ("one", "found", "shown", "told", "taken", "kept", "among")
    counts = {word: lines_with(rf"\b{word}\b") for word in ("one", "found", "shown", "told", "taken", "kept", "among")}
    print("words of the dialect:", ", ".join(f"{word} {count}" for word, count in counts.items()))
