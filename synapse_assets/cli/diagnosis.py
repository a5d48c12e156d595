"""The command `doctor`: one page on an installation to paste into an issue, without its secrets. What is looked at is in `probes`."""

import getpass
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import typer
from dotenv import dotenv_values
from rich.console import Console

from synapse_assets.cli import probes
from synapse_assets.cli.probes import Finding, Level
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings

# A hung network drive or server holds up one probe, and not the page.
_PATIENCE_S = 60.0
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
_SECRET_NAME = re.compile(
    r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL|AUTH|WEBHOOK|POSTGRES_URL|CONNECTION_STRING", re.IGNORECASE
)
# A shorter value would be found in ordinary words.
_SHORTEST_SECRET = 4
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY_IN_URL = re.compile(r"(\w+://[^\s?]+)\?[^\s,;)]+")
_HIDDEN = "***"


def doctor() -> None:
    """Check this installation, and print one page to paste into an issue.

    Looks at versions, device, cores, storage (a little file is written and removed), ports, history, settings and datasets. Passwords, keys
    and names of users are left out. Ends with 1 where something does not work.
    """
    console = Console(highlight=False)
    in_file: dict[str, str | None] = {}
    # Why it cannot be read is a finding below.
    with suppress(OSError, ValueError):
        in_file = dotenv_values(".env")
    hide = _hiding({**in_file, **os.environ})
    console.print(f"synapse-assets doctor, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    worst: dict[Level, int] = dict.fromkeys(Level, 0)
    for finding in _findings():
        worst[finding.level] += 1
        console.print(f"{finding.level:<9}", style=_STYLES[finding.level], end="")
        console.print(f"{finding.about:<18}  {hide(' '.join(finding.text.split()))}", markup=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"{'':<29}-> {hide(finding.remedy)}", markup=False, soft_wrap=True)
    problems, warnings = worst[Level.PROBLEM], worst[Level.WARNING]
    console.print(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    if problems:
        raise typer.Exit(1)


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _findings() -> Iterator[Finding]:
    """What every probe finds; one that fails is a finding too."""
    yield from _looked("program", probes.program)
    yield from _looked("computer", probes.computer)
    yield from _looked("ports", probes.ports)
    try:
        settings = Settings()
    except Exception as error:
        remedy = "correct it and run this again: device, storage, history and datasets depend on the settings"
        yield Finding(Level.PROBLEM, "settings", str(error), remedy)
        return
    for name, probe in (
        ("settings", probes.settings_set),
        ("device", probes.device),
        ("storage", probes.storage),
        ("history", probes.history),
        ("cluster", probes.cluster),
        ("datasets", probes.datasets),
    ):
        yield from _looked(name, partial(probe, settings))


def _looked(about: str, probe: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of a probe; with a problem more where it raises something, or does not end."""
    findings: list[Finding] = []

    def look() -> None:
        try:
            for finding in probe():
                findings.append(finding)
        except SynapseAssetsError as error:
            findings.append(Finding(Level.PROBLEM, about, str(error)))
        except Exception as error:
            findings.append(Finding(Level.PROBLEM, about, f"could not be looked at: {type(error).__name__}: {error}"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(_PATIENCE_S)
    if looking.is_alive():
        return [
            *findings,
            Finding(Level.PROBLEM, about, f"no answer in {_PATIENCE_S:.0f} s: a drive or a server hangs"),
        ]
    return findings


def _hiding(variables: Mapping[str, str | None]) -> Callable[[str], str]:
    """What takes secrets out of a text, and the name of the user out of its paths.

    Secret is the value of every variable whose name says so, the password of every address, and what stands behind a "?" in one.
    """
    secrets = {value for name, value in variables.items() if value and _SECRET_NAME.search(name)}
    for value in variables.values():
        if value and "://" in value:
            secrets.add(_password(value))
    ordered = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
    home, user = os.path.expanduser("~").rstrip("/"), _user()

    def hide(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, _HIDDEN)
        text = _QUERY_IN_URL.sub(rf"\1?{_HIDDEN}", _USER_IN_URL.sub(f"{_HIDDEN}@", text))
        for folder in {home, str(Path(home).resolve())} - {""}:
            text = re.sub(rf"{re.escape(folder)}(?=/|$|[\s:,;'\"])", "~", text)
        return re.sub(rf"(?<=/){re.escape(user)}(?=/|$|[\s:,;'\"])", "<user>", text) if user else text

    return hide


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
