"""What this installation can use: providers, libraries, programs, credentials, folders."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ssl4sar.acquire.earthdata import TOKEN_VARIABLE
from ssl4sar.acquire.earthdata import account as earthdata_account
from ssl4sar.acquire.network.credentials import Account, find_credentials
from ssl4sar.acquire.network.private_files import private_folder
from ssl4sar.acquire.network.slots import LOCKS_VARIABLE, locks_folder
from ssl4sar.acquire.network.token_store import CACHE_VARIABLE, cache_folder
from ssl4sar.acquire.providers.cdse import account as cdse_account
from ssl4sar.acquire.providers.dhus import Dhus
from ssl4sar.acquire.providers.registry import LIBRARIES, install_command
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.version import VERSION

Kind = Literal["provider", "library", "program", "credentials", "folder"]
#: pip installs pyroSAR without the GDAL that it imports, so it comes from conda-forge.
_CONDA: Final = "conda install -c conda-forge pyrosar gdal"
_SNAP: Final = "install ESA SNAP (step.esa.int) and put its folder bin on PATH"
#: Providers that need credentials for a download.
_WITH_ACCOUNT: Final[frozenset[ProviderName]] = frozenset({"cdse", "dhus", "asf"})
_OVER_THE_NET: Final = _WITH_ACCOUNT | {"stac"}


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
    present: bool
    version: str | None = None
    reason: str = ""
    remedy: str | None = None
    needed: bool = False

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


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
    return [
        *_providers(config, providers),
        *_libraries(),
        *_programs(),
        *_all_credentials(config, providers),
        *_folders(bool(providers & _OVER_THE_NET)),
    ]


def _providers(config: StudyConfig, needed: set[ProviderName]) -> Iterator[Backend]:
    yield Backend("provider", "cdse", True, VERSION, "built in", None, "cdse" in needed)
    for name, (library, extra) in LIBRARIES.items():
        found = _library("provider", name, library, install_command(extra), name in needed)
        if name == "dhus" and found.present:
            found = _with_hub(found, config)
        yield found
    yield _local(config, "local" in needed)
    yield Backend("provider", "synthetic", True, VERSION, "built in", None, "synthetic" in needed)


def _with_hub(found: Backend, config: StudyConfig) -> Backend:
    try:
        Dhus(config.dhus)
    except UserError as error:
        reason = f"{error.subject}: {error.problem}"
        return Backend(
            found.kind, found.name, False, found.version, reason, error.fix, found.needed
        )
    return found


def _local(config: StudyConfig, needed: bool) -> Backend:
    root = config.sentinel.root
    if root is None:
        return Backend("provider", "local", not needed, VERSION, "built in", None, needed)
    there = Path(root).expanduser().is_dir()
    reason = f"reads {root}" if there else f"the folder {root} does not exist"
    remedy = None if there else "correct sentinel.root"
    return Backend("provider", "local", there, VERSION, reason, remedy, needed)


def _libraries() -> Iterator[Backend]:
    yield _library("library", "blake3", "blake3", install_command("blake3"))
    yield _rasterio()
    gdal = _library("library", "osgeo", "osgeo", _CONDA)
    yield gdal
    yield _pyrosar(gdal)


def _pyrosar(gdal: Backend) -> Backend:
    # Importing it writes into the home folder and wants GDAL: it is only looked for.
    reason = _absence("pyroSAR")
    if reason is None and not gdal.present:
        reason = "it needs osgeo (GDAL)"
    if reason is not None:
        return Backend("library", "pyroSAR", False, None, reason, _CONDA)
    return Backend("library", "pyroSAR", True, _version("pyroSAR"))


def _absence(library: str) -> str | None:
    """Return why a library cannot even be looked for or found; None where it is there."""
    try:
        found = importlib.util.find_spec(library)
    except (ImportError, ValueError) as error:
        return f"{library} cannot be imported ({error})"
    return None if found is not None else f"{library} is not installed"


def _library(kind: Kind, name: str, library: str, remedy: str, needed: bool = False) -> Backend:
    """Find out whether a library can be imported, which says more than that it is installed."""
    absence = _absence(library)
    if absence is not None:
        return Backend(kind, name, False, None, absence, remedy, needed)
    try:
        module = importlib.import_module(library)
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        reason = f"{library} cannot be imported ({told})"
        return Backend(kind, name, False, None, reason, remedy, needed)
    version = _version(library) or getattr(module, "__version__", None)
    return Backend(kind, name, True, version, library if library != name else "", None, needed)


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _rasterio() -> Backend:
    found = _library("library", "rasterio", "rasterio", "pip install -e .", needed=True)
    if not found.present:
        return found
    from rasterio import __gdal_version__, __proj_version__

    reason = f"GDAL {__gdal_version__}, PROJ {__proj_version__}"
    return Backend("library", "rasterio", True, found.version, reason, None, needed=True)


def _programs() -> Iterator[Backend]:
    path = shutil.which("gpt")
    reason = "SNAP's gpt is not on PATH" if path is None else path
    yield Backend(
        "program", "SNAP gpt", path is not None, None, reason, _SNAP if path is None else None
    )


def _all_credentials(config: StudyConfig, needed: set[ProviderName]) -> Iterator[Backend]:
    yield _credentials("cdse", lambda: cdse_account(config.cdse), "cdse" in needed)
    if config.dhus.hub_url is not None:
        yield _credentials("dhus", lambda: Dhus(config.dhus).account, "dhus" in needed)
    if os.environ.get(TOKEN_VARIABLE):
        yield Backend(
            "credentials", "asf", True, None, f"{TOKEN_VARIABLE} in the environment", None,
            "asf" in needed,
        )  # fmt: skip
    else:
        yield _credentials("asf", lambda: earthdata_account(config.asf.login_url), "asf" in needed)


def _credentials(name: str, account: Callable[[], Account], needed: bool) -> Backend:
    try:
        found = find_credentials(account())
    except UserError as error:
        return Backend("credentials", name, False, None, error.problem, error.fix, needed)
    return Backend("credentials", name, True, None, found.source, None, needed)


def _folders(needed: bool) -> Iterator[Backend]:
    places = (
        ("locks", locks_folder(), LOCKS_VARIABLE),
        ("tokens", cache_folder(), CACHE_VARIABLE),
    )
    for name, path, variable in places:
        try:
            private_folder(path, variable)
        except UserError as error:
            reason = f"{error.subject}: {error.problem}"
            yield Backend("folder", name, False, None, reason, error.fix, needed)
            continue
        writable = os.access(path, os.W_OK | os.X_OK)
        remedy = None if writable else f"choose another folder in {variable}"
        reason = str(path) if writable else f"{path} cannot be written"
        yield Backend("folder", name, writable, None, reason, remedy, needed)
