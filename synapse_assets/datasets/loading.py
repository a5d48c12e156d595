"""From a YAML file to a typed dataset, and the messages on a file that is none."""

import difflib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from synapse_assets.datasets.base import Dataset
from synapse_assets.datasets.chain import CHAINS, Chain
from synapse_assets.datasets.em_chain import EM
from synapse_assets.datasets.publishing import columns_left_out
from synapse_assets.datasets.sources import fill_in_format, format_names
from synapse_assets.datasets.variables import filled_in, locations_in, names_in, needed_in
from synapse_assets.datasets.yaml_text import FILL_IN, left_to_fill_in, parse_yaml
from synapse_assets.errors import BadInput

# Always filled in, by the local root of the installation.
_LOCAL_ROOT = "SYNAPSE_LOCAL_ROOT"


def _describe_error(error: Any, content: dict[str, Any]) -> str:
    """The message on one mistake: where, what, and the name that was probably meant."""
    location = [part for part in error["loc"] if part not in ("points", "neurons") or part == error["loc"][0]]
    for kind in ("sources", "neurons", "workbooks"):
        if location[:1] == [kind] and len(location) > 1 and isinstance(location[1], int):
            entry = content[kind][location[1]]
            location[:2] = [f"{kind} '{entry.get('name', location[1]) if isinstance(entry, dict) else location[1]}'"]
    where = ".".join(str(part) for part in location)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        name, known = str(error["loc"][-1]), _field_names()
        close_matches = difflib.get_close_matches(name, known, 1)
        message = "there is no such field" + (f"; did you mean '{close_matches[0]}'?" if close_matches else "")
        if name in known:
            message = "there is no such field here, only elsewhere"
    elif error["type"] == "missing":
        message = "this field is missing"
    elif error["type"] == "union_tag_invalid":
        format_name = str(error["ctx"]["tag"])
        names = [
            "points",
            "neurons",
            "synister_v3",
            "synister_v4",
            "synister_v3_skeletons",
            "cremi",
            "cave",
            *format_names(),
        ]
        close_matches = difflib.get_close_matches(format_name, names, 1)
        message = f"no format '{format_name}'" + (
            f"; did you mean '{close_matches[0]}'?" if close_matches else f"; there are {names}"
        )
    return f"{where}: {message}" if where else message


def _field_names() -> set[str]:
    """Every field that any dataset file may have, at any depth."""
    names: set[str] = set()
    queue: list[Any] = [chain.dataset_type for chain in CHAINS.values()]
    seen: set[type[BaseModel]] = set()
    while queue:
        kind = queue.pop()
        queue += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            names |= kind.model_fields.keys()
            queue += [field.annotation for field in kind.model_fields.values()]
    return names


def variables_named(names_or_paths: Iterable[str]) -> set[str]:
    """The environment variables that these datasets name, and those of the package; a file that cannot be read names none."""
    names: set[str] = set()
    for path in {*Path(__file__).parent.glob("*.yaml"), *map(_file_of, names_or_paths)}:
        with suppress(OSError):
            names |= names_in(path.read_text(encoding="utf-8", errors="replace"))
    return names


def _file_of(name_or_path: str) -> Path:
    path = Path(os.path.expanduser(name_or_path))
    return path if path.suffix in (".yaml", ".yml") else Path(__file__).parent / f"{name_or_path}.yaml"


def _chain(name: Any) -> Chain:
    """The chain that a file names. Raises BadInput for one that nobody registered."""
    if isinstance(name, str) and name in CHAINS:
        return CHAINS[name]
    close_matches = difflib.get_close_matches(str(name), CHAINS, 1)
    hint = f"did you mean '{close_matches[0]}'?" if close_matches else f"there are {', '.join(CHAINS)}"
    raise BadInput(f"chain: there is no chain '{name}'; {hint}")


