# SPDX-License-Identifier: GPL-2.0-or-later
# What is fetched from the Debian archive: upstream series, and the suites of
# those that this machine's Debian release lacks.
QEMU_VERSION := 10.0
SUITE_qemu-10.0 := trixie
KERNEL ?= 6.12
SUITE_linux-7.2 := forky
# The point releases that were tested. The archive has only its newest: another
# one is used, and named. To stay with one, keep BATON_CACHE, or give QEMU_SRC= and LINUX_SRC=.
TESTED_qemu-10.0 := 10.0.13
TESTED_linux-6.12 := 6.12.117
TESTED_linux-7.2 := 7.2.12
