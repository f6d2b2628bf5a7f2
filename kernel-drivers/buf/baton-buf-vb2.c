// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: memory operations for videobuf2
 *
 * MMAP planes are buffers of ours, DMABUF planes are anybody's. The queue's
 * device is a dynamic importer of both: it keeps a mapping for as long as the
 * buffer does not move.
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <media/videobuf2-core.h>

#include "baton-buf.h"
#include "baton-buf-core.h"

/**
 * struct baton_plane - memory of one plane, or of all that are in one dma-buf
 * @vb: the plane's buffer
 * @dev: the queue's device
 * @dir: what it does with the memory
 * @buf: the memory, for MMAP
 * @attach: @dev's attachment
 * @sgt: its mapping, NULL after a move; changed with dma_resv held
 * @mapped: numbers in @vb of the planes whose addresses were taken from @sgt
 * @known: it has been mapped before
 * @stale: @sgt ends with the frame that was in flight when a move was announced
 */
struct baton_plane {
	struct vb2_buffer *vb;
	struct device *dev;
	enum dma_data_direction dir;
	struct baton_buf *buf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	unsigned long mapped;
	bool known;
	bool stale;
};

static const struct baton_buf_vb2_ops *baton_queue_ops(struct vb2_queue *queue)
{
	return container_of(queue->mem_ops, struct baton_buf_vb2_ops, mem);
}

static const struct baton_buf_vb2_ops *baton_plane_ops(struct baton_plane *plane)
{
	return baton_queue_ops(plane->vb->vb2_queue);
}

static void baton_plane_unmap(struct baton_plane *plane)
{
	if (plane->sgt)
		dma_buf_unmap_attachment(plane->attach, plane->sgt, plane->dir);
	plane->sgt = NULL;
	plane->mapped = 0;
	plane->stale = false;
}

static void baton_plane_publish(struct baton_plane *plane, struct dma_fence *fence)
{
	struct dma_resv *resv = plane->attach->dmabuf->resv;

	if (dma_resv_reserve_fences(resv, 1))
		dma_fence_wait(fence, false);
	else
		dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_fence_put(fence);
}

static void baton_plane_move_notify(struct dma_buf_attachment *attach)
{
	struct baton_plane *plane = attach->importer_priv;
	struct dma_fence *fence;
	bool busy = false;
	unsigned int i;

	for_each_set_bit(i, &plane->mapped, VB2_MAX_PLANES) {
		fence = baton_plane_ops(plane)->stop(plane->vb, i);
		if (!fence)
			continue;

		busy = true;
		baton_plane_publish(plane, fence);
	}

	/* A fence may signal before the mover looks: no other call will come then. */
	if (busy)
		plane->stale = true;
	else
		baton_plane_unmap(plane);
}

static const struct dma_buf_attach_ops baton_plane_attach_ops = {
	.move_notify = baton_plane_move_notify,
};

/* A dynamic importer is to wait itself for a move that another exporter made. */
static int baton_plane_wait_locked(struct baton_plane *plane, bool interruptible)
{
	long left;

	if (plane->buf)
		return 0;

	left = dma_resv_wait_timeout(plane->attach->dmabuf->resv, DMA_RESV_USAGE_KERNEL,
				     interruptible, baton_buf_wait_limit());
	if (left)
		return min(left, 0L);

	dev_err_ratelimited(plane->dev, "%s: its exporter's fences do not signal\n",
			    plane->attach->dmabuf->exp_name);
	return -ETIMEDOUT;
}

