"""Environment variables in a dataset file: filled in where the field is declared a `Location`, and nowhere else.

The Dagster UI and the explorer show the rest of a dataset, and a variable may hold a password.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from synapse_assets.errors import BadInput


class _Use(Enum):
    LOCATION = "a path or address"
    TEXT = "text for readers"


# A path of files or the address of a server: what differs between machines, so ${NAME} is the environment variable NAME.
Location = Annotated[str, _Use.LOCATION]
# Text for readers, shown as it is written.
FreeText = Annotated[str, _Use.TEXT]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def names_in(text: str) -> set[str]:
    """The environment variables that a dataset file names, wherever it does."""
    return {match[1] for match in _VARIABLE.finditer(text)}


def needed_in(text: str) -> set[str]:
    """Those of the variables in a text that have to be set: `${NAME}`, and not `${NAME:-text}`."""
    return {match[1] for match in _VARIABLE.finditer(text) if match[2] is None}


def filled_in(content: dict[Any, Any], model: type[BaseModel], variables: Mapping[str, str]) -> Any:
    """The plain values of a file that `model` describes, `${NAME}` and `${NAME:-text}` replaced in every `Location`.

    Raises BadInput naming the field where a variable is not set, or where one is named elsewhere than in a `Location` or
    `FreeText`, in a key too. What `model` has no field for stays as it is: validating refuses it.
    """
    return _walked(
        content, [model], lambda text, where: _VARIABLE.sub(lambda match: _value(match, variables, where), text), ""
    )


def locations_in(content: dict[Any, Any], model: type[BaseModel]) -> dict[str, str]:
    """Every `Location` of a file that `model` describes, by its field (`sources[0].path`), as it is written there."""
    found: dict[str, str] = {}
    _walked(content, [model], lambda text, where: found.setdefault(where, text), "")
    return found


def with_locations(content: dict[Any, Any], model: type[BaseModel], change: Callable[[str], str]) -> Any:
    """The plain values that `model` describes, with each `Location` replaced by what `change` makes of it."""
    return _walked(content, [model], lambda text, _: change(text), "")


def _walked(value: Any, kinds: list[Any], at_location: Callable[[str, str], str], where: str) -> Any:
    """A value with each `Location` in it replaced by what `at_location` gives for its text and its field."""
    if isinstance(value, str) and _Use.LOCATION in kinds:
        return at_location(value, where)
    if isinstance(value, str) and kinds and _Use.TEXT not in kinds:
        _refuse_variable(value, where)
    if isinstance(value, list):
        item_kinds = list(
            _kinds(item for kind in kinds if get_origin(kind) in (list, tuple) for item in get_args(kind))
        )
        return [_walked(item, item_kinds, at_location, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, dict):
        filled = {}
        for key, item in value.items():
            path = f"{where}.{key}".lstrip(".")
            _refuse_variable(str(key), path)
            filled[key] = _walked(item, list(_kinds(_declared(kinds, key))), at_location, path)
        return filled
    return value


def _declared(kinds: Iterable[Any], key: object) -> Iterator[Any]:
    """The declarations of the value under that key, by any of the kinds that are allowed there."""
    for kind in kinds:
        if get_origin(kind) is dict:
            yield get_args(kind)[1]
        elif isinstance(kind, type) and issubclass(kind, BaseModel) and key in kind.model_fields:
            field = kind.model_fields[str(key)]
            yield from (field.annotation, *field.metadata)


def _kinds(declared: Iterable[Any]) -> Iterator[Any]:
    """The kinds allowed in a field: its types, each of a union, and what `Annotated` adds to them."""
    for kind in declared:
        if get_origin(kind) in (Annotated, Union, UnionType):
            yield from _kinds(get_args(kind))
        else:
            yield kind


def _value(match: re.Match[str], variables: Mapping[str, str], where: str) -> str:
    name, default = match.groups()
    if default is not None and "${" in default:
        raise BadInput(f"{where}: the default of ${{{name}}} names a variable, which is not filled in: write it out")
    if name in variables:
        return variables[name]
    if default is None:
        raise BadInput(f"{where} names ${{{name}}}, but the environment variable {name} is not set")
    return str(default)


def _refuse_variable(text: str, where: str) -> None:
    if match := _VARIABLE.search(text):
        raise BadInput(
            f"{where} names ${{{match[1]}}}, but variables are filled in only in paths and addresses: write the value itself"
        )
