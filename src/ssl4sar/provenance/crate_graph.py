"""The entities of an RO-Crate, and how they become a folder.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) describes a folder by one flat list of entities that
name each other by ``@id``. Identifiers are made from paths and names only, so that the same result
gives the same crate.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file

ROOT: Final = "./"
METADATA_FILE: Final = "ro-crate-metadata.json"
_VERSION: Final = "1.1"
_RO_CRATE: Final = f"https://w3id.org/ro/crate/{_VERSION}"
_WORKFLOW_CRATE: Final = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
#: Terms that RO-Crate 1.1 lacks, e.g. ``sha256`` and ``resourceUsage``.
_RUN_TERMS: Final = "https://w3id.org/ro/terms/workflow-run/context"
#: What the crate conforms to, each profile a refinement of those before it.
PROFILES: Final[Mapping[str, tuple[str, str]]] = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
_FORMATS: Final = {
    ".cff": "application/yaml",
    ".ckpt": "application/octet-stream",
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npy": "application/octet-stream",
    ".py": "text/x-python",
    ".smk": "text/plain",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def reference(identifier: str) -> dict[str, str]:
    """Return a reference to an entity."""
    return {"@id": identifier}


def references(identifiers: Iterable[str]) -> list[dict[str, str]]:
    """Return references to entities, each once, in the order given."""
    return [reference(identifier) for identifier in dict.fromkeys(identifiers)]


def encoding_format(name: str) -> str:
    """Return the media type of a file by its name."""
    suffix = Path(name).suffix.lower()
    if not suffix:
        return "text/plain"
    return _FORMATS.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


@dataclass
class CrateGraph:
    """Entities by identifier, in the order in which they were described.

    Attributes:
        entities: properties of every entity but the descriptor of the crate.
        copies: what is copied into the crate: source by path in the crate.
    """

    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    copies: dict[str, Path] = field(default_factory=dict)

    def add(self, identifier: str, kind: str | list[str], /, **properties: Any) -> str:
        """Describe an entity; what is empty or None is left out.

        Args:
            identifier: ``@id``.
            kind: ``@type``.
            properties: properties by name; references as :func:`reference` makes them.

        Returns:
            The identifier.
        """
        given = {name: value for name, value in properties.items() if value not in (None, "", [])}
        self.entities[identifier] = {"@type": kind, **given}
        return identifier

    def add_file(
        self, place: str, source: Path, kind: str | list[str] = "File", /, **properties: Any
    ) -> str:
        """Describe a file and have it copied into the crate.

        Args:
            place: path in the crate.
            source: file to copy.
            kind: ``@type``.
            properties: properties by name; name, size, hash and format are added.

        Returns:
            The identifier.
        """
        self.copies[place] = source
        found = {
            "name": place,
            "encodingFormat": encoding_format(place),
            "contentSize": str(source.stat().st_size),
        }
        if "sha256" not in properties:
            found["sha256"] = sha256_file(source)
        return self.add(quote(place), kind, **{**found, **properties})

    def append(self, identifier: str, name: str, *targets: str) -> None:
        """Let a property of an entity name further entities, each once."""
        entity = self.entities[identifier]
        known = [each["@id"] for each in entity.get(name, [])]
        entity[name] = references([*known, *targets])

    def write(self, folder: Path) -> None:
        """Write the crate: its files, ``ro-crate-metadata.json`` and a page for people.

        Args:
            folder: where; it has to exist and to be empty.

        Raises:
            UserError: the package ``rocrate`` is not installed.
            OSError: a file cannot be copied.
        """
        package = rocrate_package()
        crate = package.rocrate.ROCrate(version=_VERSION, gen_preview=True)
        crate.metadata["conformsTo"] = references([_RO_CRATE, _WORKFLOW_CRATE])
        crate.metadata.extra_contexts.append(_RUN_TERMS)
        contextual = package.model.contextentity.ContextEntity
        files = {quote(place): place for place in self.copies}
        for identifier, described in self.entities.items():
            entity = {name: _compact(value) for name, value in described.items()}
            if identifier == ROOT:
                del entity["@type"]
                for name, value in entity.items():
                    crate.root_dataset[name] = value
            elif identifier in files:
                place = files[identifier]
                crate.add_file(self.copies[place], place, properties=entity)
            elif entity["@type"] == "Dataset" and not identifier.startswith("#"):
                crate.add_dataset(dest_path=unquote(identifier), properties=entity)
            else:
                crate.add(contextual(crate, identifier, properties=entity))
        crate.write(folder)


def _compact(value: Any) -> Any:
    """Return the one value of a list of one, as RO-Crate recommends."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def rocrate_package() -> Any:
    """Return the package ``rocrate``.

    Raises:
        UserError: it is not installed.
    """
    try:
        import rocrate.model.contextentity
        import rocrate.rocrate
    except ImportError as error:
        raise UserError(
            "--crate",
            f"the package rocrate is needed to write a crate ({error})",
            'install it with pip install "ssl4sar[crate]"',
        ) from error
    return rocrate
