// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: memory
 *
 * Everything the driver knows about where pixels live. The engine reads one
 * contiguous run per plane, inside the window that the dma-ranges of its bus
 * describe, at bus addresses that differ from the CPU's.
 */

#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include <drm/drm_fb_dma_helper.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem_dma_helper.h>
#include <drm/drm_mode.h>
#include <drm/drm_prime.h>

#include "baton-display.h"

int baton_display_gem_dumb_create(struct drm_file *file,
				  struct drm_device *drm,
				  struct drm_mode_create_dumb *args)
{
	u64 pitch = DIV_ROUND_UP_ULL((u64)args->width * args->bpp, BITS_PER_BYTE);

	pitch = ALIGN(pitch, BATON_DISPLAY_ALIGN);
	if (pitch > U32_MAX || pitch * args->height > U32_MAX)
		return -EINVAL;

	args->pitch = pitch;
	args->size = pitch * args->height;

	return drm_gem_dma_dumb_create_internal(file, drm, args);
}

/* The DMA API silently copies what a device cannot reach: not a shared buffer */
static bool baton_display_gem_bounced(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (swiotlb_find_pool(dev, dma_to_phys(dev, sg_dma_address(sg))))
			return true;
	}

	return false;
}

struct drm_gem_object *
baton_display_gem_import(struct drm_device *drm,
			 struct dma_buf_attachment *attach,
			 struct sg_table *sgt)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	if (baton_display_gem_bounced(drm->dev, sgt)) {
		dev_warn_ratelimited(drm->dev,
				     "refused %zu byte buffer of %s: outside the memory this engine reaches\n",
				     dmabuf->size, dmabuf->exp_name);
		return ERR_PTR(-EBUSY);
	}

	if (drm_prime_get_contiguous_size(sgt) < dmabuf->size) {
		dev_warn_ratelimited(drm->dev,
				     "refused %zu byte buffer of %s: scattered over %u pieces\n",
				     dmabuf->size, dmabuf->exp_name,
				     sgt->nents);
		return ERR_PTR(-EINVAL);
	}

	return drm_gem_dma_prime_import_sg_table(drm, attach, sgt);
}

dma_addr_t baton_display_gem_fb_addr(struct drm_framebuffer *fb,
				     unsigned int plane)
{
	return drm_fb_dma_get_gem_obj(fb, plane)->dma_addr + fb->offsets[plane];
}

phys_addr_t baton_display_gem_bus_to_cpu(struct baton_display *bd, u32 addr)
{
	return dma_to_phys(bd->drm.dev, addr);
}
