// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: DRM driver
 */

#include <linux/interrupt.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_fbdev_dma.h>
#include <drm/drm_gem_dma_helper.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_mode_config.h>
#include <drm/drm_modeset_helper.h>
#include <drm/drm_print.h>
#include <drm/drm_vblank.h>
#include BATON_DRM_CLIENT_SETUP_H

#include "baton-buf.h"
#include "baton-display.h"

#define BATON_DISPLAY_ERROR_IRQS (R_DISP_IRQ_STATUS_UNDERRUN_MASK | \
				  R_DISP_IRQ_STATUS_BUS_ERROR_MASK | \
				  R_DISP_IRQ_STATUS_CONFIG_ERROR_MASK)

/**
 * baton_display_read64_locked - read a 64-bit register
 * @bd: the display, whose lock is held
 * @reg_lo: its lower half, the read of which latches the upper one
 */
u64 baton_display_read64_locked(struct baton_display *bd, u32 reg_lo)
{
	u64 value;

	lockdep_assert_held(&bd->lock);

	value = baton_display_read(bd, reg_lo);
	value |= (u64)baton_display_read(bd, reg_lo + 4) << 32;

	return value;
}

/**
 * baton_display_read64 - read a 64-bit register
 * @bd: the display
 * @reg_lo: its lower half
 */
u64 baton_display_read64(struct baton_display *bd, u32 reg_lo)
{
	unsigned long flags;
	u64 value;

	spin_lock_irqsave(&bd->lock, flags);
	value = baton_display_read64_locked(bd, reg_lo);
	spin_unlock_irqrestore(&bd->lock, flags);

	return value;
}

static void baton_display_update_irqs(struct baton_display *bd, u32 mask,
				      bool enable)
{
	u32 enabled = baton_display_read(bd, A_DISP_IRQ_ENABLE);

	lockdep_assert_held(&bd->lock);

	/* What happened while nobody wanted to know is not news */
	if (enable)
		baton_display_write(bd, A_DISP_IRQ_STATUS, mask & ~enabled);
	baton_display_write(bd, A_DISP_IRQ_ENABLE,
			    enable ? enabled | mask : enabled & ~mask);
}

/**
 * baton_display_enable_irqs - enable or disable interrupts of the engine
 * @bd: the display
 * @mask: bits of DISP_IRQ_ENABLE
 * @enable: whether to set or to clear them
 */
void baton_display_enable_irqs(struct baton_display *bd, u32 mask, bool enable)
{
	unsigned long flags;

	spin_lock_irqsave(&bd->lock, flags);
	baton_display_update_irqs(bd, mask, enable);
	spin_unlock_irqrestore(&bd->lock, flags);
}

/**
 * baton_display_set_ctrl - set or clear bits of DISP_CTRL
 * @bd: the display
 * @mask: the bits
 * @set: whether to set or to clear them
 *
 * FRAME_DONE interrupts are on while there is a hash or a CRC to collect. What
 * has been recorded so far is collected here, as nobody else might come for it.
 */
void baton_display_set_ctrl(struct baton_display *bd, u32 mask, bool set)
{
	unsigned long flags;
	u32 ctrl;

	spin_lock_irqsave(&bd->lock, flags);
	ctrl = baton_display_read(bd, A_DISP_CTRL);
	ctrl = set ? ctrl | mask : ctrl & ~mask;
	baton_display_write(bd, A_DISP_CTRL, ctrl);
	baton_display_update_irqs(bd, R_DISP_IRQ_STATUS_FRAME_DONE_MASK,
				  ctrl & (R_DISP_CTRL_HASH_MASK |
					  R_DISP_CTRL_CRC_MASK));
	spin_unlock_irqrestore(&bd->lock, flags);

	baton_display_collect_frames(bd);
}

static void baton_display_report_error(struct baton_display *bd)
{
	static const char * const messages[] = {
		[BATON_DISPLAY_ERR_BUS] = "no memory at this bus address",
		[BATON_DISPLAY_ERR_UNDERRUN] = "underrun, memory is slower than the scanout",
		[BATON_DISPLAY_ERR_ALIGN] = "misaligned base or pitch",
		[BATON_DISPLAY_ERR_FORMAT] = "format refused",
		[BATON_DISPLAY_ERR_SIZE] = "size or position refused",
		[BATON_DISPLAY_ERR_TIMING] = "timing refused",
		[BATON_DISPLAY_ERR_REGISTER] = "register value refused",
	};
	u32 status = baton_display_read(bd, A_DISP_ERR_STATUS);
	u32 addr = baton_display_read(bd, A_DISP_ERR_ADDR);
	u32 code = FIELD_EX32(status, DISP_ERR_STATUS, CODE);
	const char *message = NULL;

	baton_display_write(bd, A_DISP_ERR_STATUS, 0);

	if (code < ARRAY_SIZE(messages))
		message = messages[code];
	drm_err_ratelimited(&bd->drm, "plane %u: %s (error %u, address %#010x)\n",
			    FIELD_EX32(status, DISP_ERR_STATUS, PLANE),
			    message ?: "unknown error", code, addr);
}

