"""Benchmarks, each of which prints a table; every figure in the README comes from one of them."""
