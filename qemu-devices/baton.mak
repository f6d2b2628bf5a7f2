# SPDX-License-Identifier: GPL-2.0-or-later
# Devices of QEMU beside the baton machine's own; "default y" is off.
CONFIG_BATON=y
CONFIG_VIRTIO_9P=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_INPUT=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
