/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton probe: shared between its parts
 */
#ifndef BATON_PROBE_H
#define BATON_PROBE_H

#include <linux/atomic.h>
#include <linux/baton-probe.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/kref.h>
#include <linux/wait.h>
#include <linux/xarray.h>

struct page;
struct platform_device;
struct probe_object;
struct sg_table;
struct vm_area_struct;

/**
 * struct probe_kind - what an object is
 * @drop: its id has just been given up; optional
 * @release: nobody uses it any more
 */
struct probe_kind {
	void (*drop)(struct probe_object *object);
	void (*release)(struct probe_object *object);
};

/**
 * struct probe_object - first in whatever has an id
 * @kref: held by the id, calls in progress and objects made from this one
 * @kind: of the whole
 * @id: 0 before it is published
 */
struct probe_object {
	struct kref kref;
	const struct probe_kind *kind;
	u32 id;
};

struct probe_log;

/**
 * struct probe_file - an open file
 * @objects: by id
 * @log: also of the exporters that outlive the file
 */
struct probe_file {
	struct xarray objects;
	struct probe_log *log;
};

struct probe_device {
	struct probe_object object;
	struct platform_device *pdev;
};

/* @dmabuf becomes NULL when it is put by force */
struct probe_buffer {
	struct probe_object object;
	struct dma_buf *dmabuf;
};

/**
 * struct probe_attachment - of a device to a buffer
 * @attach: NULL after it was detached by force
 * @pins: protected by the buffer's dma_resv
 * @notified: calls of move_notify
 */
struct probe_attachment {
	struct probe_object object;
	struct probe_buffer *buffer;
	struct probe_device *device;
	struct dma_buf_attachment *attach;
	unsigned int pins;
	atomic_t notified;
	struct probe_log *log;
};

struct probe_mapping {
	struct probe_object object;
	struct probe_attachment *attachment;
	struct sg_table *table;
	enum dma_data_direction direction;
	u32 unmap_lock; /* BATON_PROBE_LOCK_* */
};

struct probe_vmap {
	struct probe_object object;
	struct probe_buffer *buffer;
	struct iosys_map map;
	u32 vunmap_lock; /* BATON_PROBE_LOCK_* */
};

/* How an operation of an exporter behaves, as in struct baton_probe_behave */
struct probe_behaviour {
	int error;
	u32 flags;
};

/**
 * struct probe_stub - an exporter
 * @object: held by its dma_buf, too
 * @ops: those that it was asked to have
 * @resv: if it was asked to have one
 * @flags: BATON_PROBE_EXPORT_*
 * @pages: storage
 * @count: of @pages
 * @behaviour: for each operation; written and read without a lock
 * @wait: for a change of @behaviour
 * @log: of the file that made it
 */
struct probe_stub {
	struct probe_object object;
	struct dma_buf_ops ops;
	struct dma_resv resv;
	u32 flags;
	struct page **pages;
	size_t count;
	struct probe_behaviour behaviour[BATON_PROBE_OPS];
	wait_queue_head_t wait;
	struct probe_log *log;
};

extern const struct probe_kind probe_device_kind;
extern const struct probe_kind probe_buffer_kind;
extern const struct probe_kind probe_attachment_kind;
extern const struct probe_kind probe_mapping_kind;
extern const struct probe_kind probe_vmap_kind;
extern const struct probe_kind probe_window_kind;
extern const struct probe_kind probe_fence_kind;
extern const struct probe_kind probe_stub_kind;

/* baton-probe-main.c */
void *probe_alloc(size_t size, const struct probe_kind *kind);
int probe_publish(struct probe_file *file, struct probe_object *object, u32 *id);
void *probe_find(struct probe_file *file, u32 id, const struct probe_kind *kind);
void *probe_find_any(struct probe_file *file, u32 id);
void probe_put(struct probe_object *object);

/* Each performs one ioctl: @arg is the struct that belongs to it. */
int probe_device_add(struct probe_file *file, void *arg);
int probe_get(struct probe_file *file, void *arg);
int probe_attach(struct probe_file *file, void *arg);
int probe_map(struct probe_file *file, void *arg);
int probe_table(struct probe_file *file, void *arg);
int probe_pin(struct probe_file *file, void *arg);
int probe_unpin(struct probe_file *file, void *arg);
int probe_access(struct probe_file *file, void *arg);
int probe_vmap(struct probe_file *file, void *arg);
int probe_begin(struct probe_file *file, void *arg);
int probe_end(struct probe_file *file, void *arg);
int probe_window(struct probe_file *file, void *arg);
int probe_fence_new(struct probe_file *file, void *arg);
int probe_fence_add(struct probe_file *file, void *arg);
int probe_fence_signal(struct probe_file *file, void *arg);
int probe_info(struct probe_file *file, void *arg);
int probe_export(struct probe_file *file, void *arg);
int probe_behave(struct probe_file *file, void *arg);
int probe_notify(struct probe_file *file, void *arg);
int probe_misuse(struct probe_file *file, void *arg);
int probe_export_info(struct probe_file *file, void *arg);

/* baton-probe-import.c */
void probe_detach_by_force(struct probe_attachment *attachment);
void probe_put_by_force(struct probe_buffer *buffer);
int probe_lock(struct dma_buf *dmabuf, u32 lock);
void probe_unlock(struct dma_buf *dmabuf, u32 lock);

/* baton-probe-cpu.c */
int probe_mmap(struct probe_file *file, struct vm_area_struct *vma);

/* baton-probe-stub.c */
extern const struct dma_buf_ops probe_stub_ops;

/* baton-probe-log.c */
struct probe_log *probe_log_new(void);
struct probe_log *probe_log_get(struct probe_log *log);
void probe_log_put(struct probe_log *log);
void probe_log_add(struct probe_log *log, const struct baton_probe_event *event);
ssize_t probe_log_read(struct probe_log *log, char __user *data, size_t size);

#endif
