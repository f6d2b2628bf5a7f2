#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pack build/rootfs/initramfs.cpio and initramfs.cpio.gz, the same bytes from the same inputs.
# Guests boot the first: to inflate the second would take them a third of the boot.
# usage: rootfs/pack.sh UNPACKED_ARM64_PACKAGES
set -euo pipefail
. .ci/lib.sh

export ROOTFS=$PWD/rootfs PROGRAMS=$PWD/build/rootfs/bin
BUSYBOX=$(find "$1" -path '*bin/busybox')
export BUSYBOX
modules=$PWD/build/rootfs/modules
image=build/rootfs/initramfs.cpio

install_modules() {
    local m
    rm -rf "$modules"
    for m in "" "$PWD/build/modules/kernel-drivers"; do
        make -C build/linux ${m:+M="$m"} ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
            INSTALL_MOD_PATH="$modules" INSTALL_MOD_STRIP=1 modules_install
    done
}

list_modules() {
    (cd "$modules" && find lib/modules -type d -printf 'dir /%p 755 0 0\n' -o \
        -type f -printf "file /%p $modules/%p 644 0 0\n") | LC_ALL=C sort
}

# busybox holds the names that it answers to as one table of strings.
list_applets() {
    echo 'slink /bin/[ busybox 777 0 0'
    tr '\0' '\n' <"$BUSYBOX" | LC_ALL=C sed -n '/^\[\[$/,/^$/{
        /^$/d; /^busybox$/d; s|.*|slink /bin/& busybox 777 0 0|p }'
}

mkdir -p build/rootfs
lock build/rootfs/.lock
install_modules
{
    cat rootfs/manifest
    list_applets
    list_modules
} >build/rootfs/list
build/linux/usr/gen_init_cpio -t 0 build/rootfs/list >$image.new
gzip -n <$image.new >$image.gz.new
mv $image.gz.new $image.gz
mv $image.new $image
