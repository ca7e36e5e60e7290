"""How raw Sentinel products become the pretraining dataset."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block

#: What geocodes by SNAP; imported by its name alone (:mod:`ssl4sar.sar.engine`).
SNAP_MODULE: Final = "ssl4sar.sar.snap.geocode"


class StackConfig(Block):
    """Stacks of geocoded scenes, and the dataset that is made of them (`docs/stack.md`)."""

    spacing_m: float = Field(default=20.0, ge=5, le=500)
    """Pixel size of all images of a glacier, metres."""
    quantity: Literal["sigma0", "beta0", "gamma0", "gamma0_rtc"] = "sigma0"
    """Backscatter coefficient; gamma0_rtc is gamma0 with terrain flattening."""
    remove_noise: bool = True
    """Subtract the thermal noise that a product lists."""
    engine: Literal["builtin", "pyrosar"] = "builtin"
    """What geocodes; pyrosar: ESA SNAP by way of pyroSAR, both to be installed (`docs/sar.md`)."""
    snap_timeout_min: int = Field(default=60, ge=1)
    """Minutes after which SNAP is killed and its scene recorded as failed."""
    batch_size: int = Field(default=10, ge=1)
    """Scenes per job, for all glaciers that list them."""
    low_db: float = Field(default=-25.0, allow_inf_nan=False)
    """Backscatter that becomes the grey value 1, as all below it."""
    high_db: float = Field(default=0.0, allow_inf_nan=False)
    """Backscatter that becomes the grey value 255, as all above it."""
    val_glaciers: tuple[str, ...] = ()
    """Glaciers whose images are all for validation."""
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Of every other glacier the share of its latest days for validation."""
    leave_out_flagged: bool = True
    """Leave out scenes that are shifted against their track beyond the limits."""
    apply_shift: bool = False
    """Move images by the shift that was measured; recorded with each."""
    mask_layover_shadow: bool = False
    """Leave pixels in layover or shadow out of the dataset's images, which then have no data there;
    the stack keeps them, with their mask."""

    @model_validator(mode="after")
    def _window_is_one(self) -> Self:
        if not self.low_db < self.high_db:
            raise ValueError(f"high_db: {self.high_db:g} is not above low_db {self.low_db:g}")
        return self

    @model_validator(mode="after")
    def _engine_makes_quantity(self) -> Self:
        if (self.engine, self.quantity) == ("pyrosar", "beta0"):
            raise ValueError("quantity: beta0 is not made by the engine pyrosar")
        return self
