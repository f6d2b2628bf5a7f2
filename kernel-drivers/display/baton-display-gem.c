// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton display engine: memory
 *
 * Everything the driver knows about where pixels live. The engine reads one
 * contiguous run per plane, inside the window that the dma-ranges of its bus
 * describe, at bus addresses that differ from the CPU's.
 *
 * It attaches to its own buffers like to imported ones, dynamically: what is on
 * the screen is pinned, everything else may move.
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
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

/**
 * struct baton_display_bo - memory for pixels
 * @base: GEM object; its sgt is the mapping for the engine, NULL after a move,
 *	and its dma_addr the start of that. Both change with dma_resv held.
 * @attach: the engine's attachment, to the imported dma-buf or to an internal
 *	one over @buf
 * @buf: memory of our own, which the dma-buf keeps; NULL if it is imported
 * @pins: framebuffers that are scanned out; changed with dma_resv held
 */
struct baton_display_bo {
	struct drm_gem_dma_object base;
	struct dma_buf_attachment *attach;
	struct baton_buf *buf;
	unsigned int pins;
};

static struct baton_display_bo *to_baton_display_bo(struct drm_gem_object *obj)
{
	return container_of(to_drm_gem_dma_obj(obj), struct baton_display_bo, base);
}

static void baton_display_master_destroy(struct drm_device *drm, void *master)
{
	baton_buf_master_destroy(master);
}

/**
 * baton_display_gem_init - find out what memory the engine reaches
 * @bd: the display
 *
 * Return: 0 or a negative errno
 */
int baton_display_gem_init(struct baton_display *bd)
{
	static const struct baton_buf_needs needs = {
		.max_segments = 1,
		.align = BATON_DISPLAY_ALIGN,
	};

	bd->master = baton_buf_master_create(bd->drm.dev, DMA_BIT_MASK(32), &needs);
	if (IS_ERR(bd->master))
		return PTR_ERR(bd->master);

	return drmm_add_action_or_reset(&bd->drm, baton_display_master_destroy,
					bd->master);
}

static void baton_display_bo_unmap(struct baton_display_bo *bo)
{
	if (bo->base.sgt)
		dma_buf_unmap_attachment(bo->attach, bo->base.sgt,
					 DMA_BIDIRECTIONAL);
	bo->base.sgt = NULL;
}

/* An import stays mapped; our own memory only while it is used, if that keeps it in its place. */
static void baton_display_bo_let_move(struct baton_display_bo *bo)
{
	if (!BATON_MAPPED_CAN_MOVE && bo->buf && !bo->pins)
		baton_display_bo_unmap(bo);
}

/* What the engine reads is pinned: the mapping is not in use. */
static void baton_display_bo_move_notify(struct dma_buf_attachment *attach)
{
	baton_display_bo_unmap(attach->importer_priv);
}

static const struct dma_buf_attach_ops baton_display_attach_ops = {
	.move_notify = baton_display_bo_move_notify,
};

static int baton_display_bo_check(struct baton_display_bo *bo,
				  struct sg_table *sgt)
{
	struct drm_gem_object *obj = &bo->base.base;

	if (drm_prime_get_contiguous_size(sgt) < obj->size) {
		dev_warn_ratelimited(obj->dev->dev,
				     "refused %zu byte buffer of %s: scattered over %u pieces\n",
				     obj->size, bo->attach->dmabuf->exp_name,
				     sgt->nents);
		return -EINVAL;
	}

	return baton_buf_check_table(bo->attach->dev, sgt);
}

