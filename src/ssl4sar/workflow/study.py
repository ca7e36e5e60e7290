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
from ssl4sar.config.models import TASKS, Task, member_of
from ssl4sar.config.networks import network_module
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.digest import CACHED_BY_CONTENT, source_digest
from ssl4sar.provenance.sources import SOURCE_MEMORY, remembered
from ssl4sar.workflow.acquisition import Acquisition
from ssl4sar.workflow.fingerprint import folder_fingerprint, pair_fingerprint
from ssl4sar.workflow.runtime import mem_mb, runtime_min
from ssl4sar.workflow.stacking import Stacking
from ssl4sar.workflow.training_cost import TrainingCost, gpus, placement

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


#: What a rule asks for: a number, or one that depends on the wildcards.
Asked = int | Callable[[Any], int]


class Study:
    """A configuration with the paths, parameters and resources of the rules."""

    def __init__(
        self, config: StudyConfig, base: Path, file: str, command_line: Mapping[str, Any]
    ) -> None:
        """Keep a configuration."""
        self.config = config
        self._base = base
        self._read_from = {"file": file, "overrides": dict(command_line)}

    @cached_property
    def acquisition(self) -> Acquisition:
        """What the rules that search and fetch Sentinel products ask for."""
        return Acquisition(self.config)

    @cached_property
    def stacking(self) -> Stacking:
        """What the rules from raw scenes to the dataset ask for."""
        return Stacking(self.config, self.acquisition)

    @cached_property
    def _plain(self) -> dict[str, Any]:
        return self.config.resolved()

    def as_config(self) -> dict[str, Any]:
        """Return what jobs and reports see: every key, and under ``read_from`` its origin."""
        return {**self._plain, "read_from": self._read_from}

    @property
    def run(self) -> str:
        """Folder of the run's intermediate files."""
        return f"runs/{self.config.name}"

    def runtime(self, rule: str, default_min: Asked) -> Callable[[Any, int], int]:
        """Return the run time of a rule as Snakemake asks for it: by earlier runs if there are any.

        Args:
            rule: name of the rule; of its jobs with the wildcard ``model`` those of the same model
                count.
            default_min: minutes on the first attempt where there is no record.
        """

        def minutes(wildcards: Any, attempt: int) -> int:
            name, default = _records(rule, wildcards), _asked(default_min, wildcards)
            return runtime_min(self._benchmarks, name, default, attempt, Path(self.run)) * attempt

        return minutes

    def mem_mb(self, rule: str, least_mb: Asked) -> Callable[[Any, int], int]:
        """Return the memory of a rule as Snakemake asks for it: more if earlier runs took more."""

        def megabytes(wildcards: Any, attempt: int) -> int:
            name, least = _records(rule, wildcards), _asked(least_mb, wildcards)
            return mem_mb(self._benchmarks, name, least) * attempt

        return megabytes

    @property
    def _benchmarks(self) -> tuple[Path, Path]:
        # Rules that all studies share have their records one folder higher.
        folder = Path("benchmarks/results")
        return folder / self.config.name, folder

    def asks(
        self, rule: str, mem_mb: Asked, runtime_min: Asked, **resources: Any
    ) -> dict[str, Any]:
        """Return the block ``resources`` of a rule, to be unpacked there."""
        return {
            "mem_mb": self.mem_mb(rule, mem_mb),
            "runtime": self.runtime(rule, runtime_min),
            **resources,
        }

    def given(self, rule: str, *keys: str, **params: Any) -> dict[str, Any]:
        """Return the block ``params`` of a rule, to be unpacked there.

        Args:
            rule: name of the rule: the digest of its sources becomes the parameter ``source``,
                for which sources are read when there is a job of the rule, not before.
            keys: dotted keys of the configuration that it reads, which become ``cfg``.
            params: others, as they are; ``modules`` is a function of the wildcards that returns
                modules which the script imports by name alone.
        """
        modules = params.get("modules", lambda _: ())

        def source(wildcards: Any) -> str:
            return self.source(rule, modules(wildcards))

        return {"source": source, "cfg": self.cfg(*keys), **params}

    def given_for_model(self, rule: str, *keys: str, **params: Any) -> dict[str, Any]:
        """Return the block ``params`` of a rule with the wildcard ``model``, to be unpacked there.

        Of the models and networks only the one of the job counts: ``cfg`` holds its keys, without
        blocks ``series`` that its network does not read, and ``source`` covers the module of its
        network, which ``modules`` names.

        Args:
            rule: name of the rule.
            keys: dotted keys of the configuration; {model} in them is the name of the model.
            params: others, as they are.
        """

        def cfg(wildcards: Any) -> dict[str, Any]:
            values = self.cfg(*(key.format(model=wildcards.model) for key in keys))
            if self.config.models[wildcards.model].network.is_temporal:
                return values
            return {key: _without_series(value) for key, value in values.items()}

        def modules(wildcards: Any) -> list[str]:
            return [network_module(self.config.models[wildcards.model].network.name)]

        return self.given(rule, **{"cfg": cfg, "modules": modules, **params})

    def source(self, rule: str, modules: Sequence[str] = ()) -> str:
        """Return the source digest of a rule's script.

        What rules fetch is known by its address and checksum: an update must neither delete nor
        repeat a download. Only of products that are rendered in place of fetched ones the code
        decides.
        """
        sentinel = self.config.sentinel
        is_rendered = "synthetic" in {sentinel.provider, sentinel.optical_from}
        if rule in FETCHING and not (rule in RENDERING and is_rendered):
            return CACHED_BY_CONTENT
        script = self._base / SCRIPTS / f"{rule}.py"
        with remembered(SOURCE_MEMORY):
            return source_digest(script, self._base / "src", modules)

    def cfg(self, *keys: str) -> dict[str, Any]:
        """Return the named keys as one flat dictionary of builtins.

        One dictionary is one parameter to Snakemake, whose text holds names and values, so that
        swapping two values is seen, which it is not for separate parameters.

        Args:
            *keys: dotted keys, e.g. ``"scene"`` or ``"caffe.spacing_m"``.
        """
        return {key: value_at(self._plain, key) for key in keys}

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

    def finetune_weights(self, wildcards: Any) -> list[str]:
        """Return the file with the starting weights of a model; none for random ones."""
        row = self.config.models[wildcards.model]
        if row.weights in TASKS:
            return [str(Path(p).with_suffix(".ckpt")) for p in self.pretraining_record(wildcards)]
        return _weights_files(row.weights, row.weights_file)

    def pretraining_record(self, wildcards: Any) -> list[str]:
        """Return the record of the pretraining that a model starts from, if there is one."""
        return self._pretraining_record(wildcards.model, wildcards.member)

    def _pretraining_record(self, model: str, member: str) -> list[str]:
        task, pretraining = self.config.models[model].weights, self.config.pretraining
        if task not in TASKS:
            return []
        shared = member_of(pretraining.seed)
        return [
            f"{self.run}/pretrain/{task}/{member if pretraining.own_seeds else shared}/model.json"
        ]

    @property
    def pretrain_weights(self) -> list[str]:
        """File with the weights that pretraining starts from; none for random ones."""
        pretraining = self.config.pretraining
        return _weights_files(pretraining.weights, pretraining.weights_file)

    @property
    def members(self) -> tuple[str, ...]:
        """Members of all models and pretrainings, each once."""
        config = self.config
        seeds = {seed for model in config.models for seed in config.seeds_of(model)}
        return tuple(member_of(seed) for seed in sorted({*seeds, config.pretraining.seed}))

    def of_model(self, pattern: str, model: str | None = None) -> list[str]:
        """Return files of all members of a model, by default of that behind the result.

        Args:
            pattern: path below the run's folder with {model} and {member}.
            model: name of the model.
        """
        name = model or self.config.main
        return [
            f"{self.run}/{pattern}".format(model=name, member=member_of(seed))
            for seed in self.config.seeds_of(name)
        ]

    def seeds_key(self, model: str | None = None) -> str:
        """Return the key of the seeds of a model, by default of that behind the result."""
        return f"models.{model or self.config.main}.seeds"

    def of_compared(self, pattern: str) -> list[str]:
        """Return files of all members of all models that are compared."""
        return [path for name in self.config.compared for path in self.of_model(pattern, name)]

    def of_pretrainings(self, pattern: str, models: Sequence[str] | None = None) -> list[str]:
        """Return files of all pretrainings behind models.

        Args:
            pattern: path below the run's folder with {task} and {member}.
            models: names of the models; None: all of this run.
        """
        return list(
            dict.fromkeys(
                f"{self.run}/{pattern}".format(task=task, member=Path(record).parent.name)
                for task in self.config.pretext_tasks
                for name in models or self.config.wanted
                if self.config.models[name].weights == task
                for seed in self.config.seeds_of(name)
                for record in self._pretraining_record(name, member_of(seed))
            )
        )

    @property
    def pair_listing(self) -> list[str]:
        """Listing of the pairs' folder of the same name; none for a folder outside the workflow."""
        return {
            "synthetic": [f"{self.run}/ssl4sar/rendered.json"],
            "zenodo": [EXTRACTED_PAIRS],
            "sentinel": [f"{self.run}/ssl4sar/built.json"],
        }.get(self.config.ssl4sar.source, [])

    @cached_property
    def pair_content(self) -> str:
        """Fingerprint of a folder of pairs outside the workflow, else an empty text."""
        if self.pair_listing or self.config.pretrained_network is None:
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
        for name in self.config.wanted:
            row = self.config.models[name]
            weights += _weights_files(row.weights, row.weights_file)
        fetched = [FETCHED_WEIGHTS] if FETCHED_WEIGHTS in weights else []
        return archive + fetched

    def retrieved_scenes(self, *_: Any) -> list[str]:
        """Return the records of what is fetched for the pretraining's dataset, if it is built."""
        if not self._is_built:
            return []
        acquired = self.acquisition
        return [
            *acquired.scene_records(),
            *acquired.scene_raw(),
            *acquired.orbit_records(),
            *acquired.elevation_files(),
        ]

    @property
    def _is_built(self) -> bool:
        return bool(self.config.pretext_tasks) and self.config.ssl4sar.source == "sentinel"

    @property
    def retrieval(self) -> str:
        """What the target ``retrieve`` says."""
        files = [*self.retrieved, *["the scenes of the inventories"] * self._is_built]
        if not files:
            return f"{self.config.name}: nothing to fetch: no file comes over the network"
        return f"{self.config.name}: here are all files that come over the network: " + ", ".join(
            files
        )

    def asks_for_training(self, rule: str, task: Task | None = None) -> dict[str, Any]:
        """Return the block ``resources`` of a rule that trains, to be unpacked there.

        Args:
            rule: name of the rule.
            task: pretext task; None: the fine-tuning of the model that the wildcard names.
        """
        config = self.config

        def cost(wildcards: Any) -> TrainingCost:
            if task is None:
                row = config.models[wildcards.model]
                return TrainingCost(config, row.network, config.recipe_of(wildcards.model))
            # Only a pretraining that a model starts from becomes a job.
            assert config.pretrained_network is not None
            return TrainingCost(config, config.pretrained_network, getattr(config, task))

        compute = config.compute
        return self.asks(
            rule,
            lambda wildcards: cost(wildcards).mem_mb,
            lambda wildcards: cost(wildcards).runtime_min,
            gpu=gpus(compute),
            # Folder on a disk of the node to copy the store to, e.g. $TMPDIR; a site's own matter.
            scratch="",
            **placement(compute),
        )

    @property
    def gpu(self) -> int:
        """GPUs of a prediction job."""
        return 1 if self.config.compute.device == "cuda" else 0


