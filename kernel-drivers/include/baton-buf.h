/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton buffers: picture memory that several engines use in turn
 *
 * A buffer is one piece of memory, however often it is exported and mapped. It
 * moves when an engine attaches that cannot use it where it is. Everything
 * that allocates picture memory does it here.
 */
#ifndef BATON_BUF_H
#define BATON_BUF_H

#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/types.h>
#include <media/videobuf2-core.h>

struct baton_buf;
struct device;
struct dma_buf;
struct dma_fence;
struct module;
struct sg_table;
struct vm_area_struct;

/**
 * struct baton_buf_needs - what the DMA API cannot say of a device
 * @max_segments: in one buffer; 0: any number
 * @align: of the first byte's bus address, a power of two; 0: a page will do
 */
struct baton_buf_needs {
	unsigned int max_segments;
	size_t align;
};

int devm_baton_buf_declare(struct device *dev, const struct baton_buf_needs *needs);
int baton_buf_add_pool(struct device *dev);
void baton_buf_remove_pool(struct device *dev);

struct device *baton_buf_master_create(struct device *dev, u64 mask,
				       const struct baton_buf_needs *needs);
void baton_buf_master_destroy(struct device *master);

/*
 * For baton_buf_create(): the CPU's mappings are write-combining and need no
 * cache maintenance
 */
#define BATON_BUF_WRITECOMBINE BIT(0)

struct baton_buf *baton_buf_create(struct device *dev, size_t size, const char *name,
				   unsigned int flags);
int baton_buf_populate(struct baton_buf *buf);
void baton_buf_get(struct baton_buf *buf);
void baton_buf_put(struct baton_buf *buf);
void baton_buf_withdraw(struct device *dev);

/**
 * struct baton_buf_exporter - who gives dma_bufs to user space
 * @owner: module that stays as long as any of its dma_bufs
 * @release: optional: a dma_buf ends; gets what baton_buf_export() was given.
 *	No lock is held.
 */
struct baton_buf_exporter {
	struct module *owner;
	void (*release)(void *priv);
};

struct dma_buf *baton_buf_export(struct baton_buf *buf, const struct baton_buf_exporter *exporter,
				 int flags, void *priv);
void *baton_buf_export_priv(struct dma_buf *dmabuf, const struct baton_buf_exporter *exporter);

int baton_buf_mmap(struct baton_buf *buf, struct vm_area_struct *vma);
void baton_buf_sync_for_device(struct baton_buf *buf, enum dma_data_direction dir);

struct dma_fence *baton_buf_fence_new(u64 context, u64 seqno);

int baton_buf_check_table(struct device *dev, struct sg_table *sgt);
phys_addr_t baton_buf_cpu_address(struct device *dev, dma_addr_t dma);

/**
 * struct baton_buf_vb2_ops - memory operations of a videobuf2 queue
 * @mem: BATON_BUF_VB2_MEM_OPS
 * @name: of the exporter, for people
 * @exporter: who exports MMAP buffers
 * @map: A plane has been mapped for the queue's device: take down its
 *	addresses. The table is valid until @stop returns NULL.
 * @stop: The storage of a plane is about to move. Make the engine forget the
 *	buffer and return NULL; or, if the engine is writing to it now, return a
 *	fence that signals in bounded time when it has finished. Before the
 *	buffer is used again the driver calls baton_buf_vb2_map().
 *
 * @map and @stop are called with the plane's dma_resv held and may sleep, but
 * take no lock under which a buffer is attached, such as the queue's.
 */
struct baton_buf_vb2_ops {
	struct vb2_mem_ops mem;
	const char *name;
	struct baton_buf_exporter exporter;
	int (*map)(struct vb2_buffer *vb, unsigned int plane, struct sg_table *sgt);
	struct dma_fence *(*stop)(struct vb2_buffer *vb, unsigned int plane);
};

int baton_buf_vb2_map(struct vb2_buffer *vb, bool wait);
void baton_buf_vb2_finish(struct vb2_buffer *vb);

void *baton_buf_vb2_alloc(struct vb2_buffer *vb, struct device *dev, unsigned long size);
void baton_buf_vb2_put(void *priv);
struct dma_buf *baton_buf_vb2_get_dmabuf(struct vb2_buffer *vb, void *priv, unsigned long flags);
unsigned int baton_buf_vb2_num_users(void *priv);
int baton_buf_vb2_mmap(void *priv, struct vm_area_struct *vma);
void baton_buf_vb2_prepare(void *priv);
void *baton_buf_vb2_attach_dmabuf(struct vb2_buffer *vb, struct device *dev,
				  struct dma_buf *dmabuf, unsigned long size);
void baton_buf_vb2_detach_dmabuf(void *priv);
int baton_buf_vb2_map_dmabuf(void *priv);
void baton_buf_vb2_unmap_dmabuf(void *priv);

#define BATON_BUF_VB2_MEM_OPS {				\
	.alloc = baton_buf_vb2_alloc,			\
	.put = baton_buf_vb2_put,			\
	.get_dmabuf = baton_buf_vb2_get_dmabuf,		\
	.num_users = baton_buf_vb2_num_users,		\
	.mmap = baton_buf_vb2_mmap,			\
	.prepare = baton_buf_vb2_prepare,		\
	.attach_dmabuf = baton_buf_vb2_attach_dmabuf,	\
	.detach_dmabuf = baton_buf_vb2_detach_dmabuf,	\
	.map_dmabuf = baton_buf_vb2_map_dmabuf,		\
	.unmap_dmabuf = baton_buf_vb2_unmap_dmabuf,	\
}

#endif
