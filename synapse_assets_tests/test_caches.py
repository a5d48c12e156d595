"""What libraries compile and fetch lies below the local root: on a machine where neither package nor home folder can be written."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from synapse_assets import caches
from synapse_assets.caches import keep_caches

# A folder that not even root can make.
NO_HOME = "/dev/null/nobody"
NAMES = {*caches._PLACES, *caches._FETCHED, "XDG_CACHE_HOME"}
# Where the libraries themselves say that they will write.
SHOWN = """
import json, os, matplotlib.font_manager, compiled
places = [compiled.add._cache.cache_path, matplotlib.get_cachedir(), matplotlib.get_configdir()]
places += [os.environ[name] for name in ("CUDA_CACHE_PATH", "XDG_CACHE_HOME")]
"""
SHOWN_BY_TORCH = """
import torch.hub, huggingface_hub.constants as hub, triton.knobs
from torch._inductor.runtime.cache_dir_utils import cache_dir
places += [torch.hub.get_dir(), hub.HF_HUB_CACHE, hub.HF_TOKEN_PATH, cache_dir(), triton.knobs.cache.dir]
"""
ENTRIES = {
    "code server": "from synapse_assets.definitions import defs; defs()",
    "commands": "from synapse_assets.cli import prepare_home; from synapse_assets.settings import Settings; prepare_home(Settings())",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A local root of which nothing is said yet, where nobody has said anything of caches; its home folder has none."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def locked(folder: Path, root: Path, program: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A process whose home cannot be made, and which imports a package beside which nothing can be kept."""
    package = folder / "package"
    package.mkdir()
    # What umap does on import: pynndescent has compiled functions by the dozen.
    (package / "compiled.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef add(a, b):\n    return a + b\n")
    (package / "__pycache__").write_text("no folder")
    path = os.pathsep.join([str(package), str(Path(caches.__file__).parents[1])])
    given = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment = {**given, "HOME": NO_HOME, "SYNAPSE_DATA_ROOT": str(root), "PYTHONPATH": path, **more}
    command = [sys.executable, "-W", "error::UserWarning:matplotlib", "-c", program]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=folder, timeout=100
    )


def test_such_a_machine_keeps_nothing_by_itself(bare: Path, tmp_path: Path) -> None:
    """So the tests below show what they mean to."""
    assert "cannot cache function 'add'" in locked(tmp_path, bare, "import compiled").stderr


@pytest.mark.parametrize(("entry", "more"), [("code server", ""), ("commands", SHOWN_BY_TORCH)])
def test_everything_is_kept_below_the_local_root(entry: str, more: str, bare: Path, tmp_path: Path) -> None:
    done = locked(tmp_path, bare, f"{ENTRIES[entry]}{SHOWN}{more}print(json.dumps(places))")
    assert done.returncode == 0, done.stderr
    places = json.loads(done.stdout.splitlines()[-1])
    assert [place for place in places if not place.startswith(f"{bare}/.cache")] == []
    assert "temporary cache" not in done.stderr
    assert stat.S_IMODE((bare / ".cache").stat().st_mode) == 0o700


def test_the_local_root_may_be_another_than_the_data_root(bare: Path, tmp_path: Path) -> None:
    program = ENTRIES["commands"] + "\nimport compiled; print(compiled.add._cache.cache_path)"
    done = locked(tmp_path, bare, program, SYNAPSE_DATA_ROOT="s3://bucket/data", SYNAPSE_LOCAL_ROOT=str(bare))
    assert done.stdout.startswith(f"{bare}/.cache/numba"), done.stderr


@pytest.mark.parametrize("command", ["explore", "promote nothing encoder"])
def test_every_command_says_it_to_what_it_starts(command: str, bare: Path, tmp_path: Path) -> None:
    bare.mkdir()
    program = (
        "import os, sys, atexit; from synapse_assets.cli import app; sys.argv[1:] = " + repr(command.split()) + "\n"
        "atexit.register(lambda: print('\\n', os.environ.get('NUMBA_CACHE_DIR'), file=sys.stderr)); app()"
    )
    done = locked(tmp_path, bare, program, SYNAPSE_DATASETS="nothing")
    assert done.stderr.splitlines()[-1].strip() == f"{bare}/.cache/numba"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_a_person_has_set_stays(name: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/somewhere/else")
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "environ", dict(os.environ))
        keep_caches(str(bare))
        after: Mapping[str, str] = dict(os.environ)
    assert after[name] == "/somewhere/else"
    assert {key: after[key] for key in before} == before
    # What follows XDG_CACHE_HOME does so.
    theirs = {"HF_HOME", "TORCH_HOME"} if name == "XDG_CACHE_HOME" else set()
    assert set(after) - set(before) == NAMES - theirs - {name}


def told(bare: Path) -> dict[str, str]:
    """What is added to the environment."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "environ", dict(os.environ))
        before = dict(os.environ)
        keep_caches(str(bare))
        return {name: value for name, value in os.environ.items() if before.get(name) != value}


def test_an_empty_variable_says_nothing(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    assert told(bare)["NUMBA_CACHE_DIR"] == f"{bare}/.cache/numba"


def test_networks_that_were_fetched_before_are_found(bare: Path) -> None:
    usual = Path.home() / ".cache" / "huggingface"
    usual.mkdir(parents=True)
    found = told(bare)
    assert found["HF_HOME"] == str(usual)
    assert found["TORCH_HOME"] == f"{bare}/.cache/torch"


def test_where_nothing_can_be_kept_libraries_look_for_themselves(bare: Path) -> None:
    bare.write_text("a file")
    assert told(bare) == {}


@pytest.mark.parametrize("obstacle", ["file", "somebody else's", "their link"])
def test_who_cannot_use_the_folder_has_another(obstacle: str, bare: Path, tmp_path: Path) -> None:
    bare.mkdir()
    if obstacle == "file":
        (bare / ".cache").write_text("")
    elif os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    elif obstacle == "their link":
        (bare / ".cache").symlink_to(tmp_path)
        os.lchown(bare / ".cache", 65_534, 65_534)
    else:
        (bare / ".cache").mkdir()
        os.chown(bare / ".cache", 65_534, 65_534)
    mode = tmp_path.stat().st_mode
    own = bare / f".cache-{os.geteuid()}"
    assert set(told(bare).values()) >= {str(own), str(own / "numba")}
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert tmp_path.stat().st_mode == mode


def test_a_folder_that_others_could_write_is_closed(bare: Path) -> None:
    (bare / ".cache").mkdir(parents=True)
    (bare / ".cache").chmod(0o777)
    assert set(told(bare)) == NAMES
    assert stat.S_IMODE((bare / ".cache").stat().st_mode) == 0o700


def test_a_user_without_a_name_has_a_home(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert told(bare)["HOME"] == str(bare)


def test_looking_at_a_table_makes_no_data_root(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,x,y,z\na,1,2,3\n")
    program = "import sys; from synapse_assets.cli import app; sys.argv[1:] = ['inspect', 'table.csv']; app()"
    assert locked(tmp_path, bare, program).returncode == 0
    assert not bare.exists()
