# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong, kept apart by whose fault it is."""


class InfrastructureError(Exception):
    """The host could not run the test: nothing is known about the product."""


class QemuError(Exception):
    """QEMU refused its command line, crashed or stopped answering."""


class GuestError(Exception):
    """The guest panicked, stopped answering, or printed an undeclared kernel splat."""
