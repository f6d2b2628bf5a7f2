// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: making exporters, and telling them how to behave
 */

#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "baton-probe.h"

#define PROBE_EXPORT_FLAGS (BATON_PROBE_EXPORT_CACHE_SGT | BATON_PROBE_EXPORT_OWN_RESV | \
			    BATON_PROBE_EXPORT_CONTIGUOUS | BATON_PROBE_EXPORT_LOW | \
			    BATON_PROBE_EXPORT_SRAM)

static struct probe_stub *probe_stub_of(struct probe_object *object)
{
	return container_of(object, struct probe_stub, object);
}

/* Nobody sleeps for ever because a test died. */
static void probe_stub_drop(struct probe_object *object)
{
	struct probe_stub *stub = probe_stub_of(object);
	unsigned int op;

	for (op = 0; op < BATON_PROBE_OPS; op++)
		WRITE_ONCE(stub->behaviour[op].flags, 0);
	wake_up_all(&stub->wait);
}

static void probe_free_pages(struct probe_stub *stub)
{
	size_t i;

	for (i = 0; i < stub->count; i++)
		if (stub->pages[i])
			__free_page(stub->pages[i]);
	kvfree(stub->pages);
}

static void probe_stub_release(struct probe_object *object)
{
	struct probe_stub *stub = probe_stub_of(object);

	probe_free_pages(stub);
	dma_resv_fini(&stub->resv);
	probe_log_put(stub->log);
	kfree(stub);
}

const struct probe_kind probe_stub_kind = {
	.drop = probe_stub_drop,
	.release = probe_stub_release,
};

static int probe_alloc_contiguous(struct probe_stub *stub, gfp_t gfp)
{
	unsigned int order = get_order(stub->count << PAGE_SHIFT);
	struct page *page = alloc_pages(gfp, order);
	size_t i;

	if (!page)
		return -ENOMEM;

	split_page(page, order);
	for (i = 0; i < 1UL << order; i++) {
		if (i < stub->count)
			stub->pages[i] = page + i;
		else
			__free_page(page + i);
	}
	return 0;
}

/* Neighbours are allocated one after the other: give every second page back. */
static int probe_alloc_scattered(struct probe_stub *stub, gfp_t gfp)
{
	struct page *gap, *next;
	LIST_HEAD(gaps);
	int ret = 0;
	size_t i;

	for (i = 0; i < stub->count && !ret; i++) {
		gap = alloc_page(gfp);
		stub->pages[i] = alloc_page(gfp);
		if (gap)
			list_add(&gap->lru, &gaps);
		if (!gap || !stub->pages[i])
			ret = -ENOMEM;
	}
	list_for_each_entry_safe(gap, next, &gaps, lru)
		__free_page(gap);
	return ret;
}

static int probe_alloc_pages(struct probe_stub *stub, size_t size)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;

	if (stub->flags & BATON_PROBE_EXPORT_LOW)
		gfp |= GFP_DMA;
	stub->count = PAGE_ALIGN(size) >> PAGE_SHIFT;
	stub->pages = kvcalloc(stub->count, sizeof(*stub->pages), GFP_KERNEL);
	if (!stub->pages) {
		stub->count = 0;
		return -ENOMEM;
	}
	if (stub->flags & BATON_PROBE_EXPORT_CONTIGUOUS)
		return probe_alloc_contiguous(stub, gfp);
	return probe_alloc_scattered(stub, gfp);
}