static int baton_display_bo_map(struct baton_display_bo *bo)
{
	struct sg_table *sgt;
	int ret;

	dma_resv_assert_held(bo->attach->dmabuf->resv);

	if (bo->base.sgt)
		return 0;

	sgt = dma_buf_map_attachment(bo->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	ret = baton_display_bo_check(bo, sgt);
	if (ret) {
		dma_buf_unmap_attachment(bo->attach, sgt, DMA_BIDIRECTIONAL);
		return ret;
	}

	bo->base.sgt = sgt;
	bo->base.dma_addr = sg_dma_address(sgt->sgl);
	return 0;
}

static int baton_display_bo_pin(struct baton_display_bo *bo)
{
	int ret;

	ret = dma_buf_pin(bo->attach);
	if (ret)
		return ret;

	ret = baton_display_bo_map(bo);
	if (ret)
		dma_buf_unpin(bo->attach);
	else
		bo->pins++;
	return ret;
}

/**
 * baton_display_gem_pin - make memory stay, at a bus address that the engine reads
 * @obj: the memory
 *
 * Return: 0, -EINTR, or another negative errno
 */
int baton_display_gem_pin(struct drm_gem_object *obj)
{
	int ret;

	ret = dma_resv_lock_interruptible(obj->resv, NULL);
	if (ret)
		return ret;

	ret = baton_display_bo_pin(to_baton_display_bo(obj));
	dma_resv_unlock(obj->resv);
	return ret;
}

/**
 * baton_display_gem_unpin - undo baton_display_gem_pin()
 * @obj: memory that the engine no longer reads
 */
void baton_display_gem_unpin(struct drm_gem_object *obj)
{
	struct baton_display_bo *bo = to_baton_display_bo(obj);

	dma_resv_lock(obj->resv, NULL);
	dma_buf_unpin(bo->attach);
	bo->pins--;
	baton_display_bo_let_move(bo);
	dma_resv_unlock(obj->resv);
}

static void baton_display_gem_free(struct drm_gem_object *obj)
{
	struct baton_display_bo *bo = to_baton_display_bo(obj);
	struct dma_buf *dmabuf = bo->attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	baton_display_bo_unmap(bo);
	dma_resv_unlock(dmabuf->resv);

	dma_buf_detach(dmabuf, bo->attach);
	drm_gem_object_release(obj);
	dma_buf_put(dmabuf);
	kfree(bo);
}

static void baton_display_gem_print_info(struct drm_printer *p,
					 unsigned int indent,
					 const struct drm_gem_object *obj)
{
	const struct drm_gem_dma_object *dma_obj = to_drm_gem_dma_obj(obj);

	if (dma_obj->sgt)
		drm_printf_indent(p, indent, "dma_addr=%pad\n",
				  &dma_obj->dma_addr);
}

static void baton_display_gem_release_export(void *priv)
{
	struct drm_gem_object *obj = priv;
	struct drm_device *drm = obj->dev;

	drm_gem_object_put(obj);
	drm_dev_put(drm);
}

static const struct baton_buf_exporter baton_display_exporter = {
	.owner = THIS_MODULE,
	.release = baton_display_gem_release_export,
};

/* Never an import: the DRM core gives its dma-buf away again. */
static struct dma_buf *baton_display_gem_export(struct drm_gem_object *obj,
						int flags)
{
	struct dma_buf *dmabuf;

	dmabuf = baton_buf_export(to_baton_display_bo(obj)->buf,
				  &baton_display_exporter, flags, obj);
	if (IS_ERR(dmabuf))
		return dmabuf;

	drm_dev_get(obj->dev);
	drm_gem_object_get(obj);
	return dmabuf;
}

static int baton_display_gem_vmap(struct drm_gem_object *obj,
				  struct iosys_map *map)
{
	return dma_buf_vmap(to_baton_display_bo(obj)->attach->dmabuf, map);
}

static void baton_display_gem_vunmap(struct drm_gem_object *obj,
				     struct iosys_map *map)
{
	dma_buf_vunmap(to_baton_display_bo(obj)->attach->dmabuf, map);
}

/* The mapping becomes one of the dma-buf's exporter, who can take it away */
static int baton_display_gem_mmap(struct drm_gem_object *obj,
				  struct vm_area_struct *vma)
{
	unsigned long pgoff = vma->vm_pgoff - drm_vma_node_start(&obj->vma_node);
	int ret;

	ret = dma_buf_mmap(to_baton_display_bo(obj)->attach->dmabuf, vma, pgoff);
	/* The DRM core took a reference for a VMA of its own */
	if (!ret)
		drm_gem_object_put(obj);
	return ret;
}

static const struct drm_gem_object_funcs baton_display_gem_funcs = {
	.free = baton_display_gem_free,
	.print_info = baton_display_gem_print_info,
	.export = baton_display_gem_export,
	.vmap = baton_display_gem_vmap,
	.vunmap = baton_display_gem_vunmap,
	.mmap = baton_display_gem_mmap,
};

static struct drm_gem_object *
baton_display_gem_attach(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;
	struct baton_display_bo *bo;
	struct drm_gem_object *obj;

	bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	if (!bo)
		return ERR_PTR(-ENOMEM);

	attach = dma_buf_dynamic_attach(dmabuf, to_baton_display(drm)->master,
					&baton_display_attach_ops, bo);
	if (IS_ERR(attach)) {
		kfree(bo);
		return ERR_CAST(attach);
	}

	get_dma_buf(dmabuf);
	bo->attach = attach;
	obj = &bo->base.base;
	obj->funcs = &baton_display_gem_funcs;
	obj->resv = dmabuf->resv;
	drm_gem_private_object_init(drm, obj, PAGE_ALIGN(dmabuf->size));
	return obj;
}

/* Map for the first time; what cannot be scanned out is not kept */
static struct drm_gem_object *
baton_display_gem_map(struct drm_gem_object *obj)
{
	struct baton_display_bo *bo = to_baton_display_bo(obj);
	int ret;

	ret = dma_resv_lock_interruptible(obj->resv, NULL);
	if (!ret) {
		ret = baton_display_bo_map(bo);
		baton_display_bo_let_move(bo);
		dma_resv_unlock(obj->resv);
	}
	if (ret) {
		drm_gem_object_put(obj);
		return ERR_PTR(ret);
	}
	return obj;
}

static struct drm_gem_object *
baton_display_gem_create(struct drm_device *drm, size_t size)
{
	struct drm_gem_object *obj;
	struct dma_buf *dmabuf;
	struct baton_buf *buf;

	buf = baton_buf_create(to_baton_display(drm)->master, size,
			       drm->driver->name, BATON_BUF_WRITECOMBINE);
	if (IS_ERR(buf))
		return ERR_CAST(buf);

	dmabuf = baton_buf_export(buf, NULL, O_RDWR, NULL);
	baton_buf_put(buf);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);

	obj = baton_display_gem_attach(drm, dmabuf);
	dma_buf_put(dmabuf);
	if (IS_ERR(obj))
		return obj;

	to_baton_display_bo(obj)->buf = buf;
	return baton_display_gem_map(obj);
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

struct drm_gem_object *
baton_display_gem_import(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct drm_gem_object *obj;

	obj = baton_buf_export_priv(dmabuf, &baton_display_exporter);
	if (obj && obj->dev == drm) {
		drm_gem_object_get(obj);
		return obj;
	}

	obj = baton_display_gem_attach(drm, dmabuf);
	if (IS_ERR(obj))
		return obj;

	obj->import_attach = to_baton_display_bo(obj)->attach;
	return baton_display_gem_map(obj);
}

dma_addr_t baton_display_gem_fb_addr(struct drm_framebuffer *fb,
				     unsigned int plane)
{
	return drm_fb_dma_get_gem_obj(fb, plane)->dma_addr + fb->offsets[plane];
}

phys_addr_t baton_display_gem_bus_to_cpu(struct baton_display *bd, u32 addr)
{
	return baton_buf_cpu_address(bd->master, addr);
}
