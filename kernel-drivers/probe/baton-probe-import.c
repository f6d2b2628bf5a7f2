// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: importing buffers
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "baton-probe.h"

/* BATON_PROBE_LOCK_AUTO is for callers without an _unlocked variant. */
int probe_lock(struct dma_buf *dmabuf, u32 lock)
{
	if (lock > BATON_PROBE_LOCK_MISSING)
		return -EINVAL;
	if (lock == BATON_PROBE_LOCK_MISSING)
		return 0;
	return dma_resv_lock_interruptible(dmabuf->resv, NULL);
}

void probe_unlock(struct dma_buf *dmabuf, u32 lock)
{
	if (lock != BATON_PROBE_LOCK_MISSING)
		dma_resv_unlock(dmabuf->resv);
}

void probe_put_by_force(struct probe_buffer *buffer)
{
	dma_buf_put(buffer->dmabuf);
	buffer->dmabuf = NULL;
}

static void probe_buffer_release(struct probe_object *object)
{
	struct probe_buffer *buffer = container_of(object, struct probe_buffer, object);

	if (buffer->dmabuf)
		dma_buf_put(buffer->dmabuf);
	kfree(buffer);
}

const struct probe_kind probe_buffer_kind = { .release = probe_buffer_release };

int probe_get(struct probe_file *file, void *arg)
{
	struct baton_probe_get *args = arg;
	struct probe_buffer *buffer;
	int ret;

	buffer = probe_alloc(sizeof(*buffer), &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	buffer->dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(buffer->dmabuf)) {
		ret = PTR_ERR(buffer->dmabuf);
		kfree(buffer);
		return ret;
	}
	return probe_publish(file, &buffer->object, &args->id);
}

/* What was put or detached by force is left as it is. */
static struct dma_buf_attachment *probe_live(struct probe_attachment *attachment)
{
	return attachment->buffer->dmabuf ? attachment->attach : NULL;
}

void probe_detach_by_force(struct probe_attachment *attachment)
{
	if (probe_live(attachment))
		dma_buf_detach(attachment->buffer->dmabuf, attachment->attach);
	attachment->attach = NULL;
}

static void probe_attachment_release(struct probe_object *object)
{
	struct probe_attachment *attachment =
		container_of(object, struct probe_attachment, object);
	struct dma_buf *dmabuf = attachment->buffer->dmabuf;

	if (probe_live(attachment) && attachment->pins) {
		dma_resv_lock(dmabuf->resv, NULL);
		while (attachment->pins--)
			dma_buf_unpin(attachment->attach);
		dma_resv_unlock(dmabuf->resv);
	}
	probe_detach_by_force(attachment);
	probe_put(&attachment->device->object);
	probe_put(&attachment->buffer->object);
	probe_log_put(attachment->log);
	kfree(attachment);
}

const struct probe_kind probe_attachment_kind = { .release = probe_attachment_release };

/* Mappings stay valid: user space drops them when it has read the log. */
static void probe_move_notify(struct dma_buf_attachment *attach)
{
	struct probe_attachment *attachment = attach->importer_priv;
	const struct baton_probe_event event = {
		.op = BATON_PROBE_OP_NOTIFY,
		.object = attachment->object.id,
		.flags = dma_resv_is_locked(attach->dmabuf->resv) ? BATON_PROBE_EVENT_LOCKED : 0,
		.attachment = (uintptr_t)attach,
	};

	atomic_inc(&attachment->notified);
	probe_log_add(attachment->log, &event);
}

static const struct dma_buf_attach_ops probe_attach_ops[] = {
	[0] = { .move_notify = probe_move_notify },
	[BATON_PROBE_ATTACH_PEER2PEER] = {
		.move_notify = probe_move_notify,
		.allow_peer2peer = true,
	},
	[BATON_PROBE_ATTACH_NO_NOTIFY] = { },
};

static const struct dma_buf_attach_ops *probe_attach_ops_of(u32 flags)
{
	if (!(flags & BATON_PROBE_ATTACH_DYNAMIC))
		return NULL;
	return &probe_attach_ops[flags & ~BATON_PROBE_ATTACH_DYNAMIC];
}

static bool probe_attach_flags_valid(u32 flags)
{
	u32 options = flags & ~BATON_PROBE_ATTACH_DYNAMIC;

	if (!(flags & BATON_PROBE_ATTACH_DYNAMIC))
		return !options;
	return !options || options == BATON_PROBE_ATTACH_PEER2PEER ||
	       options == BATON_PROBE_ATTACH_NO_NOTIFY;
}

static int probe_attach_to(struct probe_attachment *attachment, u32 flags)
{
	struct device *dev = &attachment->device->pdev->dev;
	struct dma_buf_attachment *attach;

	attach = dma_buf_dynamic_attach(attachment->buffer->dmabuf, dev,
					probe_attach_ops_of(flags), attachment);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	attachment->attach = attach;
	return 0;
}

