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
#include <linux/dma-mapping.h>
#include <linux/of_device.h>
#include <linux/of_reserved_mem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include <drm/drm_fb_dma_helper.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_dma_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_mode.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/drm_vma_manager.h>

#include "baton-buf.h"
#include "baton-display.h"

/*
 * The bus master to the DMA API. It is not the platform device, whose DMA
 * configuration is gone once it is unbound: buffers may live on in the hands of
 * programs and of other drivers, and are freed later.
 */
struct baton_display_master {
	struct device dev;
	struct device_dma_parameters parms;
};

static void baton_display_master_release(struct device *dev)
{
	of_reserved_mem_device_release(dev);
	kfree(container_of(dev, struct baton_display_master, dev));
}

static void baton_display_master_put(struct drm_device *drm, void *dev)
{
	baton_buf_remove_pool(dev);
	put_device(dev);
}

static int baton_display_master_init(struct device *dev,
				     struct device_node *node)
{
	static const struct baton_buf_needs needs = {
		.max_segments = 1,
		.align = BATON_DISPLAY_ALIGN,
	};
	int ret;

	dev->coherent_dma_mask = DMA_BIT_MASK(32);
	dev->dma_mask = &dev->coherent_dma_mask;
	ret = of_dma_configure(dev, node, true);
	if (ret)
		return ret;

	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT_MAX);

	/* memory-region is optional, the default CMA area is the other place */
	ret = of_reserved_mem_device_init_by_idx(dev, node, 0);
	if (ret && ret != -ENODEV)
		return ret;

	ret = devm_baton_buf_declare(dev, &needs);
	if (ret)
		return ret;
	return baton_buf_add_pool(dev);
}

/**
 * baton_display_gem_init - find out what memory the engine reaches
 * @bd: the display
 *
 * Return: 0 or a negative errno
 */
int baton_display_gem_init(struct baton_display *bd)
{
	struct baton_display_master *master;
	int ret;

	master = kzalloc(sizeof(*master), GFP_KERNEL);
	if (!master)
		return -ENOMEM;

	device_initialize(&master->dev);
	master->dev.release = baton_display_master_release;
	master->dev.dma_parms = &master->parms;
	ret = drmm_add_action_or_reset(&bd->drm, baton_display_master_put,
				       &master->dev);
	if (ret)
		return ret;

	ret = dev_set_name(&master->dev, "%s", dev_name(bd->drm.dev));
	if (ret)
		return ret;

	bd->master = &master->dev;
	return baton_display_master_init(bd->master, bd->drm.dev->of_node);
}

static struct device *baton_display_gem_master(struct drm_gem_object *obj)
{
	return to_baton_display(obj->dev)->master;
}

static void baton_display_gem_free(struct drm_gem_object *obj)
{
	struct drm_gem_dma_object *dma_obj = to_drm_gem_dma_obj(obj);

	if (dma_obj->vaddr)
		dma_free_wc(baton_display_gem_master(obj), obj->size,
			    dma_obj->vaddr, dma_obj->dma_addr);
	drm_gem_object_release(obj);
	kfree(dma_obj);
}

static struct sg_table *baton_display_gem_get_sg_table(struct drm_gem_object *obj)
{
	struct drm_gem_dma_object *dma_obj = to_drm_gem_dma_obj(obj);
	struct sg_table *sgt;
	int ret;

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);

	ret = dma_get_sgtable(baton_display_gem_master(obj), sgt,
			      dma_obj->vaddr, dma_obj->dma_addr, obj->size);
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}

	return sgt;
}

static int baton_display_gem_mmap(struct drm_gem_object *obj,
				  struct vm_area_struct *vma)
{
	struct drm_gem_dma_object *dma_obj = to_drm_gem_dma_obj(obj);

	/* DRM puts its fake offset there, of which the DMA API knows nothing */
	vma->vm_pgoff -= drm_vma_node_start(&obj->vma_node);
	vm_flags_mod(vma, VM_DONTEXPAND, VM_PFNMAP);

	return dma_mmap_wc(baton_display_gem_master(obj), vma, dma_obj->vaddr,
			   dma_obj->dma_addr, vma->vm_end - vma->vm_start);
}

static const struct drm_gem_object_funcs baton_display_gem_funcs = {
	.free = baton_display_gem_free,
	.print_info = drm_gem_dma_object_print_info,
	.get_sg_table = baton_display_gem_get_sg_table,
	.vmap = drm_gem_dma_object_vmap,
	.mmap = baton_display_gem_mmap,
	.vm_ops = &drm_gem_dma_vm_ops,
};

static struct drm_gem_object *
baton_display_gem_create(struct drm_device *drm, size_t size)
{
	struct drm_gem_dma_object *dma_obj;
	struct drm_gem_object *obj;
	int ret;

	dma_obj = kzalloc(sizeof(*dma_obj), GFP_KERNEL);
	if (!dma_obj)
		return ERR_PTR(-ENOMEM);

	obj = &dma_obj->base;
	obj->funcs = &baton_display_gem_funcs;
	drm_gem_private_object_init(drm, obj, PAGE_ALIGN(size));

	ret = drm_gem_create_mmap_offset(obj);
	if (ret)
		goto err_put;

	dma_obj->vaddr = dma_alloc_wc(baton_display_gem_master(obj), obj->size,
				      &dma_obj->dma_addr,
				      GFP_KERNEL | __GFP_NOWARN);
	if (!dma_obj->vaddr) {
		drm_dbg(drm, "no %zu contiguous bytes within reach\n",
			obj->size);
		ret = -ENOMEM;
		goto err_put;
	}

	return obj;

err_put:
	drm_gem_object_put(obj);
	return ERR_PTR(ret);
}

int baton_display_gem_dumb_create(struct drm_file *file,
				  struct drm_device *drm,
				  struct drm_mode_create_dumb *args)
{
	u64 pitch = DIV_ROUND_UP_ULL((u64)args->width * args->bpp, BITS_PER_BYTE);
	struct drm_gem_object *obj;
	int ret;

	pitch = ALIGN(pitch, BATON_DISPLAY_ALIGN);
	if (pitch > U32_MAX || pitch * args->height > U32_MAX)
		return -EINVAL;

	args->pitch = pitch;
	args->size = pitch * args->height;

	obj = baton_display_gem_create(drm, args->size);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	ret = drm_gem_handle_create(file, obj, &args->handle);
	drm_gem_object_put(obj);

	return ret;
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
baton_display_gem_import(struct drm_device *drm, struct dma_buf *dmabuf)
{
	return drm_gem_prime_import_dev(drm, dmabuf,
					to_baton_display(drm)->master);
}

struct drm_gem_object *
baton_display_gem_import_sg_table(struct drm_device *drm,
				  struct dma_buf_attachment *attach,
				  struct sg_table *sgt)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	if (baton_display_gem_bounced(attach->dev, sgt)) {
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
	return dma_to_phys(bd->master, addr);
}
