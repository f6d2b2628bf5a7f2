/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: the sensor at the camera's input
 *
 * A sensor delivers whole frames in planar YCbCr 4:2:0, a clip by frame index
 * and a live stream as they come. The pattern generator is part of the engine
 * and needs no sensor.
 */
#ifndef HW_BATON_CAMERA_SOURCE_H
#define HW_BATON_CAMERA_SOURCE_H

#include "chardev/char-fe.h"
#include "camera-y4m.h"

#define CAMERA_Y4M_LINE 1024    /* longest header line */

typedef struct CameraBuffer {
    Y4MFormat format;
    uint8_t *data;
} CameraBuffer;

typedef struct CameraClip {
    int fd;
    uint32_t num_frames;
    uint64_t *offsets;          /* of each frame's samples in the file */
} CameraClip;

typedef struct CameraLive {
    Error *migration_blocker;
    CameraBuffer back;          /* being received */
    size_t received;            /* bytes of line or of back */
    bool in_frame;              /* receiving samples, else a header line */
    bool complete;              /* back waits for the engine to release front */
    bool fresh;                 /* front has not been taken yet */
    char line[CAMERA_Y4M_LINE];
} CameraLive;

typedef struct CameraSource {
    char *file;
    bool loop;
    CharBackend chr;

    uint32_t kind;              /* BATON_CAMERA_SRC_* */
    uint32_t state;
    Y4MFormat format;
    CameraBuffer front;         /* frame that the engine reads */
    bool front_busy;
    CameraClip clip;
    CameraLive live;
} CameraSource;

typedef struct BatonCameraState BatonCameraState;

void camera_source_realize(BatonCameraState *s, Error **errp);
/* After ENABLE: a clip starts again. */
void camera_source_restart(BatonCameraState *s);
/* Is there a frame for this frame time? */
bool camera_source_ready(BatonCameraState *s, uint32_t sequence);
/* Take that frame; false if it is incomplete. */
bool camera_source_take(BatonCameraState *s, uint32_t sequence);
void camera_source_release(BatonCameraState *s);
/* Does the sensor still have the frame in flight? If not, it is TRUNCATED. */
bool camera_source_holds(BatonCameraState *s);
/* After migration: fetch the frame in flight again. */
void camera_source_reload(BatonCameraState *s);
void camera_source_set_state(BatonCameraState *s, uint32_t state);
/* Lines of the frame in flight in the format set up, without padding */
void camera_source_lines(BatonCameraState *s, unsigned first, unsigned count,
                         uint8_t *plane0, uint8_t *plane1);

/* camera-clip.c */
void camera_clip_open(CameraSource *src, Error **errp);
bool camera_clip_read(CameraSource *src, uint32_t index);

/* camera-live.c */
void camera_live_open(BatonCameraState *s, Error **errp);
void camera_live_release(BatonCameraState *s);

/* camera-pattern.c */
void camera_pattern_init(void);
void camera_pattern_lines(BatonCameraState *s, unsigned first, unsigned count,
                          uint8_t *plane0, uint8_t *plane1);

#endif
