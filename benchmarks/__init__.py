"""Benchmarks, each of which prints a table; every figure in docs/measurements.md comes from one of them."""