def packaged_datasets() -> list[str]:
    """Names of the datasets of the package, sorted."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.yaml"))


def load_dataset(name_or_path: str, local_root: str, keep_unset: bool = False) -> Dataset:
    """The dataset of that packaged name (`sample`), or of a YAML file of your own (a path that ends in .yaml).

    `chain:` in the file names its kind (`morphology`: a `MorphologyDataset`); without one it is an `EmDataset`. In paths and addresses, and
    only there, `${NAME}` is replaced by the environment variable NAME, `${NAME:-text}` by the text where that is not set;
    `${SYNAPSE_LOCAL_ROOT}` is always `local_root`, under which the pipeline keeps inputs that it drew or fetched.
    keep_unset: leave `${NAME}` as it is where NAME is not set: a dataset to look at, whose files cannot be read yet.
    Raises BadInput naming the file and the field.
    """
    path = _file_of(name_or_path)
    content = _content_of(path, name_or_path)
    try:
        # A variable is refused before its value could appear in a message.
        content = filled_in(content, _type_in(content), _variables(content, local_root, keep_unset))
        dataset = _chain(content.get("chain", EM.name)).dataset_type.model_validate(content)
        columns_left_out(dataset)
        return dataset
    except ValidationError as error:
        lines = [f"  {_describe_error(item, content)}" for item in error.errors()]
        raise BadInput(f"{path}: {len(lines)} field(s) to fix\n" + "\n".join(lines)) from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


@dataclass(frozen=True)
class Place:
    """A path or address in a dataset file.

    where: its field, such as `sources[0].path`. written: as the file has it. address: with the variables filled in, those that are
    not set left as they are. unset: the variables that have to be set first.
    """

    where: str
    written: str
    address: str
    unset: tuple[str, ...]

    @property
    def variables(self) -> set[str]:
        """The variables that have to be set for it."""
        return needed_in(self.written) - {_LOCAL_ROOT}


def places_of(name_or_path: str, local_root: str) -> list[Place]:
    """Every path and address that a dataset file names, in its order; variables as `load_dataset` fills them in. Raises BadInput for
    what is no dataset file."""
    path = _file_of(name_or_path)
    content = _content_of(path, name_or_path)
    variables = _variables(content, local_root, keep_unset=True)
    model = _type_in(content)
    try:
        addresses = locations_in(filled_in(content, model, variables), model)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return [
        Place(
            where,
            written,
            addresses[where],
            tuple(sorted(name for name in needed_in(written) & needed_in(addresses[where]))),
        )
        for where, written in locations_in(content, model).items()
    ]


def _variables(content: dict[str, Any], local_root: str, keep_unset: bool) -> dict[str, str]:
    """What is filled in, by the name of the variable; with `keep_unset` those that are not set too, as they are written."""
    unset = {name: f"${{{name}}}" for name in needed_in(str(content))} if keep_unset else {}
    return {**unset, **os.environ, _LOCAL_ROOT: local_root}


def _content_of(path: Path, name_or_path: str) -> dict[str, Any]:
    """The plain values of a dataset file, ready-made mappings filled in. Raises BadInput naming the file."""
    if not path.is_file():
        raise BadInput(f"no dataset '{name_or_path}': give one of {packaged_datasets()}, or the path of a YAML file")
    try:
        content = parse_yaml(path.read_bytes())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: a dataset file is a mapping of fields, see the packaged ones")
    unfilled = list(dict.fromkeys(left_to_fill_in(content)))
    if unfilled:
        raise BadInput(
            f"{path}: {' and '.join(unfilled)} still {'says' if len(unfilled) == 1 else 'say'} {FILL_IN}: write in its place "
            "what the comment beside it asks for"
        )
    try:
        for field in ("sources", "neurons"):
            if isinstance(content.get(field), list):
                content[field] = [fill_in_format(source) for source in content[field]]
        if isinstance(content.get("annotations"), list):
            content["annotations"] = [
                {**item, "points": fill_in_format(item["points"])}
                if isinstance(item, dict) and "points" in item
                else item
                for item in content["annotations"]
            ]
        if isinstance(content.get("subset"), dict) and "table" in content["subset"]:
            content["subset"] = {**content["subset"], "table": fill_in_format(content["subset"]["table"])}
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return content


def _type_in(content: dict[str, Any]) -> type[Dataset]:
    """The model of the chain that a file names; of the default one for an unknown name, which is refused later."""
    name = content.get("chain", EM.name)
    return (CHAINS[name] if isinstance(name, str) and name in CHAINS else EM).dataset_type
