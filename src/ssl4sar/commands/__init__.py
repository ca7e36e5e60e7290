"""The subcommands of ``ssl4sar``, a module each: its options, and what it calls."""
