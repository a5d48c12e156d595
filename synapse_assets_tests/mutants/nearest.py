"""Which test files belong to a module: the one that mirrors it, otherwise those that import it, the nearest first."""

import ast
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# They install the package in processes of their own, drive a browser, or run a whole chain.
_LEFT_OUT = {"test_installation.py", "test_hostile_input.py", "test_docs.py", "test_docs_site.py", "explorer"}


def nearest_tests(root: Path, module: Path) -> list[Path]:
    """The test files of a module, as paths below `root`; `module` is such a path too.

    `package/room/name.py` and `package/room/_name.py` are mirrored by `package_tests/room/test_name.py`. A module without a mirror has
    the test files of its room and `conformance/` that reach it by their imports: those named after the module or the room, then the
    fewest steps, then by name. Where no test of its room reaches it, those of the other rooms.
    """
    package, *folders = module.parent.parts
    tests = Path(f"{package}_tests")
    mirror = tests.joinpath(*folders, f"test_{module.stem.lstrip('_')}.py")
    if (root / mirror).is_file():
        return [mirror]
    of_room = root / tests / f"test_{folders[0]}.py"
    first = {of_room, root / tests / "conformance" / f"test_{module.stem.lstrip('_')}.py"}
    top = (root / tests).glob("test_*.py") if of_room.is_file() else []
    near = [*(root / tests / folders[0]).rglob("test_*.py"), *(root / tests / "conformance").glob("test_*.py"), *top]
    for found in (near, [*(root / tests).rglob("test_*.py")]):
        tried = [path.relative_to(root) for path in found if not _LEFT_OUT & {*path.parts}]
        steps = {path: _steps(root, root / path).get(root / module) for path in tried}
        reaching = [(0 if root / path in first else count, path) for path, count in steps.items() if count is not None]
        if reaching:
            return [path for _, path in sorted(reaching)]
    return []


@cache
def _steps(root: Path, start: Path) -> dict[Path, int]:
    """The project's files that a file reaches, and how many imports lead there."""
    steps = {start: 0}
    waiting = deque([start])
    while waiting:
        path = waiting.popleft()
        for other in _imported(root, path):
            if other not in steps:
                steps[other] = steps[path] + 1
                waiting.append(other)
    return steps


@cache
def _imported(root: Path, path: Path) -> Sequence[Path]:
    """The project's files that a file imports, wherever in it. What a package hands on counts for the file that it comes from."""
    found: list[Path] = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            found += [file for alias in node.names if (file := _file(root, alias.name))]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [file for alias in node.names if (file := _origin(root, node.module, alias.name))]
    return tuple(dict.fromkeys(found))


@cache
def _origin(root: Path, module: str, name: str) -> Path | None:
    """The file that defines what `from module import name` gives. None outside the project."""
    if (file := _file(root, f"{module}.{name}")) or not (file := _file(root, module)):
        return file
    if file.name == "__init__.py":
        for node in _parsed(file).body:
            if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
                return _origin(root, node.module, name) or file
    return file


def _file(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    return next((one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()), None)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
