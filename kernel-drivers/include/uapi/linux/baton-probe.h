/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * Baton probe: dma-buf importers and exporters made by tests
 *
 * Every open file of /dev/baton-probe has objects of its own, which go by an id
 * from 1 up. An object keeps what it was made from: dropping a buffer with an
 * attachment puts the dma_buf when the attachment is dropped, too. Closing the
 * file drops all, in a safe order.
 *
 * ENXIO says that there is no object with that id and of the right type, E2BIG
 * that a field is not known. Any other error is that of the function in
 * question, unless said otherwise. Calls on one file can run concurrently.
 *
 * read() takes events off the log, as many whole struct baton_probe_event as
 * fit; 0 when there are none, EOVERFLOW if some were lost.
 */
#ifndef _UAPI_LINUX_BATON_PROBE_H
#define _UAPI_LINUX_BATON_PROBE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* How a function that wants the dma_resv locked is called */
#define BATON_PROBE_LOCK_AUTO		0	/* its _unlocked variant, if there is one */
#define BATON_PROBE_LOCK_HELD		1
#define BATON_PROBE_LOCK_MISSING	2	/* wrong */

/* Directions, as in enum dma_data_direction */
#define BATON_PROBE_BIDIRECTIONAL	0
#define BATON_PROBE_TO_DEVICE		1
#define BATON_PROBE_FROM_DEVICE		2
#define BATON_PROBE_NONE		3

#define BATON_PROBE_MAX_WINDOWS 4

struct baton_probe_window {
	__u64 cpu;
	__u64 bus;
	__u64 size;
};

#define BATON_PROBE_DEVICE_NO_MASK	0x1	/* no dma_mask at all */
#define BATON_PROBE_DEVICE_COHERENT	0x2
#define BATON_PROBE_DEVICE_DECLARE	0x4	/* devm_baton_buf_declare() */

/**
 * struct baton_probe_device - register a device
 * @dma_mask: of the device
 * @bus_limit: last bus address that its bus passes on; 0: unlimited
 * @boundary: mask that no segment crosses; 0: default
 * @align: declared alignment of the first byte
 * @max_segment: bytes in a segment; 0: default
 * @max_segments: declared number of segments
 * @min_align_mask: address bits that a bounce buffer would keep
 * @window_count: of @windows; 0: bus = CPU address
 * @windows: dma_range_map of the device
 * @flags: BATON_PROBE_DEVICE_*
 * @id: of the new object
 */
struct baton_probe_device {
	__u64 dma_mask;
	__u64 bus_limit;
	__u64 boundary;
	__u64 align;
	__u32 max_segment;
	__u32 max_segments;
	__u32 min_align_mask;
	__u32 window_count;
	struct baton_probe_window windows[BATON_PROBE_MAX_WINDOWS];
	__u32 flags;
	__u32 id;
};

#define BATON_PROBE_DROP_FORCE 0x1

/**
 * struct baton_probe_drop - give an object up
 * @id: a device is unregistered, a buffer put, an attachment detached, a mapping
 *	unmapped, a vmap vunmapped, a fence signalled (ECANCELED) and put; an
 *	exporter stops to fail and to block
 * @lock: BATON_PROBE_LOCK_*, of a mapping or vmap
 * @flags: BATON_PROBE_DROP_FORCE: put a buffer with its attachments, detach an
 *	attachment with its mappings. Wrong, and no other call may use it.
 */
struct baton_probe_drop {
	__u32 id;
	__u32 lock;
	__u32 flags;
};

/* struct baton_probe_get - dma_buf_get(@fd): a buffer */
struct baton_probe_get {
	__s32 fd;
	__u32 id;
};

#define BATON_PROBE_ATTACH_DYNAMIC	0x1
#define BATON_PROBE_ATTACH_PEER2PEER	0x2	/* with DYNAMIC */
#define BATON_PROBE_ATTACH_NO_NOTIFY	0x4	/* with DYNAMIC; wrong */