static int baton_plane_get_table(struct baton_plane *plane, bool interruptible)
{
	struct sg_table *sgt;
	int ret;

	ret = baton_plane_wait_locked(plane, interruptible);
	if (ret)
		return ret;

	sgt = dma_buf_map_attachment(plane->attach, plane->dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	ret = baton_buf_check_table(plane->dev, sgt);
	if (ret)
		dma_buf_unmap_attachment(plane->attach, sgt, plane->dir);
	else
		plane->sgt = sgt;
	return ret;
}

static int baton_plane_map_locked(struct baton_plane *plane, unsigned int index,
				  bool interruptible)
{
	int ret = 0;

	if (plane->stale)
		baton_plane_unmap(plane);
	if (plane->mapped & BIT(index))
		return 0;

	if (!plane->sgt)
		ret = baton_plane_get_table(plane, interruptible);
	if (!ret)
		ret = baton_plane_ops(plane)->map(plane->vb, index, plane->sgt);
	plane->known = !ret;
	if (!ret)
		plane->mapped |= BIT(index);
	else if (!plane->mapped)
		baton_plane_unmap(plane);
	return ret;
}

/**
 * baton_buf_vb2_map() - map all planes of a buffer for the queue's device
 * @vb: a buffer that the engine does not use now
 * @wait: for buffers that are moving; without, they can stay unmapped
 *
 * Call it without @wait in buf_prepare, so that the queue does not stand still
 * while one of its buffers moves; and with @wait after &baton_buf_vb2_ops.stop,
 * before the engine uses the buffer again. Does nothing for planes that have not
 * moved. Fences of another exporter are waited for as long as an attach waits at
 * most, and without @wait a signal ends that.
 *
 * Return: 0, or a negative error code, with the reason in the log.
 */
int baton_buf_vb2_map(struct vb2_buffer *vb, bool wait)
{
	unsigned int i;
	int ret;

	for (i = 0; i < vb->num_planes; i++) {
		struct baton_plane *plane = vb->planes[i].mem_priv;
		struct dma_resv *resv = plane->attach->dmabuf->resv;

		if (!dma_resv_trylock(resv)) {
			if (!wait && plane->known)
				continue;
			dma_resv_lock(resv, NULL);
		}
		ret = baton_plane_map_locked(plane, i, !wait);
		dma_resv_unlock(resv);
		if (ret)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_map);

static struct baton_plane *baton_plane_new(struct vb2_buffer *vb, struct device *dev,
					   struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;
	struct baton_plane *plane;

	plane = kzalloc(sizeof(*plane), GFP_KERNEL);
	if (!plane)
		return ERR_PTR(-ENOMEM);

	plane->vb = vb;
	plane->dev = dev;
	plane->dir = vb->vb2_queue->dma_dir;
	attach = dma_buf_dynamic_attach(dmabuf, dev, &baton_plane_attach_ops, plane);
	if (IS_ERR(attach)) {
		kfree(plane);
		return ERR_CAST(attach);
	}
	plane->attach = attach;
	return plane;
}

static void baton_plane_free(struct baton_plane *plane)
{
	struct dma_buf *dmabuf = plane->attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	baton_plane_unmap(plane);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, plane->attach);
	kfree(plane);
}

void *baton_buf_vb2_alloc(struct vb2_buffer *vb, struct device *dev, unsigned long size)
{
	const struct baton_buf_vb2_ops *ops = baton_queue_ops(vb->vb2_queue);
	struct baton_plane *plane;
	struct baton_buf *buf;
	struct dma_buf *dmabuf;
	int ret;

	buf = baton_buf_create(dev, size, ops->name, 0);
	if (IS_ERR(buf))
		return buf;

	dmabuf = baton_buf_export(buf, NULL, O_RDWR, NULL);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_put;
	}

	plane = baton_plane_new(vb, dev, dmabuf);
	if (IS_ERR(plane)) {
		ret = PTR_ERR(plane);
		goto err_put_dmabuf;
	}

	plane->buf = buf;
	ret = baton_buf_populate(buf);
	if (ret)
		goto err_free;
	return plane;

err_free:
	baton_plane_free(plane);
err_put_dmabuf:
	dma_buf_put(dmabuf);
err_put:
	baton_buf_put(buf);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_alloc);

void baton_buf_vb2_put(void *priv)
{
	struct baton_plane *plane = priv;
	struct dma_buf *dmabuf = plane->attach->dmabuf;
	struct baton_buf *buf = plane->buf;

	baton_plane_free(plane);
	dma_buf_put(dmabuf);
	baton_buf_put(buf);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_put);

struct dma_buf *baton_buf_vb2_get_dmabuf(struct vb2_buffer *vb, void *priv, unsigned long flags)
{
	struct baton_plane *plane = priv;

	return baton_buf_export(plane->buf, &baton_queue_ops(vb->vb2_queue)->exporter, flags,
				NULL);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_get_dmabuf);

/* One reference is of the dma_buf to which the queue itself is attached. */
unsigned int baton_buf_vb2_num_users(void *priv)
{
	struct baton_plane *plane = priv;

	return plane->buf ? kref_read(&plane->buf->kref) - 1 : 1;
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_num_users);

int baton_buf_vb2_mmap(void *priv, struct vm_area_struct *vma)
{
	struct baton_plane *plane = priv;

	/* videobuf2 has found the plane by the offset, which starts it. */
	vma->vm_pgoff = 0;
	return baton_buf_mmap(plane->buf, vma);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_mmap);

/* Users of MMAP buffers expect vb2 to keep caches; of DMABUF, their exporter. */
void baton_buf_vb2_prepare(void *priv)
{
	struct baton_plane *plane = priv;

	if (!plane->buf || !READ_ONCE(plane->buf->cpu_touched))
		return;

	dma_resv_lock(&plane->buf->resv, NULL);
	baton_buf_flush(plane->buf);
	dma_resv_unlock(&plane->buf->resv);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_prepare);

/**
 * baton_buf_vb2_finish() - let the CPU see what the engine wrote
 * @vb: a buffer that is dequeued
 *
 * Call it in buf_finish. The memory operation of that name would be called in
 * the interrupt handler, which cannot lock the buffer.
 */
void baton_buf_vb2_finish(struct vb2_buffer *vb)
{
	unsigned int i;

	for (i = 0; i < vb->num_planes; i++) {
		struct baton_plane *plane = vb->planes[i].mem_priv;

		if (plane->buf)
			baton_buf_fetch(plane->buf);
	}
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_finish);

void *baton_buf_vb2_attach_dmabuf(struct vb2_buffer *vb, struct device *dev,
				  struct dma_buf *dmabuf, unsigned long size)
{
	if (dmabuf->size < size)
		return ERR_PTR(-EFAULT);

	return baton_plane_new(vb, dev, dmabuf);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_attach_dmabuf);

void baton_buf_vb2_detach_dmabuf(void *priv)
{
	baton_plane_free(priv);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_detach_dmabuf);

/* baton_buf_vb2_map() does it, which knows all planes. */
int baton_buf_vb2_map_dmabuf(void *priv)
{
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_map_dmabuf);

void baton_buf_vb2_unmap_dmabuf(void *priv)
{
	struct baton_plane *plane = priv;
	struct dma_resv *resv = plane->attach->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	baton_plane_unmap(plane);
	dma_resv_unlock(resv);
}
EXPORT_SYMBOL_GPL(baton_buf_vb2_unmap_dmabuf);
