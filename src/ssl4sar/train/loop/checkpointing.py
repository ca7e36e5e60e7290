"""What a training leaves on disk while it runs: resume state, best weights, a row per epoch.

The resume folder holds ``last.ckpt`` and the one before it (``previous.ckpt``), and the weights
of the best epochs (``best_mde-epoch0012.pt``). Everything is written under a temporary name and
renamed, so a file of the final name is complete; every checkpoint holds tensors and builtins only
and is read with ``weights_only=True``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from ssl4sar.config.networks import NetworkSettings
from ssl4sar.core.atomic import write_text
from ssl4sar.models.checkpoint import read_torch_file, save_network, save_torch_file
from ssl4sar.train.loop.module import EpochRecord, Score, TrainingModule
from ssl4sar.train.operations.resume_folder import BEST_FILES, LAST, OWN_KEY, PREVIOUS, UPCOMING

METRICS_COLUMNS: Final = (
    "epoch",
    "step",
    "train_loss",
    "learning_rate",
    "samples_per_s",
    "duration_s",
)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside their final name, syncs, and renames them.

    Lightning's own writer moves a file from the system's temporary folder, which is a copy, and
    so can be cut short, where that folder is on another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save a checkpoint atomically.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        del storage_options
        save_torch_file(path, checkpoint)


@dataclass(frozen=True)
class Best:
    """The best epoch by one criterion.

    Attributes:
        epoch: number from 1.
        file: name of the file with its weights in the resume folder.
        score: its validation.
    """

    epoch: int
    file: str
    score: Score


@dataclass(frozen=True)
class NetworkFile:
    """How the network of a training is written to files that other trainings can start from.

    Attributes:
        settings: the network.
        facts: JSON values by name: what decides the training.
        glaciers: glaciers that it is trained and validated on.
        inner: name of the network within what is trained; empty: it is all of it.
    """

    settings: NetworkSettings
    facts: Mapping[str, Any]
    glaciers: Iterable[str]
    inner: str = ""

    def save(self, path: Path, trained: Any, outcome: Mapping[str, Any]) -> None:
        """Write a network, and the layers around it.

        Args:
            path: file.
            trained: what is trained, or its average.
            outcome: JSON values: where in the training it was.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        network = trained.get_submodule(self.inner)
        around = {
            key: value
            for key, value in trained.state_dict().items()
            if not key.startswith(self._prefix)
        }
        # Whoever starts from this file can see whether it has seen its test glaciers.
        seen = sorted({*self.glaciers, *self.facts["starting_weights"]["glaciers"]})
        info = {**self.facts, **outcome, "glaciers": seen}
        save_network(path, network, self.settings, info, extra=around)

    def load(self, path: Path, trained: nn.Module) -> None:
        """Read such a file into what is trained.

        Raises:
            UserError: the file is missing or damaged.
        """
        content = read_torch_file(path)
        tensors = {f"{self._prefix}{key}": value for key, value in content["state"].items()}
        trained.load_state_dict({**tensors, **content.get("extra", {})})

    @property
    def _prefix(self) -> str:
        return f"{self.inner}." if self.inner else ""


