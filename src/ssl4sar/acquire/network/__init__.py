"""Transfers over a network: accounts, tokens, connections, resumable and verified downloads."""
