"""What this installation can use, for people and for programs.

Providers, libraries, programs, credentials, folders: each with its version, or with the reason why
it is missing and what helps.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

from rich.table import Table
from rich.text import Text

from ssl4sar.acquire.network.credentials import find_credentials
from ssl4sar.acquire.network.private_files import private_folder
from ssl4sar.acquire.network.slots import LOCKS_VARIABLE, locks_folder
from ssl4sar.acquire.network.token_store import CACHE_VARIABLE, cache_folder
from ssl4sar.acquire.providers.registry import PROVIDERS, WithAccount, install_command
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import Services
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import console as safe_console
from ssl4sar.version import VERSION

SCHEMA: Final = "ssl4sar.doctor/1"
DEFAULT_CONFIG: Final = Path("config/config.yaml")
_WIDTH_WITHOUT_TERMINAL: Final = 160
#: pip installs pyroSAR without the GDAL that it imports, so it comes from conda-forge.
_CONDA: Final = "conda env create -f envs/pyrosar.yaml (snakemake --sdm conda does it by itself)"
_SNAP: Final = "install ESA SNAP (step.esa.int) and put its folder bin on PATH"
#: Providers that need no folders of locks and tokens.
_WITHOUT_NETWORK: Final[frozenset[ProviderName]] = frozenset({"local", "synthetic"})
Kind = Literal["provider", "library", "program", "credentials", "folder"]


@dataclass(frozen=True)
class Backend:
    """One thing that may be there or not.

    Attributes:
        kind: what it is.
        name: its name.
        present: whether it can be used.
        version: its version, where it has one.
        reason: why it is missing, or where it was found; never a secret.
        remedy: what makes it available; None where nothing is missing.
        needed: whether the configuration at hand needs it.
    """

    kind: Kind
    name: str
    present: bool = True
    version: str | None = None
    reason: str = ""
    remedy: str | None = None
    needed: bool = False

    def missing(self, reason: str, remedy: str) -> Backend:
        """Return that it is missing."""
        return replace(self, present=False, version=None, reason=reason, remedy=remedy)


def doctor(config_file: Path | None, *, as_json: bool) -> bool:
    """Print every backend with its version, or the reason why it is missing and the remedy.

    Args:
        config_file: configuration that says what is needed; None takes the embedded default of the
            folder at hand, or the defaults of every key where there is none.
        as_json: print JSON instead of a table.

    Returns:
        Whether all is there that the configuration needs.

    Raises:
        UserError: the configuration is missing or wrong.
    """
    if config_file is None and not DEFAULT_CONFIG.is_file():
        config, source = StudyConfig(name="default"), "defaults"
    else:
        chosen = config_file or DEFAULT_CONFIG
        config, source = study_from(read_config(chosen), chosen), str(chosen)
    backends = find_backends(config)
    missing = [each for each in backends if each.needed and not each.present]
    if as_json:
        content = {
            "schema": SCHEMA,
            "config": source,
            "ready": not missing,
            "backends": [asdict(each) for each in backends],
        }
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        _print(backends, missing, source)
    return not missing


def _print(backends: list[Backend], missing: list[Backend], source: str) -> None:
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    console = safe_console(highlight=False, width=width)
    table = Table(title=Text(f"Backends; needed is what {source} uses"))
    for heading in ("kind", "name", "state", "version", "needed"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found, or why not and what helps", overflow="fold")
    for each in backends:
        lacking = Text("missing", "red" if each.needed else "yellow")
        table.add_row(
            each.kind,
            each.name,
            Text("ok", "green") if each.present else lacking,
            each.version or "",
            "yes" if each.needed else "",
            Text("; ".join(filter(None, (each.reason, each.remedy)))),
        )
    console.print(table)
    names = ", ".join(f"{each.kind} {each.name}" for each in missing)
    if missing:
        console.print(Text(f"Missing for {source}: {names}", "red"))
    else:
        console.print(Text(f"All is there that {source} needs."))


def find_backends(config: StudyConfig) -> list[Backend]:
    """Return what there is and what is missing, and which of it a configuration needs.

    No network is used. Folders of locks and tokens are made if they are missing.

    Args:
        config: the configuration.
    """
    providers: set[ProviderName] = {config.sentinel.provider}
    if config.optical.count:
        providers.add(config.sentinel.optical_from)
    if config.sentinel.orbits == "precise":
        providers.add("cdse")  # orbit files come from there whatever the scenes come from
    services = Services.of_job(config.model_dump(mode="json"))
    by_snap = config.stack.engine == "pyrosar"
    return [
        *_providers(services, providers),
        *_libraries(by_snap),
        _snap(by_snap),
        *_credentials(services, providers),
        *_folders(bool(providers - _WITHOUT_NETWORK)),
    ]


def _providers(services: Services, needed: set[ProviderName]) -> Iterator[Backend]:
    for name, kind in PROVIDERS.items():
        found = Backend("provider", name, True, VERSION, "built in", needed=name in needed)
        if kind.library is not None:
            remedy = install_command(name)
            found = _library("provider", name, kind.library, remedy, found.needed)
        if found.present:
            try:
                kind.of(services)
            except UserError as error:
                found = found.missing(f"{error.subject}: {error.problem}", error.fix)
        yield found


def _libraries(by_snap: bool) -> Iterator[Backend]:
    yield _library("library", "blake3", "blake3", install_command("blake3"))
    rasterio = _library("library", "rasterio", "rasterio", "pip install -e .", needed=True)
    if rasterio.present:
        from rasterio import __gdal_version__, __proj_version__

        reason = f"GDAL {__gdal_version__}, PROJ {__proj_version__}"
        rasterio = replace(rasterio, reason=reason)
    yield rasterio
    gdal = _library("library", "osgeo", "osgeo", _CONDA, by_snap)
    yield gdal
    # Importing pyroSAR writes into the home folder and wants GDAL: it is only looked for.
    pyrosar = Backend("library", "pyroSAR", True, _version("pyroSAR"), needed=by_snap)
    absence = _absence("pyroSAR")
    if absence is None and not gdal.present:
        absence = "it needs osgeo (GDAL)"
    yield pyrosar if absence is None else pyrosar.missing(absence, _CONDA)


def _absence(library: str) -> str | None:
    """Return why a library cannot even be looked for or found; None where it is there."""
    try:
        found = importlib.util.find_spec(library)
    except (ImportError, ValueError) as error:
        return f"{library} cannot be imported ({error})"
    return None if found is not None else f"{library} is not installed"


def _library(kind: Kind, name: str, library: str, remedy: str, needed: bool = False) -> Backend:
    """Find out whether a library can be imported, which says more than that it is installed."""
    backend = Backend(kind, name, needed=needed)
    absence = _absence(library)
    if absence is not None:
        return backend.missing(absence, remedy)
    try:
        module = importlib.import_module(library)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return backend.missing(f"{library} cannot be imported ({said})", remedy)
    version = _version(library) or getattr(module, "__version__", None)
    return replace(backend, version=version, reason=library if library != name else "")


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _snap(needed: bool) -> Backend:
    backend, path = Backend("program", "SNAP gpt", needed=needed), shutil.which("gpt")
    if path is None:
        return backend.missing("SNAP's gpt is not on PATH", _SNAP)
    return replace(backend, reason=path)


def _credentials(services: Services, needed: set[ProviderName]) -> Iterator[Backend]:
    for name, kind in PROVIDERS.items():
        if not issubclass(kind, WithAccount):
            continue
        try:
            account = kind.account(services)
        except UserError:  # the row of the provider says it
            continue
        backend = Backend("credentials", name, needed=name in needed)
        if os.environ.get(account.token_variable or ""):
            yield replace(backend, reason=f"{account.token_variable} in the environment")
            continue
        try:
            yield replace(backend, reason=find_credentials(account).source)
        except UserError as error:
            yield backend.missing(error.problem, error.fix)


def _folders(needed: bool) -> Iterator[Backend]:
    places = (
        ("locks", locks_folder(), LOCKS_VARIABLE),
        ("tokens", cache_folder(), CACHE_VARIABLE),
    )
    for name, path, variable in places:
        backend = Backend("folder", name, reason=str(path), needed=needed)
        try:
            private_folder(path, variable)
        except UserError as error:
            backend = backend.missing(f"{error.subject}: {error.problem}", error.fix)
        else:
            if not os.access(path, os.W_OK | os.X_OK):
                remedy = f"choose another folder in {variable}"
                backend = backend.missing(f"{path} cannot be written", remedy)
        yield backend
