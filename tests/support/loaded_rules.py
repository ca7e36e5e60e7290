"""The rules as Snakemake has them once it has read the Snakefile, whatever their text is."""

from __future__ import annotations

import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

from micro_study import MICRO, PROJECT
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)


@cache
def loaded_rules() -> dict[str, Any]:
    """Return Snakemake's rules of the smallest study by name, those without a script left out."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            loaded = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=[MICRO]),
                snakefile=PROJECT / "Snakefile",
                workdir=Path(folder),
            )
            return {rule.name: rule for rule in loaded._workflow.rules if rule.script}
