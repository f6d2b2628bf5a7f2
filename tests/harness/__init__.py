# SPDX-License-Identifier: GPL-2.0-or-later
"""Host side of Baton: starts QEMU, talks to it, and to the guest in it."""
