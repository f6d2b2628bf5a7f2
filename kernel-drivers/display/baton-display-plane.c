// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: primary, overlay and cursor planes
 *
 * What is written here takes effect at the vblank after the CRTC's commit.
 */

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_blend.h>
#include <drm/drm_color_mgmt.h>
#include <drm/drm_drv.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem_atomic_helper.h>
#include <drm/drm_plane.h>
#include <drm/drm_print.h>

#include "baton-display.h"

struct baton_display_plane {
	struct drm_plane base;
	unsigned int index;
};

static struct baton_display_plane *to_baton_display_plane(struct drm_plane *plane)
{
	return container_of(plane, struct baton_display_plane, base);
}

static const u32 baton_display_primary_formats[] = {
	DRM_FORMAT_XRGB8888,
	DRM_FORMAT_RGB565,
	DRM_FORMAT_NV12,
};

static const u32 baton_display_overlay_formats[] = {
	DRM_FORMAT_XRGB8888,
	DRM_FORMAT_RGB565,
	DRM_FORMAT_NV12,
	DRM_FORMAT_ARGB8888,
};

static const u32 baton_display_cursor_formats[] = {
	DRM_FORMAT_ARGB8888,
};

static const u64 baton_display_modifiers[] = {
	DRM_FORMAT_MOD_LINEAR,
	DRM_FORMAT_MOD_INVALID,
};

static const struct {
	enum drm_plane_type type;
	const char *name;
	const u32 *formats;
	unsigned int num_formats;
} baton_display_planes[BATON_DISPLAY_PLANES] = {
	{
		.type = DRM_PLANE_TYPE_PRIMARY,
		.name = "primary",
		.formats = baton_display_primary_formats,
		.num_formats = ARRAY_SIZE(baton_display_primary_formats),
	}, {
		.type = DRM_PLANE_TYPE_OVERLAY,
		.name = "overlay",
		.formats = baton_display_overlay_formats,
		.num_formats = ARRAY_SIZE(baton_display_overlay_formats),
	}, {
		.type = DRM_PLANE_TYPE_CURSOR,
		.name = "cursor",
		.formats = baton_display_cursor_formats,
		.num_formats = ARRAY_SIZE(baton_display_cursor_formats),
	},
};

static u32 baton_display_plane_ctrl(const struct drm_plane_state *state)
{
	u32 ctrl = FIELD_DP32(0, PLANE_CTRL, ENABLE, 1);
	u32 encoding = BATON_DISPLAY_ENC_BT601;
	u32 format = BATON_DISPLAY_FORMAT_XRGB8888;

	switch (state->fb->format->format) {
	case DRM_FORMAT_RGB565:
		format = BATON_DISPLAY_FORMAT_RGB565;
		break;
	case DRM_FORMAT_ARGB8888:
		format = BATON_DISPLAY_FORMAT_ARGB8888;
		break;
	case DRM_FORMAT_NV12:
		format = BATON_DISPLAY_FORMAT_NV12;
		break;
	}
	ctrl = FIELD_DP32(ctrl, PLANE_CTRL, FORMAT, format);

	if (!state->fb->format->is_yuv)
		return ctrl;

	if (state->color_encoding == DRM_COLOR_YCBCR_BT709)
		encoding = BATON_DISPLAY_ENC_BT709;
	else if (state->color_encoding == DRM_COLOR_YCBCR_BT2020)
		encoding = BATON_DISPLAY_ENC_BT2020;
	ctrl = FIELD_DP32(ctrl, PLANE_CTRL, ENCODING, encoding);

	return FIELD_DP32(ctrl, PLANE_CTRL, FULL_RANGE,
			  state->color_range == DRM_COLOR_YCBCR_FULL_RANGE);
}

static int baton_display_plane_check_fb(struct drm_plane *plane,
					struct drm_framebuffer *fb)
{
	unsigned int i;

	for (i = 0; i < fb->format->num_planes; i++) {
		/* Buffers start with a page */
		if (!IS_ALIGNED(fb->offsets[i], BATON_DISPLAY_ALIGN)) {
			drm_dbg_atomic(plane->dev,
				       "[PLANE:%d:%s] color plane %u starts at %u, not a multiple of %u\n",
				       plane->base.id, plane->name, i,
				       fb->offsets[i], BATON_DISPLAY_ALIGN);
			return -EINVAL;
		}
		if (!IS_ALIGNED(fb->pitches[i], BATON_DISPLAY_ALIGN) ||
		    fb->pitches[i] > U16_MAX) {
			drm_dbg_atomic(plane->dev,
				       "[PLANE:%d:%s] pitch %u of color plane %u, not a multiple of %u below 64 KiB\n",
				       plane->base.id, plane->name,
				       fb->pitches[i], i, BATON_DISPLAY_ALIGN);
			return -EINVAL;
		}
	}

