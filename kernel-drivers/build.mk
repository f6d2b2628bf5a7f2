# SPDX-License-Identifier: GPL-2.0-or-later
#
# Variables:
#   KERNEL_CONFIG  debug: for gdb, with KASAN, lockdep and fault injection (release)
KERNEL_CONFIG ?= release

.PHONY: kernel
kernel: setup | $(call fetched,$(LINUX_SRC)) ## Build the guest's kernel: build/linux/arch/arm64/boot/Image
	@$(STEP) kernel kernel-drivers/kernel.sh "$(LINUX_SRC)" $(KERNEL_CONFIG)

.PHONY: modules
modules: kernel ## Build the drivers: build/modules/kernel-drivers/*/*.ko
	@$(STEP) modules kernel-drivers/modules.sh build/modules