/* struct baton_probe_attach - attach a device to a buffer */
struct baton_probe_attach {
	__u32 buffer;
	__u32 device;
	__u32 flags;
	__u32 id;
};

/**
 * struct baton_probe_map - map an attachment
 * @attachment: what to map
 * @direction: BATON_PROBE_*
 * @lock: BATON_PROBE_LOCK_*
 * @id: of the new mapping
 * @table: tells tables apart
 * @segments: for the device
 * @reserved: 0
 */
struct baton_probe_map {
	__u32 attachment;
	__u32 direction;
	__u32 lock;
	__u32 id;
	__u64 table;
	__u32 segments;
	__u32 reserved;
};

/**
 * struct baton_probe_segment - of a mapping
 * @bus: address for the device
 * @len: bytes
 * @cpu: physical address to which the device's bus takes @bus
 * @page: struct page that the table names, mangled if the kernel does that
 * @expected: struct page of @cpu, 0 if there is none
 */
struct baton_probe_segment {
	__u64 bus;
	__u64 len;
	__u64 cpu;
	__u64 page;
	__u64 expected;
};

/**
 * struct baton_probe_table - read the table of a mapping
 * @mapping: which
 * @count: room in @segments; then the number of segments that there are
 * @segments: address of an array of struct baton_probe_segment
 */
struct baton_probe_table {
	__u32 mapping;
	__u32 count;
	__u64 segments;
};

#define BATON_PROBE_ACCESS_WRITE 0x1

/**
 * struct baton_probe_access - read or write a buffer
 * @id: a mapping: what the device would see, at its addresses and beside the
 *	CPU's caches; EIO at an address that it does not reach, EACCES against
 *	the direction of the mapping. A vmap: what the CPU sees.
 * @flags: BATON_PROBE_ACCESS_*
 * @offset: in the buffer
 * @len: bytes; EINVAL beyond the end
 * @data: address of the bytes
 */
struct baton_probe_access {
	__u32 id;
	__u32 flags;
	__u64 offset;
	__u64 len;
	__u64 data;
};

/* struct baton_probe_pin - pin or unpin an attachment; @lock is BATON_PROBE_LOCK_* */
struct baton_probe_pin {
	__u32 attachment;
	__u32 lock;
};

#define BATON_PROBE_VMAP_IOMEM 0x1

/**
 * struct baton_probe_vmap - map a buffer for the kernel
 * @buffer: which
 * @lock: BATON_PROBE_LOCK_*
 * @id: of the new vmap
 * @flags: BATON_PROBE_VMAP_*
 * @address: tells mappings apart
 */
struct baton_probe_vmap {
	__u32 buffer;
	__u32 lock;
	__u32 id;
	__u32 flags;
	__u64 address;
};

/* struct baton_probe_cpu_access - dma_buf_begin_cpu_access() or dma_buf_end_cpu_access() */
struct baton_probe_cpu_access {
	__u32 buffer;
	__u32 direction;
};

/**
 * struct baton_probe_window_map - prepare an mmap() of the probe's own file
 * @buffer: what to hand to dma_buf_mmap()
 * @id: of the new window
 * @pgoff: first page in the buffer
 * @offset: for mmap() of the file
 */
struct baton_probe_window_map {
	__u32 buffer;
	__u32 id;
	__u64 pgoff;
	__u64 offset;
};

/* struct baton_probe_fence_new - make a fence */
struct baton_probe_fence_new {
	__u32 id;
};

/* struct baton_probe_fence_add - add a fence to a buffer; @usage as in enum dma_resv_usage */
struct baton_probe_fence_add {
	__u32 fence;
	__u32 buffer;
	__u32 usage;
};

/* struct baton_probe_fence_signal - signal a fence; @error is 0 or negative */
struct baton_probe_fence_signal {
	__u32 fence;
	__s32 error;
};

