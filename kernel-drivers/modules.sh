#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build the drivers in a copy of this directory, against build/linux.
# usage: kernel-drivers/modules.sh BUILD_DIRECTORY [MAKE_ARGUMENT...]
set -euo pipefail
. .ci/lib.sh

directory=$(realpath -m "$1")
shift
mkdir -p "$directory"
lock "$directory/.lock"
kernel=$(realpath build/linux)
# make compares times only, so an older kernel would not compile anything anew.
if [ "$(cat "$directory/.kernel" 2>/dev/null)" != "$kernel" ]; then
    rm -rf "$directory/kernel-drivers"
    echo "$kernel" >"$directory/.kernel"
fi
rsync -a kernel-drivers/ "$directory/kernel-drivers/"
ln -sfn "$PWD/qemu-devices" "$directory/qemu-devices"
use_ccache "$PWD"
make -C build/linux M="$directory/kernel-drivers" ARCH=arm64 \
    CROSS_COMPILE=aarch64-linux-gnu- CC='ccache aarch64-linux-gnu-gcc' -j"$JOBS" "$@" modules