static irqreturn_t baton_display_irq(int irq, void *data)
{
	struct baton_display *bd = data;
	u32 status = baton_display_read(bd, A_DISP_IRQ_STATUS) &
		     baton_display_read(bd, A_DISP_IRQ_ENABLE);

	if (!status)
		return IRQ_NONE;
	baton_display_write(bd, A_DISP_IRQ_STATUS, status);

	if (status & BATON_DISPLAY_ERROR_IRQS)
		baton_display_report_error(bd);
	if (FIELD_EX32(status, DISP_IRQ_STATUS, FRAME_DONE))
		baton_display_collect_frames(bd);
	/* In this order: the vblank count is not behind the flip's event */
	if (FIELD_EX32(status, DISP_IRQ_STATUS, VBLANK))
		drm_crtc_handle_vblank(&bd->crtc);
	if (FIELD_EX32(status, DISP_IRQ_STATUS, LATCH))
		baton_display_crtc_latched(bd);

	return IRQ_HANDLED;
}

static int baton_display_atomic_check(struct drm_device *drm,
				      struct drm_atomic_state *state)
{
	struct drm_plane_state *old, *new;
	struct drm_plane *plane;
	unsigned int i;

	/*
	 * Moving the cursor need not wait for vblank. Changing its picture
	 * must: the old one is in use until then.
	 */
	for_each_oldnew_plane_in_state(state, plane, old, new, i) {
		if (old->fb != new->fb)
			state->legacy_cursor_update = false;
	}

	return drm_atomic_helper_check(drm, state);
}

/* Planes last, for they are latched at a vblank of the new mode */
static void baton_display_atomic_commit_tail(struct drm_atomic_state *state)
{
	struct drm_device *drm = state->dev;

	drm_atomic_helper_commit_modeset_disables(drm, state);
	drm_atomic_helper_commit_modeset_enables(drm, state);
	drm_atomic_helper_commit_planes(drm, state,
					DRM_PLANE_COMMIT_ACTIVE_ONLY);
	drm_atomic_helper_commit_hw_done(state);
	drm_atomic_helper_wait_for_flip_done(drm, state);
	drm_atomic_helper_cleanup_planes(drm, state);
}

static const struct drm_mode_config_funcs baton_display_mode_config_funcs = {
	.fb_create = drm_gem_fb_create,
	.atomic_check = baton_display_atomic_check,
	.atomic_commit = drm_atomic_helper_commit,
};

static const struct drm_mode_config_helper_funcs baton_display_mode_config_helpers = {
	.atomic_commit_tail = baton_display_atomic_commit_tail,
};

static int baton_display_mode_config_init(struct baton_display *bd)
{
	struct drm_mode_config *config = &bd->drm.mode_config;
	int ret;

	ret = drmm_mode_config_init(&bd->drm);
	if (ret)
		return ret;

	config->max_width = BATON_DISPLAY_MAX_WIDTH;
	config->max_height = BATON_DISPLAY_MAX_HEIGHT;
	config->cursor_width = BATON_DISPLAY_MAX_CURSOR;
	config->cursor_height = BATON_DISPLAY_MAX_CURSOR;
	config->funcs = &baton_display_mode_config_funcs;
	config->helper_private = &baton_display_mode_config_helpers;

	ret = baton_display_crtc_init(bd);
	if (ret)
		return ret;

	ret = baton_display_connector_init(bd);
	if (ret)
		return ret;

	drm_mode_config_reset(&bd->drm);
	return 0;
}

DEFINE_DRM_GEM_DMA_FOPS(baton_display_fops);

static const struct drm_driver baton_display_driver = {
	.driver_features = DRIVER_MODESET | DRIVER_ATOMIC | DRIVER_GEM,
	.dumb_create = baton_display_gem_dumb_create,
	.gem_prime_import = baton_display_gem_import,
	.debugfs_init = baton_display_debugfs_init,
	DRM_FBDEV_DMA_DRIVER_OPS,
	.fops = &baton_display_fops,
	.name = "baton-display",
	.desc = "Baton display engine",
	BATON_DRM_DATE
	.major = 1,
	.minor = 0,
};

