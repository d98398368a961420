"""Measurements that print a table; every figure of the README comes from one of them."""
