/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: a recorded YUV4MPEG2 file as the sensor
 *
 * Frames are found once, at start-up, and read by index from then on. The file
 * is not mapped: one that shrinks must give a short read and not a signal.
 */
#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "qapi/error.h"
#include "regs/baton-camera-regs.h"
#include "camera-source.h"

/* Returns the number of bytes read before the end of the file or an error. */
static size_t read_at(int fd, void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = RETRY_ON_EINTR(pread(fd, buf + done, len - done,
                                         offset + done));

        if (n <= 0) {
            break;
        }
        done += n;
    }
    return done;
}

/*
 * Read a line and terminate it. Returns its length with the newline, 0 at the
 * end of the file, or -1 if no newline follows.
 */
static int read_line(int fd, char line[CAMERA_Y4M_LINE], uint64_t offset)
{
    size_t len = read_at(fd, line, CAMERA_Y4M_LINE - 1, offset);
    char *newline;

    if (!len) {
        return 0;
    }
    newline = memchr(line, '\n', len);
    if (!newline) {
        line[len] = '\0';
        return -1;
    }
    *newline = '\0';
    return newline + 1 - line;
}

/*
 * A file that ends within a frame keeps that frame: it is reported as
 * TRUNCATED when its turn comes.
 */
static void index_frames(CameraSource *src, uint64_t offset, uint64_t size,
                         Error **errp)
{
    g_autoptr(GArray) offsets = g_array_new(false, false, sizeof(uint64_t));
    char line[CAMERA_Y4M_LINE];

    while (offset < size) {
        int len = read_line(src->clip.fd, line, offset);

        if (len < 0 && g_str_has_prefix("FRAME", line)) {
            offset = size;
            g_array_append_val(offsets, offset);
            break;
        }
        if (len <= 0 || !y4m_is_frame_header(line)) {
            error_setg(errp, "camera clip '%s': no frame header at offset %"
                       PRIu64 ", after %u frames", src->file, offset,
                       offsets->len);
            return;
        }
        offset += len;
        g_array_append_val(offsets, offset);
        offset += y4m_frame_bytes(&src->format);
    }
    if (!offsets->len) {
        error_setg(errp, "camera clip '%s' has no frames", src->file);
        return;
    }
    src->clip.num_frames = offsets->len;
    src->clip.offsets = (uint64_t *)g_array_free(g_steal_pointer(&offsets),
                                                 false);
}

void camera_clip_open(CameraSource *src, Error **errp)
{
    ERRP_GUARD();
    char line[CAMERA_Y4M_LINE];
    struct stat st;
    int len;

    src->clip.fd = qemu_open(src->file, O_RDONLY, errp);
    if (src->clip.fd < 0) {
        error_prepend(errp, "camera clip: ");
        return;
    }
    if (fstat(src->clip.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        error_setg(errp, "camera clip '%s' is not a regular file; "
                   "use a character device for a stream", src->file);
        return;
    }

    len = read_line(src->clip.fd, line, 0);
    if (len <= 0) {
        error_setg(errp, "camera clip '%s': not a YUV4MPEG2 stream", src->file);
        return;
    }
    if (y4m_parse_header(line, &src->format, errp) != BATON_CAMERA_SRC_OK) {
        error_prepend(errp, "camera clip '%s': ", src->file);
        return;
    }
    index_frames(src, len, st.st_size, errp);
    if (*errp) {
        return;
    }
    src->front.format = src->format;
    src->front.data = g_malloc(y4m_frame_bytes(&src->format));
}

bool camera_clip_read(CameraSource *src, uint32_t index)
{
    size_t size = y4m_frame_bytes(&src->format);

    return read_at(src->clip.fd, src->front.data, size,
                   src->clip.offsets[index]) == size;
}
