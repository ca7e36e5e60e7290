"""Precise orbits: the orbit of an EOF file in place of the annotation's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl4sar.acquire.orbits.file import read_state_vectors
from ssl4sar.core.errors import UserError
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.scene_orbit import scene_orbit


def with_orbit_file(annotation: Annotation, path: str | Path) -> Annotation:
    """Return an annotation with the orbit of an orbit file.

    Args:
        annotation: of the scene.
        path: EOF file, precise or restituted.

    Raises:
        UserError: the file is damaged, of another satellite, or does not cover the scene.
    """
    vectors = read_state_vectors(path)
    fix = "give the orbit file of the scene"
    if vectors.platform != annotation.platform:
        problem = f"it is the orbit of {vectors.platform}, the scene is of {annotation.platform}"
        raise UserError(path, problem, fix)
    times_s = (vectors.times - annotation.first_line_time) / np.timedelta64(1, "s")
    try:
        orbit = scene_orbit(
            times_s, vectors.positions_m, vectors.velocities_m_s, annotation.duration_s
        )
    except ValueError as error:
        scene = annotation.first_line_time.astype("datetime64[s]")
        raise UserError(path, f"it does not fit the scene of {scene} ({error})", fix) from error
    return annotation.with_orbit(orbit, f"{vectors.file_type} ({Path(path).stem})")
