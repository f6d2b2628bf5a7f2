/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * REG32() and FIELD() as the shared register headers use them: REG32 gives
 * A_<reg>, the byte offset; FIELD gives R_<reg>_<field>_SHIFT and _MASK.
 */
#ifndef BATON_REGISTERFIELDS_H
#define BATON_REGISTERFIELDS_H

#include <linux/bitfield.h>
#include <linux/bits.h>

#define REG32(reg, addr) enum { A_##reg = (addr) };

#define FIELD(reg, field, shift, length)				\
	enum { R_##reg##_##field##_SHIFT = (shift) };			\
	enum { R_##reg##_##field##_MASK =				\
	       GENMASK((shift) + (length) - 1, (shift)) };

#define FIELD_EX32(storage, reg, field)					\
	FIELD_GET((u32)R_##reg##_##field##_MASK, (u32)(storage))
#define FIELD_DP32(storage, reg, field, val)				\
	(((u32)(storage) & ~(u32)R_##reg##_##field##_MASK) |		\
	 FIELD_PREP((u32)R_##reg##_##field##_MASK, (val)))

#endif