int probe_attach(struct probe_file *file, void *arg)
{
	struct baton_probe_attach *args = arg;
	struct probe_attachment *attachment;
	struct probe_buffer *buffer;
	struct probe_device *device;
	int ret;

	if (!probe_attach_flags_valid(args->flags))
		return -EINVAL;

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	device = probe_find(file, args->device, &probe_device_kind);
	if (IS_ERR(device)) {
		ret = PTR_ERR(device);
		goto err_buffer;
	}

	attachment = probe_alloc(sizeof(*attachment), &probe_attachment_kind);
	if (IS_ERR(attachment)) {
		ret = PTR_ERR(attachment);
		goto err_device;
	}

	attachment->buffer = buffer;
	attachment->device = device;
	attachment->log = probe_log_get(file->log);
	ret = probe_attach_to(attachment, args->flags);
	if (!ret)
		return probe_publish(file, &attachment->object, &args->id);

	probe_put(&attachment->object);
	return ret;

err_device:
	probe_put(&device->object);
err_buffer:
	probe_put(&buffer->object);
	return ret;
}

static void probe_unmap(struct probe_mapping *mapping)
{
	struct dma_buf_attachment *attach = probe_live(mapping->attachment);

	if (!attach)
		return;
	if (mapping->unmap_lock == BATON_PROBE_LOCK_AUTO) {
		dma_buf_unmap_attachment_unlocked(attach, mapping->table, mapping->direction);
		return;
	}

	if (mapping->unmap_lock == BATON_PROBE_LOCK_HELD)
		dma_resv_lock(attach->dmabuf->resv, NULL);
	dma_buf_unmap_attachment(attach, mapping->table, mapping->direction);
	probe_unlock(attach->dmabuf, mapping->unmap_lock);
}

static void probe_mapping_release(struct probe_object *object)
{
	struct probe_mapping *mapping = container_of(object, struct probe_mapping, object);

	probe_unmap(mapping);
	probe_put(&mapping->attachment->object);
	kfree(mapping);
}

const struct probe_kind probe_mapping_kind = { .release = probe_mapping_release };

static struct sg_table *probe_map_attachment(struct dma_buf_attachment *attach,
					     enum dma_data_direction direction, u32 lock)
{
	struct sg_table *table;
	int ret;

	if (lock == BATON_PROBE_LOCK_AUTO)
		return dma_buf_map_attachment_unlocked(attach, direction);

	ret = probe_lock(attach->dmabuf, lock);
	if (ret)
		return ERR_PTR(ret);

	table = dma_buf_map_attachment(attach, direction);
	probe_unlock(attach->dmabuf, lock);
	return table;
}

int probe_map(struct probe_file *file, void *arg)
{
	struct baton_probe_map *args = arg;
	struct probe_attachment *attachment;
	struct probe_mapping *mapping;
	struct sg_table *table;
	int ret;

	attachment = probe_find(file, args->attachment, &probe_attachment_kind);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);

	mapping = probe_alloc(sizeof(*mapping), &probe_mapping_kind);
	if (IS_ERR(mapping)) {
		ret = PTR_ERR(mapping);
		goto err_attachment;
	}

	table = probe_map_attachment(attachment->attach, args->direction, args->lock);
	if (IS_ERR(table)) {
		ret = PTR_ERR(table);
		goto err_mapping;
	}

	mapping->attachment = attachment;
	mapping->table = table;
	mapping->direction = args->direction;
	args->table = (uintptr_t)table;
	args->segments = table->nents;
	return probe_publish(file, &mapping->object, &args->id);

err_mapping:
	kfree(mapping);
err_attachment:
	probe_put(&attachment->object);
	return ret;
}

int probe_pin(struct probe_file *file, void *arg)
{
	const struct baton_probe_pin *args = arg;
	struct probe_attachment *attachment;
	struct dma_buf *dmabuf;
	int ret;

	attachment = probe_find(file, args->attachment, &probe_attachment_kind);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);

	dmabuf = attachment->buffer->dmabuf;
	ret = probe_lock(dmabuf, args->lock);
	if (!ret) {
		ret = dma_buf_pin(attachment->attach);
		if (!ret)
			attachment->pins++;
		probe_unlock(dmabuf, args->lock);
	}
	probe_put(&attachment->object);
	return ret;
}

int probe_unpin(struct probe_file *file, void *arg)
{
	const struct baton_probe_pin *args = arg;
	struct probe_attachment *attachment;
	struct dma_buf *dmabuf;
	int ret;

	attachment = probe_find(file, args->attachment, &probe_attachment_kind);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);

	dmabuf = attachment->buffer->dmabuf;
	ret = probe_lock(dmabuf, args->lock);
	if (!ret) {
		if (attachment->pins) {
			attachment->pins--;
			dma_buf_unpin(attachment->attach);
		} else {
			ret = -EINVAL;
		}
		probe_unlock(dmabuf, args->lock);
	}
	probe_put(&attachment->object);
	return ret;
}

static void probe_fill_info(struct probe_object *object, struct baton_probe_info *args)
{
	if (object->kind == &probe_buffer_kind) {
		struct probe_buffer *buffer = container_of(object, struct probe_buffer, object);

		args->references = file_count(buffer->dmabuf->file);
	} else if (object->kind == &probe_device_kind) {
		struct probe_device *device = container_of(object, struct probe_device, object);

		args->references = kref_read(&device->pdev->dev.kobj.kref);
	} else if (object->kind == &probe_attachment_kind) {
		struct probe_attachment *attachment =
			container_of(object, struct probe_attachment, object);

		args->pins = attachment->pins;
		args->notified = atomic_read(&attachment->notified);
	}
}

int probe_info(struct probe_file *file, void *arg)
{
	struct baton_probe_info *args = arg;
	struct probe_object *object = probe_find_any(file, args->id);

	if (IS_ERR(object))
		return PTR_ERR(object);

	probe_fill_info(object, args);
	probe_put(object);
	return 0;
}
