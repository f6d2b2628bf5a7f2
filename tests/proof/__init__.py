# SPDX-License-Identifier: GPL-2.0-or-later
"""`make proof`: evidence that no frame was copied (docs/proof.md)."""