	return 0;
}

/* The engine counts source pixels, those of subsampled formats in pairs */
static int baton_display_plane_check_src(struct drm_plane *plane,
					 const struct drm_plane_state *state)
{
	const struct drm_rect *src = &state->src;
	const struct drm_format_info *format = state->fb->format;
	int x_mask = (format->hsub << 16) - 1;
	int y_mask = (format->vsub << 16) - 1;

	if ((src->x1 & x_mask) || (src->x2 & x_mask) ||
	    (src->y1 & y_mask) || (src->y2 & y_mask)) {
		drm_dbg_atomic(plane->dev,
			       "[PLANE:%d:%s] source not in steps of %ux%u: " DRM_RECT_FP_FMT "\n",
			       plane->base.id, plane->name, format->hsub,
			       format->vsub, DRM_RECT_FP_ARG(src));
		return -EINVAL;
	}

	if (plane->type == DRM_PLANE_TYPE_CURSOR &&
	    (drm_rect_width(&state->dst) > BATON_DISPLAY_MAX_CURSOR ||
	     drm_rect_height(&state->dst) > BATON_DISPLAY_MAX_CURSOR)) {
		drm_dbg_atomic(plane->dev,
			       "[PLANE:%d:%s] larger than %ux%u\n",
			       plane->base.id, plane->name,
			       BATON_DISPLAY_MAX_CURSOR,
			       BATON_DISPLAY_MAX_CURSOR);
		return -EINVAL;
	}

	return 0;
}

static int baton_display_plane_atomic_check(struct drm_plane *plane,
					    struct drm_atomic_state *state)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(state, plane);
	struct drm_crtc_state *crtc_state;
	int ret;

	if (!new->crtc)
		return 0;

	crtc_state = drm_atomic_get_new_crtc_state(state, new->crtc);
	ret = drm_atomic_helper_check_plane_state(new, crtc_state,
						  DRM_PLANE_NO_SCALING,
						  DRM_PLANE_NO_SCALING,
						  true, true);
	if (ret || !new->visible)
		return ret;

	ret = baton_display_plane_check_fb(plane, new->fb);
	if (ret)
		return ret;

	return baton_display_plane_check_src(plane, new);
}

static void baton_display_plane_unpin(struct drm_framebuffer *fb,
				      unsigned int count)
{
	while (count--)
		baton_display_gem_unpin(fb->obj[count]);
}

static int baton_display_plane_prepare_fb(struct drm_plane *plane,
					  struct drm_plane_state *new)
{
	struct drm_framebuffer *fb = new->fb;
	unsigned int i;
	int ret;

	if (!fb)
		return 0;

	for (i = 0; i < fb->format->num_planes; i++) {
		ret = baton_display_gem_pin(fb->obj[i]);
		if (ret)
			goto err_unpin;
	}

	/* Fences last: a foreign exporter's move may have added one */
	ret = drm_gem_plane_helper_prepare_fb(plane, new);
	if (ret)
		goto err_unpin;

	return 0;

err_unpin:
	baton_display_plane_unpin(fb, i);
	return ret;
}

/* The flip has been completed: nothing reads the old framebuffer */
static void baton_display_plane_cleanup_fb(struct drm_plane *plane,
					   struct drm_plane_state *old)
{
	if (old->fb)
		baton_display_plane_unpin(old->fb, old->fb->format->num_planes);
}

static void baton_display_plane_write(struct drm_plane *plane, u32 reg,
				      u32 value)
{
	unsigned int index = to_baton_display_plane(plane)->index;

	baton_display_write(to_baton_display(plane->dev),
			    baton_display_plane_reg(index, reg), value);
}

