/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YUV4MPEG2 headers, as yuv4mpeg(5) of the mjpegtools describes them and
 * ffmpeg's XCOLORRANGE extends them
 */
#ifndef HW_BATON_CAMERA_Y4M_H
#define HW_BATON_CAMERA_Y4M_H

typedef struct Y4MFormat {
    uint32_t width;
    uint32_t height;
    uint32_t interval;          /* ns, 0: unknown */
    uint32_t encoding;          /* BATON_COLOR_* */
    bool full_range;
} Y4MFormat;

/*
 * Parse a stream header line without its newline. Returns BATON_CAMERA_SRC_OK,
 * or MALFORMED or UNSUPPORTED with @errp set.
 */
unsigned y4m_parse_header(const char *line, Y4MFormat *format, Error **errp);

/* Is this line, without its newline, a frame header? */
bool y4m_is_frame_header(const char *line);

/* Bytes of samples in a frame */
static inline size_t y4m_frame_bytes(const Y4MFormat *format)
{
    return (size_t)format->width * format->height * 3 / 2;
}

#endif
