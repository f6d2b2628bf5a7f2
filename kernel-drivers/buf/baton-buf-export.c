// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: the dma-buf exporter
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "baton-buf.h"
#include "baton-buf-core.h"
#include "baton-buf-storage.h"
#include "baton-buf-trace.h"

/*
 * A mapping for one attachment.  It keeps the storage, so that an importer that
 * was told of a move still has a valid table until it drops it.
 */
struct baton_map {
	struct list_head link; /* in baton_user.maps */
	struct sg_table sgt;
	struct baton_storage *storage;
	enum dma_data_direction dir;
};

static struct baton_buf *baton_buf_of(struct dma_buf *dmabuf)
{
	struct baton_export *export = dmabuf->priv;

	return export->buf;
}

static int baton_dmabuf_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct baton_user *user;
	int ret;

	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return -ENOMEM;

	user->dev = attach->dev;
	INIT_LIST_HEAD(&user->maps);
	ret = baton_limits_init(&user->limits, attach->dev);
	if (!ret)
		ret = baton_buf_admit(baton_buf_of(dmabuf), user);
	if (ret) {
		kfree(user);
		return ret;
	}

	attach->priv = user;
	return 0;
}

static void baton_map_free(struct device *dev, struct baton_map *map)
{
	list_del(&map->link);
	dma_unmap_sgtable(dev, &map->sgt, map->dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&map->sgt);
	baton_storage_put(map->storage);
	kfree(map);
}

/* An importer that detaches with a mapping is at fault; its DMA may still run. */
static void baton_dmabuf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct baton_buf *buf = baton_buf_of(dmabuf);
	struct baton_user *user = attach->priv;
	struct baton_map *map, *next;

	dma_resv_lock(&buf->resv, NULL);
	list_for_each_entry_safe(map, next, &user->maps, link) {
		dev_WARN(user->dev, "detached from a buffer with a mapping left\n");
		baton_map_free(user->dev, map);
	}
	if (user->pins)
		dev_WARN(user->dev, "detached from a buffer with a pin left\n");
	buf->pins -= user->pins;
	list_del(&user->link);
	dma_resv_unlock(&buf->resv);
	kfree(user);
}

/* Waiting belongs into attach: the lock is held here. */
static int baton_dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct baton_buf *buf = baton_buf_of(attach->dmabuf);
	struct baton_user *user = attach->priv;
	int ret;

	ret = baton_buf_populate_locked(buf);
	if (ret)
		return ret;

	user->pins++;
	buf->pins++;
	return 0;
}

static void baton_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	struct baton_user *user = attach->priv;

	user->pins--;
	baton_buf_of(attach->dmabuf)->pins--;
}

static void baton_fill_table(struct sg_table *sgt, const struct baton_limits *limits,
			     const struct baton_storage *storage)
{
	struct scatterlist *sg = sgt->sgl;
	unsigned int i;

	for (i = 0; i < storage->run_count; i++) {
		phys_addr_t phys = storage->runs[i].start;
		size_t left = storage->runs[i].len;

		while (left) {
			dma_addr_t dma;
			const char *why;
			size_t len = baton_limits_fit(limits, phys, left, &dma, &why);

			sg_set_page(sg, phys_to_page(phys), len, 0);
			sg = sg_next(sg);
			phys += len;
			left -= len;
		}
	}
}

/* An importer that cannot follow a move must have pinned the buffer. */
static bool baton_may_map(const struct dma_buf_attachment *attach, const struct baton_user *user)
{
	return user->pins || (attach->importer_ops && attach->importer_ops->move_notify);
}

static struct sg_table *baton_dmabuf_map(struct dma_buf_attachment *attach,
					 enum dma_data_direction dir)
{
	struct baton_buf *buf = baton_buf_of(attach->dmabuf);
	struct baton_user *user = attach->priv;
	struct baton_map *map;
	const char *why;
	int ret;

	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return ERR_PTR(-EINVAL);

	if (!baton_may_map(attach, user))
		return ERR_PTR(-EINVAL);

	if (buf->withdrawn)
		return ERR_PTR(-ENODEV);

	ret = baton_buf_populate_locked(buf);
	if (ret)
		return ERR_PTR(ret);

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);

	/* Admission made sure that the storage suits this device. */
	ret = baton_limits_segments(&user->limits, buf->storage->runs, buf->storage->run_count,
				    &why);
	if (ret < 0)
		goto err_free;

	ret = sg_alloc_table(&map->sgt, ret, GFP_KERNEL);
	if (ret)
		goto err_free;

	baton_fill_table(&map->sgt, &user->limits, buf->storage);
	ret = dma_map_sgtable(attach->dev, &map->sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_free_table;

	map->dir = dir;
	map->storage = baton_storage_get(buf->storage);
	list_add(&map->link, &user->maps);

	ret = baton_buf_check_table(attach->dev, &map->sgt);
	if (ret) {
		baton_map_free(attach->dev, map);
		return ERR_PTR(ret);
	}

	buf->used = true;
	buf->storage->mapped = true;
	baton_buf_flush(buf);
	return &map->sgt;

err_free_table:
	sg_free_table(&map->sgt);
err_free:
	kfree(map);
	return ERR_PTR(ret);
}

