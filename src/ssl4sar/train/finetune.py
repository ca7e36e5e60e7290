"""Fine-tuning from a training store to a checkpoint file, resumable at every epoch."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.model import ModelConfig
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell
from ssl4sar.core.seeding import derive_seed
from ssl4sar.dataset.store import Store
from ssl4sar.models.checkpoint import save_network
from ssl4sar.models.tyrion import Tyrion, build_tyrion
from ssl4sar.models.weights import load_starting_weights
from ssl4sar.train.checkpointing import (
    AtomicCheckpointIO,
    ProgressLines,
    TrainingState,
    clear_resume_folder,
    find_resume_checkpoint,
    training_fingerprint,
)
from ssl4sar.train.crops import CropDataset
from ssl4sar.train.data import TrainingCrops
from ssl4sar.train.module import FinetuneModule
from ssl4sar.train.sampling import SampleDrawer, SceneShape
from ssl4sar.train.validation import ValidationScore, ValidationTotals, validate
