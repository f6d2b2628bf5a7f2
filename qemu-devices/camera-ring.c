/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton camera: descriptor ring and segment lists */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "camera.h"

static unsigned ring_head(BatonCameraState *s)
{
    return CAMERA_FIELD(s, HEAD, INDEX);
}

void camera_ring_advance(BatonCameraState *s)
{
    CAMERA_REG(s, HEAD) = (ring_head(s) + 1) % CAMERA_REG(s, RING_SIZE);
}

static uint64_t head_address(BatonCameraState *s)
{
    uint64_t base = CAMERA_REG(s, RING_LO) |
                    (uint64_t)CAMERA_REG(s, RING_HI) << 32;

    return base + ring_head(s) * BATON_CAMERA_DESC_SIZE;
}

bool camera_ring_owns(BatonCameraState *s, unsigned index)
{
    unsigned head = ring_head(s);
    unsigned tail = CAMERA_FIELD(s, TAIL, INDEX);

    if (head <= tail) {
        return index >= head && index < tail;
    }
    return (index >= head && index < CAMERA_REG(s, RING_SIZE)) || index < tail;
}

bool camera_ring_ready(BatonCameraState *s)
{
    while (CAMERA_REG(s, HEAD) != CAMERA_REG(s, TAIL)) {
        if (!s->withdrawn[ring_head(s)]) {
            return true;
        }
        s->withdrawn[ring_head(s)] = false;
        camera_ring_advance(s);
    }
    return false;
}

void camera_ring_set_tail(BatonCameraState *s, unsigned tail)
{
    CAMERA_REG(s, TAIL) = tail;
    for (unsigned i = 0; i < BATON_CAMERA_MAX_RING; i++) {
        s->withdrawn[i] &= camera_ring_owns(s, i);
    }
}

void camera_ring_clear(BatonCameraState *s)
{
    CAMERA_REG(s, HEAD) = 0;
    camera_ring_set_tail(s, 0);
}

static bool load_plane(CameraPlane *plane, const uint8_t *desc,
                       unsigned list_at, unsigned count_at, bool used)
{
    *plane = (CameraPlane) {
        .list = ldq_le_p(desc + list_at),
        .count = lduw_le_p(desc + count_at),
    };
    if (!used) {
        return plane->list == 0 && plane->count == 0;
    }
    return plane->count && plane->list % BATON_CAMERA_SEG_SIZE == 0;
}

bool camera_ring_fetch(BatonCameraState *s, CameraError *error)
{
    uint64_t addr = head_address(s);
    uint8_t desc[BATON_CAMERA_DESC_SIZE];

    if (baton_dma_read(&s->dma, BATON_MONITOR_CONTROL, addr, desc,
                       sizeof(desc), &error->addr) != MEMTX_OK) {
        error->code = BATON_CAMERA_DESC_RING_ERROR;
        return false;
    }

    *error = (CameraError) { BATON_CAMERA_DESC_BAD_DESC, 0, addr };
    if (ldl_le_p(desc + BATON_CAMERA_DESC_RESERVED) ||
        ldl_le_p(desc + BATON_CAMERA_DESC_RESERVED2) ||
        !load_plane(&s->frame.plane[0], desc, BATON_CAMERA_DESC_LIST0,
                    BATON_CAMERA_DESC_COUNT0, true)) {
        return false;
    }
    error->plane = 1;
    return load_plane(&s->frame.plane[1], desc, BATON_CAMERA_DESC_LIST1,
                      BATON_CAMERA_DESC_COUNT1, camera_line_bytes(s, 1) != 0);
}

