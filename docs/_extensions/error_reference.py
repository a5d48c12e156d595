"""Every class of error with its remedy, and every message that the code raises, from the source itself.

A message is shown as it is written, the values that it is filled with being their names. Nothing is imported or run.
"""

import ast
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from markdown import code, escaped, table

PACKAGE = Path(__file__).parents[2] / "synapse_assets"
REMEDY = "What to do: "
_ROOT = "SynapseAssetsError"
# Rooms whose ValueErrors reach a person: pydantic turns them into messages on a field of a dataset file or on a setting.
_OF_FIELDS = ("datasets", "settings")


@dataclass(frozen=True)
class ErrorClass:
    """A class of errors: what happened, what to do, the names it derives from, and the module below the package."""

    name: str
    bases: tuple[str, ...]
    module: str
    docstring: str

    @property
    def happened(self) -> str:
        """The docstring up to the remedy."""
        return self.docstring.partition(REMEDY)[0].strip()

    @property
    def remedy(self) -> str:
        """What a person can do; empty where the docstring does not say it."""
        text = self.docstring.partition(REMEDY)[2].strip()
        return text[:1].upper() + text[1:]


@dataclass(frozen=True, order=True)
class Message:
    """One message: the module below the package that raises it, its line there, its class, and its text with names for values."""

    module: str
    line: int
    error: str
    text: str

    @property
    def room(self) -> str:
        """The folder of the module, or the module itself where it is in none."""
        return self.module.split("/")[0].removesuffix(".py")


@cache
def _trees() -> dict[str, ast.Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def error_classes() -> list[ErrorClass]:
    """The class that all our errors derive from, and all that derive from it, in the order in which they do."""
    every = [
        ErrorClass(
            node.name,
            tuple(ast.unparse(base).split(".")[-1] for base in node.bases),
            module,
            ast.get_docstring(node) or "",
        )
        for module, tree in _trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]
    found = [one for one in every if one.name == _ROOT]
    for parent in found:  # grows meanwhile
        found += [one for one in every if parent.name in one.bases and one not in found]
    return found


@cache
def all_messages() -> list[Message]:
    """What is raised as one of our errors, or, on a field of a dataset file or a setting, as a ValueError."""
    ours = {one.name for one in error_classes()}
    found = []
    for module, tree in _trees().items():
        kinds = ours | {"ValueError"} if module.split("/")[0].removesuffix(".py") in _OF_FIELDS else ours
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
                continue
            name, text = ast.unparse(node.exc.func).split(".")[-1], _text(node.exc.args[0])
            if name in kinds and any(letter.isalpha() for letter in text.replace("*", "")):
                found.append(Message(module, node.lineno, name, text))
    return sorted(found)


def _text(node: ast.expr) -> str:
    """A message as Markdown, the names of its values in italics; empty for one that is put together elsewhere."""
    if isinstance(node, ast.Constant):
        return escaped(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(
            escaped_part(part.value) if isinstance(part, ast.Constant) else f"*{_name(part.value)}*"
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return ""


def escaped_part(value: object) -> str:
    """A piece of a message, with the blanks at its ends."""
    text = str(value)
    inner = escaped(text)
    return (" " if text[:1].isspace() else "") + inner + (" " if inner and text[-1:].isspace() else "")


def _name(node: ast.expr) -> str:
    """What a value is called: the last name of an attribute, the argument of a call, or dots for something longer."""
    if isinstance(node, ast.Name):
        return escaped(node.id.strip("_").replace("_", " "))
    if isinstance(node, ast.Attribute):
        return escaped(node.attr.strip("_").replace("_", " "))
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Call) and node.args:
        return _name(node.args[-1])
    return "…"


def classes() -> str:
    """A table: what each class of errors says, and what to do."""
    rows = [
        (code(one.name), escaped(one.happened), escaped(one.remedy))
        for one in error_classes()
        if not one.name.startswith("_")
    ]
    return table(("error", "what happened", "what to do"), rows)


def messages() -> str:
    """A list of messages for each room, with the file that each comes from."""
    sections = []
    for room, found in groupby(all_messages(), key=lambda message: message.room):
        lines = [f"- {message.text} ({code(message.module)})" for message in found]
        sections.append(f"### `{room}`\n\n" + "\n".join(lines))
    return "\n\n".join(sections)
