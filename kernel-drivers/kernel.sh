#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build the guest's kernel in the cache, keyed by all it is made from, and
# point build/linux to it.
# usage: kernel-drivers/kernel.sh SOURCE_TREE release|NAME
# NAME is configs/NAME.config on top of configs/release.config; of both there
# may be a part for one series of Linux, configs/NAME-SERIES.config.
set -euo pipefail
. .ci/lib.sh

pristine=$(realpath -m "$1")
name=$2
[ -f "$pristine/Kbuild" ] || die "no Linux source tree: $pristine"
[ -f "kernel-drivers/configs/$name.config" ] ||
    die "no kernel configuration kernel-drivers/configs/$name.config"
version=$(make -s -C "$pristine" kernelversion)
series=$(cut -d. -f1,2 <<<"$version")

names=(release)
[ "$name" = release ] || names+=("$name")
fragments=()
for part in "${names[@]}"; do
    fragments+=("kernel-drivers/configs/$part.config")
    part=kernel-drivers/configs/$part-$series.config
    [ ! -f "$part" ] || fragments+=("$part")
done
shopt -s nullglob
hooks=(kernel-drivers/hook/"$series"/*.patch)
cross=aarch64-linux-gnu-

source=$BATON_CACHE/linux/$version-$( (tree_state "$pristine"; cat /dev/null "${hooks[@]}") | short_hash)
inputs=("${fragments[@]}" kernel-drivers/configs/Kconfig kernel-drivers/Kconfig)
key=$version-$name-$( (echo "$source"; ${cross}gcc --version; files_hash "${inputs[@]}") | short_hash)
tree=$BATON_CACHE/kernel/$key

kmake() {
    make -C "$source" O="$tree" ARCH=arm64 CROSS_COMPILE=$cross CC="ccache ${cross}gcc" \
        KBUILD_KCONFIG="$tree/.baton/Kconfig" \
        KBUILD_BUILD_USER=baton KBUILD_BUILD_HOST=baton \
        KBUILD_BUILD_TIMESTAMP='2025-01-01 00:00:00 UTC' KBUILD_BUILD_VERSION=1 \
        -j"$JOBS" "$@"
}

make_source() {
    link_tree "$pristine" "$source.new" "${hooks[@]}"
    mv "$source.new" "$source"
}

# Start from the objects of the last configuration.
seed_tree() {
    local new=$tree.new last
    last=$(find "$BATON_CACHE/kernel" -mindepth 3 -path "*/$version-$name-*/.baton/complete" \
        -printf '%T@ %h\n' | sort -rn | head -n1 | cut -d' ' -f2-)
    rm -rf "$new"
    if [ -n "$last" ]; then cp -a "${last%/.baton}" "$new"; fi
    rm -rf "$new/.baton"
    mkdir -p "$new/.baton"
    cat "$source/Kconfig" kernel-drivers/Kconfig kernel-drivers/configs/Kconfig \
        >"$new/.baton/Kconfig"
    mv "$new" "$tree"
}

# The last word of the fragments on each option must have survived dependency resolution.
check_config() {
    local lost
    lost=$(sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/p; /^CONFIG_/p' "${fragments[@]}" |
        awk -F= '{ last[$1] = $0 } END { for (o in last) if (last[o] !~ /=n$/) print last[o] }' |
        grep -vxFf "$tree/.config") || return 0
    die "not taken over into the kernel configuration (dependencies?):
$lost"
}

build() {
    use_ccache "$BATON_CACHE"
    [ -d "$tree" ] || seed_tree
    cat "${fragments[@]}" >"$tree/.baton/config"
    kmake KCONFIG_ALLCONFIG="$tree/.baton/config" allnoconfig
    check_config
    kmake Image modules headers
    if grep -qx CONFIG_GDB_SCRIPTS=y "$tree/.config"; then kmake scripts_gdb; fi
    touch "$tree/.baton/complete"
}

# A kernel that is there does not wait for one that is being built.
get() {
    mkdir -p "$BATON_CACHE/kernel" "$BATON_CACHE/linux"
    lock "$BATON_CACHE/kernel/.lock"
    [ -d "$source" ] || make_source
    [ -f "$tree/.baton/complete" ] || build
    keep_newest 8 "$BATON_CACHE/kernel"
    keep_newest 4 "$BATON_CACHE/linux"
}

[ -f "$tree/.baton/complete" ] || get
touch "$source" "$tree" "$tree/.baton/complete"
mkdir -p build
ln -sfn "$tree" build/linux
