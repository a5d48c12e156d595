"""Which files a source has now, and whether their content has changed: what readers read, and what a sensor watches.

The `path` of a source is a file, a folder, a glob, a manifest (a text file that ends in .manifest) or an http(s) address. A
folder or glob without files is ordinary: none has come yet. A folder with files that no reader takes is an error.
A sensor calls `content_version` at each poll, with its previous result: it lists the files (`signatures`: no
file is opened) and reads only those whose signature has changed. What is in the files belongs to the readers.
"""

import fnmatch
import glob
import hashlib
import os
import re
import stat
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from synapse_assets.datasets import (
    CaveSource,
    CremiSource,
    ImageSource,
    LabelFile,
    NeuronSource,
    Source,
    SynisterNeurons,
    SynisterSource,
    Workbook,
)
from synapse_assets.errors import BadInput
from synapse_assets.sources.fetching import Fetched, fetch_text, is_address, last_part, remote_signatures, shown_address
from synapse_assets.sources.files import HIVE_FOLDER, KINDS, is_table
from synapse_assets.sources.picture_files import pictures_in, place_of, source_folder, table_rows

MANIFEST = ".manifest"
# What one path may name, and what is fetched for one source.
MOST_FILES = 10_000
MOST_ADDRESSES = 500
MOST_FETCHED_BYTES = 32 << 30
LARGEST_WORKBOOK = 200 << 20
_LARGEST_MANIFEST = 1 << 20
# What a sensor reads for a version: beyond it, a file counts by its signature.
LARGEST_HASHED = 256 << 20
MOST_HASHED = 1 << 30
_TEMPORARY = (".part", ".tmp", ".crdownload")
_OF_FILE_MANAGERS = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
# Files beside tables that are no tables.
_NOTES = re.compile(
    r"(readme|licen[cs]e|changelog|notes|makefile|_success|_metadata|_common_metadata)|.*\.(md|rst|pdf|html?|log|manifest|md5|sha256|ya?ml|crc)",
    re.IGNORECASE,
)
_MOST_NAMED = 5
_FOR_GOOD = "If it is gone for good, take the source out of the dataset's YAML"
# Folders within folders that are parts of one table.
_DEEPEST = 8
_EXCEL_OR_CSV = (".xlsx", ".xlsm", ".csv")
_HDF5 = (".hdf", ".h5", ".hdf5")


@dataclass(frozen=True)
class FilesAt:
    """Files of any kind, watched and read by nobody here: `path` itself, or what lies in that folder, but not in folders of it.

    only: names of those that count; empty for all. Nothing there is no file.
    """

    name: str
    path: str
    only: tuple[str, ...] = ()


