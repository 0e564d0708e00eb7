"""Benchmarks: each measures a part of Lakefront beside the bare engine under it, in the same run."""
