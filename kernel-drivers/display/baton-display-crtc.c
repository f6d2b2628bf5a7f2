// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: timing generator
 */

#include <linux/ktime.h>
#include <linux/math64.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_modes.h>
#include <drm/drm_print.h>
#include <drm/drm_vblank.h>

#include "baton-display.h"

/* Slowest refresh with VRR when the monitor does not name one */
#define BATON_DISPLAY_VRR_MIN_HZ 24

#define BATON_DISPLAY_TIME_ERROR_NS (20 * NSEC_PER_USEC)
#define BATON_DISPLAY_TIME_TRIES 5

static enum drm_mode_status
baton_display_crtc_mode_valid(struct drm_crtc *crtc,
			      const struct drm_display_mode *mode)
{
	if (mode->flags & DRM_MODE_FLAG_INTERLACE)
		return MODE_NO_INTERLACE;
	if (mode->flags & DRM_MODE_FLAG_DBLSCAN || mode->vscan > 1)
		return MODE_NO_VSCAN;
	if (mode->flags & DRM_MODE_FLAG_DBLCLK || mode->hskew)
		return MODE_BAD;
	if (mode->clock < BATON_DISPLAY_MIN_CLOCK_KHZ)
		return MODE_CLOCK_LOW;
	if (mode->clock > BATON_DISPLAY_MAX_CLOCK_KHZ)
		return MODE_CLOCK_HIGH;
	if (mode->hdisplay < BATON_DISPLAY_MIN_SIZE ||
	    mode->hdisplay > BATON_DISPLAY_MAX_WIDTH || mode->hdisplay % 2)
		return MODE_BAD_HVALUE;
	if (mode->vdisplay < BATON_DISPLAY_MIN_SIZE ||
	    mode->vdisplay > BATON_DISPLAY_MAX_HEIGHT || mode->vdisplay % 2)
		return MODE_BAD_VVALUE;
	if (mode->hsync_start < mode->hdisplay ||
	    mode->hsync_end <= mode->hsync_start ||
	    mode->htotal < mode->hsync_end)
		return MODE_HSYNC;
	if (mode->vsync_start < mode->vdisplay ||
	    mode->vsync_end <= mode->vsync_start ||
	    mode->vtotal < mode->vsync_end)
		return MODE_VSYNC;

	return MODE_OK;
}

static u32 baton_display_vrr_vmax(struct baton_display *bd,
				  const struct drm_display_mode *mode)
{
	u32 min_hz = bd->connector.display_info.monitor_range.min_vfreq ?:
		     BATON_DISPLAY_VRR_MIN_HZ;
	u32 lines = div_u64(mode->clock * 1000ULL, mode->htotal * min_hz);

	return clamp(lines, mode->vtotal, R_DISP_VRR_VMAX_LINES_MASK);
}

static void baton_display_crtc_set_timing(struct baton_display *bd,
					  const struct drm_display_mode *mode)
{
	u32 hactive, hsync, vactive, vsync;

	hactive = FIELD_DP32(0, DISP_HACTIVE, ACTIVE, mode->hdisplay);
	hactive = FIELD_DP32(hactive, DISP_HACTIVE, TOTAL, mode->htotal);
	hsync = FIELD_DP32(0, DISP_HSYNC, START, mode->hsync_start);
	hsync = FIELD_DP32(hsync, DISP_HSYNC, END, mode->hsync_end);
	vactive = FIELD_DP32(0, DISP_VACTIVE, ACTIVE, mode->vdisplay);
	vactive = FIELD_DP32(vactive, DISP_VACTIVE, TOTAL, mode->vtotal);
	vsync = FIELD_DP32(0, DISP_VSYNC, START, mode->vsync_start);
	vsync = FIELD_DP32(vsync, DISP_VSYNC, END, mode->vsync_end);

	baton_display_write(bd, A_DISP_PIXEL_CLOCK, mode->clock);
	baton_display_write(bd, A_DISP_HACTIVE, hactive);
	baton_display_write(bd, A_DISP_HSYNC, hsync);
	baton_display_write(bd, A_DISP_VACTIVE, vactive);
	baton_display_write(bd, A_DISP_VSYNC, vsync);
	baton_display_write(bd, A_DISP_VRR_VMAX,
			    baton_display_vrr_vmax(bd, mode));
}

static void baton_display_crtc_atomic_enable(struct drm_crtc *crtc,
					     struct drm_atomic_state *state)
{
	struct baton_display *bd = to_baton_display(crtc->dev);
	int idx;

	if (!drm_dev_enter(crtc->dev, &idx))
		return;

	baton_display_crtc_set_timing(bd, &crtc->state->adjusted_mode);

	/* DISP_FRAME stands still until the timing generator starts */
	drm_crtc_vblank_on(crtc);
	bd->sequence_offset = drm_crtc_vblank_count(crtc) -
			      baton_display_read(bd, A_DISP_FRAME);

	baton_display_set_ctrl(bd, R_DISP_CTRL_ENABLE_MASK, true);

	drm_dev_exit(idx);
}