Watched = Source | NeuronSource | Workbook | LabelFile | ImageSource | FilesAt


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    name: stored with its rows, unique in its source. shown: its path or address, to show. alone: whether the source's
    path is this file, and not one of several that may come and go.
    """

    name: str
    shown: str
    place: str = field(repr=False)  # an address in full, which may hold a secret
    alone: bool = False

    @property
    def remote(self) -> bool:
        """Whether it lies at an http(s) address."""
        return is_address(self.place)

    def signature(self) -> str:
        """Size and time of change of a local file; they differ after a change. Raises OSError where there is no file."""
        status = os.stat(self.place)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(self.place)
        return f"{status.st_size} {status.st_mtime_ns}"


def signatures(source: Watched) -> dict[str, str]:
    """Every file of the source now, by its path or address as it may be shown, with a text that changes when it does.

    Of a local file that is size and time of change, of one at an address what its server says of it without sending it, of a
    CAVE table its version. No file is opened but a manifest. Raises BadInput where a path is nothing, or a server is silent.
    """
    return {file.shown: signature for file, signature in _signed(source)}


def content_version(
    source: Watched, known: Mapping[str, Sequence[str]] | None = None
) -> tuple[str, dict[str, tuple[str, str]]]:
    """A version of the names and contents of the source's files, and what is known of them for the next call.

    The version is the same exactly as long as names and contents are. What is known: of each file by its shown name, the
    signature and what it counts by. A local file counts by the hash of its bytes, and is read only if its signature is not the
    `known` one; a file above 256 MiB, what is beyond 1 GiB in one call, and files at addresses count by their signature.
    Raises BadInput like `signatures`.
    """
    known = known or {}
    left = MOST_HASHED
    versions: dict[str, tuple[str, str]] = {}
    lines = []
    for file, signature in _signed(source):
        previous = known.get(file.shown, ("", ""))
        counts_by = previous[1] if previous[0] == signature else ""
        if not counts_by:
            counts_by = f"signature {signature}"
            size = 0 if file.remote or isinstance(source, CaveSource) else int(signature.split()[0])
            if 0 < size <= min(LARGEST_HASHED, left):
                left -= size
                counts_by = _hash(file) or counts_by
        versions[file.shown] = (signature, counts_by)
        lines.append(f"{file.name}\x00{counts_by}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32], versions


def _hash(file: SourceFile) -> str | None:
    try:
        with open(file.place, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # gone, or no right to read it: reading the source will say so
        return None


def _signed(source: Watched) -> list[tuple[SourceFile, str]]:
    """The files with their signatures, without those that vanish meanwhile."""
    if isinstance(source, CaveSource):
        name = f"{source.datastack}/{source.table}@{source.materialization}"
        return [(SourceFile(name, name, name, True), name)]
    files = listed(source)
    remote = [file for file in files if file.remote]
    by_place = (
        dict(zip((f.place for f in remote), remote_signatures([f.place for f in remote]), strict=True))
        if remote
        else {}
    )
    signed = []
    for file in files:
        try:
            signed.append((file, by_place[file.place] if file.remote else file.signature()))
        except OSError:
            continue
    return signed


def listed(source: Watched) -> list[SourceFile]:
    """The files of the source now, in the order in which they are read; none for a service such as CAVE.

    None is opened but a manifest, and a table of pictures, which names them. Raises BadInput where the path is neither file,
    folder, glob, manifest nor address, and where it names more files than are sensible.
    """
    if isinstance(source, CaveSource):
        return []
    if isinstance(source, SynisterNeurons):
        return [_single_file(source.path), _single_file(source.hemi_lineages)]
    if isinstance(source, LabelFile):
        return [_only_file(source)]
    if isinstance(source, ImageSource):
        return _pictures(source)
    if isinstance(source, FilesAt):
        return _lying_at(source)
    return _expanded(source.path, _knows(source), _kinds(source))


def _pictures(source: ImageSource) -> list[SourceFile]:
    """The pictures of a source by their paths below it, after the table that names them where there is one."""
    folder = source_folder(source)
    if source.columns is None:
        return _several(folder, pictures_in(folder))
    places = dict(place_of(folder, path) for path in table_rows(source).column("path").to_pylist())
    files = [SourceFile(_printable(name), _printable(place), place) for place, name in sorted(places.items())]
    return [_single_file(source.path), *files]


def partitioned_table(path: str) -> list[str]:
    """The files of a partitioned table in their order, where the path is a folder of such folders as neuropil=EB; none otherwise."""
    folder = _plain(path)
    if not os.path.isdir(folder):
        return []
    names = (name for name in _tables_in(folder, "", is_table) if HIVE_FOLDER.fullmatch(Path(name).parts[0]))
    return [os.path.join(folder, name) for name in sorted(names)]


def _lying_at(source: FilesAt) -> list[SourceFile]:
    path = _plain(source.path)
    if os.path.isfile(path):
        return [_single_file(path)]
    if not os.path.isdir(path):
        return []
    names = [name for name in os.listdir(path) if (name in source.only if source.only else not _is_ignored(name))]
    names = [name for name in names if os.path.isfile(os.path.join(path, name))]
    _refuse_many(len(names), path, MOST_FILES)
    return _several(path, names)


@contextmanager
def unchanged(file: SourceFile) -> Iterator[str]:
    """Around reading a local file, gives its signature before. Raises BadInput where it was written meanwhile, also in place
    of the error that reading half a file gave."""
    before = _signature_or_none(file)
    why = f"{file.shown} changed while it was being read: wait until it is written, and start again"
    try:
        yield before or ""
    except BadInput as error:
        if before is not None and _signature_or_none(file) != before:
            raise BadInput(why) from error
        raise
    if _signature_or_none(file) != before:
        raise BadInput(why)


def _signature_or_none(file: SourceFile) -> str | None:
    try:
        return file.signature()
    except OSError:
        return None


def local_files(source: Watched, raw: Path | None) -> list[SourceFile]:
    """The files of the source, those at addresses fetched into a folder of its name in `raw`, the dataset's local one.

    A file is fetched again only if its server says that it has changed. Raises BadInput like `listed`, and where a file cannot be
    fetched or there is more than 32 GiB of them (a workbook, or published labels: 200 MiB).
    """
    files = listed(source)
    remote = [file for file in files if file.remote]
    if not remote:
        return files
    if raw is None:
        raise BadInput(
            f"source '{source.name}': {remote[0].shown} is an address, and there is no folder to fetch it into"
        )
    fetched = Fetched(raw / source.name, _knows(source), _kinds(source))
    new_signatures = remote_signatures([file.place for file in remote])
    copies: dict[str, Path] = {}
    left = MOST_FETCHED_BYTES
    for file, signature in zip(remote, new_signatures, strict=True):
        largest = min(left, LARGEST_WORKBOOK) if isinstance(source, Workbook | LabelFile) else left
        copies[file.place] = fetched.file(file.place, signature, largest)
        left -= copies[file.place].stat().st_size
        if left < 0:
            raise BadInput(
                f"the files of source '{source.name}' are more than {MOST_FETCHED_BYTES >> 30} GiB together, the most that is fetched: "
                "download them, and give the folder"
            )
    fetched.keep_only(list(copies.values()))
    return [
        SourceFile(file.name, file.shown, str(copies[file.place]), file.alone) if file.remote else file
        for file in files
    ]


# From a path to files ------------------------------------------------------------------------------------------------------


def _knows(source: Watched) -> Callable[[str], bool]:
    """Whether a file of that name is of a kind that the source's reader takes."""
    if isinstance(source, Workbook):
        return lambda name: name.lower().endswith(_EXCEL_OR_CSV)
    if isinstance(source, SynisterSource):
        return lambda name: name.lower().endswith(".json")
    if isinstance(source, CremiSource):
        return lambda name: name.lower().endswith(_HDF5)
    return is_table