static void baton_display_plane_program(struct drm_plane *plane,
					const struct drm_plane_state *state)
{
	struct drm_framebuffer *fb = state->fb;
	u32 pitch = FIELD_DP32(0, PLANE_PITCH, PLANE0, fb->pitches[0]);
	u32 size, pos, src;

	if (fb->format->num_planes > 1) {
		pitch = FIELD_DP32(pitch, PLANE_PITCH, PLANE1, fb->pitches[1]);
		baton_display_plane_write(plane, A_PLANE_ADDR1,
					  baton_display_gem_fb_addr(fb, 1));
	}

	size = FIELD_DP32(0, PLANE_SIZE, WIDTH, drm_rect_width(&state->dst));
	size = FIELD_DP32(size, PLANE_SIZE, HEIGHT,
			  drm_rect_height(&state->dst));
	pos = FIELD_DP32(0, PLANE_POS, X, state->dst.x1);
	pos = FIELD_DP32(pos, PLANE_POS, Y, state->dst.y1);
	src = FIELD_DP32(0, PLANE_SRC, X, state->src.x1 >> 16);
	src = FIELD_DP32(src, PLANE_SRC, Y, state->src.y1 >> 16);

	baton_display_plane_write(plane, A_PLANE_ADDR0,
				  baton_display_gem_fb_addr(fb, 0));
	baton_display_plane_write(plane, A_PLANE_PITCH, pitch);
	baton_display_plane_write(plane, A_PLANE_SIZE, size);
	baton_display_plane_write(plane, A_PLANE_POS, pos);
	baton_display_plane_write(plane, A_PLANE_SRC, src);
	baton_display_plane_write(plane, A_PLANE_CTRL,
				  baton_display_plane_ctrl(state));
}

static void baton_display_plane_atomic_update(struct drm_plane *plane,
					      struct drm_atomic_state *state)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(state, plane);
	int idx;

	if (!drm_dev_enter(plane->dev, &idx))
		return;

	if (new->visible)
		baton_display_plane_program(plane, new);
	else
		baton_display_plane_write(plane, A_PLANE_CTRL, 0);

	drm_dev_exit(idx);
}

static void baton_display_plane_atomic_disable(struct drm_plane *plane,
					       struct drm_atomic_state *state)
{
	int idx;

	if (!drm_dev_enter(plane->dev, &idx))
		return;

	baton_display_plane_write(plane, A_PLANE_CTRL, 0);

	drm_dev_exit(idx);
}

static const struct drm_plane_helper_funcs baton_display_plane_helper_funcs = {
	.prepare_fb = baton_display_plane_prepare_fb,
	.cleanup_fb = baton_display_plane_cleanup_fb,
	.atomic_check = baton_display_plane_atomic_check,
	.atomic_update = baton_display_plane_atomic_update,
	.atomic_disable = baton_display_plane_atomic_disable,
};

static const struct drm_plane_funcs baton_display_plane_funcs = {
	.update_plane = drm_atomic_helper_update_plane,
	.disable_plane = drm_atomic_helper_disable_plane,
	.reset = drm_atomic_helper_plane_reset,
	.atomic_duplicate_state = drm_atomic_helper_plane_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_plane_destroy_state,
};

static int baton_display_plane_add_color(struct drm_plane *plane)
{
	if (plane->type == DRM_PLANE_TYPE_CURSOR)
		return 0;

	return drm_plane_create_color_properties(plane,
						 BIT(DRM_COLOR_YCBCR_BT601) |
						 BIT(DRM_COLOR_YCBCR_BT709) |
						 BIT(DRM_COLOR_YCBCR_BT2020),
						 BIT(DRM_COLOR_YCBCR_LIMITED_RANGE) |
						 BIT(DRM_COLOR_YCBCR_FULL_RANGE),
						 DRM_COLOR_YCBCR_BT601,
						 DRM_COLOR_YCBCR_LIMITED_RANGE);
}

struct drm_plane *baton_display_plane_create(struct baton_display *bd,
					     unsigned int index)
{
	struct baton_display_plane *plane;
	int ret;

	plane = drmm_universal_plane_alloc(&bd->drm, struct baton_display_plane,
					   base, 1, &baton_display_plane_funcs,
					   baton_display_planes[index].formats,
					   baton_display_planes[index].num_formats,
					   baton_display_modifiers,
					   baton_display_planes[index].type,
					   "%s", baton_display_planes[index].name);
	if (IS_ERR(plane))
		return ERR_CAST(plane);

	plane->index = index;
	drm_plane_helper_add(&plane->base, &baton_display_plane_helper_funcs);

	ret = drm_plane_create_zpos_immutable_property(&plane->base, index);
	if (ret)
		return ERR_PTR(ret);

	ret = baton_display_plane_add_color(&plane->base);
	if (ret)
		return ERR_PTR(ret);

	return &plane->base;
}
