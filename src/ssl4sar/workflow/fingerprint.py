"""The fingerprint of a folder outside the workflow: content, not time stamps.

Snakemake sees a folder as one time stamp. A tree that the user supplies is therefore tracked by
a digest of its content that becomes a parameter of the rule that reads it. Hashes are remembered
by size and time stamp, so only the first look at 3 GB takes seconds.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file


def folder_fingerprint(root: str | Path, memory: Path) -> str:
    """Return a SHA-256 over the names and contents of all files below a folder.

    Args:
        root: folder.
        memory: JSON file that remembers hashes between calls; made or renewed as needed.

    Returns:
        Hexadecimal digest that does not depend on time stamps or on where the folder lies.

    Raises:
        UserError: the folder does not exist or holds no file.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"caffe.root: {root}",
            "the folder does not exist",
            "give the folder that holds sar_images, e.g. --config caffe_root=/data/caffe/data_raw",
        )
    known = _remembered(memory)
    seen: dict[str, list[str | int]] = {}
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        status = path.stat()
        key, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
        record = known.get(key)
        sha256 = str(record[2]) if record and record[:2] == stamp else sha256_file(path)
        seen[key] = [*stamp, sha256]
        digest.update(f"{path.relative_to(root).as_posix()}\0{sha256}\n".encode())
    if not seen:
        raise UserError(f"caffe.root: {root}", "the folder is empty", "give the folder of the tree")
    if any(known.get(key) != record for key, record in seen.items()):
        write_text(memory, json.dumps({**known, **seen}))
    return digest.hexdigest()


def _remembered(memory: Path) -> dict[str, list[str | int]]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Lost or damaged memory costs one hashing pass, nothing else.
        return {}
    return content if isinstance(content, dict) else {}