def _kinds(source: Watched) -> str:
    if isinstance(source, Workbook):
        return ", ".join(_EXCEL_OR_CSV)
    if isinstance(source, CremiSource):
        return ", ".join(_HDF5)
    return ".json" if isinstance(source, SynisterSource) else ", ".join(KINDS)


def _expanded(path: str, knows: Callable[[str], bool], kinds: str) -> list[SourceFile]:
    if not path.strip():
        raise BadInput("the path of a source is empty: name a file, folder, glob or manifest")
    if is_address(path):
        if last_part(path).lower().endswith(MANIFEST):
            return _of_manifest(fetch_text(path, _LARGEST_MANIFEST), path)
        return [_at_address(path)]
    local_path = _plain(path)
    if os.path.isfile(local_path):
        if local_path.lower().endswith(MANIFEST):
            with open(local_path, "rb") as stream:
                return _of_manifest(stream.read(_LARGEST_MANIFEST + 1), path)
        return [_single_file(path)]
    if os.path.isdir(local_path):
        return _in_folder(local_path, knows, kinds)
    if glob.has_magic(local_path):
        return _matching(local_path, knows)
    raise BadInput(
        f"there is no file {_printable(path)}: check the path (a file, a folder, a glob such as {_example(path)}, or a .manifest). "
        f"{_FOR_GOOD}"
    )


def _example(path: str) -> str:
    return str(Path(path).parent / f"*{Path(path).suffix or '.csv'}")


def _plain(path: str) -> str:
    return os.path.expanduser(path.removeprefix("file://"))


def _single_file(path: str) -> SourceFile:
    _refuse_no_text(path)
    return SourceFile(_printable(Path(path).name), _printable(path), _plain(path), True)


def _at_address(address: str) -> SourceFile:
    return SourceFile(_address_name(address), shown_address(address), address, True)


def _only_file(source: LabelFile) -> SourceFile:
    if is_address(source.path):
        return _at_address(source.path)
    if not os.path.isfile(_plain(source.path)):
        raise BadInput(
            f"there is no file {_printable(source.path)}: check {source.name} in the dataset's YAML, which names one file or address "
            f"(is the disk there?). If it is gone for good, take {source.name} out of the YAML"
        )
    return _single_file(source.path)


def _is_ignored(name: str) -> bool:
    """Hidden files, locks of office programs, what file managers leave, and what is still being written."""
    return name.startswith((".", "~$")) or name.lower().endswith(_TEMPORARY) or name.lower() in _OF_FILE_MANAGERS


def _in_folder(folder: str, knows: Callable[[str], bool], kinds: str) -> list[SourceFile]:
    names = _tables_in(folder, "", knows)
    if not names:
        _refuse_other_files(folder, knows, kinds)
    return _several(folder, names)


