"""Which small changes a module allows: what a reviewer fears, never a text, an annotation or a log line.

Each change replaces one expression (or one operator) of the syntax tree; the changed module is written out from the tree.
"""

import ast
import copy
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

_Swap: TypeAlias = dict[type[ast.AST], type[ast.AST]]
# Parent, field, and where in it if it is a list.
Place: TypeAlias = tuple[ast.AST, str, int | None]
Node = TypeVar("Node", bound=ast.AST)

_BOUNDARIES: _Swap = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_COMPARISONS: _Swap = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: _Swap = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "nanmin": "nanmax",
    "nanmax": "nanmin",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "mean": "median",
    "median": "mean",
    "less": "less_equal",
    "less_equal": "less",
    "greater": "greater_equal",
    "greater_equal": "greater",
    "and_": "or_",
    "or_": "and_",
    "intersection": "union",
    "union": "intersection",
}
_ORDERING = {"sorted", "sort", "sort_values", "sort_by", "sort_index", "reversed", "argsort"}
_FILTERING = {"dropna", "drop_duplicates", "filter", "unique", "drop_null"}
_STEPS = {"abs", "clip", "fill_null", "fillna", "log1p", "transpose", "invert", "strip", "lower", "casefold"}
_AXES = {"x", "y", "z", "x_nm", "y_nm", "z_nm", "height", "width", "rows", "columns"}
# Keywords that change nothing, or only looks, texts and speed.
_HARMLESS = {
    "batch_size", "chunk_size", "copy", "daemon", "description", "encoding", "exist_ok", "flush", "help", "indent", "max_workers",
    "missing_ok", "n_jobs", "name", "nthreads", "num_threads", "parents", "repr", "strict", "timeout", "title", "use_threads", "verbose",
}  # fmt: skip
# Calls that only tell something, and what builds an error.
_TELLING = re.compile(
    r"(^|\.)(_?LOG\.\w+|log\.\w+|warn|print|sleep|cast|TypeVar|\w*(Error|Input|Unreachable|NoModel))$"
)
_HASHING = re.compile(r"sha256|blake2b|digest|content_key|fingerprint")
_ROOM_THAT_DRAWS = "figures"
_TYPES = {"Literal", "Annotated", "Callable", "Union", "Optional", "dict", "list", "tuple", "type"}
_LARGEST_CONSTANT = 1000


@dataclass(frozen=True)
class Change:
    """One change of one module: `new` comes to stand at `place` of its tree, in `statement`."""

    module: Path
    line: int
    kind: str
    statement: ast.stmt
    place: Place
    new: Any
    tree: ast.Module

    def source(self) -> str:
        """The whole module with the change. For one thread at a time."""
        return self._changed(self.tree, ast.unparse) + "\n"

    def __str__(self) -> str:
        """The statement before and after, cut to what differs and a little on either side."""
        before, after = _head(self.statement), self._changed(self.statement, _head)
        shared = _alike(before, after)
        behind = _alike(before[shared:][::-1], after[shared:][::-1])
        first = max(shared - 40, 0)
        cut = [
            ("…" if first else "") + text[first : len(text) - max(behind - 30, 0)] + ("…" if behind > 30 else "")
            for text in (before, after)
        ]
        return " -> ".join(cut)

    def _changed(self, node: Node, written: Callable[[Node], str]) -> str:
        old = _put(self.place, self.new)
        try:
            return written(node)
        finally:
            _put(self.place, old)


def changes(module: Path, source: str) -> list[Change]:
    """All changes of a module, in the order of its text."""
    tree = ast.parse(source)
    return [
        Change(module, line, kind, statement, place, new, tree)
        for kind, line, statement, place, new in _Places(tree, looks_only=_ROOM_THAT_DRAWS in module.parts).found
    ]


def drawn(every: list[Change], seed: str) -> Iterator[Change]:
    """The changes in a random order that gives every kind its turn. Equal seeds give equal orders."""
    chance = random.Random(seed)
    kinds: dict[str, list[Change]] = {}
    for change in every:
        kinds.setdefault(change.kind, []).append(change)
    for waiting in kinds.values():
        chance.shuffle(waiting)
    while kinds:
        for kind in chance.sample(sorted(kinds), len(kinds)):
            yield kinds[kind].pop()
            if not kinds[kind]:
                del kinds[kind]


def _put(place: Place, new: Any) -> Any:
    """Puts `new` there and returns what was there."""
    parent, field, index = place
    if index is None:
        old = getattr(parent, field)
        setattr(parent, field, new)
    else:
        items = getattr(parent, field)
        old, items[index] = items[index], new
    return old


