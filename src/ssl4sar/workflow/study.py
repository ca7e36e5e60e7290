"""What the Snakefile asks for: the validated configuration and what follows from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from snakemake.utils import update_config

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.config.compute import share_batches
from ssl4sar.config.keys import value_at
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.digest import source_digest
from ssl4sar.workflow.fingerprint import folder_fingerprint
from ssl4sar.workflow.runtime import mem_mb, runtime_min

SCRIPTS: Final = Path("workflow/scripts")
DEFAULT_CONFIG: Final = "config/config.yaml"
FINGERPRINT_MEMORY: Final = Path(".snakemake/ssl4sar-fingerprints.json")
CAFFE_ARCHIVE: Final = "resources/caffe/data_raw.zip"
EXTRACTED_LISTING: Final = "resources/caffe/official.json"
FETCHED_WEIGHTS: Final = "resources/weights/swinv2_tiny_window16_256.safetensors"

# Memory of the HOST and time of one fine-tuning. On a CPU the crops of the backward pass lie in
# it: 2.3 GB per 512 px crop for the published width (measured with plain attention in fp32). With
# a GPU it holds the libraries and the loaders. The time of the published recipe is arithmetic
# (2.9e18 FLOP); a training that meets its limit goes on from its last epoch in the next attempt.
_BASE_MEM_MB: Final = 4000
_GPU_HOST_MEM_MB: Final = 24_000
_LAPTOP_RUNTIME_MIN: Final = 120
_PAPER_RUNTIME_MIN: Final = 24 * 60
_LAPTOP_PIXELS: Final = 50_000 * 256**2


class Study:
    """A configuration with the paths, parameters and resources of the rules."""

    def __init__(
        self, config: StudyConfig, base: Path, file: str, command_line: Mapping[str, Any]
    ) -> None:
        """Keep a configuration.

        Args:
            config: validated configuration.
            base: folder of the Snakefile.
            file: file it was read from.
            command_line: values given by ``--config``.
        """
        self.config = config
        self._base = base
        self._read_from = {"file": file, "overrides": dict(command_line)}

    def as_config(self) -> dict[str, Any]:
        """Return what jobs and reports see: every key, and under ``read_from`` its origin."""
        return {**self.config.model_dump(mode="json"), "read_from": self._read_from}

    @property
    def run(self) -> str:
        """Folder of the run's intermediate files."""
        return f"runs/{self.config.name}"

    def runtime(self, rule: str, default_min: int) -> Callable[[Any, int], int]:
        """Return the run time of a rule as Snakemake asks for it: by earlier runs if there are any.

        Args:
            rule: name of the rule.
            default_min: minutes on the first attempt where there is no record.
        """

        def minutes(wildcards: Any, attempt: int) -> int:
            run = Path(self.run)
            return runtime_min(self._benchmarks, rule, default_min, attempt, run) * attempt

        return minutes

    def mem_mb(self, rule: str, least_mb: int) -> Callable[[Any, int], int]:
        """Return the memory of a rule as Snakemake asks for it: more if an earlier run took more.

        Args:
            rule: name of the rule.
            least_mb: MB on the first attempt.
        """

        def megabytes(wildcards: Any, attempt: int) -> int:
            return mem_mb(self._benchmarks, rule, least_mb) * attempt

        return megabytes

    @property
    def _benchmarks(self) -> tuple[Path, Path]:
        # Rules that all studies share have their records one folder higher.
        folder = Path("benchmarks/results")
        return folder / self.config.name, folder

    def source(self, rule: str) -> str:
        """Return the source digest of a rule's script."""
        return source_digest(self._base / SCRIPTS / f"{rule}.py", self._base / "src")

    def cfg(self, *keys: str) -> dict[str, Any]:
        """Return the named keys as one flat dictionary of builtins.

        One dictionary is one parameter to Snakemake, whose text holds names and values, so that
        swapping two values is seen, which it is not for separate parameters.

        Args:
            *keys: dotted keys, e.g. ``"model"`` or ``"caffe.spacing_m"``.
        """
        plain = self.config.model_dump(mode="json")
        return {key: value_at(plain, key) for key in keys}

    @property
    def raw_listing(self) -> list[str]:
        """Listing of the scenes' folder of the same name; none for a tree outside the workflow."""
        return {
            "synthetic": [f"{self.run}/caffe/rendered.json"],
            "pangaea": [EXTRACTED_LISTING],
            "local": [],
        }[self.config.caffe.source]

    @cached_property
    def raw_content(self) -> str:
        """Fingerprint of a tree outside the workflow, else an empty text."""
        if self.config.caffe.source != "local":
            return ""
        return folder_fingerprint(self.config.caffe.root or "", FINGERPRINT_MEMORY)

    @cached_property
    def raw_tree(self) -> str:
        """Folder of the scenes as they came."""
        if self.config.caffe.source == "local":
            return str(find_caffe_root(self.config.caffe.root or ""))
        return str(Path(self.raw_listing[0]).with_suffix(""))

    @property
    def tree(self) -> str:
        """Folder of the tree that training and evaluation use."""
        return (
            self.raw_tree if self.config.caffe.spacing_m is None else f"{self.run}/caffe/resampled"
        )

    @property
    def tree_manifest(self) -> str:
        """Manifest of the tree that training and evaluation use."""
        step = "native" if self.config.caffe.spacing_m is None else "resampled"
        return f"{self.run}/caffe/{step}.json"

    @property
    def weights_files(self) -> list[str]:
        """Files with starting weights: the user's, else those that the workflow fetches."""
        model = self.config.model
        if model.weights_file:
            return [model.weights_file]
        return [FETCHED_WEIGHTS] if model.weights == "timm" else []

    @property
    def retrieved(self) -> list[str]:
        """Files of this run that come over the network."""
        archive = [CAFFE_ARCHIVE] if self.config.caffe.source == "pangaea" else []
        return archive + [path for path in self.weights_files if path == FETCHED_WEIGHTS]

    @property
    def retrieval(self) -> str:
        """What the target ``retrieve`` says."""
        files = self.retrieved
        if not files:
            return f"{self.config.name}: nothing to fetch: no file comes over the network"
        return f"{self.config.name}: here are all files that come over the network: " + ", ".join(
            files
        )

    @property
    def gpu(self) -> int:
        """GPUs of a prediction job."""
        return 1 if self.config.compute.device == "cuda" else 0

    @property
    def train_gpus(self) -> int:
        """GPUs of a training job, all nodes together."""
        return self.gpu * self.config.compute.processes

    @property
    def train_placement(self) -> dict[str, Any]:
        """Resources that place a training on several nodes; none for one node.

        With ``mpi`` the SLURM plugin starts the job without a step of one task around it, so that
        the job can start a step on all its nodes. ``tasks_per_gpu`` 0 keeps the plugin from
        counting tasks by GPU.
        """
        compute = self.config.compute
        if compute.nodes == 1:
            return {}
        # The plugin accepts more than one task per node only.
        tasks = {"tasks": compute.nodes}
        if compute.devices > 1:
            tasks = {"tasks_per_node": compute.devices}
        return {"nodes": compute.nodes, "mpi": "srun", "tasks_per_gpu": 0, **tasks}

    @property
    def train_mem_mb(self) -> int:
        """Memory of a training job on each node, on its first attempt."""
        model, training, compute = self.config.model, self.config.training, self.config.compute
        if self.gpu:
            return _GPU_HOST_MEM_MB * compute.devices
        batch, *_ = share_batches(
            training.batch_size, training.accumulate_batches, compute.processes
        )
        share = (model.embed_dim / 96) * (model.input_px / 512) ** 2 * batch
        return int(_BASE_MEM_MB + 2300 * share) * compute.devices

    @property
    def train_runtime_min(self) -> int:
        """Run time limit of a training job on its first attempt, minutes."""
        training = self.config.training
        size = training.epochs * training.samples_per_epoch * self.config.model.input_px**2
        return _LAPTOP_RUNTIME_MIN if size <= _LAPTOP_PIXELS else _PAPER_RUNTIME_MIN


