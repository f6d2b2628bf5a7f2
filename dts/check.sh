#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Check the bindings and the compiled device trees with dt-schema.
# usage: dts/check.sh LINUX_SOURCE     (dt-schema's tools are in PATH)
set -euo pipefail

bindings=$1/Documentation/devicetree/bindings
schema=build/check/schema.json
mkdir -p build/check

# Print what a command says and fail if it says anything.
silent() {
    local output
    output=$("$@" 2>&1) && [ -z "$output" ] && return
    echo "$output"
    return 1
}

# Reading all bindings of Linux takes a minute.
up_to_date() {
    [ -f $schema ] && [ -z "$(find dts/bindings dts/check.sh "$bindings" -newer $schema -print -quit)" ]
}

silent dt-doc-validate -u "$bindings" dts/bindings
up_to_date || silent dt-mk-schema -j -o $schema "$bindings" dts/bindings
silent dt-validate -m -s $schema build/dts/*.dtb