class TrainingState(Checkpoint):
    """Saves after each epoch: best weights, then ``last.ckpt``, then ``metrics.csv``.

    The order makes every moment safe to be killed in: the rows and the names of the best files
    are part of ``last.ckpt``, and the table is written again from them.

    Args:
        folder: resume folder.
        metrics_path: the table, one row per epoch.
        fingerprint: fingerprint of the training.
        on_saved: called with each epoch that is safe on disk.
        score_type: what the training's validation gives.
        file: writes and reads the weights of the best epochs.
    """

    def __init__(
        self,
        folder: Path,
        metrics_path: Path,
        fingerprint: str,
        on_saved: Callable[[pl.Trainer, EpochRecord], None],
        score_type: type[Score],
        file: NetworkFile,
    ) -> None:
        self.file = file
        self.on_saved = on_saved
        self.score_type = score_type
        self.folder = folder
        self.metrics_path = metrics_path
        self.fingerprint = fingerprint
        self.records: list[EpochRecord] = []
        self.best: dict[str, Best] = {}
        self._files_of_previous: set[str] = set()

    def state_dict(self) -> dict[str, Any]:
        """Return rows and best epochs as builtins."""
        return {
            "records": [asdict(record) for record in self.records],
            "best": {criterion: asdict(best) for criterion, best in self.best.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over rows and best epochs."""
        self.records = [self._record(values) for values in state_dict["records"]]
        self.best = {
            criterion: Best(values["epoch"], values["file"], self.score_type(**values["score"]))
            for criterion, values in state_dict["best"].items()
        }
        self._files_of_previous = self._best_files()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what :func:`claim` reads."""
        checkpoint[OWN_KEY] = {
            "fingerprint": self.fingerprint,
            "epochs_done": len(self.records),
            "step": trainer.global_step,
        }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state of the finished epoch."""
        if not isinstance(pl_module, TrainingModule) or pl_module.record is None:
            raise TypeError("the epoch was not recorded: TrainingState needs a TrainingModule")
        record = pl_module.record
        self.records.append(record)
        if record.validation is not None:
            self._save_best(trainer, pl_module, record.epoch, record.validation)
        self.save_last(trainer)
        if trainer.is_global_zero:
            self._remove_outdone()
            self.write_table()
            self.on_saved(trainer, record)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Write ``last.ckpt``; the one before becomes ``previous.ckpt``."""
        last, upcoming = self.folder / LAST, self.folder / UPCOMING
        trainer.save_checkpoint(upcoming)
        if trainer.is_global_zero:
            if last.exists():
                last.replace(self.folder / PREVIOUS)
            upcoming.replace(last)

    def _save_best(
        self, trainer: pl.Trainer, module: TrainingModule[Any, Any], epoch: int, score: Score
    ) -> None:
        for criterion in score.CRITERIA:
            old = self.best.get(criterion)
            if old is not None and not score.is_better(criterion, old.score):
                continue
            best = Best(epoch, f"{criterion}-epoch{epoch:04d}.pt", score)
            self.best[criterion] = best
            if trainer.is_global_zero:
                outcome = {
                    "epoch": epoch,
                    "validation": asdict(score),
                    "fingerprint": self.fingerprint,
                    "unfinished": True,
                }
                self.file.save(self.folder / best.file, module.final_network, outcome)

    def write_table(self) -> None:
        """Write ``metrics.csv`` again."""
        write_metrics(self.metrics_path, self.records, self.score_type.COLUMNS)

    def _record(self, values: Mapping[str, Any]) -> EpochRecord:
        score = values["validation"]
        return EpochRecord(
            **{**values, "validation": None if score is None else self.score_type(**score)}
        )

    def _best_files(self) -> set[str]:
        return {best.file for best in self.best.values()}

    def _remove_outdone(self) -> None:
        # Files that previous.ckpt names stay as well: it takes over where last.ckpt is damaged.
        named = self._best_files() | self._files_of_previous
        for path in self.folder.glob(BEST_FILES):
            if path.name not in named:
                path.unlink()
        self._files_of_previous = self._best_files()

    def load_best(self, criterion: str, network: nn.Module) -> None:
        """Read the weights of the best epoch by ``criterion`` into a network.

        Raises:
            UserError: the file is missing or damaged.
        """
        self.file.load(self.folder / self.best[criterion].file, network)


def write_metrics(path: Path, records: Sequence[EpochRecord], score_columns: Sequence[str]) -> None:
    """Write the table of all epochs as CSV, atomically; undefined values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*METRICS_COLUMNS, *score_columns])
    for record in records:
        score = record.validation
        row = [*(getattr(record, name) for name in METRICS_COLUMNS)]
        row += [None] * len(score_columns) if score is None else score.row()
        writer.writerow("" if value is None else value for value in row)
    write_text(path, text.getvalue())
