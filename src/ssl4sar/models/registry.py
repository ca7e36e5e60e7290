"""Networks by name: the module ``ssl4sar.models.<name>`` builds the network of that name.

A module has ``build(settings, out_channels)`` and, where its network can start from weights in a
file, ``load_weights(network, settings, weights)``. It is imported by its name alone, so that a
network counts only in the digests of the jobs that use it: their rules name its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import NetworkSettings, network_module
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.models.network import ZoneNetwork
from ssl4sar.models.starting import WeightsReport, random_weights


def build_network(settings: NetworkSettings, out_channels: int = CLASS_COUNT) -> ZoneNetwork:
    """Build a network with random weights, in training mode on the CPU."""
    network: ZoneNetwork = _module(settings).build(settings, out_channels)
    return network


def load_weights(
    network: ZoneNetwork, settings: NetworkSettings, weights: StartingWeights
) -> WeightsReport:
    """Fill a network with the weights that it starts from, in place.

    Args:
        network: built from ``settings``.
        settings: the network.
        weights: where the weights come from.

    Returns:
        What was loaded.

    Raises:
        UserError: no file is given, it is missing, damaged or foreign, or it does not fit.
    """
    if weights.kind == "none":
        return random_weights()
    report: WeightsReport = _module(settings).load_weights(network, settings, weights)
    return report


def _module(settings: NetworkSettings) -> Any:
    return import_module(network_module(settings.name))
