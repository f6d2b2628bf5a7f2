# SPDX-License-Identifier: GPL-2.0-or-later
# What is fetched from the Debian archive: upstream series, and the suites of
# those that this machine's Debian release lacks.
QEMU_VERSION := 10.0
SUITE_qemu-10.0 := trixie
KERNEL ?= 6.12
SUITE_linux-7.2 := forky
