// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: what a device and what the CPU sees of a buffer
 */

#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "baton-probe.h"

/* As the device's bus would take the address, or -EIO */
static int probe_bus_to_cpu(struct device *dev, dma_addr_t bus, phys_addr_t *cpu)
{
	if (bus > min_not_zero(dma_get_mask(dev), dev->bus_dma_limit))
		return -EIO;

	*cpu = dma_to_phys(dev, bus);
	return pfn_valid(PHYS_PFN(*cpu)) ? 0 : -EIO;
}

static void probe_fill_segment(struct device *dev, struct scatterlist *sg,
			       struct baton_probe_segment *segment)
{
	phys_addr_t cpu;

	*segment = (struct baton_probe_segment) {
		.bus = sg_dma_address(sg),
		.len = sg_dma_len(sg),
		.page = sg->page_link & ~(SG_CHAIN | SG_END),
	};
	if (probe_bus_to_cpu(dev, sg_dma_address(sg), &cpu))
		return;

	segment->cpu = cpu;
	segment->expected = (uintptr_t)phys_to_page(cpu);
}

static int probe_copy_table(struct probe_mapping *mapping, struct baton_probe_table *args)
{
	struct baton_probe_segment __user *segments = u64_to_user_ptr(args->segments);
	struct device *dev = &mapping->attachment->device->pdev->dev;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(mapping->table, sg, i) {
		struct baton_probe_segment segment;

		if (i == args->count)
			break;
		probe_fill_segment(dev, sg, &segment);
		if (copy_to_user(&segments[i], &segment, sizeof(segment)))
			return -EFAULT;
	}
	args->count = mapping->table->nents;
	return 0;
}

int probe_table(struct probe_file *file, void *arg)
{
	struct baton_probe_table *args = arg;
	struct probe_mapping *mapping;
	int ret;

	mapping = probe_find(file, args->mapping, &probe_mapping_kind);
	if (IS_ERR(mapping))
		return PTR_ERR(mapping);

	ret = probe_copy_table(mapping, args);
	probe_put(&mapping->object);
	return ret;
}

/* The pages from @first that the device's addresses lead to */
static int probe_device_pages(struct probe_mapping *mapping, size_t first, size_t count,
			      struct page **pages)
{
	struct device *dev = &mapping->attachment->device->pdev->dev;
	struct sg_dma_page_iter iter;
	phys_addr_t cpu;
	size_t n = 0;
	int ret;

	for_each_sgtable_dma_page(mapping->table, &iter, first) {
		if (n == count)
			return 0;

		ret = probe_bus_to_cpu(dev, sg_page_iter_dma_address(&iter), &cpu);
		if (ret)
			return ret;
		pages[n++] = phys_to_page(cpu);
	}
	return n == count ? 0 : -EINVAL;
}

static int probe_copy(void *memory, const struct baton_probe_access *args)
{
	void __user *data = u64_to_user_ptr(args->data);
	unsigned long left;

	if (args->flags & BATON_PROBE_ACCESS_WRITE)
		left = copy_from_user(memory, data, args->len);
	else
		left = copy_to_user(data, memory, args->len);
	return left ? -EFAULT : 0;
}

static int probe_copy_pages(struct page **pages, size_t count,
			    const struct baton_probe_access *args)
{
	void *memory = vmap(pages, count, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	int ret;

	if (!memory)
		return -ENOMEM;

	ret = probe_copy(memory + offset_in_page(args->offset), args);
	vunmap(memory);
	return ret;
}

static int probe_access_mapping(struct probe_mapping *mapping,
				const struct baton_probe_access *args)
{
	bool write = args->flags & BATON_PROBE_ACCESS_WRITE;
	size_t size = mapping->attachment->buffer->dmabuf->size;
	size_t first = args->offset >> PAGE_SHIFT;
	struct page **pages;
	size_t count;
	int ret;

	if (!args->len || args->len > size || args->offset > size - args->len)
		return -EINVAL;
	if (mapping->direction == (write ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
		return -EACCES;

	count = ((args->offset + args->len - 1) >> PAGE_SHIFT) - first + 1;
	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	ret = probe_device_pages(mapping, first, count, pages);
	if (!ret)
		ret = probe_copy_pages(pages, count, args);
	kvfree(pages);
	return ret;
}

/* Of four bytes a single load, as by a driver that peeks */
static void probe_read_iosys(struct iosys_map *map, void *bounce,
			     const struct baton_probe_access *args)
{
	if (args->len == sizeof(u32) && IS_ALIGNED(args->offset, sizeof(u32)))
		*(u32 *)bounce = iosys_map_rd(map, args->offset, u32);
	else
		iosys_map_memcpy_from(bounce, map, args->offset, args->len);
}

static int probe_copy_iosys(struct iosys_map *map, void *bounce,
			    const struct baton_probe_access *args)
{
	int ret = 0;

	if (!(args->flags & BATON_PROBE_ACCESS_WRITE))
		probe_read_iosys(map, bounce, args);
	ret = probe_copy(bounce, args);
	if (!ret && args->flags & BATON_PROBE_ACCESS_WRITE)
		iosys_map_memcpy_to(map, args->offset, bounce, args->len);
	return ret;
}

static int probe_access_vmap(struct probe_vmap *vmap, const struct baton_probe_access *args)
{
	size_t size = vmap->buffer->dmabuf->size;
	void *bounce;
	int ret;

	if (!args->len || args->len > size || args->offset > size - args->len)
		return -EINVAL;

	bounce = kvmalloc(args->len, GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;

	ret = probe_copy_iosys(&vmap->map, bounce, args);
	kvfree(bounce);
	return ret;
}

int probe_access(struct probe_file *file, void *arg)
{
	const struct baton_probe_access *args = arg;
	struct probe_object *object;
	int ret = -ENXIO;

	if (args->flags & ~BATON_PROBE_ACCESS_WRITE)
		return -EINVAL;

	object = probe_find_any(file, args->id);
	if (IS_ERR(object))
		return PTR_ERR(object);

	if (object->kind == &probe_mapping_kind)
		ret = probe_access_mapping(container_of(object, struct probe_mapping, object),
					   args);
	else if (object->kind == &probe_vmap_kind)
		ret = probe_access_vmap(container_of(object, struct probe_vmap, object), args);
	probe_put(object);
	return ret;
}