def default_config(base: Path, command_line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the embedded default with the values of the command line put over it.

    Args:
        base: folder of the Snakefile.
        command_line: values given by ``--config``; blocks are merged key by key.

    Raises:
        UserError: the default file is missing or no YAML.
    """
    values = read_config(base / DEFAULT_CONFIG)
    update_config(values, command_line)
    return values


def open_study(
    values: Mapping[str, Any],
    files: Sequence[Path],
    command_line: Mapping[str, Any],
    base: Path,
) -> Study:
    """Validate the configuration that Snakemake gathered.

    Args:
        values: the gathered configuration.
        files: files given by ``--configfile``.
        command_line: values given by ``--config``.
        base: folder of the Snakefile.

    Returns:
        The study.

    Raises:
        UserError: a wrong key or value, several files, or a missing folder of a local tree.
    """
    if len(files) > 1:
        names = " ".join(map(str, files))
        raise UserError(
            f"--configfile {names}",
            "several files would be merged silently",
            "one file is one complete run: give one",
        )
    file = str(files[0]) if files else DEFAULT_CONFIG
    source = file
    if command_line:
        source += " with --config " + " ".join(f"{k}={v}" for k, v in command_line.items())
    if not files:
        # The default lies beside the Snakefile, wherever the workflow works.
        file = str(base / file)
    study = Study(study_from(values, source), base, file, command_line)
    # Asked for here, so that what is missing is told before the rules are built.
    _ = study.raw_content
    path = study.config.model.weights_file
    if path and not Path(path).is_file():
        raise UserError(
            f"model.weights_file: {path}",
            "the file does not exist",
            "give the file with the starting weights or set model.weights to none",
        )
    return study


def share_sources(base: Path) -> None:
    """Let jobs import the package from this checkout, in conda environments and on nodes too.

    Args:
        base: folder of the Snakefile.
    """
    source = str(base / "src")
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *(p for p in paths if p != source)])
