// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: mappings into processes
 *
 * A buffer can be mapped through a V4L2 node, a DRM node and several dma-bufs,
 * each with an address space of its own. Every VMA is handed over to the
 * buffer's own file, so that one unmap_mapping_range() before a move reaches
 * them all; they come back by faulting in the new pages.
 */

#include <linux/anon_inodes.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "baton-buf.h"
#include "baton-buf-core.h"
#include "baton-buf-storage.h"

/* Faulted in at once: a picture is touched from end to end. */
#define BATON_FAULT_PAGES 64

static const struct file_operations baton_buf_fops = {
	.owner = THIS_MODULE,
	.llseek = noop_llseek,
};

int baton_buf_file_init(struct baton_buf *buf)
{
	struct file *file;

	file = anon_inode_create_getfile("[baton-buf]", &baton_buf_fops, buf, O_RDWR, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);

	i_size_write(file_inode(file), buf->size);
	buf->file = file;
	return 0;
}

/* Not by vm_private_data, which drm_gem_prime_mmap() sets after us */
static struct baton_buf *baton_buf_of_vma(struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

/* Take the pages away from all processes; they fault on the next access. */
void baton_buf_zap(struct baton_buf *buf)
{
	unmap_mapping_range(buf->file->f_mapping, 0, buf->size, 1);
	buf->faulted = false;
}

static vm_fault_t baton_buf_insert(struct baton_buf *buf, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PAGE_MASK;
	pgoff_t pgoff = vmf->pgoff;
	vm_fault_t ret = VM_FAULT_NOPAGE;
	unsigned int i;

	for (i = 0; i < BATON_FAULT_PAGES; i++) {
		if (address >= vma->vm_end || pgoff >= buf->size >> PAGE_SHIFT)
			break;

		ret = vmf_insert_pfn(vma, address, page_to_pfn(buf->storage->cpu_pages[pgoff]));
		if (ret != VM_FAULT_NOPAGE)
			return i ? VM_FAULT_NOPAGE : ret;

		address += PAGE_SIZE;
		pgoff++;
	}
	return ret;
}

static vm_fault_t baton_buf_fault(struct vm_fault *vmf)
{
	struct baton_buf *buf = baton_buf_of_vma(vmf->vma);
	vm_fault_t ret;

	if (vmf->pgoff >= buf->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;

	/* A move holds the lock while it copies: lock order is mmap_lock, dma_resv. */
	if (dma_resv_lock_interruptible(&buf->resv, NULL))
		return VM_FAULT_NOPAGE;

	/* VM_FAULT_OOM would mean to try again, with the same outcome. */
	if (baton_buf_populate_locked(buf)) {
		ret = VM_FAULT_SIGBUS;
	} else {
		WRITE_ONCE(buf->faulted, true);
		baton_buf_touch(buf);
		ret = baton_buf_insert(buf, vmf);
	}
	dma_resv_unlock(&buf->resv);
	return ret;
}

static void baton_buf_vm_open(struct vm_area_struct *vma)
{
	struct baton_buf *buf = baton_buf_of_vma(vma);

	baton_buf_get(buf);
	dma_resv_lock(&buf->resv, NULL);
	buf->vmas++;
	dma_resv_unlock(&buf->resv);
}

static void baton_buf_vm_close(struct vm_area_struct *vma)
{
	struct baton_buf *buf = baton_buf_of_vma(vma);

	dma_resv_lock(&buf->resv, NULL);
	if (!--buf->vmas)
		buf->faulted = false;
	dma_resv_unlock(&buf->resv);
	baton_buf_put(buf);
}

static const struct vm_operations_struct baton_buf_vm_ops = {
	.open = baton_buf_vm_open,
	.close = baton_buf_vm_close,
	.fault = baton_buf_fault,
};

/**
 * baton_buf_mmap() - map a buffer into a process
 * @buf: the buffer
 * @vma: where; vm_pgoff counts pages from the start of the buffer
 *
 * Pages appear when they are touched. They cannot be pinned (VM_PFNMAP).
 *
 * Return: 0, -EINVAL for a private mapping or one beyond the end.
 */
int baton_buf_mmap(struct baton_buf *buf, struct vm_area_struct *vma)
{
	pgoff_t pages = buf->size >> PAGE_SHIFT;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff > pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->writecombine)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vma_set_file(vma, buf->file);
	vma->vm_ops = &baton_buf_vm_ops;
	baton_buf_vm_open(vma);
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_mmap);
