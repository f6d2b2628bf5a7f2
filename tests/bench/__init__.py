# SPDX-License-Identifier: GPL-2.0-or-later
"""`make bench`: what Baton takes, in time, bandwidth and space."""
