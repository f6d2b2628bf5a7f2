/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers are written for Linux 6.12 and build on 7.2, too: here is what
 * has another name there. The build includes this into every file.
 */
#ifndef BATON_COMPAT_H
#define BATON_COMPAT_H

#include <linux/module.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define BATON_DRM_CLIENT_SETUP_H <drm/drm_client_setup.h>
#define BATON_DRM_DATE .date = "20260101",
/* Later videobuf2 unlocks the queue by itself. */
#define BATON_VB2_WAIT_OPS \
	.wait_prepare = vb2_ops_wait_prepare, \
	.wait_finish = vb2_ops_wait_finish,
/* Later dma-buf keeps no tables. */
#define baton_cache_sgt_mapping(ops, on) ((ops)->cache_sgt_mapping = (on))

/* Later always: what is mapped for a dynamic importer can move. */
#define BATON_MAPPED_CAN_MOVE IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY)

#define dev_assign_dma_coherent(dev, on) ((dev)->dma_coherent = (on))
#define dma_fence_lock_irqsave(fence, flags) spin_lock_irqsave((fence)->lock, flags)
#define dma_fence_unlock_irqrestore(fence, flags) spin_unlock_irqrestore((fence)->lock, flags)
#else
#define BATON_DRM_CLIENT_SETUP_H <drm/clients/drm_client_setup.h>
#define BATON_DRM_DATE
#define BATON_VB2_WAIT_OPS
#define baton_cache_sgt_mapping(ops, on) ((void)(on))
#define BATON_MAPPED_CAN_MOVE true

#define dma_buf_move_notify dma_buf_invalidate_mappings
#define drm_atomic_state drm_atomic_commit
#define from_timer timer_container_of
#define move_notify invalidate_mappings

/* A string since 6.13 */
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, __stringify(ns))
#endif

#endif
