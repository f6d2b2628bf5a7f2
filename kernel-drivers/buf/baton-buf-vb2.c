// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: memory operations for videobuf2
 *
 * MMAP planes are buffers of ours, DMABUF planes are anybody's. Both become an
 * sg_table mapped for the queue's device, however scattered.
 */

#include <linux/dma-buf.h>
#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <media/videobuf2-core.h>

#include "baton-buf.h"

/*
 * One plane.
 * @buf: its storage, for MMAP
 * @attach: its attachment, for DMABUF
 */
struct baton_buf_plane {
	struct device *dev;
	enum dma_data_direction dir;
	struct sg_table *sgt;
	struct baton_buf *buf;
	struct dma_buf_attachment *attach;
};

static struct baton_buf_plane *baton_buf_plane_new(struct vb2_buffer *vb,
						   struct device *dev)
{
	struct baton_buf_plane *plane;

	plane = kzalloc(sizeof(*plane), GFP_KERNEL);
	if (!plane)
		return ERR_PTR(-ENOMEM);

	plane->dev = dev;
	plane->dir = vb->vb2_queue->dma_dir;
	return plane;
}

static void *baton_buf_vb2_alloc(struct vb2_buffer *vb, struct device *dev,
				 unsigned long size)
{
	struct baton_buf_plane *plane = baton_buf_plane_new(vb, dev);
	int ret;

	if (IS_ERR(plane))
		return plane;

	plane->buf = baton_buf_alloc(dev, size);
	if (IS_ERR(plane->buf)) {
		ret = PTR_ERR(plane->buf);
		goto err_free;
	}

	plane->sgt = baton_buf_map(plane->buf, dev, plane->dir);
	if (IS_ERR(plane->sgt)) {
		ret = PTR_ERR(plane->sgt);
		goto err_put;
	}
	return plane;

err_put:
	baton_buf_put(plane->buf);
err_free:
	kfree(plane);
	return ERR_PTR(ret);
}

static void baton_buf_vb2_put(void *priv)
{
	struct baton_buf_plane *plane = priv;

	baton_buf_unmap(plane->dev, plane->sgt, plane->dir);
	baton_buf_put(plane->buf);
	kfree(plane);
}

static struct dma_buf *baton_buf_vb2_get_dmabuf(struct vb2_buffer *vb, void *priv,
						unsigned long flags)
{
	struct baton_buf_plane *plane = priv;

	return baton_buf_export(plane->buf, flags);
}

static unsigned int baton_buf_vb2_num_users(void *priv)
{
	struct baton_buf_plane *plane = priv;

	return plane->buf ? kref_read(&plane->buf->kref) : 1;
}

static int baton_buf_vb2_mmap(void *priv, struct vm_area_struct *vma)
{
	struct baton_buf_plane *plane = priv;

	return baton_buf_mmap(plane->buf, vma);
}

/* Users of MMAP buffers expect vb2 to keep caches; of DMABUF, their exporter */
static void baton_buf_vb2_prepare(void *priv)
{
	struct baton_buf_plane *plane = priv;

	if (plane->buf && atomic_read(&plane->buf->cpu_mappings))
		baton_buf_sync_for_device(plane->buf, plane->dir);
}

static void baton_buf_vb2_finish(void *priv)
{
	struct baton_buf_plane *plane = priv;

	if (plane->buf && atomic_read(&plane->buf->cpu_mappings))
		baton_buf_sync_for_cpu(plane->buf, plane->dir);
}

static void *baton_buf_vb2_attach(struct vb2_buffer *vb, struct device *dev,
				  struct dma_buf *dmabuf, unsigned long size)
{
	struct baton_buf_plane *plane;
	struct dma_buf_attachment *attach;

	if (dmabuf->size < size)
		return ERR_PTR(-EFAULT);

	plane = baton_buf_plane_new(vb, dev);
	if (IS_ERR(plane))
		return plane;

	attach = dma_buf_attach(dmabuf, dev);
	if (IS_ERR(attach)) {
		kfree(plane);
		return attach;
	}
	plane->attach = attach;
	return plane;
}

static void baton_buf_vb2_detach(void *priv)
{
	struct baton_buf_plane *plane = priv;

	dma_buf_detach(plane->attach->dmabuf, plane->attach);
	kfree(plane);
}

static int baton_buf_vb2_map(void *priv)
{
	struct baton_buf_plane *plane = priv;
	struct sg_table *sgt;
	int ret;

	sgt = dma_buf_map_attachment_unlocked(plane->attach, plane->dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	ret = baton_buf_check_import(plane->dev, sgt);
	if (ret) {
		dma_buf_unmap_attachment_unlocked(plane->attach, sgt, plane->dir);
		return ret;
	}
	plane->sgt = sgt;
	return 0;
}

static void baton_buf_vb2_unmap(void *priv)
{
	struct baton_buf_plane *plane = priv;

	dma_buf_unmap_attachment_unlocked(plane->attach, plane->sgt, plane->dir);
	plane->sgt = NULL;
}

static void *baton_buf_vb2_cookie(struct vb2_buffer *vb, void *priv)
{
	struct baton_buf_plane *plane = priv;

	return plane->sgt;
}

const struct vb2_mem_ops baton_buf_vb2_memops = {
	.alloc = baton_buf_vb2_alloc,
	.put = baton_buf_vb2_put,
	.get_dmabuf = baton_buf_vb2_get_dmabuf,
	.num_users = baton_buf_vb2_num_users,
	.mmap = baton_buf_vb2_mmap,
	.prepare = baton_buf_vb2_prepare,
	.finish = baton_buf_vb2_finish,
	.attach_dmabuf = baton_buf_vb2_attach,
	.detach_dmabuf = baton_buf_vb2_detach,
	.map_dmabuf = baton_buf_vb2_map,
	.unmap_dmabuf = baton_buf_vb2_unmap,
	.cookie = baton_buf_vb2_cookie,
};
EXPORT_SYMBOL_GPL(baton_buf_vb2_memops);
