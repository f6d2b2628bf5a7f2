/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * Baton camera: controls beyond the standard ones
 */
#ifndef _UAPI_LINUX_BATON_CAMERA_H
#define _UAPI_LINUX_BATON_CAMERA_H

#include <linux/v4l2-controls.h>

/*
 * boolean: start the next frame as soon as a buffer is queued instead of once
 * per frame interval. The frame rate is then that of memory and of the
 * application, and no frame is dropped. Fixed while streaming.
 */
#define V4L2_CID_BATON_FREE_RUNNING (V4L2_CTRL_CLASS_USER | 0x1f00)

#endif