def _alike(one: str, other: str) -> int:
    """How many characters are the same at the beginning of both."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _head(statement: ast.stmt) -> str:
    """The statement in one line, without the statements in it."""
    head = copy.copy(statement)
    for field in ("body", "orelse", "finalbody", "handlers", "cases", "decorator_list"):
        if isinstance(getattr(head, field, None), list):
            setattr(head, field, [])
    return " ".join(ast.unparse(ast.fix_missing_locations(head)).split())


class _Places:
    """Walks over a module and collects (kind, line, statement, place, new node)."""

    def __init__(self, tree: ast.Module, looks_only: bool) -> None:
        self.found: list[tuple[str, int, ast.stmt, Place, Any]] = []
        self.looks_only = looks_only
        self.hashing = False
        self.in_function = False
        self.returns = ""
        self.statement: ast.stmt = ast.Pass()
        self._body(tree, "body")

    def _body(self, parent: ast.AST, field: str) -> None:
        for index, statement in enumerate(getattr(parent, field)):
            self._statement(statement, (parent, field, index))

    def _statement(self, node: ast.stmt, place: Place) -> None:
        around, self.statement = self.statement, node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._body(node, "body")
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None and "TypeAlias" not in ast.unparse(node.annotation):
                self._node(node.value, (node, "value", None))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            self._body(node, "orelse")
        elif not isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert) and not _is_export(node):
            self._fields(node)
            self._returned(node)
        self.statement = around

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside = self.hashing, self.in_function, self.returns
        called = [ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)]
        self.hashing = "hash" in node.name or bool(_HASHING.search(" ".join(called)))
        self.in_function, self.returns = True, ast.unparse(node.returns) if node.returns else ""
        for field in ("defaults", "kw_defaults"):
            for index, value in enumerate(getattr(node.args, field)):
                if value is not None:
                    self._node(value, (node.args, field, index))
        self._body(node, "body")
        self.hashing, self.in_function, self.returns = outside

    def _fields(self, node: ast.AST) -> None:
        """Everything in a node that may be changed."""
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "targets", "target", "type", "decorator_list", "type_comment"):
                continue
            if isinstance(node, ast.Subscript) and field == "slice" and _name(node.value) in _TYPES:
                continue
            if isinstance(node, ast.Call) and _name(node.func) in ("isinstance", "issubclass") and field == "args":
                value = value[:1]
            for index, part in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(part, ast.AST):
                    self._node(part, (node, field, index))

    def _node(self, node: ast.AST, place: Place) -> None:
        if isinstance(node, ast.stmt):
            self._statement(node, place)
            return
        if isinstance(node, ast.Call) and _TELLING.search(ast.unparse(node.func)):
            return
        if isinstance(node, ast.keyword) and node.arg in _HARMLESS:
            return
        for kind, new in self._alternatives(node, place):
            line = getattr(node, "lineno", self.statement.lineno)
            self.found.append((kind, line, self.statement, place, new))
        if not isinstance(node, ast.JoinedStr):
            self._fields(node)

    def _alternatives(self, node: ast.AST, place: Place) -> Iterator[tuple[str, Any]]:
        if isinstance(node, ast.Constant) and not self.looks_only:
            yield from _constants(node)
        elif isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                for kind, swap in (("boundary", _BOUNDARIES), ("comparison", _COMPARISONS)):
                    if type(operator) in swap:
                        operators = [*node.ops]
                        operators[index] = swap[type(operator)]()  # type: ignore[call-overload]
                        yield kind, _with(node, ops=operators)
        elif isinstance(node, ast.BinOp):
            yield from self._binary(node)
        elif isinstance(node, ast.BoolOp):
            yield "and/or", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
            yield "not, ~ or - dropped", node.operand
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Attribute | ast.Subscript) and ast.unparse(node).endswith((".T", "[::-1]")):
            yield "axes", node.value
        elif isinstance(node, ast.comprehension):
            for index, condition in enumerate(node.ifs):
                yield "filter", _with(node, ifs=[*node.ifs[:index], *node.ifs[index + 1 :]])
                yield "filter", _with(node, ifs=[*node.ifs[:index], _not(condition), *node.ifs[index + 1 :]])
        elif isinstance(node, ast.Tuple | ast.List | ast.Set) and not isinstance(getattr(node, "ctx", None), ast.Store):
            yield from self._elements(node)
        elif isinstance(node, ast.JoinedStr) and self.hashing:
            for index, part in enumerate(node.values):
                if isinstance(part, ast.FormattedValue) and len(node.values) > 1:
                    yield "hash input dropped", _with(node, values=[*node.values[:index], *node.values[index + 1 :]])
        if place[1] == "test" and not isinstance(node, ast.Compare | ast.UnaryOp | ast.BoolOp):
            yield "condition negated", _not(node)  # type: ignore[arg-type]

    def _binary(self, node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
        operands = (node.left, node.right)
        textual = any(map(_is_no_number, operands))
        path = isinstance(node.op, ast.Div) and re.search(r"path|folder|root|file|parent|Path\(", ast.unparse(node))
        if self.hashing and isinstance(node.op, ast.Add) and textual:
            yield from (("hash input dropped", one) for one in operands)
        if type(node.op) in _ARITHMETIC and not textual and not path and self.in_function:
            yield "arithmetic", _with(node, op=_ARITHMETIC[type(node.op)]())

    def _call(self, node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
        name = _name(node.func)
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(receiver, ast.Name) and receiver.id in ("np", "pc", "pa", "pd", "torch", "math"):
            receiver = None
        subject = receiver if receiver is not None else node.args[0] if node.args else None
        if subject is not None and not isinstance(self.statement, ast.Expr):
            if name in _ORDERING and name != "argsort":
                yield "order", subject if name not in ("sorted", "reversed") else _called("list", subject)
            if name in _FILTERING:
                yield "filter", subject
            if name in _STEPS:
                yield "step dropped", subject
        if name in _NAMES and (node.args or receiver is not None):
            func = copy.copy(node.func)
            setattr(func, "id" if isinstance(func, ast.Name) else "attr", _NAMES[name])
            yield "min/max, any/all", _with(node, func=func)
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is None or keyword.arg in _HARMLESS or self.looks_only:
                continue
            yield "keyword dropped", _with(node, keywords=[*node.keywords[:index], *node.keywords[index + 1 :]])
            if keyword.arg == "axis" and isinstance(keyword.value, ast.Constant):
                other = ast.keyword("axis", ast.Constant(0 if keyword.value.value else 1))
                yield "axes", _with(node, keywords=[*node.keywords[:index], other, *node.keywords[index + 1 :]])
        if self.hashing and _HASHING.search(ast.unparse(node.func)) and len(node.args) > 1:
            for index in range(1, len(node.args)):
                yield "hash input dropped", _with(node, args=[*node.args[:index], *node.args[index + 1 :]])

    def _elements(self, node: ast.Tuple | ast.List | ast.Set) -> Iterator[tuple[str, ast.AST]]:
        texts = [ast.unparse(one).strip("'\"").split(".")[-1] for one in node.elts]
        axes = [index for index, text in enumerate(texts) if text in _AXES]
        if len(axes) > 1 and not isinstance(node, ast.Set):
            elements = [*node.elts]
            elements[axes[0]], elements[axes[-1]] = elements[axes[-1]], elements[axes[0]]
            yield "axes", _with(node, elts=elements)
        strings = all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in node.elts)
        if len(node.elts) > 1 and (strings or self.hashing) and not axes:
            kind = "name dropped" if strings else "hash input dropped"
            for index in range(len(node.elts)):
                yield kind, _with(node, elts=[*node.elts[:index], *node.elts[index + 1 :]])

    def _returned(self, node: ast.stmt) -> None:
        """Other values of a return statement, by what the function says it returns."""
        if not isinstance(node, ast.Return) or node.value is None or isinstance(node.value, ast.Constant):
            return
        value, text = node.value, self.returns
        new: ast.expr | None = None
        if text == "bool" and not isinstance(value, ast.Compare | ast.UnaryOp):
            new = _not(value)
        elif text in ("int", "float"):
            new = ast.BinOp(value, ast.Add(), ast.Constant(1))
        elif text.startswith(("list[", "npt.NDArray", "np.ndarray")):
            new = ast.Subscript(value, _expression("[::-1]").slice, ast.Load())
        elif re.fullmatch(r"tuple\[.*\]", text) and isinstance(value, ast.Tuple) and len(value.elts) == 2:
            new = ast.Tuple([*reversed(value.elts)], ast.Load())
        elif text == "pd.DataFrame":
            iloc = ast.Attribute(value, "iloc", ast.Load())
            new = ast.Subscript(iloc, _expression("[:-1]").slice, ast.Load())
        elif text == "pa.Table":
            new = _called("slice", ast.Constant(1), of=value)
        if new is not None:
            self.found.append(("returned value", node.lineno, node, (node, "value", None), new))


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "truth value", ast.Constant(not value)
    elif isinstance(value, int) and value <= _LARGEST_CONSTANT:
        yield "constant", ast.Constant(value + 1)
        if value > 1:
            yield "constant", ast.Constant(value - 1)
    elif isinstance(value, float):
        yield "constant", ast.Constant(value * 2 or 1.0)


def _with(node: Any, **fields: Any) -> Any:
    """A copy of the node with other fields."""
    new = copy.copy(node)
    for field, value in fields.items():
        setattr(new, field, value)
    return new


def _not(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    return ast.UnaryOp(ast.Not(), node)


def _is_export(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _is_no_number(node: ast.expr) -> bool:
    """Whether it plainly is a text or a list."""
    if isinstance(node, ast.IfExp):
        return _is_no_number(node.body) or _is_no_number(node.orelse)
    if isinstance(node, ast.BinOp):
        return _is_no_number(node.left) or _is_no_number(node.right)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes | None)
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.Set | ast.Dict | ast.ListComp)


def _called(name: str, argument: ast.expr, of: ast.expr | None = None) -> ast.Call:
    function = ast.Name(name, ast.Load()) if of is None else ast.Attribute(of, name, ast.Load())
    return ast.Call(function, [argument], [])


def _expression(slicing: str) -> Any:
    return ast.parse(f"_{slicing}", mode="eval").body


def _name(function: ast.expr) -> str:
    """The last name of what is called."""
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
