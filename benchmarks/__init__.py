"""Benchmarks: they report ratios and medians of one run, and are no tests."""

import wsgcn  # noqa: F401  before torch, so that waiting threads sleep here as in the stages
