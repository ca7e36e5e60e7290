"""Size, arithmetic and time of Tyrion against the same network written out plainly.

The plain network has timm's window attention, upsampling before each convolution and a head on the
full resolution; both share their weights. Both run in turns, so that other load on the machine
hits them alike; quoted are medians and the ratio of medians. With one thread the clock counts
processor time, which other load disturbs least.

    python benchmarks/network.py [--size paper|small] [--rounds N] [--threads N] [--device D]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from timm.models.swin_transformer_v2 import WindowAttention
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ssl4sar.config.networks import TyrionConfig
from ssl4sar.models.blocks import UpBlock
from ssl4sar.models.tyrion import Tyrion, build, encoder_stages

SIZES = {
    "paper": TyrionConfig(),
    "small": TyrionConfig(
        input_px=256, embed_dim=24, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_tokens=8
    ),
}


class PlainTyrion(nn.Module):
    """Tyrion with the same weights, step by step."""

    def __init__(self, network: Tyrion) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        for stage in encoder_stages(self.network.encoder):
            for block in stage.blocks:
                plain = WindowAttention(block.dim, block.window_size, block.num_heads)
                plain.load_state_dict(block.attn.state_dict())
                block.attn = plain

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 1, P, P) to logits (B, 4, P, P)."""
        features = self.network.encode(image)
        first, *joined, last = self.network.decoder.blocks
        x = self._block(first, features[-1])
        for block, skip in zip(joined, reversed(features), strict=True):
            x = self._block(block, torch.cat((x, skip), dim=1))
        return self.network.head(self._block(last, x))

    @staticmethod
    def _block(block: UpBlock, x: Tensor) -> Tensor:
        x = block.residual(x)
        if block.up_conv is None:
            return x
        return block.up_conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def giga_macs(network: nn.Module, image: Tensor) -> float:
    """Multiply-adds of a forward pass in 1e9 (convolutions and matrix products)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return counter.get_total_flops() / 2e9


def forward_s(network: nn.Module, image: Tensor) -> float:
    """Seconds of an inference pass."""
    network.eval()
    with torch.inference_mode():
        return elapsed_s(lambda: network(image), image.device)


def step_s(network: nn.Module, image: Tensor) -> float:
    """Seconds of a forward and a backward pass."""
    network.train().zero_grad(set_to_none=True)
    target = torch.zeros(len(image), *image.shape[2:], dtype=torch.long, device=image.device)
    return elapsed_s(
        lambda: functional.cross_entropy(network(image), target).backward(), image.device
    )


def elapsed_s(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of ``work``: processor time of a single thread, else wall time."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = SIZES[arguments.size]
    network = build(config)
    for name, parameter in network.encoder.named_parameters():
        if "norm" in name:  # closed post-norms would hide every difference
            nn.init.normal_(parameter, 0.5, 0.3)
    network.to(arguments.device)
    networks = {"plain": PlainTyrion(network), "ssl4sar": network}
    batch = arguments.batch or (1 if arguments.size == "paper" else 8)
    image = torch.rand(batch, 1, config.input_px, config.input_px, device=arguments.device)

    print(f"{arguments.size}: {sum(p.numel() for p in network.parameters()):,} parameters")
    with torch.inference_mode():
        plain, fast = (model.eval()(image[:1]) for model in networks.values())
    difference, largest = float((plain - fast).abs().max()), float(plain.abs().max())
    print(f"largest difference of logits {difference:.1e} of {largest:.2f}")
    for name, model in networks.items():
        print(f"{name:8s} {giga_macs(model, image[:1]):6.2f} GMAC per window")
    for title, measure in (("inference", forward_s), ("training", step_s)):
        times_s: dict[str, list[float]] = {name: [] for name in networks}
        for round_index in range(arguments.rounds + 1):
            for name, model in networks.items():
                seconds = measure(model, image)
                if round_index:  # the first round warms up
                    times_s[name].append(seconds)
        medians_s = {name: statistics.median(values) for name, values in times_s.items()}
        for name, seconds in medians_s.items():
            ratio = seconds / medians_s["plain"]
            print(f"{title:10s} {name:8s} {batch / seconds:7.2f} windows/s  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
