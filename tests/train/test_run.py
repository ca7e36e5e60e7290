"""What every training does around its steps; the whole of it is tested with the trainings."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.train.loop.run import matmul_precision


class PowerCutError(Exception):
    """Stands for whatever ends a training."""


def test_tf32_holds_on_a_gpu_and_ends_with_the_training():
    before = torch.get_float32_matmul_precision()
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    with pytest.raises(PowerCutError), matmul_precision(gpu, "tf32"):
        assert torch.get_float32_matmul_precision() == "high"
        raise PowerCutError
    assert torch.get_float32_matmul_precision() == before
    for device, precision in ((cpu, "tf32"), (gpu, "32-true"), (gpu, "bf16-mixed")):
        with matmul_precision(device, precision):
            assert torch.get_float32_matmul_precision() == before
