// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: the operations of its exporters
 *
 * Each tells the log, sleeps if it shall, fails if it shall, and works else.
 */

#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "baton-probe.h"

static bool probe_listed(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct dma_buf_attachment *other;

	list_for_each_entry(other, &dmabuf->attachments, node)
		if (other == attach)
			return true;
	return false;
}

/* An operation that is entered without the lock may take it. */
static u32 probe_event_flags(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	bool locked = dma_resv_is_locked(dmabuf->resv);
	u32 flags = locked ? BATON_PROBE_EVENT_LOCKED : 0;

	if (!attach)
		return flags;
	if (!locked)
		dma_resv_lock(dmabuf->resv, NULL);
	if (probe_listed(dmabuf, attach))
		flags |= BATON_PROBE_EVENT_LISTED;
	if (!locked)
		dma_resv_unlock(dmabuf->resv);
	return flags;
}

static void probe_tell(struct dma_buf *dmabuf, u32 op, struct dma_buf_attachment *attach,
		       enum dma_data_direction direction, struct sg_table *table)
{
	struct probe_stub *stub = dmabuf->priv;
	const struct baton_probe_event event = {
		.op = op,
		.object = stub->object.id,
		.direction = direction,
		.flags = probe_event_flags(dmabuf, attach),
		.attachment = (uintptr_t)attach,
		.table = (uintptr_t)table,
	};

	probe_log_add(stub->log, &event);
}

static bool probe_blocked(struct probe_stub *stub, u32 op)
{
	return READ_ONCE(stub->behaviour[op].flags) & BATON_PROBE_BEHAVE_BLOCK;
}

/* For an operation that can fail */
static int probe_try(struct dma_buf *dmabuf, u32 op, struct dma_buf_attachment *attach,
		     enum dma_data_direction direction)
{
	struct probe_stub *stub = dmabuf->priv;

	probe_tell(dmabuf, op, attach, direction, NULL);
	if (wait_event_interruptible(stub->wait, !probe_blocked(stub, op)))
		return -ERESTARTSYS;
	return READ_ONCE(stub->behaviour[op].error);
}

/* For an operation that cannot */
static void probe_do(struct dma_buf *dmabuf, u32 op, struct dma_buf_attachment *attach,
		     enum dma_data_direction direction, struct sg_table *table)
{
	struct probe_stub *stub = dmabuf->priv;

	probe_tell(dmabuf, op, attach, direction, table);
	wait_event(stub->wait, !probe_blocked(stub, op));
}

static int probe_stub_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct probe_stub *stub = dmabuf->priv;
	int ret;

	ret = probe_try(dmabuf, BATON_PROBE_OP_ATTACH, attach, DMA_NONE);
	if (!ret && stub->flags & BATON_PROBE_EXPORT_SRAM && !attach->peer2peer)
		ret = -EBUSY;
	return ret;
}

static void probe_stub_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	probe_do(dmabuf, BATON_PROBE_OP_DETACH, attach, DMA_NONE, NULL);
}

static int probe_stub_pin(struct dma_buf_attachment *attach)
{
	return probe_try(attach->dmabuf, BATON_PROBE_OP_PIN, attach, DMA_NONE);
}

static void probe_stub_unpin(struct dma_buf_attachment *attach)
{
	probe_do(attach->dmabuf, BATON_PROBE_OP_UNPIN, attach, DMA_NONE, NULL);
}

static int probe_fill_ram(struct probe_stub *stub, struct sg_table *table, struct device *dev,
			  enum dma_data_direction direction)
{
	int ret;

	ret = sg_alloc_table_from_pages(table, stub->pages, stub->count, 0,
					stub->count << PAGE_SHIFT, GFP_KERNEL);
	if (ret)
		return ret;

