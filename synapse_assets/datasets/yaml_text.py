"""YAML text of a user's file, read as plain values, safely: it can neither fill the memory nor run code.

One rule: a key is its text, and a value is its text, but for nothing (empty, null or ~). NO is a neuropil
and no truth value, 1:20 is no number of seconds, 010 is no octal number; a field that wants a number or a truth value takes
it from the text.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from synapse_assets.errors import BadInput

# Stands in printed YAML where only the user knows what to write.
FILL_IN = "FILL_IN"
_LARGEST = 1 << 20
_MOST_VALUES = 100_000
_TEXT, _NULL, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "merge"))


class _AsWritten(yaml.SafeLoader):
    """Gives scalars as text, null as None."""


_AsWritten.yaml_implicit_resolvers = {
    first: null_and_merge
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (null_and_merge := [(tag, pattern) for tag, pattern in resolvers if tag in (_NULL, _MERGE)])
}


class _OneLine(yaml.SafeDumper):
    """Writes line ends, and whatever else does not print, as escapes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar(_TEXT, data, style=None if data.isprintable() else '"')


_OneLine.add_representer(str, _OneLine.represent_str)


def parse_yaml(content: bytes) -> Any:
    """The plain values of a YAML document. Raises BadInput for what is no YAML, is too large, refers to itself, or gives the
    same key twice in one mapping."""
    if len(content) > _LARGEST:
        raise BadInput(f"larger than {_LARGEST >> 20} MiB, so it is no dataset file")
    try:
        loader = _AsWritten(content.decode("utf-8-sig"))
        try:
            document = loader.get_single_node()
            if document is None:
                return None
            _keys_as_text(document)
            values = loader.construct_document(document)
        finally:
            loader.dispose()
        if _values(values, {}) > _MOST_VALUES:
            raise BadInput(f"its aliases (*name) stand for more than {_MOST_VALUES:,} values: write out what is meant")
    except BadInput:
        raise
    except yaml.YAMLError as error:
        raise BadInput(f"not valid YAML: {error}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"not valid YAML in UTF-8: {error}") from error
    except RecursionError as error:
        raise BadInput("not a dataset file: it nests too deep") from error
    return values


def as_yaml(value: Any) -> str:
    """A value as YAML on one line, whose texts `parse_yaml` reads as they are: to print as advice."""
    line: str = yaml.dump(
        value, Dumper=_OneLine, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return line.removesuffix("...\n").strip()


def left_to_fill_in(value: Any, where: str = "") -> Iterator[str]:
    """The fields that still hold `FILL_IN`, as paths; an entry of a list goes by its name, if it has one."""
    if value == FILL_IN:
        yield where
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from left_to_fill_in(inner, f"{where}.{key}".lstrip("."))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            name = inner.get("name", number) if isinstance(inner, dict) else None
            yield from left_to_fill_in(inner, where if name is None else f"{where} '{name}'")


def _keys_as_text(document: yaml.Node) -> None:
    """Makes the keys of all mappings text. Raises BadInput for the first one that its mapping has already."""
    repeated: list[tuple[int, int, str, bool]] = []
    queue, seen = [document], {id(document)}
    while queue:
        node = queue.pop()
        children = list(node.value) if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            first: dict[tuple[str, bool], tuple[yaml.Node, yaml.Node]] = {}
            for key, value in node.value:
                children += [key, value]
                if not isinstance(key, yaml.ScalarNode):
                    continue
                key.tag = key.tag if key.tag == _MERGE else _TEXT
                first_key, first_value = first.setdefault((key.value, key.tag == _MERGE), (key, value))
                if first_key is not key:
                    lists = isinstance(value, yaml.SequenceNode) and isinstance(first_value, yaml.SequenceNode)
                    repeated.append((key.start_mark.line + 1, first_key.start_mark.line + 1, key.value, lists))
        unseen = [child for child in children if id(child) not in seen]
        seen.update(map(id, unseen))
        queue += unseen
    if repeated:
        line, first_line, name, lists = min(repeated)
        where = f"line {line}" + (f" (and line {first_line})" if first_line != line else "")
        remedy = "put the entries of both into one list" if lists else "keep one of them"
        raise BadInput(f"{where}: '{name}' is given twice, and only one of them would count: {remedy}")


def _values(value: Any, counted: dict[int, int]) -> int:
    """How many values there are once every alias is written out; what holds itself has no end."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in counted:
        counted[id(value)] = _MOST_VALUES  # until it is known: it may hold itself
        items = [*value.values()] if isinstance(value, dict) else value
        counted[id(value)] = 1 + sum(_values(item, counted) for item in items)
    return counted[id(value)]