def _tables_in(folder: str, inside: str, knows: Callable[[str], bool]) -> list[str]:
    """The tables of a folder, by their paths in it: its own, and those of sub-folders that are parts of a table, as Spark, Dask
    and pyarrow write them (neuropil=EB/, points.parquet/)."""
    names: list[str] = []
    directory = os.path.join(folder, inside)
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = os.path.join(inside, entry.name)
                if entry.name == "_delta_log":
                    raise BadInput(
                        f"{directory} is a Delta table, of which some files are no longer part: write what it holds now as Parquet, "
                        "and name that"
                    )
                if _is_ignored(entry.name):
                    continue
                if entry.is_dir():
                    if _is_part(entry.name, knows) and name.count(os.sep) < _DEEPEST:
                        names += _tables_in(folder, name, knows)
                elif knows(entry.name) and entry.is_file():
                    names.append(name)
                elif knows(entry.name) and entry.is_symlink():
                    raise BadInput(
                        f"{os.path.join(folder, name)} is a link to nothing: is the disk there that it leads to?"
                    )
                _refuse_many(len(names), folder, MOST_FILES)
    except OSError as error:
        raise BadInput(f"the folder {directory} cannot be listed: {error.strerror}; check the rights to it") from error
    return names


def _is_part(name: str, knows: Callable[[str], bool]) -> bool:
    return HIVE_FOLDER.fullmatch(name) is not None or knows(name)


def _refuse_other_files(folder: str, knows: Callable[[str], bool], kinds: str) -> None:
    """Raises BadInput where a folder without tables holds something that its tables might be. One may well be empty, or hold
    notes: then no file has come yet."""
    other_files: list[str] = []
    looked_at = 0
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        for name in sorted(files):
            looked_at += 1
            if not _is_ignored(name) and not _NOTES.fullmatch(name):
                other_files.append(os.path.relpath(os.path.join(directory, name), folder))
        if looked_at > MOST_FILES:
            break
    deeper = next((name for name in other_files if os.sep in name and knows(name)), None)
    if deeper is not None:
        suffix = re.search(r"\.\w+(\.gz)?$", deeper)
        by_glob = os.path.join(folder, "**", f"*{suffix[0] if suffix else ''}")
        raise BadInput(
            f"the folder {_printable(folder)} holds no table itself, but its sub-folders do, such as {_printable(deeper)}: name them "
            f"by a glob, {_printable(by_glob)}"
        )
    if other_files:
        ellipsis = ", ..." if len(other_files) > _MOST_NAMED else ""
        raise BadInput(
            f"nothing in the folder {_printable(folder)} is a table: there are "
            f"{_printable(', '.join(other_files[:_MOST_NAMED]))}{ellipsis}; a table is a file that ends in {kinds}"
        )


def _matching(pattern: str, knows: Callable[[str], bool]) -> list[SourceFile]:
    folder, names, folders = _matched(pattern, pattern, knows)
    if not names and "[" in pattern:
        # A name may hold brackets: run [2023]/*.csv.
        folder, names, folders = _matched(pattern, pattern.replace("[", "[[]"), knows)
    if not names:
        for inside in folders:
            if any(map(knows, _names_in(inside))):
                raise BadInput(
                    f"{_printable(pattern)} matches folders only, such as {_printable(inside)}: name the files in them, "
                    f"{_printable(os.path.join(pattern, '*'))}"
                )
        last = os.path.basename(pattern).casefold()
        for name in _names_in(folder) if os.path.dirname(pattern) == folder else ():
            if fnmatch.fnmatchcase(name.casefold(), last) and os.path.isfile(os.path.join(folder, name)):
                raise BadInput(
                    f"{_printable(pattern)} matches nothing, but there is {_printable(name)}: write it as it is"
                )
    return _several(folder, names)


