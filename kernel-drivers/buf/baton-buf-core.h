/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton buffers: shared between the parts of the core
 */
#ifndef BATON_BUF_CORE_H
#define BATON_BUF_CORE_H

#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/list.h>

#include "baton-buf-limits.h"

struct baton_buf_exporter;
struct baton_storage;
struct device;
struct dma_buf;
struct dma_buf_attachment;
struct file;

/**
 * struct baton_buf - a buffer
 * @kref: held by its creator, each dma_buf and each user mapping
 * @size: bytes, a multiple of PAGE_SIZE
 * @name: of the exporter, for people
 * @dev: for whose driver it was made, or NULL
 * @writecombine: how the CPU maps it
 * @file: owner of the inode in which all user mappings are, whatever they were
 *	made through, so that a move finds them
 * @link: in the list of all buffers
 * @resv: protects all below; shared by all dma_bufs over this buffer
 * @storage: the memory, NULL before the first use
 * @exports: struct baton_export, one for each dma_buf
 * @users: struct baton_user, one for each attachment to any of the dma_bufs
 * @pins: attachments that forbid a move
 * @vmas: user mappings
 * @faulted: pages are in user mappings
 * @vmaps: kernel mappings, which forbid a move
 * @vaddr: of the kernel mapping
 * @generation: number of storages so far
 * @used: somebody may have written to the storage; before, it is all zeroes
 * @cpu_touched: the CPU's caches may hold what it has written to the storage
 * @cpu_stale: the CPU's caches may hold what an engine has replaced, and nobody
 *	has looked since
 * @withdrawn: @dev has lost its driver: nobody may attach any more
 */
struct baton_buf {
	struct kref kref;
	size_t size;
	const char *name;
	struct device *dev;
	bool writecombine;
	struct file *file;
	struct list_head link;

	struct dma_resv resv;
	struct baton_storage *storage;
	struct list_head exports;
	struct list_head users;
	unsigned int pins;
	unsigned int vmas;
	bool faulted;
	unsigned int vmaps;
	void *vaddr;
	unsigned int generation;
	bool used;
	bool cpu_touched;
	bool cpu_stale;
	bool withdrawn;
};

/**
 * struct baton_export - a dma_buf over a buffer
 * @link: in &baton_buf.exports
 * @dmabuf: the dma_buf
 * @buf: the buffer
 * @exporter: who made it, NULL for an internal one
 * @priv: of @exporter
 */
struct baton_export {
	struct list_head link;
	struct dma_buf *dmabuf;
	struct baton_buf *buf;
	const struct baton_buf_exporter *exporter;
	void *priv;
};

/**
 * struct baton_user - an attachment
 * @link: in &baton_buf.users
 * @dev: the importer's device
 * @limits: of @dev
 * @maps: struct baton_map, mappings now handed out
 * @pins: pins that it holds
 */
struct baton_user {
	struct list_head link;
	struct device *dev;
	struct baton_limits limits;
	struct list_head maps;
	unsigned int pins;
};

/* baton-buf-place.c: where a buffer may be; dma_resv held */
struct baton_storage *baton_place(struct baton_buf *buf);
struct baton_storage *baton_place_in_pools(struct baton_buf *buf);
bool baton_suits_all(struct baton_buf *buf, const struct baton_storage *storage);
bool baton_storage_suits(const struct baton_storage *storage, const struct baton_user *user,
			 const char **why);
const struct baton_user *baton_find_conflict(struct baton_buf *buf,
					     const struct baton_user *newcomer);

/* baton-buf-move.c */
unsigned long baton_buf_wait_limit(void);
int baton_buf_admit(struct baton_buf *buf, struct baton_user *user);

/* baton-buf-core.c; dma_resv held */
int baton_buf_populate_locked(struct baton_buf *buf);
void baton_buf_touch(struct baton_buf *buf);
void baton_buf_flush(struct baton_buf *buf);

/* without dma_resv */
void baton_buf_fetch(struct baton_buf *buf);

/* baton-buf-mmap.c */
int baton_buf_file_init(struct baton_buf *buf);
void baton_buf_zap(struct baton_buf *buf);

/* baton-buf-debugfs.c */
void baton_debugfs_init(void);
void baton_debugfs_exit(void);

extern struct list_head baton_buffers;
/* Protects baton_buffers; taken before any buffer's dma_resv */
extern struct mutex baton_buffers_lock;

#endif
