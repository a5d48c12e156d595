"""Every field that a dataset file may have, from the models that read it."""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from asset_reference import TITLES, chains
from markdown import code, escaped, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def markdown() -> str:
    """A section a chain with the fields of its datasets, then one for each part that has fields of its own."""
    datasets = [chain.dataset_type for chain in chains()]
    sections = []
    for chain in chains():
        sections += [f"## {TITLES[chain.name]}: `chain: {chain.name}`", _fields(chain.dataset_type)]
    sections += ["## Parts of a dataset", "What the fields above hold, in the order of their names."]
    for model in sorted(_models(datasets), key=lambda model: model.__name__):
        sections += [f"### {model.__name__}", escaped(model.__doc__ or ""), _fields(model)]
    return "\n\n".join(sections)


def _models(datasets: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The models inside of others."""
    found: list[type[BaseModel]] = []
    queue: list[type[BaseModel]] = list(datasets)
    while queue:
        for field in queue.pop().model_fields.values():
            for model in _inside(field.annotation):
                if model not in found:
                    found.append(model)
                    queue.append(model)
    return found


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (code(name), _kind(field.annotation), _default(field), escaped(described(name, field)))
        for name, field in model.model_fields.items()
    ]
    return table(("field", "holds", "default", "meaning"), rows)


def described(name: str, field: FieldInfo) -> str:
    """What a field says of itself; of one that holds a part, what the part says; of a reader's or chain's own name, that it is."""
    if field.description:
        return field.description
    if parts := list(_inside(field.annotation)):
        return (parts[0].__doc__ or "").split("\n\n")[0]
    return {"chain": "Names the kind of dataset.", "format": "Names the reader."}.get(name, "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, list | tuple):
        return code("[" + ", ".join(map(str, value)) + "]")
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(str(value))


def _kind(annotation: Any) -> str:
    """What a field holds, in words; the name of a part leads to its section."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return " or ".join(code(str(value)) for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_kind(argument) for argument in arguments if argument is not type(None))
    if origin is list:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"mapping of {_kind(arguments[0])} to {_kind(arguments[1])}"
    if origin is tuple:
        return f"{len(arguments)} of {_kind(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(str(member.value)) for member in annotation)
    return _PLAIN.get(annotation, "anything")
