"""Named people with a token each: told once, stored as a hash, known at once to a server that runs."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synapse_assets.errors import BadInput
from synapse_assets.stores.annotation_log import Answer
from synapse_assets.stores.annotators import ANNOTATORS_FILE, Annotators
from synapse_assets_tests.stores.workers import together


def add_some(folder: str, first: str) -> list[str]:
    return [Annotators(Path(folder)).add(f"{first}{number}") for number in range(10)]


def test_each_token_is_its_persons(tmp_path: Path) -> None:
    people = Annotators(tmp_path / "root")
    assert people.names() == []
    assert people.name_of("") is None
    assert list(tmp_path.iterdir()) == []
    tokens = {name: people.add(name) for name in ("Anna", "<b>Bea</b>", "Åsa 'x' = 1")}
    assert people.names() == list(tokens)
    assert {people.name_of(token) for token in tokens.values()} == set(tokens)
    assert all(people.name_of(token) == name for name, token in tokens.items())
    for wrong in ("", "x", tokens["Anna"][:-1], tokens["Anna"] + " ", "\ud800", "é" * 10_000, *people.names()):
        assert people.name_of(wrong) is None
    assert all(len(token) >= 43 for token in tokens.values())
    for name in tokens:
        Answer("a1", name, "r", "s", "gaba")


def test_the_file_is_its_owners_alone_and_holds_no_token(tmp_path: Path) -> None:
    people = Annotators(tmp_path)
    tokens = [people.add("anna"), people.add("bea")]
    file = tmp_path / ANNOTATORS_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(token in file.read_text() for token in tokens)
    # Neither a hash from the file nor a name lets anybody in.
    for person in json.loads(file.read_text())["annotators"]:
        assert people.name_of(person["sha256"]) is None


def test_a_removed_person_is_out_at_once_and_may_come_back_with_another_token(tmp_path: Path) -> None:
    server, owner = Annotators(tmp_path), Annotators(tmp_path)
    token = owner.add("anna")
    assert server.name_of(token) == "anna"
    owner.remove("anna")
    assert server.name_of(token) is None
    other = owner.add("anna")
    assert (server.name_of(token), server.name_of(other)) == (None, "anna")
    with pytest.raises(BadInput, match="there is no annotator 'Anna'; there are 'anna'"):
        owner.remove("Anna")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "an\nna", "an\x00na", "an\u202ena", "an\u200bna", "\ud800"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="give 1 to 60 printable characters"):
        Annotators(tmp_path).add(name)
    assert Annotators(tmp_path).names() == []


@pytest.mark.parametrize("like", ["anna strauß", "ANNA STRAUSS", " Anna Strauß ", "Ａnna Strauß"])
def test_names_differ_in_more_than_capitals(tmp_path: Path, like: str) -> None:
    people = Annotators(tmp_path)
    people.add("Anna Strauß")
    with pytest.raises(BadInput, match="there is an annotator 'Anna Strauß' already: choose another name, or remove"):
        people.add(like)
    assert people.names() == ["Anna Strauß"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"annotators": {"anna": "x"}}', '{"annotators": [{"name": 1}]}'])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    people = Annotators(tmp_path)
    (tmp_path / ANNOTATORS_FILE).write_text(content)
    for use in (people.names, lambda: people.name_of("x"), lambda: people.add("anna"), lambda: people.remove("anna")):
        with pytest.raises(BadInput, match="bring it back from a copy"):
            use()
    assert (tmp_path / ANNOTATORS_FILE).read_text() == content


def test_nobody_is_lost_when_several_add_at_once(tmp_path: Path) -> None:
    tokens = [token for some in together(add_some, [(str(tmp_path), "a"), (str(tmp_path), "b")]) for token in some]
    with ThreadPoolExecutor(4) as pool:
        tokens += pool.map(Annotators(tmp_path).add, [f"c{number}" for number in range(8)])
    assert len(Annotators(tmp_path).names()) == 28
    assert len({Annotators(tmp_path).name_of(token) for token in tokens}) == 28