#define PROBE_OMIT_OP(name, member)				\
	do {							\
		if (!(mask & BIT(BATON_PROBE_OP_##name)))	\
			stub->ops.member = NULL;		\
	} while (0)

static void probe_select_ops(struct probe_stub *stub, u32 mask)
{
	stub->ops = probe_stub_ops;
	PROBE_OMIT_OP(ATTACH, attach);
	PROBE_OMIT_OP(DETACH, detach);
	PROBE_OMIT_OP(PIN, pin);
	PROBE_OMIT_OP(UNPIN, unpin);
	PROBE_OMIT_OP(MAP, map_dma_buf);
	PROBE_OMIT_OP(UNMAP, unmap_dma_buf);
	PROBE_OMIT_OP(BEGIN, begin_cpu_access);
	PROBE_OMIT_OP(END, end_cpu_access);
	PROBE_OMIT_OP(MMAP, mmap);
	PROBE_OMIT_OP(VMAP, vmap);
	PROBE_OMIT_OP(VUNMAP, vunmap);
	PROBE_OMIT_OP(RELEASE, release);
	baton_cache_sgt_mapping(&stub->ops, stub->flags & BATON_PROBE_EXPORT_CACHE_SGT);
}

static struct probe_stub *probe_stub_new(struct probe_file *file,
					 const struct baton_probe_export *args)
{
	struct probe_stub *stub;
	int ret;

	stub = probe_alloc(sizeof(*stub), &probe_stub_kind);
	if (IS_ERR(stub))
		return stub;

	dma_resv_init(&stub->resv);
	init_waitqueue_head(&stub->wait);
	stub->log = probe_log_get(file->log);
	stub->flags = args->flags;
	probe_select_ops(stub, args->ops);
	ret = probe_alloc_pages(stub, args->size);
	if (ret) {
		probe_put(&stub->object);
		return ERR_PTR(ret);
	}
	return stub;
}

/* The dma_buf has a reference to @stub. */
static struct dma_buf *probe_export_stub(struct probe_stub *stub,
					 const struct baton_probe_export *args)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &stub->ops;
	info.size = args->size;
	info.flags = args->file_flags & O_ACCMODE;
	info.resv = stub->flags & BATON_PROBE_EXPORT_OWN_RESV ? &stub->resv : NULL;
	info.priv = stub;

	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		kref_get(&stub->object.kref);
	return dmabuf;
}

int probe_export(struct probe_file *file, void *arg)
{
	struct baton_probe_export *args = arg;
	struct dma_buf *dmabuf;
	struct probe_stub *stub;
	int ret;

	if (!args->size || args->size > SZ_64M || args->flags & ~PROBE_EXPORT_FLAGS ||
	    args->ops >> BATON_PROBE_OPS || args->file_flags & ~(O_ACCMODE | O_CLOEXEC))
		return -EINVAL;

	stub = probe_stub_new(file, args);
	if (IS_ERR(stub))
		return PTR_ERR(stub);

	dmabuf = probe_export_stub(stub, args);
	if (IS_ERR(dmabuf)) {
		probe_put(&stub->object);
		return PTR_ERR(dmabuf);
	}

	ret = probe_publish(file, &stub->object, &args->id);
	if (!ret) {
		args->fd = dma_buf_fd(dmabuf, args->file_flags & O_CLOEXEC);
		ret = min(args->fd, 0);
	}
	if (ret)
		dma_buf_put(dmabuf);
	return ret;
}

static bool probe_behave_valid(const struct baton_probe_behave *args)
{
	u32 flags = BATON_PROBE_BEHAVE_BLOCK;

	if (args->op == BATON_PROBE_OP_MAP)
		flags |= BATON_PROBE_BEHAVE_NULL;
	return args->op < BATON_PROBE_OPS && !(args->flags & ~flags) &&
	       args->error <= 0 && args->error >= -MAX_ERRNO;
}

int probe_behave(struct probe_file *file, void *arg)
{
	const struct baton_probe_behave *args = arg;
	struct probe_stub *stub;

	if (!probe_behave_valid(args))
		return -EINVAL;

	stub = probe_find(file, args->exporter, &probe_stub_kind);
	if (IS_ERR(stub))
		return PTR_ERR(stub);

	WRITE_ONCE(stub->behaviour[args->op].error, args->error);
	WRITE_ONCE(stub->behaviour[args->op].flags, args->flags);
	wake_up_all(&stub->wait);
	probe_put(&stub->object);
	return 0;
}

int probe_export_info(struct probe_file *file, void *arg)
{
	struct baton_probe_export_info *args = arg;
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	memset(args, 0, sizeof(*args));
	strscpy(args->exp_name, info.exp_name, sizeof(args->exp_name));
	args->owned = info.owner == THIS_MODULE;
	args->nonzero = !!info.ops + !!info.size + !!info.flags + !!info.resv + !!info.priv;
	return 0;
}
