"""The fingerprint of a folder outside the workflow: content, not time stamps.

Snakemake sees a folder as one time stamp. A tree that the user supplies is therefore tracked by
a digest of its content that becomes a parameter of the rule that reads it. Hashes are remembered
by size and time stamp, so only the first look at 3 GB takes seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.core.atomic import write_text
from ssl4sar.core.caffe_layout import BOX_FOLDER, IMAGE_FOLDERS, METADATA_NAME, SPLITS
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.named_files import visible_entries
from ssl4sar.core.pair_layout import MANIFEST_NAME, find_pair_tree
from ssl4sar.core.progress import log, track

#: Hashing that takes longer than a second or so is shown.
_MANY_BYTES: Final = 100_000_000
_FIX: Final = "give the folder that holds sar_images, e.g. --config caffe_root=/data/caffe/data_raw"


def folder_fingerprint(root: str | Path, memory: Path) -> str:
    """Return a SHA-256 over the names and contents of the files of a CaFFe tree.

    Only the folders of the layout are read; whatever else is beside them does not count.

    Returns:
        Hexadecimal digest that does not depend on time stamps or on where the folder is.

    Raises:
        UserError: the folder does not exist, or holds no tree, several, or one without files.
    """
    subject = _subject("caffe.root", Path(root))
    try:
        tree = find_caffe_root(root)
    except UserError as error:
        raise UserError(subject, error.problem, _FIX) from error
    files = _tree_files(tree)
    if not files:
        raise UserError(subject, "the tree holds no file", _FIX)
    return _digest(tree, files, memory, "hashing the CaFFe tree")


def pair_fingerprint(root: str | Path, memory: Path) -> str:
    """Return a SHA-256 over the names and contents of the files of a pretraining dataset.

    Only its three folders and its manifest are read; whatever else is beside them does not count.

    Returns:
        Hexadecimal digest that does not depend on time stamps or on where the folder is.

    Raises:
        UserError: the folder does not exist, one of the three is missing, or all are empty.
    """
    subject = _subject("ssl4sar.root", Path(root))
    try:
        tree = find_pair_tree(root)
    except UserError as error:
        raise UserError(subject, error.problem, error.fix) from error
    folders = (*tree.sar.values(), tree.optical)
    files = sorted(path for folder in folders for path in visible_entries(folder) if path.is_file())
    if not files:
        raise UserError(subject, "the dataset holds no file", "add images to its folders")
    manifest = tree.root / MANIFEST_NAME
    files += [manifest] if manifest.is_file() else []
    return _digest(tree.root, files, memory, "hashing the pretraining dataset")


def _digest(tree: Path, files: list[Path], memory: Path, description: str) -> str:
    known = _remembered(memory)
    stamps = {path: _stamp(path) for path in files}
    unknown = [path for path in files if known.get(_key(path), [])[:2] != stamps[path]]
    paths: Iterable[Path] = unknown
    if sum(stamps[path][0] for path in unknown) >= _MANY_BYTES:
        log(f"{tree}: {description}, once; later only files that changed")
        paths = track(unknown, description)
    fresh = {path: sha256_file(path) for path in paths}
    digest = hashlib.sha256()
    for path in files:
        sha256 = fresh[path] if path in fresh else str(known[_key(path)][2])
        digest.update(f"{path.relative_to(tree).as_posix()}\0{sha256}\n".encode())
    if fresh:
        renewed = {_key(path): [*stamps[path], sha256] for path, sha256 in fresh.items()}
        write_text(memory, json.dumps({**known, **renewed}))
    return digest.hexdigest()


def _subject(key: str, root: Path) -> str:
    """Name the folder as given, and where that is."""
    absolute = root.resolve()
    shown = f"{root}" if root == absolute else f"{root} = {absolute}"
    return f"{key}: {shown}"


def _tree_files(tree: Path) -> list[Path]:
    folders = [tree / folder / split for folder in IMAGE_FOLDERS for split in SPLITS]
    folders.append(tree / BOX_FOLDER)
    found = [path for folder in folders for path in visible_entries(folder)]
    found.append(tree / METADATA_NAME)
    return sorted(path for path in found if path.is_file())


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _key(path: Path) -> str:
    return str(path.resolve())


def _remembered(memory: Path) -> dict[str, list[str | int]]:
    try:
        content = read_json(memory)
    except (OSError, ValueError):
        # Lost or damaged memory costs one hashing pass, nothing else.
        return {}
    return content if isinstance(content, dict) else {}
