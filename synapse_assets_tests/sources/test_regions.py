"""Names of brain regions: the vocabulary of neuropils, safe partition keys, and no two regions that silently become one."""

from collections import Counter

import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import BRAIN_REGIONS
from synapse_assets.sources.neuropils import neuropil, neuropils
from synapse_assets.sources.regions import LONGEST_REGION_NAME, RegionNames, safe_region_name

NASTY = [
    "a'b\"c",
    "x; DROP TABLE y",
    "../../etc/passwd",
    "line\nbreak",
    "ΔΨ-lobe",
    "d/e\\f",
    "n" * 300,
    "CON ",
    "...",
    "%2e",
]


def keys(names: RegionNames, *given: str | None) -> list[str]:
    return names.keys(pa.array(given, pa.string())).to_pylist()


def test_the_vocabulary_is_flywires_78_neuropils_and_unassigned() -> None:
    known = dict(neuropils())
    unassigned = known.pop("UNASGD")
    assert (unassigned.full_name, unassigned.group) == ("unassigned", None)
    assert len(known) == 78
    assert Counter(one.side for one in known.values()) == {"left": 35, "right": 35, "center": 8}
    assert sorted(key for key, one in known.items() if one.side == "center") == [
        "EB",
        "FB",
        "GNG",
        "NO",
        "OCG",
        "PB",
        "PRW",
        "SAD",
    ]
    assert Counter(one.group for one in known.values()) == {
        "optic lobe": 10,
        "central complex": 4,
        "lateral complex": 6,
        "lateral horn": 2,
        "periesophageal neuropils": 8,
        "inferior neuropils": 10,
        "ventromedial neuropils": 10,
        "mushroom body": 8,
        "antennal lobe": 2,
        "superior neuropils": 6,
        "ventrolateral neuropils": 10,
        "gnathal ganglia": 1,
        "ocelli": 1,
    }
    # Every key and every full name leads back to its neuropil, and every key is safe.
    for key, one in neuropils().items():
        assert one.key == key == safe_region_name(key)
        for name in (key, key.lower(), one.full_name, one.full_name.upper()):
            assert neuropil(name) is one, name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ME(R)", "ME_R"),
        ("R_ME", "ME_R"),
        ("ME-R", "ME_R"),
        ("me_r", "ME_R"),
        ("ME (right)", "ME_R"),
        ("  right   Medulla ", "ME_R"),
        ("medulla_R", "ME_R"),
        ("medulla, left", "ME_L"),
        ("LHS medulla", "ME_L"),
        ("left fan-shaped body", None),
        ("fan-shaped body", "FB"),
        ("Fanshaped Body", "FB"),
        ("posterior_lateral_protocerebrum_L", "PLP_L"),
        ("CA(R)", "MB_CA_R"),
        ("CA_L", "MB_CA_L"),
        ("(L)CA", "MB_CA_L"),
        ("calyx of the mushroom body (R)", "MB_CA_R"),
        ("PED(R)", "MB_PED_R"),
        ("MB_PED_R", "MB_PED_R"),
        # The lobes of the hemibrain: vertical are alpha and alpha', medial beta, beta' and gamma.
        ("aL(R)", "MB_VL_R"),
        ("aL_L", "MB_VL_L"),
        ("a'L(R)", "MB_VL_R"),
        ("a\u2032L(R)", "MB_VL_R"),
        ("bL(L)", "MB_ML_L"),
        ("b'L(L)", "MB_ML_L"),
        ("gL(R)", "MB_ML_R"),
        # Only the case of its letters tells the antennal lobe from the alpha lobe.
        ("AL(R)", "AL_R"),
        ("al_r", "AL_R"),
        # A region without some part of it is still that region.
        ("LAL(-GA)(R)", "LAL_R"),
        ("CRE(-ROB,-RUB)(R)", "CRE_R"),
        ("SAD(-AMMC)", "SAD"),
        ("NO", "NO"),
        ("unassigned", "UNASGD"),
        # Not guessed: the side is missing or too many, a region of several or a part, no neuropil.
        ("ME", None),
        ("medulla", None),
        ("left ME_R", None),
        ("PB_L", None),
        ("MB(+ACA)(R)", None),
        ("MB_R", None),
        ("a1(R)", None),
        ("EBr5", None),
        ("MEDULLAL", None),
        ("left", None),
        ("_", None),
        ("", None),
    ],
)
def test_other_names_of_a_neuropil_lead_to_it(name: str, key: str | None) -> None:
    found = neuropil(name)
    assert (found.key if found else None) == key


def test_names_that_mean_one_neuropil_become_one_region() -> None:
    names = RegionNames("UNASGD", vocabulary="flywire")
    given = ["ME(R)", "medulla_R", "aL(R)", "gL(R)", "a'L(R)", "MB_VL_R", None, " ", "UNASGD", "ME"]
    expected = ["ME_R", "ME_R", "MB_VL_R", "MB_ML_R", "MB_VL_R", "MB_VL_R", "UNASGD", "UNASGD", "UNASGD", "ME"]
    assert keys(names, *given) == expected
    table = names.table({"ME_R": 2, "MB_VL_R": 3, "UNASGD": 3, "ME": 1, "EB": 0})
    assert table.schema.equals(BRAIN_REGIONS.arrow)
    rows = {row.pop("brain_region"): row for row in table.to_pylist()}
    assert list(rows) == ["EB", "MB_VL_R", "ME", "ME_R", "UNASGD"]
    assert rows["MB_VL_R"] == {
        "source_name": "a'L(R), aL(R)",
        "full_name": "right mushroom body vertical lobe",
        "region_group": "mushroom body",
        "known": True,
        "synapses": 3,
    }
    assert rows["ME"] == {"source_name": None, "full_name": None, "region_group": None, "known": False, "synapses": 1}
    assert rows["UNASGD"]["known"]
    assert rows["UNASGD"]["source_name"] is None