/**
 * struct baton_probe_info - counters
 * @id: a buffer, device or attachment
 * @pins: that the probe holds on the attachment
 * @references: to the dma_buf's file, to the struct device
 * @notified: calls of move_notify
 */
struct baton_probe_info {
	__u32 id;
	__u32 pins;
	__u64 references;
	__u64 notified;
};

/* Operations of an exporter */
#define BATON_PROBE_OP_ATTACH		0
#define BATON_PROBE_OP_DETACH		1
#define BATON_PROBE_OP_PIN		2
#define BATON_PROBE_OP_UNPIN		3
#define BATON_PROBE_OP_MAP		4
#define BATON_PROBE_OP_UNMAP		5
#define BATON_PROBE_OP_BEGIN		6
#define BATON_PROBE_OP_END		7
#define BATON_PROBE_OP_MMAP		8
#define BATON_PROBE_OP_VMAP		9
#define BATON_PROBE_OP_VUNMAP		10
#define BATON_PROBE_OP_RELEASE		11
#define BATON_PROBE_OPS			12
#define BATON_PROBE_OP_NOTIFY		12	/* in events: move_notify of an importer */

#define BATON_PROBE_EXPORT_CACHE_SGT	0x1	/* cache_sgt_mapping */
#define BATON_PROBE_EXPORT_OWN_RESV	0x2	/* pass a dma_resv */
#define BATON_PROBE_EXPORT_CONTIGUOUS	0x4	/* else no two pages are neighbours */
#define BATON_PROBE_EXPORT_LOW		0x8	/* GFP_DMA */
#define BATON_PROBE_EXPORT_SRAM		0x10	/* no struct pages: for PEER2PEER only */

/**
 * struct baton_probe_export - export a buffer
 * @size: bytes
 * @ops: bit mask of 1 << BATON_PROBE_OP_*
 * @flags: BATON_PROBE_EXPORT_*
 * @file_flags: access mode and O_CLOEXEC
 * @fd: of the new dma_buf
 * @id: of the new exporter
 * @reserved: 0
 */
struct baton_probe_export {
	__u64 size;
	__u32 ops;
	__u32 flags;
	__u32 file_flags;
	__s32 fd;
	__u32 id;
	__u32 reserved;
};

#define BATON_PROBE_BEHAVE_BLOCK	0x1	/* sleep until told otherwise */
#define BATON_PROBE_BEHAVE_NULL		0x2	/* map only: return NULL */

/**
 * struct baton_probe_behave - say how an operation behaves from now on
 * @exporter: which
 * @op: BATON_PROBE_OP_*
 * @error: 0, or what the operation returns instead of working
 * @flags: BATON_PROBE_BEHAVE_*
 */
struct baton_probe_behave {
	__u32 exporter;
	__u32 op;
	__s32 error;
	__u32 flags;
};

/* struct baton_probe_notify - dma_buf_move_notify(); @lock is BATON_PROBE_LOCK_* */
struct baton_probe_notify {
	__u32 buffer;
	__u32 lock;
};

/* Calls that make no sense */
#define BATON_PROBE_MISUSE_ATTACH_NULL_BUFFER	0
#define BATON_PROBE_MISUSE_ATTACH_NULL_DEVICE	1
#define BATON_PROBE_MISUSE_DETACH_NULL		2
#define BATON_PROBE_MISUSE_DETACH_FOREIGN	3	/* @attachment from @buffer */
#define BATON_PROBE_MISUSE_MAP_NULL		4
#define BATON_PROBE_MISUSE_UNMAP_NULL		5
#define BATON_PROBE_MISUSE_PUT_NULL		6
#define BATON_PROBE_MISUSE_FD_NULL		7
#define BATON_PROBE_MISUSE_VMAP_NULL		8
#define BATON_PROBE_MISUSE_VUNMAP_NULL		9
#define BATON_PROBE_MISUSE_MMAP_NULL		10
#define BATON_PROBE_MISUSE_BEGIN_NULL		11
#define BATON_PROBE_MISUSE_VUNMAP_UNMAPPED	12	/* a BUG() */

