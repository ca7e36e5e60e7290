"""Where a radar sees a point: ellipsoid, orbit, range and Doppler; pure functions of arrays."""