def _without_series(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: part for key, part in value.items() if key != "series"}


def _weights_files(weights: str, own_file: str | None) -> list[str]:
    """Return the file with starting weights that are not made here: one of the user's, or ours."""
    if own_file:
        return [own_file]
    return [FETCHED_WEIGHTS] if weights == "imagenet" else []


def _records(rule: str, wildcards: Any) -> str:
    """Return where earlier runs that cost alike are on record."""
    model = getattr(wildcards, "model", None)
    return rule if model is None else f"{rule}/{model}"


def _asked(value: Asked, wildcards: Any) -> int:
    return value(wildcards) if callable(value) else value


def default_config(base: Path, command_line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the embedded default with the values of the command line put over it.

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
        # The default is beside the Snakefile, wherever the workflow works.
        file = str(base / file)
    study = Study(study_from(values, source), base, file, command_line)
    # Asked for here, so that what is missing is reported before the rules are built.
    _ = study.raw_content, study.pair_content
    config = study.config
    rows = {f"models.{name}": row for name, row in config.models.items()}
    for key, row in {**rows, "pretraining": config.pretraining}.items():
        if row.weights_file and not Path(row.weights_file).is_file():
            raise UserError(
                f"{key}.weights_file: {row.weights_file}",
                "the file does not exist",
                f"give the file with the starting weights or set {key}.weights to none",
            )
    return study


def require_usable_python(python: str, in_environments: bool = False) -> None:
    """Refuse a Python that Snakemake cannot start for a job.

    Snakemake 9 writes the path of its own Python into a shell command as it is; a space in it ends
    the name of the command (snakemake/snakemake#2645). Paths of the project are protected.

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
    """Let jobs import the package from this checkout, in conda environments and on nodes too."""
    source = str(base / "src")
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *(p for p in paths if p != source)])