	ret = dma_map_sgtable(dev, table, direction, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		sg_free_table(table);
	return ret;
}

/* Memory of another device: bus addresses and nothing else */
static int probe_fill_sram(struct probe_stub *stub, struct sg_table *table, struct device *dev)
{
	struct scatterlist *sg;
	int ret;
	int i;

	ret = sg_alloc_table(table, stub->count, GFP_KERNEL);
	if (ret)
		return ret;

	for_each_sgtable_dma_sg(table, sg, i) {
		sg_dma_address(sg) = phys_to_dma(dev, page_to_phys(stub->pages[i]));
		sg_dma_len(sg) = PAGE_SIZE;
	}
	return 0;
}

static struct sg_table *probe_stub_map(struct dma_buf_attachment *attach,
				       enum dma_data_direction direction)
{
	struct probe_stub *stub = attach->dmabuf->priv;
	struct sg_table *table;
	int ret;

	ret = probe_try(attach->dmabuf, BATON_PROBE_OP_MAP, attach, direction);
	if (ret)
		return ERR_PTR(ret);
	if (READ_ONCE(stub->behaviour[BATON_PROBE_OP_MAP].flags) & BATON_PROBE_BEHAVE_NULL)
		return NULL;

	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);

	if (stub->flags & BATON_PROBE_EXPORT_SRAM)
		ret = probe_fill_sram(stub, table, attach->dev);
	else
		ret = probe_fill_ram(stub, table, attach->dev, direction);
	if (ret) {
		kfree(table);
		return ERR_PTR(ret);
	}
	return table;
}

static void probe_stub_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
			     enum dma_data_direction direction)
{
	struct probe_stub *stub = attach->dmabuf->priv;

	probe_do(attach->dmabuf, BATON_PROBE_OP_UNMAP, attach, direction, table);
	if (!(stub->flags & BATON_PROBE_EXPORT_SRAM))
		dma_unmap_sgtable(attach->dev, table, direction, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(table);
	kfree(table);
}

static int probe_stub_begin(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	return probe_try(dmabuf, BATON_PROBE_OP_BEGIN, NULL, direction);
}

static int probe_stub_end(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	return probe_try(dmabuf, BATON_PROBE_OP_END, NULL, direction);
}

static int probe_stub_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct probe_stub *stub = dmabuf->priv;
	int ret;

	ret = probe_try(dmabuf, BATON_PROBE_OP_MMAP, NULL, DMA_NONE);
	return ret ?: vm_map_pages(vma, stub->pages, stub->count);
}

static int probe_stub_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct probe_stub *stub = dmabuf->priv;
	void *vaddr;
	int ret;

	ret = probe_try(dmabuf, BATON_PROBE_OP_VMAP, NULL, DMA_NONE);
	if (ret)
		return ret;

	vaddr = vmap(stub->pages, stub->count, VM_MAP, PAGE_KERNEL);
	if (!vaddr)
		return -ENOMEM;

	if (stub->flags & BATON_PROBE_EXPORT_SRAM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)vaddr);
	else
		iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void probe_stub_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	probe_do(dmabuf, BATON_PROBE_OP_VUNMAP, NULL, DMA_NONE, NULL);
	vunmap(map->vaddr);
}

static void probe_stub_dmabuf_release(struct dma_buf *dmabuf)
{
	struct probe_stub *stub = dmabuf->priv;

	probe_do(dmabuf, BATON_PROBE_OP_RELEASE, NULL, DMA_NONE, NULL);
	probe_put(&stub->object);
}

const struct dma_buf_ops probe_stub_ops = {
	.attach = probe_stub_attach,
	.detach = probe_stub_detach,
	.pin = probe_stub_pin,
	.unpin = probe_stub_unpin,
	.map_dma_buf = probe_stub_map,
	.unmap_dma_buf = probe_stub_unmap,
	.begin_cpu_access = probe_stub_begin,
	.end_cpu_access = probe_stub_end,
	.mmap = probe_stub_mmap,
	.vmap = probe_stub_vmap,
	.vunmap = probe_stub_vunmap,
	.release = probe_stub_dmabuf_release,
};
