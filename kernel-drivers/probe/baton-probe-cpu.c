// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: CPU access to imported buffers
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "baton-probe.h"

/* mmap() of the probe's file at @object.id pages ends up in @buffer. */
struct probe_window {
	struct probe_object object;
	struct probe_buffer *buffer;
	u64 pgoff;
};

static void probe_vunmap(struct probe_vmap *vmap)
{
	struct dma_buf *dmabuf = vmap->buffer->dmabuf;

	if (!dmabuf)
		return;
	if (vmap->vunmap_lock == BATON_PROBE_LOCK_AUTO) {
		dma_buf_vunmap_unlocked(dmabuf, &vmap->map);
		return;
	}

	if (vmap->vunmap_lock == BATON_PROBE_LOCK_HELD)
		dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_vunmap(dmabuf, &vmap->map);
	probe_unlock(dmabuf, vmap->vunmap_lock);
}

static void probe_vmap_release(struct probe_object *object)
{
	struct probe_vmap *vmap = container_of(object, struct probe_vmap, object);

	probe_vunmap(vmap);
	probe_put(&vmap->buffer->object);
	kfree(vmap);
}

const struct probe_kind probe_vmap_kind = { .release = probe_vmap_release };

static int probe_vmap_buffer(struct dma_buf *dmabuf, struct iosys_map *map, u32 lock)
{
	int ret;

	if (lock == BATON_PROBE_LOCK_AUTO)
		return dma_buf_vmap_unlocked(dmabuf, map);

	ret = probe_lock(dmabuf, lock);
	if (ret)
		return ret;

	ret = dma_buf_vmap(dmabuf, map);
	probe_unlock(dmabuf, lock);
	return ret;
}

int probe_vmap(struct probe_file *file, void *arg)
{
	struct baton_probe_vmap *args = arg;
	struct probe_buffer *buffer;
	struct probe_vmap *vmap;
	int ret;

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	vmap = probe_alloc(sizeof(*vmap), &probe_vmap_kind);
	if (IS_ERR(vmap)) {
		ret = PTR_ERR(vmap);
		goto err_buffer;
	}

	ret = probe_vmap_buffer(buffer->dmabuf, &vmap->map, args->lock);
	if (ret)
		goto err_vmap;

	vmap->buffer = buffer;
	args->flags = vmap->map.is_iomem ? BATON_PROBE_VMAP_IOMEM : 0;
	args->address = (uintptr_t)vmap->map.vaddr;
	return probe_publish(file, &vmap->object, &args->id);

err_vmap:
	kfree(vmap);
err_buffer:
	probe_put(&buffer->object);
	return ret;
}

static int probe_cpu_access(struct probe_file *file, const struct baton_probe_cpu_access *args,
			    int (*access)(struct dma_buf *dmabuf, enum dma_data_direction dir))
{
	struct probe_buffer *buffer;
	int ret;

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	ret = access(buffer->dmabuf, args->direction);
	probe_put(&buffer->object);
	return ret;
}

int probe_begin(struct probe_file *file, void *arg)
{
	return probe_cpu_access(file, arg, dma_buf_begin_cpu_access);
}

int probe_end(struct probe_file *file, void *arg)
{
	return probe_cpu_access(file, arg, dma_buf_end_cpu_access);
}

static void probe_window_release(struct probe_object *object)
{
	struct probe_window *window = container_of(object, struct probe_window, object);

	probe_put(&window->buffer->object);
	kfree(window);
}

const struct probe_kind probe_window_kind = { .release = probe_window_release };

int probe_window(struct probe_file *file, void *arg)
{
	struct baton_probe_window_map *args = arg;
	struct probe_window *window;
	int ret;

	window = probe_alloc(sizeof(*window), &probe_window_kind);
	if (IS_ERR(window))
		return PTR_ERR(window);

	window->pgoff = args->pgoff;
	window->buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(window->buffer)) {
		ret = PTR_ERR(window->buffer);
		kfree(window);
		return ret;
	}

	ret = probe_publish(file, &window->object, &args->id);
	args->offset = (u64)args->id << PAGE_SHIFT;
	return ret;
}

int probe_mmap(struct probe_file *file, struct vm_area_struct *vma)
{
	struct probe_window *window;
	int ret;

	window = probe_find(file, vma->vm_pgoff, &probe_window_kind);
	if (IS_ERR(window))
		return PTR_ERR(window);

	ret = dma_buf_mmap(window->buffer->dmabuf, vma, window->pgoff);
	probe_put(&window->object);
	return ret;
}
