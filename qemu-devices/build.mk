# SPDX-License-Identifier: GPL-2.0-or-later
QEMU_SRC ?= $(BATON_CACHE)/src/qemu-$(QEMU_VERSION)

.PHONY: qemu
qemu: setup ## Build QEMU with the baton machine: build/qemu/qemu-system-aarch64
	@[ -d "$(QEMU_SRC)" ] || $(STEP) fetch-qemu .ci/fetch qemu $(QEMU_VERSION) $(QEMU_SUITE)
	@$(STEP) qemu qemu-devices/build.sh "$(QEMU_SRC)"
