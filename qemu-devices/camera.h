/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera engine: state and internal interfaces
 *
 * camera.c         registers and interrupt
 * camera-engine.c  frame timing, slices, completion
 * camera-ring.c    descriptor ring and segment lists
 * camera-source.c  which sensor delivers the frame, conversion of its lines
 */
#ifndef HW_BATON_CAMERA_H
#define HW_BATON_CAMERA_H

#include "hw/registerfields.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "baton-dma.h"
#include "baton-xxh64.h"
#include "camera-source.h"
#include "regs/baton-camera-regs.h"

#define TYPE_BATON_CAMERA "baton-camera"
OBJECT_DECLARE_SIMPLE_TYPE(BatonCameraState, BATON_CAMERA)

#define CAMERA_NUM_REGS (A_CAM_ERR_ADDR_HI / 4 + 1)
#define CAMERA_NUM_PLANES 2
#define CAMERA_LIST_BLOCK 64    /* segment list entries fetched at a time */

/* Where a plane of the frame in flight goes; offsets are bytes into it */
typedef struct CameraPlane {
    uint64_t list;
    uint32_t count;
    uint32_t next;              /* list entry behind the current segment */
    uint64_t seg_addr;
    uint64_t seg_start;
    uint64_t seg_end;
    uint8_t block[CAMERA_LIST_BLOCK * BATON_CAMERA_SEG_SIZE];
} CameraPlane;

typedef struct CameraFrame {
    bool active;
    bool pattern;
    bool hashed;
    bool overruns;              /* the FIFO is full at the deadline */
    uint32_t sequence;
    uint32_t slice;
    int64_t start;
    int64_t deadline;           /* of the slice in transfer */
    BatonXXH64 hash;
    CameraPlane plane[CAMERA_NUM_PLANES];
} CameraFrame;

/* How a frame or the ring failed: a BATON_CAMERA_DESC_* code and where */
typedef struct CameraError {
    unsigned code;
    unsigned plane;
    uint64_t addr;
} CameraError;

struct BatonCameraState {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    qemu_irq irq;
    BatonDma dma;
    QEMUTimer timer;
    CameraSource source;

    uint32_t regs[CAMERA_NUM_REGS];
    bool withdrawn[BATON_CAMERA_MAX_RING];
    bool halted;
    uint64_t bytes;
    uint32_t sequence;          /* of the next frame time */
    int64_t next_frame;         /* paced: next frame time */
    CameraFrame frame;
    uint8_t *slice_buffer[CAMERA_NUM_PLANES];
};

#define CAMERA_REG(s, reg) ((s)->regs[R_CAM_ ## reg])
#define CAMERA_FIELD(s, reg, field) \
    FIELD_EX32((s)->regs[R_CAM_ ## reg], CAM_ ## reg, field)

/* Name of the instance in traces and messages */
const char *camera_name(BatonCameraState *s);

static inline bool camera_running(BatonCameraState *s)
{
    return CAMERA_FIELD(s, CTRL, ENABLE) && !s->halted;
}

static inline bool camera_uses_pattern(BatonCameraState *s)
{
    return CAMERA_FIELD(s, CTRL, PATTERN) ||
           s->source.kind == BATON_CAMERA_SRC_NONE;
}

/* Bytes in an active line of a plane, 0 if the format has no such plane */
unsigned camera_line_bytes(BatonCameraState *s, unsigned plane);
void camera_raise(BatonCameraState *s, uint32_t irqs);
/* Note the first error since ERR_STATUS was last written. */
void camera_note_error(BatonCameraState *s, const CameraError *error);

/* camera-engine.c */
void camera_engine_init(BatonCameraState *s);
void camera_engine_start(BatonCameraState *s);
void camera_engine_stop(BatonCameraState *s);
/* Free running: start a frame if there are a descriptor and a sensor frame. */
void camera_engine_wake(BatonCameraState *s);
unsigned camera_num_slices(BatonCameraState *s);

/* camera-ring.c */
bool camera_ring_owns(BatonCameraState *s, unsigned index);
/* Pass over withdrawn entries; false: nothing is queued. */
bool camera_ring_ready(BatonCameraState *s);
/* A new TAIL leaves no mark on entries that the engine does not own. */
void camera_ring_set_tail(BatonCameraState *s, unsigned tail);
void camera_ring_clear(BatonCameraState *s);
void camera_ring_advance(BatonCameraState *s);
/* Fetch the descriptor at HEAD. RING_ERROR or BAD_DESC on failure. */
bool camera_ring_fetch(BatonCameraState *s, CameraError *error);
bool camera_ring_write_back(BatonCameraState *s, unsigned status, uint64_t hash,
                            uint64_t err_addr, CameraError *error);
/* Write at @offset into a plane of the frame in flight. */
bool camera_plane_write(BatonCameraState *s, unsigned plane, uint64_t offset,
                        const uint8_t *data, size_t len, CameraError *error);

#endif
