#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build the guest's kernel in the cache, keyed by all it is made from, and
# point build/linux to it.
# usage: kernel-drivers/kernel.sh SOURCE_TREE CONFIG
set -euo pipefail
. .ci/lib.sh

source=$(realpath "$1")
fragment=kernel-drivers/configs/$2.config
inputs=("$fragment" kernel-drivers/configs/Kconfig kernel-drivers/Kconfig)
cross=aarch64-linux-gnu-
[ -f "$fragment" ] || die "no kernel configuration $fragment"

version=$(make -s -C "$source" kernelversion)
key=$version-$2-$( (echo "$source"; ${cross}gcc --version; files_hash "${inputs[@]}") | short_hash)
tree=$BATON_CACHE/kernel/$key

kmake() {
    make -C "$source" O="$tree" ARCH=arm64 CROSS_COMPILE=$cross CC="ccache ${cross}gcc" \
        KBUILD_KCONFIG="$tree/.baton/Kconfig" \
        KBUILD_BUILD_USER=baton KBUILD_BUILD_HOST=baton \
        KBUILD_BUILD_TIMESTAMP='2025-01-01 00:00:00 UTC' KBUILD_BUILD_VERSION=1 \
        -j"$JOBS" "$@"
}

# Start from the objects of the last configuration.
seed_tree() {
    local new=$tree.new last
    last=$(find "$BATON_CACHE/kernel" -mindepth 3 -path '*/.baton/complete' -printf '%T@ %h\n' |
        sort -rn | head -n1 | cut -d' ' -f2-)
    rm -rf "$new"
    if [ -n "$last" ]; then cp -a "${last%/.baton}" "$new"; fi
    rm -rf "$new/.baton"
    mkdir -p "$new/.baton"
    cat "$source/Kconfig" kernel-drivers/Kconfig kernel-drivers/configs/Kconfig \
        >"$new/.baton/Kconfig"
    mv "$new" "$tree"
}

# Each line of the fragment must have survived dependency resolution.
check_config() {
    local lost
    lost=$(grep '^CONFIG_' "$fragment" | grep -vxFf "$tree/.config") || return 0
    die "not taken over into the kernel configuration (dependencies?):
$lost"
}

build() {
    use_ccache "$BATON_CACHE"
    [ -d "$tree" ] || seed_tree
    kmake KCONFIG_ALLCONFIG="$PWD/$fragment" allnoconfig
    check_config
    kmake Image modules headers scripts_gdb
    touch "$tree/.baton/complete"
}

mkdir -p build "$BATON_CACHE/kernel"
lock "$BATON_CACHE/kernel/.lock"
[ -f "$tree/.baton/complete" ] || build
touch "$tree" "$tree/.baton/complete"
ln -sfn "$tree" build/linux
keep_newest 4 "$BATON_CACHE/kernel"
