#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build QEMU with the devices and the plugin of this checkout, or take them from
# the cache when the same sources were built before.
# usage: qemu-devices/build.sh SOURCE_TREE
set -euo pipefail
. .ci/lib.sh

source=$(realpath -m "$1")
[ -f "$source/VERSION" ] || die "no QEMU source tree: $source"
artifacts=(qemu-system-aarch64 hw/baton/plugin/libbaton-witness.so)
options=$(grep '^--' qemu-devices/configure.options)

# The source tree: hard links of the pristine one, plus the hook.
make_tree() {
    local tree=build/qemu-src
    link_tree "$source" $tree.new qemu-devices/hook/*.patch
    ln -s ../../../qemu-devices $tree.new/hw/baton
    ln -s ../../../../../qemu-devices/baton.mak $tree.new/configs/devices/aarch64-softmmu/
    rm -rf $tree
    mv $tree.new $tree
    echo "$tree_key" >build/.qemu-src
}

configure() {
    rm -rf build/qemu-build
    mkdir build/qemu-build
    # shellcheck disable=SC2086
    (cd build/qemu-build &&
        ../qemu-src/configure --python="$OLDPWD/build/venv/bin/python" --cc='ccache gcc' $options)
    echo "$config_key" >build/qemu-build/.baton
}

is() {
    [ "$(cat "$2" 2>/dev/null)" = "$1" ]
}

build() {
    use_ccache "$PWD"
    is "$tree_key" build/.qemu-src || make_tree
    is "$config_key" build/qemu-build/.baton || configure
    ninja -C build/qemu-build -j "$JOBS" "${artifacts[@]}"
    store_artifacts build/qemu-build "$cached" "${artifacts[@]}"
}

# Copy a file so that a reader sees either the old or the new one.
store() {
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.$$"
    mv "$2.$$" "$2"
}

# usage: store_artifacts FROM TO PATH...
store_artifacts() {
    local artifact
    for artifact in "${@:3}"; do
        store "$1/$artifact" "$2/$(basename "$artifact")"
    done
}

complete() {
    local artifact
    for artifact in "${artifacts[@]##*/}"; do
        [ -x "$1/$artifact" ] || return
    done
}

version=$(<"$source/VERSION")
state=$(tree_state "$source")
tree_key=$( (echo "$state" "$version"; cat qemu-devices/hook/*) | short_hash)
config_key=$( (echo "$tree_key" "$options" "$PWD"; cat qemu-devices/baton.mak) | short_hash)
mapfile -t files < <(find qemu-devices/ -type f -not -name '.*' -not -name '*.md' | LC_ALL=C sort)
key=$version-$( (echo "$state" "$options"; files_hash "${files[@]}") | short_hash)
cached=$BATON_CACHE/qemu/$key

is "$key" build/qemu/.key && complete build/qemu && exit
mkdir -p build
lock build/.qemu.lock
complete "$cached" || build
touch "$cached"
store_artifacts "$cached" build/qemu "${artifacts[@]##*/}"
# The VNC server does not start without it.
store "$source/pc-bios/keymaps/en-us" build/qemu/keymaps/en-us
echo "$key" >build/qemu/.key
keep_newest 8 "$BATON_CACHE/qemu"