static int baton_display_init_engine(struct baton_display *bd)
{
	struct device *dev = bd->drm.dev;
	u32 id = baton_display_read(bd, A_DISP_ID);
	u32 version = baton_display_read(bd, A_DISP_VERSION);

	if (id != BATON_DISPLAY_ID)
		return dev_err_probe(dev, -ENODEV,
				     "not a display engine, ID is %#x\n", id);
	if (FIELD_EX32(version, DISP_VERSION, MAJOR) != 1)
		return dev_err_probe(dev, -ENODEV,
				     "version %#x is not supported\n", version);

	baton_display_write(bd, A_DISP_CTRL, R_DISP_CTRL_RESET_MASK);
	baton_display_write(bd, A_DISP_IRQ_ENABLE, BATON_DISPLAY_ERROR_IRQS |
			    R_DISP_IRQ_STATUS_LATCH_MASK);

	return 0;
}

static int baton_display_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct baton_display *bd;
	int irq, ret;

	bd = devm_drm_dev_alloc(dev, &baton_display_driver,
				struct baton_display, drm);
	if (IS_ERR(bd))
		return PTR_ERR(bd);
	spin_lock_init(&bd->lock);
	platform_set_drvdata(pdev, bd);

	bd->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(bd->regs))
		return PTR_ERR(bd->regs);

	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;

	ret = baton_display_gem_init(bd);
	if (ret)
		return dev_err_probe(dev, ret, "memory cannot be set up\n");

	ret = baton_display_init_engine(bd);
	if (ret)
		return ret;

	ret = baton_display_mode_config_init(bd);
	if (ret)
		return dev_err_probe(dev, ret, "cannot set up mode setting\n");

	ret = devm_request_irq(dev, irq, baton_display_irq, 0, dev_name(dev),
			       bd);
	if (ret)
		return dev_err_probe(dev, ret, "cannot request interrupt\n");

	ret = drm_dev_register(&bd->drm, 0);
	if (ret)
		return ret;

	drm_client_setup(&bd->drm, NULL);
	return 0;
}

static void baton_display_remove(struct platform_device *pdev)
{
	struct baton_display *bd = platform_get_drvdata(pdev);

	/* First of all: unregistering frees what may be on the screen */
	drm_atomic_helper_shutdown(&bd->drm);
	drm_dev_unplug(&bd->drm);

	/* Clients had a chance to turn it on again before the unplug */
	baton_display_write(bd, A_DISP_CTRL, R_DISP_CTRL_RESET_MASK);
	baton_display_crtc_abort_flip(bd);
	drm_atomic_helper_shutdown(&bd->drm);
	baton_buf_withdraw(bd->master);
}

static void baton_display_shutdown(struct platform_device *pdev)
{
	struct baton_display *bd = platform_get_drvdata(pdev);

	drm_atomic_helper_shutdown(&bd->drm);
}

static int baton_display_suspend(struct device *dev)
{
	struct baton_display *bd = dev_get_drvdata(dev);
	int ret;

	ret = drm_mode_config_helper_suspend(&bd->drm);
	if (ret)
		return ret;

	bd->suspended.ctrl = baton_display_read(bd, A_DISP_CTRL);
	bd->suspended.irq_enable = baton_display_read(bd, A_DISP_IRQ_ENABLE);
	bd->suspended.dma_rate = baton_display_read(bd, A_DISP_DMA_RATE);
	return 0;
}

static int baton_display_resume(struct device *dev)
{
	struct baton_display *bd = dev_get_drvdata(dev);

	/* The engine keeps nothing across a power cut */
	baton_display_write(bd, A_DISP_DMA_RATE, bd->suspended.dma_rate);
	baton_display_write(bd, A_DISP_IRQ_ENABLE, bd->suspended.irq_enable);
	baton_display_write(bd, A_DISP_CTRL, bd->suspended.ctrl);

	return drm_mode_config_helper_resume(&bd->drm);
}

static DEFINE_SIMPLE_DEV_PM_OPS(baton_display_pm_ops, baton_display_suspend,
				baton_display_resume);

static const struct of_device_id baton_display_of_match[] = {
	{ .compatible = "baton,display-1.0" },
	{ }
};
MODULE_DEVICE_TABLE(of, baton_display_of_match);

static struct platform_driver baton_display_platform_driver = {
	.probe = baton_display_probe,
	.remove = baton_display_remove,
	.shutdown = baton_display_shutdown,
	.driver = {
		.name = "baton-display",
		.of_match_table = baton_display_of_match,
		.pm = pm_sleep_ptr(&baton_display_pm_ops),
	},
};
module_platform_driver(baton_display_platform_driver);

MODULE_DESCRIPTION("Baton display engine DRM driver");
MODULE_IMPORT_NS(DMA_BUF);
MODULE_LICENSE("GPL");