static void baton_display_crtc_atomic_disable(struct drm_crtc *crtc,
					      struct drm_atomic_state *state)
{
	struct drm_crtc_state *old = drm_atomic_get_old_crtc_state(state, crtc);
	struct baton_display *bd = to_baton_display(crtc->dev);
	int idx;

	/* Count the frames for which nobody wanted interrupts, too */
	drm_crtc_accurate_vblank_count(crtc);
	drm_crtc_vblank_off(crtc);

	if (drm_dev_enter(crtc->dev, &idx)) {
		baton_display_set_ctrl(bd, R_DISP_CTRL_ENABLE_MASK |
					   R_DISP_CTRL_VRR_MASK, false);
		/* The next mode must not start with pictures of this one */
		drm_atomic_helper_disable_planes_on_crtc(old, false);
		baton_display_write(bd, A_DISP_COMMIT, R_DISP_COMMIT_GO_MASK);
		drm_dev_exit(idx);
	}

	spin_lock_irq(&crtc->dev->event_lock);
	if (crtc->state->event && !crtc->state->active) {
		drm_crtc_send_vblank_event(crtc, crtc->state->event);
		crtc->state->event = NULL;
	}
	spin_unlock_irq(&crtc->dev->event_lock);
}

/*
 * A cursor that moved is not waited for, so its commit may still be pending:
 * withdraw it, lest a vblank latch half of this one. It goes along with it.
 */
static void baton_display_crtc_atomic_begin(struct drm_crtc *crtc,
					    struct drm_atomic_state *state)
{
	int idx;

	if (!drm_dev_enter(crtc->dev, &idx))
		return;

	baton_display_write(to_baton_display(crtc->dev), A_DISP_COMMIT, 0);

	drm_dev_exit(idx);
}

static void baton_display_crtc_set_vrr(struct drm_crtc *crtc,
				       struct drm_atomic_state *state)
{
	struct drm_crtc_state *old = drm_atomic_get_old_crtc_state(state, crtc);
	struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, crtc);
	struct baton_display *bd = to_baton_display(crtc->dev);
	u32 caps = baton_display_read(bd, A_DISP_CAPS);

	if (!FIELD_EX32(caps, DISP_CAPS, VRR))
		return;
	if (drm_atomic_crtc_needs_modeset(new) ||
	    old->vrr_enabled != new->vrr_enabled)
		baton_display_set_ctrl(bd, R_DISP_CTRL_VRR_MASK,
				       new->vrr_enabled);
}

static void baton_display_crtc_commit(struct drm_crtc *crtc)
{
	struct baton_display *bd = to_baton_display(crtc->dev);

	spin_lock_irq(&crtc->dev->event_lock);
	/* LATCH completes it, so no VBLANK interrupt is needed */
	if (crtc->state->event) {
		bd->event = crtc->state->event;
		crtc->state->event = NULL;
	}
	baton_display_write(bd, A_DISP_COMMIT, R_DISP_COMMIT_GO_MASK);
	spin_unlock_irq(&crtc->dev->event_lock);
}

static void baton_display_crtc_atomic_flush(struct drm_crtc *crtc,
					    struct drm_atomic_state *state)
{
	int idx;

	if (drm_dev_enter(crtc->dev, &idx)) {
		baton_display_crtc_set_vrr(crtc, state);
		baton_display_crtc_commit(crtc);
		drm_dev_exit(idx);
		return;
	}

	spin_lock_irq(&crtc->dev->event_lock);
	if (crtc->state->event) {
		drm_crtc_send_vblank_event(crtc, crtc->state->event);
		crtc->state->event = NULL;
	}
	spin_unlock_irq(&crtc->dev->event_lock);
}

static void baton_display_crtc_send_event(struct baton_display *bd, u32 sequence,
					  ktime_t time)
{
	struct drm_pending_vblank_event *event = bd->event;
	struct timespec64 ts = ktime_to_timespec64(time);

	lockdep_assert_held(&bd->drm.event_lock);

	bd->event = NULL;
	event->event.vbl.sequence = sequence;
	event->event.vbl.tv_sec = ts.tv_sec;
	event->event.vbl.tv_usec = ts.tv_nsec / NSEC_PER_USEC;
	drm_send_event_timestamp_locked(&bd->drm, &event->base, time);
}

/*
 * Its event tells the frame and the time of the latch. The DRM core would send
 * those of the last vblank it knows of, and more may have passed since.
 */
static void baton_display_crtc_complete_flip(struct baton_display *bd)
{
	u32 frame = baton_display_read(bd, A_DISP_LATCH_FRAME);
	u64 time_ns = baton_display_read64(bd, A_DISP_LATCH_TIME_LO);
	int error_ns;

	time_ns += baton_display_clock_offset(bd, &error_ns);
	baton_display_crtc_send_event(bd, frame + bd->sequence_offset,
				      ns_to_ktime(time_ns));
}

/**
 * baton_display_crtc_latched - handle the LATCH interrupt
 * @bd: the display
 *
 * The interrupt may belong to a commit before the one that @bd->event stands
 * for; that one has taken effect when none waits any more. There is none after
 * it: each commit waits for the flip before it.
 */
