// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: what was shown
 *
 * With DISP_CTRL.HASH or .CRC on, the engine records each completed picture and
 * raises FRAME_DONE. Its FIFO of records is emptied into a longer one here.
 */

#include <linux/ktime.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include <drm/drm_debugfs_crc.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "baton-display.h"

/* The engine's oldest record, with the time on the engine's clock */
static void baton_display_read_frame(struct baton_display *bd,
				     struct baton_display_frame *frame)
{
	unsigned int i;

	frame->time_ns = baton_display_read64_locked(bd, A_DISP_DONE_TIME_LO);
	frame->sequence = baton_display_read(bd, A_DISP_DONE_FRAME) +
			  bd->sequence_offset;
	frame->crc = baton_display_read(bd, A_DISP_DONE_CRC);

	for (i = 0; i < BATON_DISPLAY_PLANES; i++) {
		u32 addr = baton_display_plane_reg(i, A_PLANE_DONE_ADDR0);
		u32 hash = baton_display_plane_reg(i, A_PLANE_DONE_HASH_LO);

		frame->addr[i] = baton_display_read(bd, addr);
		if (frame->addr[i])
			frame->hash[i] = baton_display_read64_locked(bd, hash);
	}
}

static void baton_display_collect_frame(struct baton_display *bd,
					s64 clock_offset)
{
	struct baton_display_frame frame = {};

	baton_display_read_frame(bd, &frame);
	baton_display_write(bd, A_DISP_DONE_POP, R_DISP_DONE_POP_GO_MASK);
	frame.time_ns += clock_offset;
	bd->frames[bd->frame_count++ % BATON_DISPLAY_FRAMES] = frame;

	if (READ_ONCE(bd->crc_on) &&
	    (s32)(frame.sequence - READ_ONCE(bd->crc_from)) >= 0)
		drm_crtc_add_crc_entry(&bd->crtc, true, frame.sequence,
				       &frame.crc);
}

/**
 * baton_display_collect_frames - take over the engine's records
 * @bd: the display
 */
void baton_display_collect_frames(struct baton_display *bd)
{
	unsigned long flags;
	s64 clock_offset;
	int error_ns;
	u32 count;

	clock_offset = baton_display_clock_offset(bd, &error_ns);

	spin_lock_irqsave(&bd->lock, flags);
	count = FIELD_EX32(baton_display_read(bd, A_DISP_DONE_STATUS),
			   DISP_DONE_STATUS, COUNT);
	while (count--)
		baton_display_collect_frame(bd, clock_offset);
	spin_unlock_irqrestore(&bd->lock, flags);
}

static bool baton_display_copy_frame(struct baton_display *bd, u64 n,
				     struct baton_display_frame *frame)
{
	bool valid;

	spin_lock_irq(&bd->lock);
	valid = bd->frame_count - n <= BATON_DISPLAY_FRAMES;
	*frame = bd->frames[n % BATON_DISPLAY_FRAMES];
	spin_unlock_irq(&bd->lock);

	return valid;
}

static void baton_display_print_frame(struct seq_file *m,
				      struct baton_display *bd,
				      const struct baton_display_frame *frame)
{
	unsigned int i;

	seq_printf(m, "frame=%u time=%llu crc=0x%08x", frame->sequence,
		   frame->time_ns, frame->crc);

	for (i = 0; i < BATON_DISPLAY_PLANES; i++) {
		phys_addr_t addr;

		if (!frame->addr[i])
			continue;
		addr = baton_display_gem_bus_to_cpu(bd, frame->addr[i]);
		seq_printf(m, " p%u=%pa:0x%016llx", i, &addr, frame->hash[i]);
	}

	seq_putc(m, '\n');
}

/*
 * debugfs "frames": a line for each of the last pictures, oldest first.
 *
 * frame=  vblank count of the DRM core while it was shown; a flip's event
 *	   carries the number of the first frame with the new picture
 * time=   CLOCK_MONOTONIC in ns of the vblank at which it was complete
 * crc=    CRC-32 of the composed picture, 0 unless the CRC source is on
 * pN=	   for plane N, if on: CPU address of its framebuffer, and the hash of
 *	   what the engine read, 0 unless "hash" is on and nothing failed
 */
int baton_display_frames_show(struct seq_file *m, void *data)
{
	struct baton_display *bd = m->private;
	struct baton_display_frame frame;
	u64 n, end;

	spin_lock_irq(&bd->lock);
	end = bd->frame_count;
	spin_unlock_irq(&bd->lock);

	n = end - min_t(u64, end, BATON_DISPLAY_FRAMES);
	for (; n < end; n++) {
		if (baton_display_copy_frame(bd, n, &frame))
			baton_display_print_frame(m, bd, &frame);
	}

	return 0;
}

static const char *const baton_display_crc_sources[] = { "auto" };

const char *const *baton_display_get_crc_sources(struct drm_crtc *crtc,
						 size_t *count)
{
	*count = ARRAY_SIZE(baton_display_crc_sources);
	return baton_display_crc_sources;
}

int baton_display_verify_crc_source(struct drm_crtc *crtc, const char *source,
				    size_t *values_cnt)
{
	if (source && strcmp(source, baton_display_crc_sources[0]))
		return -EINVAL;

	*values_cnt = 1;
	return 0;
}

int baton_display_set_crc_source(struct drm_crtc *crtc, const char *source)
{
	struct baton_display *bd = to_baton_display(crtc->dev);
	int idx;

	if (source && strcmp(source, baton_display_crc_sources[0]))
		return -EINVAL;
	if (!drm_dev_enter(crtc->dev, &idx))
		return -ENODEV;

	baton_display_set_ctrl(bd, R_DISP_CTRL_CRC_MASK, source);
	/* The picture that is being scanned out may have none yet */
	WRITE_ONCE(bd->crc_from, baton_display_read(bd, A_DISP_FRAME) +
				 bd->sequence_offset + 1);
	WRITE_ONCE(bd->crc_on, !!source);

	drm_dev_exit(idx);
	return 0;
}
