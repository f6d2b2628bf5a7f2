# SPDX-License-Identifier: GPL-2.0-or-later
DTBS := $(patsubst dts/%.dts,build/dts/%.dtb,$(wildcard dts/*.dts))

.PHONY: dtbs
dtbs: $(DTBS) ## Compile the device trees: build/dts/*.dtb

# dtc has no switch that makes all warnings errors. Old ones want #address-cells in every interrupt
# controller, which the binding of the PL061 forbids.
build/dts/%.dtb: dts/%.dts $(wildcard dts/*.dtsi) dts/build.mk | build/.packages $(LINUX_SRC)
	@mkdir -p build/dts
	@cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I dts -I $(LINUX_SRC)/include \
		-o build/dts/$*.dts.pre $<
	@dtc -W no-interrupt_provider -I dts -O dtb -i dts -o $@.new build/dts/$*.dts.pre 2>build/dts/$*.log; \
		status=$$?; cat build/dts/$*.log >&2; \
		[ $$status -eq 0 ] && [ ! -s build/dts/$*.log ]
	@mv $@.new $@
