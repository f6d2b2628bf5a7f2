# SPDX-License-Identifier: GPL-2.0-or-later
#
# Baton.  "make help" lists the targets.
#
# Variables:
#   BATON_CACHE  sources, compiled QEMU and kernel, ccache (~/.cache/baton)
#   JOBS         parallel compile jobs (all processors)
#   QEMU_SRC     an unpacked QEMU 10.0 tree instead of Debian's
#   KERNEL       the guest's Linux: 6.12 or 7.2 (6.12)
#   LINUX_SRC    an unpacked Linux tree instead of Debian's
#   PYTHON       the Python of which build/venv is made (/usr/bin/python3)

include versions.mk

BATON_CACHE ?= $(HOME)/.cache/baton
JOBS ?= $(shell nproc)
PYTHON ?= /usr/bin/python3
STEP := .ci/step
export BATON_CACHE JOBS

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Each step uses all processors by itself.
.NOTPARALLEL:

.PHONY: help setup clean

help: ## List the targets
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables (make TARGET NAME=value):"
	@sed -n 's/^#   \([A-Z]\)/  \1/p' $(MAKEFILE_LIST)

setup: build/.packages build/venv/.ready ## Install Debian packages and build/venv

build/.packages: .ci/packages.list
	@mkdir -p build
	@.ci/setup
	@touch $@

build/venv/.ready: .ci/requirements.txt build/.packages
	@$(STEP) python .ci/python $(PYTHON)

clean: ## Remove build/ and out/ (the cache stays: remove BATON_CACHE by hand)
	rm -rf build out
	@echo "The cache is kept: $(BATON_CACHE)"

# What comes from the Debian archive.
QEMU_SRC ?= $(BATON_CACHE)/src/qemu-$(QEMU_VERSION)
LINUX_SRC ?= $(BATON_CACHE)/src/linux-$(KERNEL)
ARM64_PACKAGES := $(BATON_CACHE)/src/arm64

$(BATON_CACHE)/src/%: | build/.packages
	@$(STEP) fetch-$* .ci/fetch $* "$(SUITE_$*)" "$(TESTED_$*)"

# $(call fetched,TREE): TREE, unless the user gave it.
fetched = $(filter $(BATON_CACHE)/src/%,$(1))

include $(wildcard */build.mk)

.PHONY: check
check: qemu kernel modules dtbs ## Static checks of all sources, one line each
	@.ci/check "$(LINUX_SRC)" "$(QEMU_SRC)"