static void baton_dmabuf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			       enum dma_data_direction dir)
{
	baton_map_free(attach->dev, container_of(sgt, struct baton_map, sgt));
}

static int baton_dmabuf_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct baton_buf *buf = baton_buf_of(dmabuf);
	int ret;

	ret = dma_resv_lock_interruptible(&buf->resv, NULL);
	if (ret)
		return ret;

	ret = baton_buf_populate_locked(buf);
	if (!ret) {
		/* Another bracket may be open: its stores must not be lost. */
		baton_buf_flush(buf);
		baton_buf_touch(buf);
		if (!buf->writecombine)
			baton_storage_sync_for_cpu(buf->storage, dir);
	}
	dma_resv_unlock(&buf->resv);
	return ret;
}

static int baton_dmabuf_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	baton_buf_sync_for_device(baton_buf_of(dmabuf), dir);
	return 0;
}

static int baton_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	return baton_buf_mmap(baton_buf_of(dmabuf), vma);
}

static int baton_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct baton_buf *buf = baton_buf_of(dmabuf);
	pgprot_t prot = PAGE_KERNEL;
	int ret;

	if (buf->writecombine)
		prot = pgprot_writecombine(prot);

	ret = baton_buf_populate_locked(buf);
	if (ret)
		return ret;

	if (!buf->vmaps) {
		buf->vaddr = vmap(buf->storage->cpu_pages, buf->size >> PAGE_SHIFT, VM_MAP, prot);
		if (!buf->vaddr)
			return -ENOMEM;
	}

	buf->vmaps++;
	baton_buf_touch(buf);
	iosys_map_set_vaddr(map, buf->vaddr);
	return 0;
}

static void baton_dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct baton_buf *buf = baton_buf_of(dmabuf);

	if (!--buf->vmaps)
		vunmap(buf->vaddr);
}

static void baton_dmabuf_release(struct dma_buf *dmabuf)
{
	struct baton_export *export = dmabuf->priv;
	struct baton_buf *buf = export->buf;

	dma_resv_lock(&buf->resv, NULL);
	list_del(&export->link);
	dma_resv_unlock(&buf->resv);
	if (export->exporter && export->exporter->release)
		export->exporter->release(export->priv);
	kfree(export);
	baton_buf_put(buf);
}

static const struct dma_buf_ops baton_dmabuf_ops = {
	.attach = baton_dmabuf_attach,
	.detach = baton_dmabuf_detach,
	.pin = baton_dmabuf_pin,
	.unpin = baton_dmabuf_unpin,
	.map_dma_buf = baton_dmabuf_map,
	.unmap_dma_buf = baton_dmabuf_unmap,
	.begin_cpu_access = baton_dmabuf_begin_cpu_access,
	.end_cpu_access = baton_dmabuf_end_cpu_access,
	.mmap = baton_dmabuf_mmap,
	.vmap = baton_dmabuf_vmap,
	.vunmap = baton_dmabuf_vunmap,
	.release = baton_dmabuf_release,
};

/**
 * baton_buf_export() - make a dma-buf over a buffer
 * @buf: the buffer
 * @exporter: who asks; NULL if user space does not get it, but the exporter
 *	attaches its own device
 * @flags: access mode of the file
 * @priv: for @exporter
 *
 * Each call makes another dma_buf. They share the storage, its limits and the
 * reservation object: what one importer needs holds for all (ATT-10).
 *
 * Return: the dma_buf, which holds a reference to @buf, or an ERR_PTR().
 */
struct dma_buf *baton_buf_export(struct baton_buf *buf, const struct baton_buf_exporter *exporter,
				 int flags, void *priv)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct baton_export *export;
	struct dma_buf *dmabuf;

	export = kzalloc(sizeof(*export), GFP_KERNEL);
	if (!export)
		return ERR_PTR(-ENOMEM);

	export->buf = buf;
	export->exporter = exporter;
	export->priv = priv;
	info.exp_name = buf->name;
	if (exporter)
		info.owner = exporter->owner;
	info.ops = &baton_dmabuf_ops;
	info.size = buf->size;
	info.flags = flags;
	info.resv = &buf->resv;
	info.priv = export;

	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		kfree(export);
		return dmabuf;
	}

	baton_buf_get(buf);
	export->dmabuf = dmabuf;
	dma_resv_lock(&buf->resv, NULL);
	list_add(&export->link, &buf->exports);
	dma_resv_unlock(&buf->resv);
	return dmabuf;
}
EXPORT_SYMBOL_GPL(baton_buf_export);

/**
 * baton_buf_export_priv() - recognise an export
 * @dmabuf: anybody's
 * @exporter: who asks
 *
 * Return: what @exporter passed to baton_buf_export(), NULL if @dmabuf is not
 * its own.
 */
void *baton_buf_export_priv(struct dma_buf *dmabuf, const struct baton_buf_exporter *exporter)
{
	struct baton_export *export = dmabuf->priv;

	if (dmabuf->ops != &baton_dmabuf_ops || export->exporter != exporter)
		return NULL;
	return export->priv;
}
EXPORT_SYMBOL_GPL(baton_buf_export_priv);
