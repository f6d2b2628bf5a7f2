/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BATON_DISPLAY_H
#define BATON_DISPLAY_H

#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <drm/drm_connector.h>
#include <drm/drm_crtc.h>
#include <drm/drm_device.h>
#include <drm/drm_encoder.h>

#include "baton-registerfields.h"
#include "baton-display-regs.h"

struct dma_buf;
struct drm_atomic_state;
struct drm_crtc_state;
struct drm_file;
struct drm_framebuffer;
struct drm_gem_object;
struct drm_minor;
struct drm_mode_create_dumb;
struct drm_pending_vblank_event;
struct seq_file;

#define BATON_DISPLAY_FRAMES 256

/* One completed picture, see baton_display_frames_show() */
struct baton_display_frame {
	u64 time_ns;
	u64 hash[BATON_DISPLAY_PLANES];
	u32 addr[BATON_DISPLAY_PLANES];
	u32 sequence;
	u32 crc;
};

/**
 * struct baton_display - one display engine
 * @drm: DRM device
 * @crtc: timing generator and blender
 * @encoder: the wire to the monitor
 * @connector: the monitor
 * @master: who reads the memory, to the DMA API
 * @regs: registers
 * @lock: protects read-modify-write of DISP_CTRL and DISP_IRQ_ENABLE, the
 *	latches of 64-bit registers, and the frame records
 * @event: completion of the commit that waits for its latch, protected by
 *	&drm_device.event_lock
 * @sequence_offset: from DISP_FRAME to the vblank count of the DRM core,
 *	constant while the CRTC is on
 * @frames: ring of the last completed pictures
 * @frame_count: pictures recorded so far; the next goes to its remainder
 * @crc_on: whether CRCs are collected
 * @crc_from: first picture whose CRC is complete
 * @suspended: registers that no mode setting writes, while suspended
 */
struct baton_display {
	struct drm_device drm;
	struct drm_crtc crtc;
	struct drm_encoder encoder;
	struct drm_connector connector;
	struct device *master;
	void __iomem *regs;
	spinlock_t lock; /* registers and frames */
	struct drm_pending_vblank_event *event;
	u32 sequence_offset;
	struct baton_display_frame frames[BATON_DISPLAY_FRAMES];
	u64 frame_count;
	bool crc_on;
	u32 crc_from;
	struct {
		u32 ctrl;
		u32 irq_enable;
		u32 dma_rate;
	} suspended;
};

static inline struct baton_display *to_baton_display(struct drm_device *drm)
{
	return container_of(drm, struct baton_display, drm);
}

static inline u32 baton_display_read(struct baton_display *bd, u32 reg)
{
	return readl(bd->regs + reg);
}

static inline void baton_display_write(struct baton_display *bd, u32 reg,
				       u32 value)
{
	writel(value, bd->regs + reg);
}

static inline u32 baton_display_plane_reg(unsigned int plane, u32 reg)
{
	return BATON_DISPLAY_PLANE_BASE + plane * BATON_DISPLAY_PLANE_STRIDE +
	       reg;
}

u64 baton_display_read64_locked(struct baton_display *bd, u32 reg_lo);
u64 baton_display_read64(struct baton_display *bd, u32 reg_lo);
void baton_display_enable_irqs(struct baton_display *bd, u32 mask, bool enable);
void baton_display_set_ctrl(struct baton_display *bd, u32 mask, bool set);

int baton_display_crtc_init(struct baton_display *bd);
s64 baton_display_clock_offset(struct baton_display *bd, int *error_ns);
void baton_display_crtc_latched(struct baton_display *bd);
void baton_display_crtc_abort_flip(struct baton_display *bd);

struct drm_plane *baton_display_plane_create(struct baton_display *bd,
					     unsigned int index);

int baton_display_connector_init(struct baton_display *bd);

int baton_display_gem_dumb_create(struct drm_file *file,
				  struct drm_device *drm,
				  struct drm_mode_create_dumb *args);
int baton_display_gem_init(struct baton_display *bd);
struct drm_gem_object *
baton_display_gem_import(struct drm_device *drm, struct dma_buf *dmabuf);
int baton_display_gem_pin(struct drm_gem_object *obj);
void baton_display_gem_unpin(struct drm_gem_object *obj);
dma_addr_t baton_display_gem_fb_addr(struct drm_framebuffer *fb,
				     unsigned int plane);
phys_addr_t baton_display_gem_bus_to_cpu(struct baton_display *bd, u32 addr);

void baton_display_collect_frames(struct baton_display *bd);
int baton_display_frames_show(struct seq_file *m, void *data);
int baton_display_verify_crc_source(struct drm_crtc *crtc, const char *source,
				    size_t *values_cnt);
int baton_display_set_crc_source(struct drm_crtc *crtc, const char *source);
const char *const *baton_display_get_crc_sources(struct drm_crtc *crtc,
						 size_t *count);

void baton_display_debugfs_init(struct drm_minor *minor);

#endif
