from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.space import free_bytes, require_space


def test_space_is_that_of_the_folder_to_come(tmp_path: Path) -> None:
    require_space(tmp_path / "new" / "folder", 1)
    free = free_bytes(tmp_path / "new")
    with pytest.raises(
        UserError, match=r"new: \S+ GB are to be copied, \S+ GB are free on the disk"
    ):
        require_space(tmp_path / "new", 2 * free, "to be copied")
