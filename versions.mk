# SPDX-License-Identifier: GPL-2.0-or-later
# What is fetched from the Debian archive: upstream series, and the suite
# whose QEMU source package is used.
QEMU_VERSION := 10.0
QEMU_SUITE := trixie
LINUX_VERSION := 6.12
