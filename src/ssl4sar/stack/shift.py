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
from scipy import ndimage
from scipy.ndimage import gaussian_filter, sobel
from skimage.registration import phase_cross_correlation

#: Sides of windows, pixels: the largest of which enough fit onto the stable terrain. Rock along a
#: fjord is a strip, and windows that reach over its edges would match ice and water.
_SIDES_PX: Final = (64, 32, 16)
_ENOUGH_WINDOWS: Final = 25
#: Windows overlap: their distance as a share of the side.
_STEP: Final = 1 / 4
#: More than so many, evenly chosen, add time and no precision.
_MOST_WINDOWS: Final = 256
#: Share of a window that must be stable and known.
_LEAST_STABLE: Final = 0.6
#: Share of a moved pixel without data from which it does not count.
_LEAST_HOLE: Final = 0.01
#: Fraction of a pixel to which a window is matched.
_UPSAMPLING: Final = 50
#: The shift is found once what is left of it is shorter; some pixels take four passes.
_EXACT_PX, _PASSES = 0.03, 6
#: A window whose match is not above the rest of its correlation says nothing.
_LEAST_PEAK_TO_NOISE: Final = 4.0
#: Blur before gradients of images of different sensors are compared, pixels.
_BLUR_PX: Final = 2.0
FLAG_SHIFT_PX: Final = 1.0
FLAG_SPREAD_PX: Final = 0.5
#: Of fewer overlapping windows the median is off by half a pixel, as measured on rendered scenes.
_LEAST_WINDOWS: Final = 12


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
    return _median_shift(_filled(reference, valid), _filled(image, valid), valid, stable)


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


def _filled(image: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.floating]:
    return np.where(valid, image, np.median(image[valid]) if valid.any() else 0.0)


def _edges(image: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.complex128]:
    smooth = gaussian_filter(_filled(image, valid).astype(np.float64), _BLUR_PX)
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
    side, corners = _windows(valid & stable)
    if len(corners) < _LEAST_WINDOWS:
        problem = (
            f"too little stable terrain: {len(corners)} windows of {side} px, "
            f"{_LEAST_WINDOWS} are needed"
        )
        return Shift(None, None, None, None, 0, problem)
    # A taper draws the match towards no shift, in small windows by half: what is found is taken off
    # the image, and the rest looked for again.
    y = x = 0.0
    for _ in range(_PASSES):
        moved, known = image, valid
        if y or x:
            moved = ndimage.shift(image, (-y, -x), order=3, mode="reflect")
            holes = ndimage.shift(1.0 - valid, (-y, -x), order=1, mode="reflect")
            known = valid & (holes < _LEAST_HOLE)
        matches = _matches(reference, moved, known, side, corners)
        if len(matches) < _LEAST_WINDOWS:
            problem = f"{len(matches)} of {len(corners)} windows of stable terrain could be matched"
            return Shift(None, None, None, None, len(matches), problem)
        rest_y, rest_x, sharpness = (float(value) for value in np.median(matches, axis=0))
        y, x = y + rest_y, x + rest_x
        if np.hypot(rest_y, rest_x) < _EXACT_PX:
            break
    spread = float(np.median(np.abs(matches[:, :2] - (rest_y, rest_x)), axis=0).max())
    return Shift(x, y, spread, sharpness, len(matches), _problem(x, y, spread))


def _windows(usable: NDArray[np.bool_]) -> tuple[int, NDArray[np.intp]]:
    """Return the side of windows that are mostly usable, and the (N, 2) corners of all."""
    total = np.pad(usable.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    corners = np.empty((0, 2), np.intp)
    for side in _SIDES_PX:
        step = round(side * _STEP)
        sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
        sums = (sums + total[:-side, :-side])[::step, ::step]
        corners = np.argwhere(sums >= _LEAST_STABLE * side**2) * step
        if len(corners) >= _ENOUGH_WINDOWS:
            break
    chosen = np.linspace(0, len(corners) - 1, min(len(corners), _MOST_WINDOWS)).round()
    return side, corners[chosen.astype(np.intp)]


def _matches(
    reference: NDArray[np.inexact],
    image: NDArray[np.inexact],
    known: NDArray[np.bool_],
    side: int,
    corners: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return (N, 3): shift in rows and columns and sharpness of every window that matches.

    Args:
        reference: (H, W).
        image: (H, W).
        known: (H, W) where both have data; the rest would be marks at one place in both.
        side: of the windows, pixels.
        corners: (N, 2) first row and column of the windows in the reference.
    """
    taper = np.outer(np.hanning(side), np.hanning(side))
    found: list[tuple[float, float, float]] = []
    for row, column in corners:
        window = np.s_[row : row + side, column : column + side]
        seen = known[window]
        if seen.mean() < _LEAST_STABLE / 2:
            continue
        weight = taper * seen
        one, other = reference[window], image[window]
        pair = (one - one.mean(where=seen)) * weight, (other - other.mean(where=seen)) * weight
        sharpness = _peak_to_noise(*pair)
        if sharpness < _LEAST_PEAK_TO_NOISE:
            continue
        move, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
            *pair, upsample_factor=_UPSAMPLING, normalization=None
        )
        found.append((-float(move[0]), -float(move[1]), sharpness))
    return np.array(found, np.float64).reshape(-1, 3)


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
