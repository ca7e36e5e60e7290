"""Where Sentinel products come from: one module per service, all behind :mod:`.base`."""