bool camera_ring_write_back(BatonCameraState *s, unsigned status, uint64_t hash,
                            uint64_t err_addr, CameraError *error)
{
    const unsigned first = BATON_CAMERA_DESC_STATUS;
    uint64_t addr = head_address(s) + first;
    uint8_t words[BATON_CAMERA_DESC_SIZE - BATON_CAMERA_DESC_STATUS];

    stl_le_p(words, status);
    stl_le_p(words + BATON_CAMERA_DESC_SEQUENCE - first, s->frame.sequence);
    stq_le_p(words + BATON_CAMERA_DESC_TIMESTAMP - first, s->frame.start);
    stq_le_p(words + BATON_CAMERA_DESC_HASH - first, hash);
    stq_le_p(words + BATON_CAMERA_DESC_ERR_ADDR - first, err_addr);

    *error = (CameraError) { .code = BATON_CAMERA_DESC_RING_ERROR };
    /* A CPU that sees the words sees the pixels ... */
    smp_wmb();
    if (baton_dma_write(&s->dma, BATON_MONITOR_CONTROL, addr + 4, words + 4,
                        sizeof(words) - 4, &error->addr) != MEMTX_OK) {
        return false;
    }
    /* ... and one that sees the status sees the other words. */
    smp_wmb();
    return baton_dma_write(&s->dma, BATON_MONITOR_CONTROL, addr, words, 4,
                           &error->addr) == MEMTX_OK;
}

static bool fetch_list_block(BatonCameraState *s, CameraPlane *plane,
                             CameraError *error)
{
    uint64_t addr = plane->list + plane->next * BATON_CAMERA_SEG_SIZE;
    uint32_t count = MIN(plane->count - plane->next, CAMERA_LIST_BLOCK);

    if (baton_dma_read(&s->dma, BATON_MONITOR_CONTROL, addr, plane->block,
                       count * BATON_CAMERA_SEG_SIZE, &error->addr) !=
        MEMTX_OK) {
        error->code = BATON_CAMERA_DESC_BUS_ERROR;
        return false;
    }
    return true;
}

static bool segment_is_valid(const uint8_t *entry)
{
    uint64_t addr = ldq_le_p(entry + BATON_CAMERA_SEG_ADDR);
    uint32_t length = ldl_le_p(entry + BATON_CAMERA_SEG_LENGTH);

    return length && addr % BATON_CAMERA_SEG_ALIGN == 0 &&
           length % BATON_CAMERA_SEG_ALIGN == 0 &&
           addr <= UINT64_MAX - (length - 1) &&
           ldl_le_p(entry + BATON_CAMERA_SEG_RESERVED) == 0;
}

static bool next_segment(BatonCameraState *s, CameraPlane *plane,
                         CameraError *error)
{
    uint64_t entry_addr = plane->list + plane->next * BATON_CAMERA_SEG_SIZE;
    unsigned in_block = plane->next % CAMERA_LIST_BLOCK;
    const uint8_t *entry = plane->block + in_block * BATON_CAMERA_SEG_SIZE;

    if (plane->next == plane->count) {
        error->code = BATON_CAMERA_DESC_SHORT_LIST;
        error->addr = entry_addr;
        return false;
    }
    if (in_block == 0 && !fetch_list_block(s, plane, error)) {
        return false;
    }
    if (!segment_is_valid(entry)) {
        error->code = BATON_CAMERA_DESC_BAD_SEGMENT;
        error->addr = entry_addr;
        return false;
    }
    plane->next++;
    plane->seg_addr = ldq_le_p(entry + BATON_CAMERA_SEG_ADDR);
    plane->seg_start = plane->seg_end;
    plane->seg_end += ldl_le_p(entry + BATON_CAMERA_SEG_LENGTH);
    return true;
}

bool camera_plane_write(BatonCameraState *s, unsigned index, uint64_t offset,
                        const uint8_t *data, size_t len, CameraError *error)
{
    CameraPlane *plane = &s->frame.plane[index];

    error->plane = index;
    while (len) {
        uint64_t addr, chunk;

        while (offset >= plane->seg_end) {
            if (!next_segment(s, plane, error)) {
                return false;
            }
        }
        addr = plane->seg_addr + (offset - plane->seg_start);
        chunk = MIN(len, plane->seg_end - offset);
        if (baton_dma_write(&s->dma, index, addr, data, chunk, &error->addr) !=
            MEMTX_OK) {
            error->code = BATON_CAMERA_DESC_BUS_ERROR;
            s->bytes += error->addr - addr;
            return false;
        }
        s->bytes += chunk;
        offset += chunk;
        data += chunk;
        len -= chunk;
    }
    return true;
}