def _names_in(folder: str) -> list[str]:
    """What lies in a folder, without what is passed over; nothing where it cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if not _is_ignored(name))
    except OSError:
        return []


def _matched(path_text: str, pattern: str, knows: Callable[[str], bool]) -> tuple[str, list[str], list[str]]:
    """The folder that a glob begins in, the files that it matches by their paths in it, and the sub-folders that it matches."""
    parts = Path(pattern).parts
    first = next((index for index, part in enumerate(parts) if glob.has_magic(part.replace("[[]", ""))), len(parts))
    folder = str(Path(*parts[:first])).replace("[[]", "[")
    if not os.path.isdir(folder):
        raise BadInput(
            f"there is no folder {folder} for the files {path_text}: check the path (is the disk there?). {_FOR_GOOD}"
        )
    names: list[str] = []
    folders: list[str] = []
    for path in glob.iglob(pattern, recursive=True):
        if _is_ignored(os.path.basename(path)):
            continue
        inside = os.path.relpath(path, folder)
        if os.path.isfile(path):
            names.append(inside)
        elif os.path.isdir(path) and _is_part(os.path.basename(path), knows):
            names += _tables_in(folder, inside, knows)
        elif os.path.isdir(path):
            folders.append(path)
        elif os.path.islink(path):
            raise BadInput(f"{path} is a link to nothing: is the disk there that it leads to?")
        _refuse_many(len(names), path_text, MOST_FILES)
    return folder, names, sorted(folders)


def _several(folder: str, names: Sequence[str]) -> list[SourceFile]:
    for name in names:
        _refuse_no_text(os.path.join(folder, name))
    paths = ((name, os.path.join(folder, name)) for name in sorted(set(names)))
    return [SourceFile(_printable(Path(name).as_posix()), _printable(path), path) for name, path in paths]


def _refuse_many(count: int, where: str, most: int, what: str = "files") -> None:
    if count > most:
        raise BadInput(
            f"{shown_address(where)} names more than {most:,} {what}, the most of one source: join them, or split it into several"
        )


def _of_manifest(content: bytes, manifest: str) -> list[SourceFile]:
    """The files of a manifest: one path or address a line, relative to it; empty lines and those that begin with # are passed over."""
    redacted = shown_address(manifest)
    if len(content) > _LARGEST_MANIFEST:
        raise BadInput(f"{redacted} is larger than {_LARGEST_MANIFEST >> 20} MiB: a manifest names files, one a line")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{redacted} is no UTF-8 text: a manifest names files, one a line") from error
    files = []
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if line and not line.startswith("#"):
            files.append(_entry(line, manifest, f"{redacted}, line {number}"))
            _refuse_many(len(files), manifest, MOST_FILES)
            if files[-1].remote:
                _refuse_many(sum(file.remote for file in files), manifest, MOST_ADDRESSES, "addresses")
    return _with_distinct_names(files, redacted)


def _entry(line: str, manifest: str, where: str) -> SourceFile:
    if not line.isprintable() or line.startswith("<"):
        raise BadInput(f"{where} is no path or address: a manifest names files, one a line (is it a web page?)")
    if is_address(manifest):
        # What lies elsewhere may name files of the web, never those of this machine.
        try:
            line = urllib.parse.urljoin(manifest, line)
        except ValueError as error:
            raise BadInput(f"{where} is no path or address: {error}") from error
        if not is_address(line):
            raise BadInput(
                f"{where}: {shown_address(line)} is no http(s) address, and a manifest at an address names no local files"
            )
    if is_address(line):
        return SourceFile(_address_name(line), shown_address(line), line)
    path = os.path.join(os.path.dirname(_plain(manifest)), _plain(line))
    if not os.path.isfile(path):
        raise BadInput(f"{where}: there is no file {path}; paths are taken relative to the manifest")
    return SourceFile(os.path.basename(path), path, path)


def _with_distinct_names(files: list[SourceFile], where: str) -> list[SourceFile]:
    """The files in order of their names; files of the same name by their paths, and numbered where these are shown alike."""
    paths = [file.place for file in files]
    if len(set(paths)) < len(paths):
        twice = next(file for file in files if paths.count(file.place) > 1)
        raise BadInput(f"{where} names {twice.shown} twice: its rows would come twice")
    names = [file.name for file in files]
    renamed: list[SourceFile] = []
    times: dict[str, int] = {}
    for file in sorted(files, key=lambda file: (file.name, file.shown)):
        times[file.shown] = times.get(file.shown, 0) + 1
        mark = f" ({times[file.shown]})" if times[file.shown] > 1 else ""
        name = file.name if names.count(file.name) == 1 else file.shown
        renamed.append(SourceFile(name + mark, file.shown + mark, file.place))
    return renamed


def _address_name(address: str) -> str:
    return _printable(last_part(address)) or "table"


def _refuse_no_text(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"the name of the file {_printable(path)} is no UTF-8 text: rename it") from error


def _printable(name: str) -> str:
    """A name as text: control characters, and bytes that are no UTF-8, are written as escapes."""
    if name.isprintable():
        return name
    return re.sub(
        r".", lambda c: c[0] if c[0].isprintable() else c[0].encode("unicode_escape").decode(), name, flags=re.DOTALL
    )