/* struct baton_probe_misuse - call a function with wrong arguments; 0 if it returns void */
struct baton_probe_misuse {
	__u32 call;
	__u32 buffer;
	__u32 attachment;
};

/**
 * struct baton_probe_export_info - what DEFINE_DMA_BUF_EXPORT_INFO() leaves
 * @exp_name: set by it
 * @owned: it set the owner to the module
 * @nonzero: number of other fields that are not zero
 */
struct baton_probe_export_info {
	char exp_name[32];
	__u32 owned;
	__u32 nonzero;
};

#define BATON_PROBE_EVENT_LOCKED	0x1	/* the dma_resv was locked */
#define BATON_PROBE_EVENT_LISTED	0x2	/* the dma_buf lists the attachment */

/**
 * struct baton_probe_event - an operation was entered
 * @op: BATON_PROBE_OP_*
 * @object: the exporter; of OP_NOTIFY the attachment
 * @direction: of OP_MAP, UNMAP, BEGIN and END
 * @flags: BATON_PROBE_EVENT_*
 * @attachment: tells attachments apart, 0 if the operation has none
 * @table: of OP_UNMAP, as in struct baton_probe_map
 */
struct baton_probe_event {
	__u32 op;
	__u32 object;
	__u32 direction;
	__u32 flags;
	__u64 attachment;
	__u64 table;
};

#define BATON_PROBE_IOC(nr, type)	_IOWR(0xba, nr, struct baton_probe_##type)

#define BATON_PROBE_IOC_DEVICE		BATON_PROBE_IOC(0, device)
#define BATON_PROBE_IOC_DROP		BATON_PROBE_IOC(1, drop)
#define BATON_PROBE_IOC_GET		BATON_PROBE_IOC(2, get)
#define BATON_PROBE_IOC_ATTACH		BATON_PROBE_IOC(3, attach)
#define BATON_PROBE_IOC_MAP		BATON_PROBE_IOC(4, map)
#define BATON_PROBE_IOC_TABLE		BATON_PROBE_IOC(5, table)
#define BATON_PROBE_IOC_ACCESS		BATON_PROBE_IOC(6, access)
#define BATON_PROBE_IOC_PIN		BATON_PROBE_IOC(7, pin)
#define BATON_PROBE_IOC_UNPIN		BATON_PROBE_IOC(8, pin)
#define BATON_PROBE_IOC_VMAP		BATON_PROBE_IOC(9, vmap)
#define BATON_PROBE_IOC_BEGIN		BATON_PROBE_IOC(10, cpu_access)
#define BATON_PROBE_IOC_END		BATON_PROBE_IOC(11, cpu_access)
#define BATON_PROBE_IOC_WINDOW		BATON_PROBE_IOC(12, window_map)
#define BATON_PROBE_IOC_FENCE_NEW	BATON_PROBE_IOC(13, fence_new)
#define BATON_PROBE_IOC_FENCE_ADD	BATON_PROBE_IOC(14, fence_add)
#define BATON_PROBE_IOC_FENCE_SIGNAL	BATON_PROBE_IOC(15, fence_signal)
#define BATON_PROBE_IOC_INFO		BATON_PROBE_IOC(16, info)
#define BATON_PROBE_IOC_EXPORT		BATON_PROBE_IOC(17, export)
#define BATON_PROBE_IOC_BEHAVE		BATON_PROBE_IOC(18, behave)
#define BATON_PROBE_IOC_NOTIFY		BATON_PROBE_IOC(19, notify)
#define BATON_PROBE_IOC_MISUSE		BATON_PROBE_IOC(20, misuse)
#define BATON_PROBE_IOC_EXPORT_INFO	BATON_PROBE_IOC(21, export_info)

#endif
