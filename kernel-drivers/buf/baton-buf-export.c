// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: the dma-buf exporter
 */

#include <linux/dma-buf.h>
#include <linux/export.h>
#include <linux/iosys-map.h>

#include "baton-buf.h"

static int baton_buf_dmabuf_attach(struct dma_buf *dmabuf,
				   struct dma_buf_attachment *attach)
{
	return baton_buf_check_device(dmabuf->priv, attach->dev);
}

static struct sg_table *baton_buf_dmabuf_map(struct dma_buf_attachment *attach,
					     enum dma_data_direction dir)
{
	return baton_buf_map(attach->dmabuf->priv, attach->dev, dir);
}

static void baton_buf_dmabuf_unmap(struct dma_buf_attachment *attach,
				   struct sg_table *sgt,
				   enum dma_data_direction dir)
{
	baton_buf_unmap(attach->dev, sgt, dir);
}

static int baton_buf_dmabuf_begin_cpu_access(struct dma_buf *dmabuf,
					     enum dma_data_direction dir)
{
	baton_buf_sync_for_cpu(dmabuf->priv, dir);
	return 0;
}

static int baton_buf_dmabuf_end_cpu_access(struct dma_buf *dmabuf,
					   enum dma_data_direction dir)
{
	baton_buf_sync_for_device(dmabuf->priv, dir);
	return 0;
}

static int baton_buf_dmabuf_mmap(struct dma_buf *dmabuf,
				 struct vm_area_struct *vma)
{
	return baton_buf_mmap(dmabuf->priv, vma);
}

static int baton_buf_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	iosys_map_set_vaddr(map, baton_buf_vmap(dmabuf->priv));
	return 0;
}

static void baton_buf_dmabuf_vunmap(struct dma_buf *dmabuf,
				    struct iosys_map *map)
{
	baton_buf_vunmap(dmabuf->priv);
}

static void baton_buf_dmabuf_release(struct dma_buf *dmabuf)
{
	baton_buf_put(dmabuf->priv);
}

static const struct dma_buf_ops baton_buf_dmabuf_ops = {
	.attach = baton_buf_dmabuf_attach,
	.map_dma_buf = baton_buf_dmabuf_map,
	.unmap_dma_buf = baton_buf_dmabuf_unmap,
	.begin_cpu_access = baton_buf_dmabuf_begin_cpu_access,
	.end_cpu_access = baton_buf_dmabuf_end_cpu_access,
	.mmap = baton_buf_dmabuf_mmap,
	.vmap = baton_buf_dmabuf_vmap,
	.vunmap = baton_buf_dmabuf_vunmap,
	.release = baton_buf_dmabuf_release,
};

/**
 * baton_buf_export() - make a dma-buf over a buffer
 * @buf: the buffer
 * @flags: access mode of the file
 *
 * Each call makes another dma_buf; all share the buffer's reservation object.
 *
 * Return: the dma_buf, which holds a reference to @buf, or an ERR_PTR().
 */
struct dma_buf *baton_buf_export(struct baton_buf *buf, int flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &baton_buf_dmabuf_ops;
	info.size = buf->size;
	info.flags = flags;
	info.resv = &buf->resv;
	info.priv = buf;

	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		baton_buf_get(buf);
	return dmabuf;
}
EXPORT_SYMBOL_GPL(baton_buf_export);
