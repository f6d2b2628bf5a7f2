# SPDX-License-Identifier: GPL-2.0-or-later
#
# Variables:
#   T            what to test: paths, node ids, -k EXPRESSION (everything)
#   VIDEO        a file for the camera, whatever ffmpeg decodes (photographs)
#   CAMERA       live: a stream on a socket (demo)
#   DISPLAY_UI   gtk or vnc: watch the displays
#   FRAMES       how many frames the demo plays (all of the clip)
#   DTB          the device tree, a name in dts/ (baton)
#   GUEST        a script to run as root in the guest (run)
#   KERNEL_ARGS  more kernel arguments (run, shell, debug)
#   QEMU_ARGS    more QEMU arguments (run, shell, debug)
#   BENCH_BUILD  1: also measure a build from nothing (bench)

DTB ?= baton
PHOTOS := $(BATON_CACHE)/src/photos
CLIP := build/clip/photos.y4m
HARNESS := env PYTHONPATH=tests build/venv/bin/python -m

.PHONY: guest test demo run shell debug bench
guest: qemu dtbs rootfs

test: guest test-programs ## Run all checks and tests (T=tests/boot, T="-k camera")
	@LINUX_SRC="$(LINUX_SRC)" QEMU_SRC="$(QEMU_SRC)" \
		$(HARNESS) harness.testrun --jobs $(JOBS) $(T)

$(CLIP): tests/harness/clip.py | setup $(PHOTOS)
	@$(STEP) clip $(HARNESS) harness.clip "$(PHOTOS)" $@

demo: guest $(if $(VIDEO),,$(CLIP)) ## Play a clip from camera to display: out/demo/
	@$(HARNESS) harness.demo --dtb "$(DTB)" --video "$(VIDEO)" --camera "$(CAMERA)" \
		--display "$(DISPLAY_UI)" --frames "$(or $(FRAMES),0)"

RUN = $(HARNESS) harness.run --dtb "$(DTB)" --video "$(VIDEO)" --display "$(DISPLAY_UI)"

run: guest ## Boot a guest, with its console here or to run GUEST=script.sh
	@$(RUN) --guest "$(GUEST)"

shell: guest ## Boot a guest for a shell on its console
	@$(RUN)

debug: guest ## Boot a guest that waits for gdb (docs/development.md)
	@$(RUN) --debug

bench: guest ## Measure: out/bench/bench.json
	@$(HARNESS) bench $(if $(filter 1,$(BENCH_BUILD)),--build)
