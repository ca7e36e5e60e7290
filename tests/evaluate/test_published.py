"""Published reference rows."""

from __future__ import annotations

import numpy as np
import pytest

from ssl4sar.evaluate.published import PUBLISHED


def test_published_rows_name_their_source_and_test_set(result) -> None:
    assert len(result["published"]) == len(PUBLISHED)
    for row in result["published"]:
        assert "official CaFFe test set" in row["test_set"]
        assert row["source"]
        if row["mde_runs_m"]:
            assert row["mde_m"] == pytest.approx(np.mean(row["mde_runs_m"]), abs=0.05)
            assert row["mde_std_m"] == pytest.approx(np.std(row["mde_runs_m"]), abs=0.05)
