# SPDX-License-Identifier: GPL-2.0-or-later
#
# Variables:
#   T            what to test: paths, node ids, -k EXPRESSION; names of mutants (everything)
#   VIDEO        a file for the camera, whatever ffmpeg decodes (photographs)
#   CAMERA       live: a stream on a socket (demo)
#   DISPLAY_UI   gtk or vnc: watch the displays
#   BATON_STALL  seconds without progress after which a guest counts as stuck (120)
#   FRAMES       how many frames the demo plays (all of the clip)
#   DTB          the device tree, a name in dts/ (baton)
#   GUEST        a script to run as root in the guest (run)
#   KERNEL_ARGS  more kernel arguments (run, shell, debug)
#   QEMU_ARGS    more QEMU arguments (run, shell, debug)
#   ICOUNT       off: in real time, not repeatable (proof)
#   BENCH_BUILD  1: also measure a build from nothing (bench)

# make hands them on in the environment, where quotes and spaces survive.

PHOTOS := $(BATON_CACHE)/src/photos
CLIP := build/clip/photos.y4m
HARNESS := env PYTHONPATH=tests build/venv/bin/python -m

.PHONY: guest test test-full contract mutants contract-table demo run shell debug proof bench
guest: qemu dtbs rootfs

test: guest test-programs $(CLIP) ## Run all checks and tests (T=tests/boot, T="-k camera")
	@LINUX_SRC="$(LINUX_SRC)" QEMU_SRC="$(QEMU_SRC)" $(HARNESS) harness.testrun

contract: guest test-programs ## Test the dma-buf contract, clause by clause: out/contract/
	@$(HARNESS) contract

mutants: guest test-programs ## Break the project in many ways, each for a clause to notice: out/mutants/
	@$(HARNESS) contract.mutants

test-full: setup ## Test on all kernels, with the mutants (hours): out/full/
	@$(HARNESS) harness.full

contract-table: setup ## Put the last results of make contract into docs/contract.md
	@$(HARNESS) contract.table

$(CLIP): tests/harness/clip.py | setup $(PHOTOS)
	@$(STEP) clip $(HARNESS) harness.clip "$(PHOTOS)" $@

demo: guest $(if $(VIDEO),,$(CLIP)) ## Play a clip from camera to display: out/demo/
	@$(HARNESS) harness.demo

run: guest ## Boot a guest, with its console here or to run GUEST=script.sh
	@$(HARNESS) harness.run

shell: guest ## Boot a guest for a shell on its console
	@$(HARNESS) harness.run shell

debug: guest ## Boot a guest that waits for gdb (docs/development.md)
	@$(HARNESS) harness.run debug

proof: guest $(if $(VIDEO),,$(CLIP)) ## Prove that no frame is copied: out/proof/
	@$(HARNESS) proof

bench: guest ## Measure: out/bench/bench.json
	@$(HARNESS) bench

# Tests of the kernel's own, as they are.
SELFTESTS := $(LINUX_SRC)/tools/testing/selftests
SELFTEST_CC := aarch64-linux-gnu-gcc -O2 -pthread -static -isystem build/linux/usr/include \
	-I$(SELFTESTS)
SELFTEST_PROGRAMS := $(addprefix build/tests/selftests/,dmabuf-heap sync_test udmabuf)
test-programs: $(SELFTEST_PROGRAMS)

# Of the kernel that is tested: not of the one before.
build/tests/selftests/.kernel: kernel
	@mkdir -p $(@D)
	@readlink build/linux | cmp -s - $@ || readlink build/linux >$@

$(SELFTEST_PROGRAMS): build/tests/selftests/.kernel
	@$(STEP) $(@F) $(SELFTEST_CC) -o $@ $(wildcard $(SELFTEST_SOURCES))

build/tests/selftests/dmabuf-heap: SELFTEST_SOURCES = $(SELFTESTS)/dmabuf-heaps/*.c
build/tests/selftests/sync_test: SELFTEST_SOURCES = $(SELFTESTS)/sync/*.c
build/tests/selftests/udmabuf: SELFTEST_SOURCES = $(SELFTESTS)/drivers/dma-buf/*.c
