"""What the Snakefile asks for: the validated configuration and what follows from it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from snakemake.utils import update_config

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.config.keys import value_at
from ssl4sar.config.loading import read_config, require_small_config, study_from
from ssl4sar.config.pretraining import TASKS, WITH_WEIGHTS
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.digest import KEPT_BY_CONTENT, source_digest
from ssl4sar.workflow.acquisition import Acquisition
from ssl4sar.workflow.fingerprint import folder_fingerprint, pair_fingerprint
from ssl4sar.workflow.runtime import mem_mb, runtime_min
from ssl4sar.workflow.training_cost import TrainingCost

#: Signs at which a shell ends or changes a word.
_SHELL_SIGN: Final = re.compile(r"""[\s|&;()<>$`\\"'{}*?]""")
SCRIPTS: Final = Path("workflow/scripts")
DEFAULT_CONFIG: Final = "config/config.yaml"
FINGERPRINT_MEMORY: Final = Path(".snakemake/ssl4sar-fingerprints.json")
CAFFE_ARCHIVE: Final = "resources/caffe/data_raw.zip"
EXTRACTED_LISTING: Final = "resources/caffe/official.json"
DOWNLOADED_PAIRS: Final = "resources/ssl4sar/archives.json"
EXTRACTED_PAIRS: Final = "resources/ssl4sar/extracted.json"
FETCHED_WEIGHTS: Final = "resources/weights/swinv2_tiny_window16_256.safetensors"
#: Rules whose outputs are known by address and content.
FETCHING: Final = frozenset(
    {
        "download_caffe",
        "download_ssl4sar",
        "fetch_elevation_list",
        "fetch_elevation_tile",
        "fetch_geoid",
        "fetch_orbit",
        "fetch_scene",
        "fetch_weights",
        "search_scenes",
    }
)
#: Those of them that the provider of synthetic products serves too.
RENDERING: Final = frozenset({"fetch_scene", "search_scenes"})


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

    @cached_property
    def acquisition(self) -> Acquisition:
        """What the rules that search and fetch Sentinel products ask for."""
        return Acquisition(self.config)

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

    def asks(self, rule: str, mem_mb: int, runtime_min: int, **resources: Any) -> dict[str, Any]:
        """Return the block ``resources`` of a rule, to be unpacked there.

        Args:
            rule: name of the rule.
            mem_mb: least memory on the first attempt, MB.
            runtime_min: minutes on the first attempt where no earlier run is on record.
            resources: others, as they are.
        """
        return {
            "mem_mb": self.mem_mb(rule, mem_mb),
            "runtime": self.runtime(rule, runtime_min),
            **resources,
        }

    def given(self, rule: str, *keys: str, **params: Any) -> dict[str, Any]:
        """Return the block ``params`` of a rule, to be unpacked there.

        Args:
            rule: name of the rule: the digest of its sources becomes the parameter ``source``.
            keys: dotted keys of the configuration that it reads, which become ``cfg``.
            params: others, as they are.
        """
        return {"source": self.source(rule), "cfg": self.cfg(*keys), **params}

    def source(self, rule: str) -> str:
        """Return the source digest of a rule's script.

        What rules fetch is known by its address and checksum: an update must neither delete nor
        repeat a download. Only of products that are rendered in place of fetched ones the code
        decides.
        """
        sentinel = self.config.sentinel
        is_rendered = "synthetic" in {sentinel.provider, sentinel.optical_from}
        if rule in FETCHING and not (rule in RENDERING and is_rendered):
            return KEPT_BY_CONTENT
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

    def finetune_weights(self, wildcards: Any) -> list[str]:
        """Return the file with the starting weights of a fine-tuning; none for random ones."""
        if wildcards.variant == "none":
            return []
        if wildcards.variant in WITH_WEIGHTS:
            return self.weights_files
        return [str(Path(p).with_suffix(".ckpt")) for p in self.pretraining_record(wildcards)]

    def pretraining_record(self, wildcards: Any) -> list[str]:
        """Return the record of the pretraining that a fine-tuning starts from, if there is one."""
        if wildcards.variant not in TASKS:
            return []
        pretraining = self.config.pretraining
        seed = wildcards.seed if pretraining.own_seeds else pretraining.seed
        return [f"{self.run}/pretrain/{wildcards.variant}/seed{seed}/model.json"]

    @property
    def pretrain_weights(self) -> list[str]:
        """File with the weights that pretraining starts from; none for random ones."""
        return self.weights_files if self.config.pretraining.from_starting_weights else []

    @property
    def pretrain_seeds(self) -> tuple[int, ...]:
        """Seeds of the pretrainings of one task."""
        pretraining = self.config.pretraining
        return self.config.seeds if pretraining.own_seeds else (pretraining.seed,)

    def of_seeds(self, pattern: str, variant: str | None = None) -> list[str]:
        """Return files of all seeds of a starting point, of the main one by default.

        Args:
            pattern: path below the run's folder with {variant} and {seed}.
            variant: starting point.
        """
        chosen = variant or self.config.pretraining.variant
        return [
            f"{self.run}/{pattern}".format(variant=chosen, seed=seed) for seed in self.config.seeds
        ]

    def of_compared(self, pattern: str) -> list[str]:
        """Return files of all seeds of all starting points that are compared."""
        return [path for v in self.config.compared for path in self.of_seeds(pattern, v)]

    def of_pretrainings(self, pattern: str) -> list[str]:
        """Return files of all pretrainings.

        Args:
            pattern: path below the run's folder with {task} and {seed}.
        """
        return [
            f"{self.run}/{pattern}".format(task=task, seed=seed)
            for task in self.config.pretext_tasks
            for seed in self.pretrain_seeds
        ]

    @property
    def pair_listing(self) -> list[str]:
        """Listing of the pairs' folder of the same name; none for a folder outside the workflow."""
        return {
            "synthetic": [f"{self.run}/ssl4sar/rendered.json"],
            "zenodo": [EXTRACTED_PAIRS],
        }.get(self.config.ssl4sar.source, [])

    @cached_property
    def pair_content(self) -> str:
        """Fingerprint of a folder of pairs outside the workflow, else an empty text."""
        if self.pair_listing or not self.config.pretext_tasks:
            return ""
        return pair_fingerprint(self.config.ssl4sar.root or "", FINGERPRINT_MEMORY)

    @property
    def pair_tree(self) -> str:
        """Folder of the pairs as they came."""
        if self.pair_listing:
            return str(Path(self.pair_listing[0]).with_suffix(""))
        return self.config.ssl4sar.root or ""

    @property
    def retrieved(self) -> list[str]:
        """Files of this run that come over the network."""
        archive = [CAFFE_ARCHIVE] if self.config.caffe.source == "pangaea" else []
        if self.config.pretext_tasks and self.config.ssl4sar.source == "zenodo":
            archive.append(DOWNLOADED_PAIRS)
        weights = list(self.pretrain_weights) if self.config.pretext_tasks else []
        if "imagenet" in {*self.config.compared, self.config.pretraining.variant}:
            weights = self.weights_files
        return archive + [path for path in weights if path == FETCHED_WEIGHTS]

    @property
    def retrieval(self) -> str:
        """What the target ``retrieve`` says."""
        files = self.retrieved
        if not files:
            return f"{self.config.name}: nothing to fetch: no file comes over the network"
        return f"{self.config.name}: here are all files that come over the network: " + ", ".join(
            files
        )

    def cost(self, block: str) -> TrainingCost:
        """Return what a training asks for.

        Args:
            block: block of its recipe: training, optsimmim or opttranslator.
        """
        return TrainingCost(self.config, getattr(self.config, block))

    @property
    def gpu(self) -> int:
        """GPUs of a prediction job."""
        return 1 if self.config.compute.device == "cuda" else 0


def default_config(base: Path, command_line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the embedded default with the values of the command line put over it.

    Args:
        base: folder of the Snakefile.
        command_line: values given by ``--config``; blocks are merged key by key.

    Raises:
        UserError: the default file is missing or no YAML.
    """
    # Merging, and Snakemake's own messages, would write aliases out.
    require_small_config(command_line, "--config")
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
    require_small_config(values, file)
    require_small_config(command_line, "--config")
    source = file
    if command_line:
        source += " with --config " + " ".join(f"{k}={v}" for k, v in command_line.items())
    if not files:
        # The default lies beside the Snakefile, wherever the workflow works.
        file = str(base / file)
    study = Study(study_from(values, source), base, file, command_line)
    # Asked for here, so that what is missing is told before the rules are built.
    _ = study.raw_content, study.pair_content
    path = study.config.model.weights_file
    if path and not Path(path).is_file():
        raise UserError(
            f"model.weights_file: {path}",
            "the file does not exist",
            "give the file with the starting weights or set model.weights to none",
        )
    return study


def require_usable_python(python: str, in_environments: bool = False) -> None:
    """Refuse a Python that Snakemake cannot start for a job.

    Snakemake 9 writes the path of its own Python into a shell command as it is; a space in it ends
    the name of the command (snakemake/snakemake#2645). Paths of the project are protected.

    Args:
        python: path of the running Python.
        in_environments: whether jobs have Python from environments of their own.

    Raises:
        UserError: its path has a character that means something to the shell.
    """
    if in_environments or not _SHELL_SIGN.search(python):
        return
    raise UserError(
        python,
        "jobs cannot be started with a Python whose path holds a space or another character that "
        "means something to the shell",
        "make the environment elsewhere, e.g. python3 -m venv ~/ssl4sar-venv; the project itself "
        "may stay where it is",
    )


def share_sources(base: Path) -> None:
    """Let jobs import the package from this checkout, in conda environments and on nodes too.

    Args:
        base: folder of the Snakefile.
    """
    source = str(base / "src")
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *(p for p in paths if p != source)])
