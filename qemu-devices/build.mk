# SPDX-License-Identifier: GPL-2.0-or-later
.PHONY: qemu
qemu: setup | $(call fetched,$(QEMU_SRC)) ## Build QEMU with the machine: build/qemu/qemu-system-aarch64
	@$(STEP) qemu qemu-devices/build.sh "$(QEMU_SRC)"