void baton_display_crtc_latched(struct baton_display *bd)
{
	u32 status;

	spin_lock(&bd->drm.event_lock);
	status = baton_display_read(bd, A_DISP_STATUS);
	if (bd->event && !FIELD_EX32(status, DISP_STATUS, COMMIT))
		baton_display_crtc_complete_flip(bd);
	spin_unlock(&bd->drm.event_lock);
}

/**
 * baton_display_crtc_abort_flip - complete a flip that will never be latched
 * @bd: the display, whose engine has been stopped
 */
void baton_display_crtc_abort_flip(struct baton_display *bd)
{
	u64 count;
	ktime_t time;

	count = drm_crtc_vblank_count_and_time(&bd->crtc, &time);

	spin_lock_irq(&bd->drm.event_lock);
	if (bd->event)
		baton_display_crtc_send_event(bd, count, time);
	spin_unlock_irq(&bd->drm.event_lock);
}

static const struct drm_crtc_helper_funcs baton_display_crtc_helper_funcs = {
	.mode_valid = baton_display_crtc_mode_valid,
	.atomic_begin = baton_display_crtc_atomic_begin,
	.atomic_flush = baton_display_crtc_atomic_flush,
	.atomic_enable = baton_display_crtc_atomic_enable,
	.atomic_disable = baton_display_crtc_atomic_disable,
};

/**
 * baton_display_clock_offset - from the engine's clock to CLOCK_MONOTONIC
 * @bd: the display
 * @error_ns: how far it may be off
 *
 * Return: what to add to the engine's time, in ns
 */
s64 baton_display_clock_offset(struct baton_display *bd, int *error_ns)
{
	unsigned int tries = BATON_DISPLAY_TIME_TRIES;
	ktime_t before, after;
	u64 time_ns;

	/* The two clocks are read one after the other: not too far apart */
	do {
		before = ktime_get();
		time_ns = baton_display_read64(bd, A_DISP_TIME_LO);
		after = ktime_get();
		*error_ns = ktime_to_ns(ktime_sub(after, before));
	} while (*error_ns > BATON_DISPLAY_TIME_ERROR_NS && --tries);

	return ktime_to_ns(before) - time_ns;
}

/*
 * The DRM core calls the following only while vblank handling is on, which it
 * never is once the device is gone.
 */

static int baton_display_crtc_enable_vblank(struct drm_crtc *crtc)
{
	baton_display_enable_irqs(to_baton_display(crtc->dev),
				  R_DISP_IRQ_STATUS_VBLANK_MASK, true);

	return 0;
}

static void baton_display_crtc_disable_vblank(struct drm_crtc *crtc)
{
	baton_display_enable_irqs(to_baton_display(crtc->dev),
				  R_DISP_IRQ_STATUS_VBLANK_MASK, false);
}

static u32 baton_display_crtc_get_vblank_counter(struct drm_crtc *crtc)
{
	return baton_display_read(to_baton_display(crtc->dev), A_DISP_FRAME);
}

static bool baton_display_crtc_get_vblank_timestamp(struct drm_crtc *crtc,
						    int *max_error,
						    ktime_t *vblank_time,
						    bool in_vblank_irq)
{
	struct baton_display *bd = to_baton_display(crtc->dev);

	*vblank_time = baton_display_read64(bd, A_DISP_VBLANK_TIME_LO) +
		       baton_display_clock_offset(bd, max_error);
	return true;
}

static const struct drm_crtc_funcs baton_display_crtc_funcs = {
	.reset = drm_atomic_helper_crtc_reset,
	.set_config = drm_atomic_helper_set_config,
	.page_flip = drm_atomic_helper_page_flip,
	.atomic_duplicate_state = drm_atomic_helper_crtc_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_crtc_destroy_state,
	.enable_vblank = baton_display_crtc_enable_vblank,
	.disable_vblank = baton_display_crtc_disable_vblank,
	.get_vblank_counter = baton_display_crtc_get_vblank_counter,
	.get_vblank_timestamp = baton_display_crtc_get_vblank_timestamp,
	.get_crc_sources = baton_display_get_crc_sources,
	.set_crc_source = baton_display_set_crc_source,
	.verify_crc_source = baton_display_verify_crc_source,
};

int baton_display_crtc_init(struct baton_display *bd)
{
	struct drm_plane *planes[BATON_DISPLAY_PLANES];
	unsigned int i;
	int ret;

	for (i = 0; i < BATON_DISPLAY_PLANES; i++) {
		planes[i] = baton_display_plane_create(bd, i);
		if (IS_ERR(planes[i]))
			return PTR_ERR(planes[i]);
	}

	ret = drmm_crtc_init_with_planes(&bd->drm, &bd->crtc,
					 planes[BATON_DISPLAY_PRIMARY],
					 planes[BATON_DISPLAY_CURSOR],
					 &baton_display_crtc_funcs, NULL);
	if (ret)
		return ret;

	drm_crtc_helper_add(&bd->crtc, &baton_display_crtc_helper_funcs);
	bd->drm.max_vblank_count = U32_MAX;

	return drm_vblank_init(&bd->drm, 1);
}
