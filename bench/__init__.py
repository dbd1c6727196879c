"""Measurements, each against a named peer of the same run; docs/benchmarks.md has the results."""
