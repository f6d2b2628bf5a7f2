# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel the suite runs on, as the build says."""

from collections.abc import Collection

from harness import paths

# What clauses.toml and tests can name: a series, or one with a configuration.
KERNELS = ("6.12", "6.12-static", "7.2")


def kernel_name() -> str:
    """Version and configuration of build/linux: 6.12.117-release."""
    return (paths.BUILD / "linux").resolve().name.rpartition("-")[0]


def is_one_of(name: str, kernels: Collection[str]) -> bool:
    """Whether NAME, as kernel_name() gives it, is of KERNELS."""
    version, _, config = name.rpartition("-")
    series = ".".join(version.split(".")[:2])
    return series in kernels or f"{series}-{config}" in kernels
