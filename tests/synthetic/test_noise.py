"""Random fields and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.noise import cells, fractal_noise, look_up, resample, smooth_noise


@pytest.mark.parametrize("shape", [(64, 64), (50, 81)])
def test_noise_has_zero_mean_and_unit_variance(shape):
    for field in (
        smooth_noise(generator(1), shape, (2.0, 5.0)),
        fractal_noise(generator(1), shape, 20.0, 1.5),
    ):
        assert field.shape == shape
        assert field.dtype == np.float32
        assert field.mean() == pytest.approx(0, abs=1e-4)
        assert field.std() == pytest.approx(1, abs=1e-4)


def test_cells_are_flat_with_marked_rims_and_wrap_around():
    value, rim = cells(generator(3), 256, 16.0, 3.0)
    assert 20 < len(np.unique(value)) < 600
    inside = rim < 0.05
    steps = np.abs(np.diff(value, axis=1))[inside[:, 1:] & inside[:, :-1]]
    assert (steps == 0).mean() > 0.99
    assert 0.02 < (rim > 0.5).mean() < 0.5
    seam = (value[:, 0] == value[:, -1]).mean()
    assert seam > 0.7


def test_resample_is_exact_on_planes():
    source, target = Grid.at(0.0, 1000.0, 25.0, (40, 40)), Grid.at(200.0, 800.0, 7.0, (60, 50))
    plane = (source.x() * 2 - source.y()).astype(np.float32)
    expected = target.x() * 2 - target.y()
    np.testing.assert_allclose(resample(plane, source, target), expected, rtol=1e-4, atol=0.05)


def test_resample_refuses_a_target_outside():
    source = Grid.at(0.0, 1000.0, 25.0, (40, 40))
    with pytest.raises(ValueError, match="beyond"):
        resample(np.zeros((40, 40), np.float32), source, Grid.at(500.0, 800.0, 10.0, (20, 60)))


def test_look_up_wraps():
    tile = np.arange(16, dtype=np.float32).reshape(4, 4)
    rows, columns = np.array([[0.5], [-0.5], [9.2]]), np.array([[1.9, 4.0, -1.0]])
    expected = tile[np.array([0, 3, 1])[:, None], np.array([1, 0, 3])[None, :]]
    np.testing.assert_array_equal(look_up(tile, rows, columns), expected)