def test_without_a_vocabulary_nothing_is_translated() -> None:
    names = RegionNames("UNASSIGNED")
    assert keys(names, "CA(R)", "medulla left", None) == ["CA_R", "medulla_left", "UNASSIGNED"]
    rows = names.table({"CA_R": 1}).to_pylist()
    assert (rows[0]["source_name"], rows[0]["known"]) == ("CA(R)", False)
    with pytest.raises(BadInput, match=r"'CA\(R\)' and 'CA_R' would both become 'CA_R'"):
        keys(names, "CA_R")


def test_what_the_dataset_says_comes_before_the_vocabulary() -> None:
    names = RegionNames("UNASGD", {"ME(R)": "optic", "medulla  left": "optic", "unassigned": "glia"}, "flywire")
    assert keys(names, "ME(R)", "ME_R", "medulla left", "unassigned") == ["optic", "ME_R", "optic", "glia"]
    assert {row["brain_region"]: row["known"] for row in names.table({"optic": 2, "ME_R": 1}).to_pylist()} == {
        "ME_R": True,
        "optic": False,
    }


def test_the_missing_region_is_known_by_whatever_key() -> None:
    names = RegionNames("NOWHERE", vocabulary="flywire")
    assert keys(names, None, "UNASGD") == ["NOWHERE", "NOWHERE"]
    assert names.table({"NOWHERE": 2}).to_pylist()[0]["known"]


@pytest.mark.parametrize("vocabulary", [None, "flywire"])
def test_unknown_names_are_kept_and_safe(vocabulary: None) -> None:
    names = RegionNames("UNASGD", vocabulary=vocabulary)
    found = keys(names, *NASTY)
    assert len(set(found)) == len(NASTY)
    for key in found:
        assert key == safe_region_name(key)
        assert 0 < len(key) <= LONGEST_REGION_NAME
        assert key.replace("_", "a").isalnum()
        assert key.isascii()
    rows = {row["brain_region"]: row for row in names.table(dict.fromkeys(found, 1)).to_pylist()}
    assert not any(row["known"] for row in rows.values())
    assert rows["x_DROP_TABLE_y"]["source_name"] == "x; DROP TABLE y"


@pytest.mark.parametrize(
    ("name", "safe"),
    [("ME(R)", "ME_R"), ("EB", "EB"), ("a...b|c/d", "a_b_c_d"), ("  '; drop--", "drop"), ("(((", "UNNAMED")],
)
def test_region_names_become_safe(name: str, safe: str) -> None:
    assert safe_region_name(name) == safe


def test_two_names_do_not_silently_become_one_region() -> None:
    names = pa.array(["α lobe", "EB", "β lobe", None])
    with pytest.raises(BadInput, match="'α lobe' and 'β lobe' would both become 'lobe'"):
        RegionNames("UNASGD").keys(names)
    renamed = RegionNames("UNASGD", {"β lobe": "MB_beta", "ME(R)": "ME_R"})
    assert renamed.keys(names).to_pylist() == ["lobe", "EB", "MB_beta", "UNASGD"]
    assert renamed.keys(pa.array(["ME_R", "ME(R)"])).to_pylist() == ["ME_R", "ME_R"]


def test_long_names_that_differ_after_the_cut_do_not_merge() -> None:
    long = "n" * LONGEST_REGION_NAME
    with pytest.raises(BadInput, match="would both become"):
        keys(RegionNames("UNASGD"), f"{long} one", f"{long} two")


def test_a_collision_is_found_across_batches_and_in_either_order() -> None:
    for first, second in (("α lobe", "β lobe"), ("β lobe", "α lobe")):
        names = RegionNames("UNASGD", {"γ lobe": "lobe"})
        # The remedy that the message names, both the same key, holds in any order too.
        assert keys(names, "γ lobe", first, "γ lobe") == ["lobe"] * 3
        with pytest.raises(BadInput, match=f"'{first}' and '{second}'"):
            keys(names, second)


def test_an_unknown_name_does_not_slip_into_a_neuropil() -> None:
    for first, second in (("ME(R)", "ME/R"), ("ME/R", "ME(R)")):
        names = RegionNames("UNASGD", vocabulary="flywire")
        keys(names, first)
        with pytest.raises(BadInput, match="would both become 'ME_R'"):
            keys(names, second)


def test_keys_that_differ_in_case_only_are_refused() -> None:
    # On some disks they are one folder, and in SQL one name.
    with pytest.raises(
        BadInput, match=r"'AL\(R\)' and 'aL\(R\)' would become 'AL_R' and 'aL_R', one folder on some disks"
    ):
        keys(RegionNames("UNASGD"), "AL(R)", "aL(R)")
    assert keys(RegionNames("UNASGD", {"aL(R)": "alpha_R"}), "AL(R)", "aL(R)") == ["AL_R", "alpha_R"]


def test_keys_that_the_dataset_names_must_be_safe() -> None:
    with pytest.raises(BadInput, match=r"region_names: 'b': 'α lobe' is no key of a region.*for instance lobe"):
        RegionNames("UNASGD", {"b": "α lobe"})
    with pytest.raises(BadInput, match="missing_region: 'no region' is no key"):
        RegionNames("no region")
