"""Fetching data from outside: verified, resumable downloads and safe extraction."""
