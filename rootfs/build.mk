# SPDX-License-Identifier: GPL-2.0-or-later
GUEST_CC := aarch64-linux-gnu-gcc
GUEST_CFLAGS := -O2 -Wall -Wextra -Werror -isystem build/linux/usr/include \
	-I kernel-drivers/include/uapi \
	-I $(ARM64_PACKAGES)/usr/include -I $(ARM64_PACKAGES)/usr/include/libdrm
GUEST_LDFLAGS := -s -static -L $(ARM64_PACKAGES)/usr/lib/aarch64-linux-gnu
GUEST_LIBS := -ldrm -lm

# $(call program,OUTPUT,SOURCES): a rule that links a program of the guest.
define program
$(1): $(2) $(wildcard $(dir $(firstword $(2)))*.h) rootfs/build.mk | kernel $(ARM64_PACKAGES)
	@mkdir -p $$(@D)
	@$$(STEP) $$(@F) $$(GUEST_CC) $$(GUEST_CFLAGS) $$(GUEST_LDFLAGS) -o $$@ $$(filter %.c,$$^) \
		$$(GUEST_LIBS)
endef

# A program of the initramfs is made of all files of a directory ...
$(eval $(call program,build/rootfs/bin/baton-agent,$(wildcard rootfs/agent/*.c)))
$(eval $(call program,build/rootfs/bin/baton-memcpy,$(wildcard rootfs/memcpy/*.c)))
$(eval $(call program,build/rootfs/bin/baton-pipeline,$(wildcard rootfs/pipelines/*.c)))
PROGRAMS := $(addprefix build/rootfs/bin/baton-,agent memcpy pipeline)

# ... and one of the tests, which they put into the guest, of a file or of a directory's files.
TEST_FILES := $(patsubst tests/guest/%.c,build/tests/guest/%,$(wildcard tests/guest/*.c))
TEST_DIRECTORIES := $(patsubst tests/guest/%/main.c,build/tests/guest/%,\
	$(wildcard tests/guest/*/main.c))
TEST_PROGRAMS := $(TEST_FILES) $(TEST_DIRECTORIES)
$(foreach p,$(TEST_FILES),$(eval $(call program,$(p),tests/guest/$(notdir $(p)).c)))
$(foreach p,$(TEST_DIRECTORIES),$(eval $(call program,$(p),\
	$(wildcard tests/guest/$(notdir $(p))/*.c))))
$(TEST_DIRECTORIES): $(wildcard tests/guest/*.h)

.PHONY: rootfs test-programs
rootfs: modules $(PROGRAMS) ## Pack the guest's root: build/rootfs/initramfs.cpio, .cpio.gz
	@$(STEP) rootfs rootfs/pack.sh $(ARM64_PACKAGES)

test-programs: $(TEST_PROGRAMS) ## Compile the guest programs of the tests
