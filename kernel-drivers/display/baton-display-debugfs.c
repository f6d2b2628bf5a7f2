// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: debugfs, below dri/<minor>/
 *
 * frames      what was shown, see baton_display_frames_show()
 * hash        1: hash what each plane reads, and record frames
 * dma_rate    bandwidth of the engine's bus master, MB/s (10^6)
 * counters    since the engine was reset: vblanks, frames with an underrun,
 *	       frames with another error, pixel bytes read, records of frames
 *	       lost because nobody came for them
 * registers   but for the 64-bit ones, whose reading interferes with the driver
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "baton-display.h"

DEFINE_SHOW_ATTRIBUTE(baton_display_frames);

static int baton_display_counters_show(struct seq_file *m, void *data)
{
	struct baton_display *bd = m->private;

	seq_printf(m, "vblanks=%u underruns=%u errors=%u bytes=%llu lost=%u\n",
		   baton_display_read(bd, A_DISP_FRAME),
		   baton_display_read(bd, A_DISP_UNDERRUNS),
		   baton_display_read(bd, A_DISP_ERRORS),
		   baton_display_read64(bd, A_DISP_BYTES_LO),
		   baton_display_read(bd, A_DISP_DONE_LOST));

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(baton_display_counters);

static int baton_display_hash_get(void *data, u64 *value)
{
	*value = FIELD_EX32(baton_display_read(data, A_DISP_CTRL), DISP_CTRL,
			    HASH);
	return 0;
}

static int baton_display_hash_set(void *data, u64 value)
{
	baton_display_set_ctrl(data, R_DISP_CTRL_HASH_MASK, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_display_hash_fops, baton_display_hash_get,
			 baton_display_hash_set, "%llu\n");

static int baton_display_dma_rate_get(void *data, u64 *value)
{
	*value = baton_display_read(data, A_DISP_DMA_RATE);
	return 0;
}

static int baton_display_dma_rate_set(void *data, u64 value)
{
	if (!value || value > U32_MAX)
		return -EINVAL;

	baton_display_write(data, A_DISP_DMA_RATE, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_display_dma_rate_fops,
			 baton_display_dma_rate_get,
			 baton_display_dma_rate_set, "%llu\n");

static const struct debugfs_reg32 baton_display_registers[] = {
	{ "ID", A_DISP_ID },
	{ "VERSION", A_DISP_VERSION },
	{ "CAPS", A_DISP_CAPS },
	{ "CTRL", A_DISP_CTRL },
	{ "STATUS", A_DISP_STATUS },
	{ "IRQ_STATUS", A_DISP_IRQ_STATUS },
	{ "IRQ_ENABLE", A_DISP_IRQ_ENABLE },
	{ "PIXEL_CLOCK", A_DISP_PIXEL_CLOCK },
	{ "HACTIVE", A_DISP_HACTIVE },
	{ "HSYNC", A_DISP_HSYNC },
	{ "VACTIVE", A_DISP_VACTIVE },
	{ "VSYNC", A_DISP_VSYNC },
	{ "VRR_VMAX", A_DISP_VRR_VMAX },
	{ "DMA_RATE", A_DISP_DMA_RATE },
	{ "BACKGROUND", A_DISP_BACKGROUND },
	{ "FRAME", A_DISP_FRAME },
	{ "SCANLINE", A_DISP_SCANLINE },
	{ "DONE_FRAME", A_DISP_DONE_FRAME },
	{ "DONE_CRC", A_DISP_DONE_CRC },
	{ "UNDERRUNS", A_DISP_UNDERRUNS },
	{ "ERRORS", A_DISP_ERRORS },
	{ "ERR_STATUS", A_DISP_ERR_STATUS },
	{ "ERR_ADDR", A_DISP_ERR_ADDR },
	{ "DONE_STATUS", A_DISP_DONE_STATUS },
	{ "DONE_LOST", A_DISP_DONE_LOST },
	{ "LATCH_FRAME", A_DISP_LATCH_FRAME },
};

static const struct debugfs_reg32 baton_display_plane_registers[] = {
	{ "CTRL", A_PLANE_CTRL },
	{ "ADDR0", A_PLANE_ADDR0 },
	{ "ADDR1", A_PLANE_ADDR1 },
	{ "PITCH", A_PLANE_PITCH },
	{ "SIZE", A_PLANE_SIZE },
	{ "POS", A_PLANE_POS },
	{ "SRC", A_PLANE_SRC },
	{ "ACTIVE_ADDR0", A_PLANE_ACTIVE_ADDR0 },
	{ "ACTIVE_ADDR1", A_PLANE_ACTIVE_ADDR1 },
	{ "DONE_ADDR0", A_PLANE_DONE_ADDR0 },
};

static int baton_display_registers_show(struct seq_file *m, void *data)
{
	static const char * const prefixes[BATON_DISPLAY_PLANES] = {
		[BATON_DISPLAY_PRIMARY] = "PRIMARY_",
		[BATON_DISPLAY_OVERLAY] = "OVERLAY_",
		[BATON_DISPLAY_CURSOR] = "CURSOR_",
	};
	struct baton_display *bd = m->private;
	unsigned int i;

	debugfs_print_regs32(m, baton_display_registers,
			     ARRAY_SIZE(baton_display_registers), bd->regs, "");
	for (i = 0; i < BATON_DISPLAY_PLANES; i++)
		debugfs_print_regs32(m, baton_display_plane_registers,
				     ARRAY_SIZE(baton_display_plane_registers),
				     bd->regs + baton_display_plane_reg(i, 0),
				     (char *)prefixes[i]);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(baton_display_registers);

void baton_display_debugfs_init(struct drm_minor *minor)
{
	struct baton_display *bd = to_baton_display(minor->dev);
	struct dentry *root = minor->debugfs_root;

	debugfs_create_file("frames", 0444, root, bd,
			    &baton_display_frames_fops);
	debugfs_create_file("counters", 0444, root, bd,
			    &baton_display_counters_fops);
	debugfs_create_file_unsafe("hash", 0644, root, bd,
				   &baton_display_hash_fops);
	debugfs_create_file_unsafe("dma_rate", 0644, root, bd,
				   &baton_display_dma_rate_fops);
	debugfs_create_file("registers", 0444, root, bd,
			    &baton_display_registers_fops);
}
