// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: the monitor, always connected
 */

#include <drm/drm_atomic_state_helper.h>
#include <drm/drm_connector.h>
#include <drm/drm_drv.h>
#include <drm/drm_edid.h>
#include <drm/drm_encoder.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_probe_helper.h>

#include "baton-display.h"

static int baton_display_read_edid_block(void *data, u8 *buf,
					 unsigned int block, size_t len)
{
	struct baton_display *bd = data;
	size_t offset = block * EDID_LENGTH;
	size_t i;
	int idx;

	if (offset + len > BATON_DISPLAY_EDID_SIZE)
		return -EINVAL;
	if (!drm_dev_enter(&bd->drm, &idx))
		return -ENODEV;

	for (i = 0; i < len; i++) {
		u32 word = baton_display_read(bd, A_DISP_EDID +
					      ALIGN_DOWN(offset + i, 4));

		buf[i] = word >> ((offset + i) % 4 * BITS_PER_BYTE);
	}

	drm_dev_exit(idx);
	return 0;
}

static int baton_display_get_modes(struct drm_connector *connector)
{
	struct baton_display *bd = to_baton_display(connector->dev);
	const struct drm_edid *edid;
	int count;

	edid = drm_edid_read_custom(connector, baton_display_read_edid_block, bd);
	drm_edid_connector_update(connector, edid);
	count = drm_edid_connector_add_modes(connector);
	drm_edid_free(edid);

	return count;
}

static const struct drm_connector_helper_funcs baton_display_connector_helper_funcs = {
	.get_modes = baton_display_get_modes,
};

static const struct drm_connector_funcs baton_display_connector_funcs = {
	.reset = drm_atomic_helper_connector_reset,
	.fill_modes = drm_helper_probe_single_connector_modes,
	.atomic_duplicate_state = drm_atomic_helper_connector_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_connector_destroy_state,
};

int baton_display_connector_init(struct baton_display *bd)
{
	u32 caps = baton_display_read(bd, A_DISP_CAPS);
	struct drm_connector *connector = &bd->connector;
	int ret;

	ret = drmm_encoder_init(&bd->drm, &bd->encoder, NULL,
				DRM_MODE_ENCODER_VIRTUAL, NULL);
	if (ret)
		return ret;
	bd->encoder.possible_crtcs = drm_crtc_mask(&bd->crtc);

	ret = drmm_connector_init(&bd->drm, connector,
				  &baton_display_connector_funcs,
				  DRM_MODE_CONNECTOR_VIRTUAL, NULL);
	if (ret)
		return ret;
	drm_connector_helper_add(connector, &baton_display_connector_helper_funcs);
	/* The core attaches it to all connectors but virtual ones. */
	drm_connector_attach_edid_property(connector);

	if (FIELD_EX32(caps, DISP_CAPS, VRR)) {
		ret = drm_connector_attach_vrr_capable_property(connector);
		if (ret)
			return ret;
		drm_connector_set_vrr_capable_property(connector, true);
	}

	return drm_connector_attach_encoder(connector, &bd->encoder);
}
