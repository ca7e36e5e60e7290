"""How far an image is shifted against a reference: the check of the co-registration.

Images are co-registered because they are geocoded onto one grid; nothing is warped by what is
measured here. Rock that does not move shows whether orbit, elevation and timing agree: windows of
it are compared by cross-correlation in the Fourier domain (Guizar-Sicairos, Thurman and Fienup,
Optics Letters 33 (2008) 156-158, as in scikit-image), and their median is the shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, sobel
from skimage.registration import phase_cross_correlation

#: Side of a window and distance of their centres, pixels.
_WINDOW_PX, _STEP_PX = 64, 32
#: Share of a window that must be stable and known.
_LEAST_STABLE: Final = 0.6
#: Fraction of a pixel to which a window is matched.
_UPSAMPLING: Final = 50
#: A window whose match is not above the rest of its correlation says nothing.
_LEAST_PEAK_TO_NOISE: Final = 4.0
#: Blur before gradients of images of different sensors are compared, pixels.
_BLUR_PX: Final = 2.0
FLAG_SHIFT_PX: Final = 1.0
FLAG_SPREAD_PX: Final = 0.5
_LEAST_WINDOWS: Final = 3


@dataclass(frozen=True)
class Shift:
    """How far an image is shifted against its reference; positive is right and down.

    Attributes:
        x_px: columns; None where it could not be measured.
        y_px: rows, likewise.
        spread_px: median absolute deviation of the windows from the shift, the larger axis.
        peak_to_noise: median over the windows of the height of the match over the rest of the
            correlation, in standard deviations.
        windows: windows that were used.
        problem: why it is flagged, in words; None of a good one.
    """

    x_px: float | None
    y_px: float | None
    spread_px: float | None
    peak_to_noise: float | None
    windows: int
    problem: str | None

    @property
    def length_px(self) -> float | None:
        """Length of the shift, pixels."""
        return (
            None
            if self.x_px is None or self.y_px is None
            else float(np.hypot(self.x_px, self.y_px))
        )


def measure_shift(
    reference: NDArray[np.floating], image: NDArray[np.floating], stable: NDArray[np.bool_]
) -> Shift:
    """Return the shift between two images of one sensor.

    Args:
        reference: (H, W) decibels, e.g. the median of a track; NaN without data.
        image: (H, W) likewise.
        stable: (H, W) where nothing moves: rock, not ice, not water.
    """
    valid = np.isfinite(reference) & np.isfinite(image)
    return _median_shift(
        np.where(valid, reference, 0.0), np.where(valid, image, 0.0), valid, stable
    )


def measure_shift_between_sensors(
    optical: NDArray[np.floating], image: NDArray[np.floating], stable: NDArray[np.bool_]
) -> Shift:
    """Return the shift between an optical and a SAR image, as information.

    Both are reduced to the directions of their edges, doubled so that dark-to-bright and
    bright-to-dark agree. On real pairs the precision is unknown.

    Args:
        optical: (H, W) reflectance of one band; NaN without data.
        image: (H, W) decibels; NaN without data.
        stable: (H, W) where nothing moves.
    """
    valid = np.isfinite(optical) & np.isfinite(image)
    return _median_shift(_edges(optical, valid), _edges(image, valid), valid, stable)


def _edges(image: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.complex128]:
    filled = np.where(valid, image, np.median(image[valid]) if valid.any() else 0.0)
    smooth = gaussian_filter(filled.astype(np.float64), _BLUR_PX)
    gradient = sobel(smooth, axis=1) + 1j * sobel(smooth, axis=0)
    strength = np.abs(gradient)
    doubled: NDArray[np.complex128] = np.divide(
        gradient**2, strength, out=np.zeros_like(gradient), where=strength > 0
    )
    return doubled


def _median_shift(
    reference: NDArray[np.inexact],
    image: NDArray[np.inexact],
    valid: NDArray[np.bool_],
    stable: NDArray[np.bool_],
) -> Shift:
    # A taper draws the match towards no shift, so whole pixels are taken off first.
    whole = _matches(reference, image, valid & stable, (0, 0), upsampling=1)
    if len(whole) >= _LEAST_WINDOWS:
        start = int(np.median(whole[:, 0])), int(np.median(whole[:, 1]))
        matches = _matches(reference, image, valid & stable, start, upsampling=_UPSAMPLING)
    else:
        matches = whole
    if len(matches) < _LEAST_WINDOWS:
        problem = f"{len(matches)} windows of stable terrain could be matched"
        return Shift(None, None, None, None, len(matches), problem)
    y, x, sharpness = (float(value) for value in np.median(matches, axis=0))
    spread = float(np.median(np.abs(matches[:, :2] - (y, x)), axis=0).max())
    return Shift(x, y, spread, sharpness, len(matches), _problem(x, y, spread))


def _matches(
    reference: NDArray[np.inexact],
    image: NDArray[np.inexact],
    usable: NDArray[np.bool_],
    start: tuple[int, int],
    *,
    upsampling: int,
) -> NDArray[np.float64]:
    """Return (N, 3): shift in rows and columns and sharpness of every window that matches.

    Args:
        reference: (H, W).
        image: (H, W).
        usable: (H, W) where both are known and nothing moves.
        start: whole pixels by which the windows of the image are displaced, rows and columns.
        upsampling: parts of a pixel that are distinguished.
    """
    taper = np.outer(np.hanning(_WINDOW_PX), np.hanning(_WINDOW_PX))
    found: list[tuple[float, float, float]] = []
    rows, columns = reference.shape
    for top in range(0, rows - _WINDOW_PX + 1, _STEP_PX):
        for left in range(0, columns - _WINDOW_PX + 1, _STEP_PX):
            here = _window(top, left)
            there = _window(top + start[0], left + start[1])
            inside = top + start[0] >= 0 and left + start[1] >= 0
            if not inside or image[there].shape != taper.shape:
                continue
            if usable[here].mean() < _LEAST_STABLE:
                continue
            one, other = reference[here], image[there]
            pair = (one - one.mean()) * taper, (other - other.mean()) * taper
            sharpness = _peak_to_noise(*pair)
            if sharpness < _LEAST_PEAK_TO_NOISE:
                continue
            move, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
                *pair, upsample_factor=upsampling, normalization=None
            )
            found.append((start[0] - float(move[0]), start[1] - float(move[1]), sharpness))
    return np.array(found, np.float64).reshape(-1, 3)


def _window(top: int, left: int) -> tuple[slice, slice]:
    return slice(top, top + _WINDOW_PX), slice(left, left + _WINDOW_PX)


def _problem(x_px: float, y_px: float, spread_px: float) -> str | None:
    if spread_px > FLAG_SPREAD_PX:
        return f"the windows disagree by {spread_px:.2f} px"
    if np.hypot(x_px, y_px) > FLAG_SHIFT_PX:
        return f"shifted by {np.hypot(x_px, y_px):.2f} px"
    return None


def _peak_to_noise(reference: NDArray[np.inexact], image: NDArray[np.inexact]) -> float:
    """Return the highest value of a correlation over the deviation of the rest of it."""
    product = np.fft.fft2(reference) * np.fft.fft2(image).conj()
    surface = np.abs(np.fft.ifft2(product))
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    peak = surface[row, column]
    near = np.ones(surface.shape, bool)
    around = np.arange(-4, 5)
    near[np.ix_((row + around) % surface.shape[0], (column + around) % surface.shape[1])] = False
    rest = surface[near]
    deviation = float(rest.std())
    return 0.0 if deviation == 0 else float((peak - rest.mean()) / deviation)
