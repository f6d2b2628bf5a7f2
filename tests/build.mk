# SPDX-License-Identifier: GPL-2.0-or-later
#
# Variables:
#   T            what to test: paths, node ids, -k EXPRESSION (everything)

HARNESS := PYTHONPATH=tests build/venv/bin/python -m harness

.PHONY: test
test: qemu dtbs rootfs test-programs ## Run the tests (T=tests/boot, T="-k camera"); out/test/junit.xml
	@$(HARNESS).testrun --jobs $(JOBS) $(T)
