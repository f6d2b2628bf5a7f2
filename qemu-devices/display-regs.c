/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: registers */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "hw/irq.h"
#include "display.h"
#include "trace.h"

typedef struct RegisterInfo {
    enum { NONE, RO, RW } access;
    uint32_t writable;          /* the other bits must be written as zero */
} RegisterInfo;

#define IRQ_MASK (R_DISP_IRQ_STATUS_VBLANK_MASK |           \
                  R_DISP_IRQ_STATUS_LATCH_MASK |            \
                  R_DISP_IRQ_STATUS_FRAME_DONE_MASK |       \
                  R_DISP_IRQ_STATUS_UNDERRUN_MASK |         \
                  R_DISP_IRQ_STATUS_BUS_ERROR_MASK |        \
                  R_DISP_IRQ_STATUS_CONFIG_ERROR_MASK)

static const RegisterInfo registers[BATON_DISPLAY_REGS] = {
    [R_DISP_ID] = { RO },
    [R_DISP_VERSION] = { RO },
    [R_DISP_CAPS] = { RO },
    [R_DISP_CTRL] = { RW, R_DISP_CTRL_ENABLE_MASK | R_DISP_CTRL_VRR_MASK |
                          R_DISP_CTRL_HASH_MASK | R_DISP_CTRL_CRC_MASK |
                          R_DISP_CTRL_RESET_MASK },
    [R_DISP_STATUS] = { RO },
    [R_DISP_IRQ_STATUS] = { RW, UINT32_MAX },
    [R_DISP_IRQ_ENABLE] = { RW, IRQ_MASK },
    [R_DISP_COMMIT] = { RW, R_DISP_COMMIT_GO_MASK },
    [R_DISP_PIXEL_CLOCK] = { RW, UINT32_MAX },
    [R_DISP_HACTIVE] = { RW, UINT32_MAX },
    [R_DISP_HSYNC] = { RW, UINT32_MAX },
    [R_DISP_VACTIVE] = { RW, UINT32_MAX },
    [R_DISP_VSYNC] = { RW, UINT32_MAX },
    [R_DISP_VRR_VMAX] = { RW, R_DISP_VRR_VMAX_LINES_MASK },
    [R_DISP_DMA_RATE] = { RW, UINT32_MAX },
    [R_DISP_BACKGROUND] = { RW, R_DISP_BACKGROUND_COLOR_MASK },
    [R_DISP_FRAME] = { RO },
    [R_DISP_SCANLINE] = { RO },
    [R_DISP_TIME_LO] = { RO },
    [R_DISP_TIME_HI] = { RO },
    [R_DISP_VBLANK_TIME_LO] = { RO },
    [R_DISP_VBLANK_TIME_HI] = { RO },
    [R_DISP_DONE_FRAME] = { RO },
    [R_DISP_DONE_CRC] = { RO },
    [R_DISP_BYTES_LO] = { RO },
    [R_DISP_BYTES_HI] = { RO },
    [R_DISP_UNDERRUNS] = { RO },
    [R_DISP_ERRORS] = { RO },
    [R_DISP_ERR_STATUS] = { RW, UINT32_MAX },
    [R_DISP_ERR_ADDR] = { RO },
    [R_DISP_DONE_STATUS] = { RO },
    [R_DISP_DONE_LOST] = { RO },
    [R_DISP_DONE_POP] = { RW, R_DISP_DONE_POP_GO_MASK },
    [R_DISP_LATCH_FRAME] = { RO },
    [R_DISP_DONE_TIME_LO] = { RO },
    [R_DISP_DONE_TIME_HI] = { RO },
    [R_DISP_LATCH_TIME_LO] = { RO },
    [R_DISP_LATCH_TIME_HI] = { RO },
};

static const RegisterInfo plane_registers[BATON_DISPLAY_PLANE_STRIDE / 4] = {
    [R_PLANE_CTRL] = { RW, R_PLANE_CTRL_ENABLE_MASK |
                           R_PLANE_CTRL_FORMAT_MASK |
                           R_PLANE_CTRL_ENCODING_MASK |
                           R_PLANE_CTRL_FULL_RANGE_MASK },
    [R_PLANE_ADDR0] = { RW, UINT32_MAX },
    [R_PLANE_ADDR1] = { RW, UINT32_MAX },
    [R_PLANE_PITCH] = { RW, UINT32_MAX },
    [R_PLANE_SIZE] = { RW, UINT32_MAX },
    [R_PLANE_POS] = { RW, UINT32_MAX },
    [R_PLANE_SRC] = { RW, UINT32_MAX },
    [R_PLANE_ACTIVE_ADDR0] = { RO },
    [R_PLANE_ACTIVE_ADDR1] = { RO },
    [R_PLANE_DONE_ADDR0] = { RO },
    [R_PLANE_DONE_HASH_LO] = { RO },
    [R_PLANE_DONE_HASH_HI] = { RO },
};

static void update_irq(BatonDisplayState *s)
{
    qemu_set_irq(s->irq, !!(s->regs[R_DISP_IRQ_STATUS] &
                            s->regs[R_DISP_IRQ_ENABLE]));
}

void baton_display_raise(BatonDisplayState *s, uint32_t irq_status)
{
    s->regs[R_DISP_IRQ_STATUS] |= irq_status;
    update_irq(s);
}

static const char *const messages[] = {
    [BATON_DISPLAY_ERR_BUS] = "no memory at bus address",
    [BATON_DISPLAY_ERR_UNDERRUN] = "memory is slower than the scanout",
    [BATON_DISPLAY_ERR_ALIGN] = "base or pitch is misaligned, base",
    [BATON_DISPLAY_ERR_FORMAT] = "format is not supported by this plane",
    [BATON_DISPLAY_ERR_SIZE] = "size, position or pitch is illegal",
    [BATON_DISPLAY_ERR_TIMING] = "timing is illegal or in use, register",
    [BATON_DISPLAY_ERR_REGISTER] = "value is illegal, register",
};

void baton_display_error(BatonDisplayState *s, unsigned code, unsigned plane,
                         uint32_t addr)
{
    uint32_t *status = &s->regs[R_DISP_ERR_STATUS];

    if (!*status) {
        *status = FIELD_DP32(0, DISP_ERR_STATUS, CODE, code);
        *status = FIELD_DP32(*status, DISP_ERR_STATUS, PLANE, plane);
        s->regs[R_DISP_ERR_ADDR] = addr;
    }
    trace_baton_display_error(s->name, s->regs[R_DISP_FRAME], code, plane,
                              addr);
    qemu_log_mask(LOG_GUEST_ERROR, "%s: plane %u: %s 0x%08x\n",
                  s->name, plane, messages[code], addr);
    switch (code) {
    case BATON_DISPLAY_ERR_UNDERRUN:
        s->regs[R_DISP_UNDERRUNS]++;
        baton_display_raise(s, R_DISP_IRQ_STATUS_UNDERRUN_MASK);
        break;
    case BATON_DISPLAY_ERR_BUS:
        /* Several planes may fail, but it is one frame. */
        s->regs[R_DISP_ERRORS] += !s->error;
        s->error = true;
        baton_display_raise(s, R_DISP_IRQ_STATUS_BUS_ERROR_MASK);
        break;
    default:
        s->regs[R_DISP_ERRORS]++;
        baton_display_raise(s, R_DISP_IRQ_STATUS_CONFIG_ERROR_MASK);
        break;
    }
}

/* ACTIVE, TOTAL, sync START and END have the same layout in both directions. */
static bool direction_legal(uint32_t active_total, uint32_t sync, unsigned max)
{
    unsigned active = FIELD_EX32(active_total, DISP_HACTIVE, ACTIVE);
    unsigned total = FIELD_EX32(active_total, DISP_HACTIVE, TOTAL);
    unsigned start = FIELD_EX32(sync, DISP_HSYNC, START);
    unsigned end = FIELD_EX32(sync, DISP_HSYNC, END);

    return active >= BATON_DISPLAY_MIN_SIZE && active <= max &&
           active % 2 == 0 && active <= start && start < end && end <= total;
}

static bool vmax_legal(const BatonDisplayState *s)
{
    return s->regs[R_DISP_VRR_VMAX] >=
           FIELD_EX32(s->regs[R_DISP_VACTIVE], DISP_VACTIVE, TOTAL);
}

bool baton_display_timing_legal(const BatonDisplayState *s)
{
    uint32_t clock = s->regs[R_DISP_PIXEL_CLOCK];

    return clock >= BATON_DISPLAY_MIN_CLOCK_KHZ &&
           clock <= BATON_DISPLAY_MAX_CLOCK_KHZ &&
           direction_legal(s->regs[R_DISP_HACTIVE], s->regs[R_DISP_HSYNC],
                           BATON_DISPLAY_MAX_WIDTH) &&
           direction_legal(s->regs[R_DISP_VACTIVE], s->regs[R_DISP_VSYNC],
                           BATON_DISPLAY_MAX_HEIGHT) &&
           (!FIELD_EX32(s->regs[R_DISP_CTRL], DISP_CTRL, VRR) || vmax_legal(s));
}

static unsigned check_format(unsigned plane, uint32_t ctrl)
{
    static const uint32_t formats[BATON_DISPLAY_PLANES] = {
        BIT(BATON_DISPLAY_FORMAT_XRGB8888) | BIT(BATON_DISPLAY_FORMAT_RGB565) |
        BIT(BATON_DISPLAY_FORMAT_NV12),
        BIT(BATON_DISPLAY_FORMAT_XRGB8888) | BIT(BATON_DISPLAY_FORMAT_RGB565) |
        BIT(BATON_DISPLAY_FORMAT_NV12) | BIT(BATON_DISPLAY_FORMAT_ARGB8888),
        BIT(BATON_DISPLAY_FORMAT_ARGB8888),
    };
    unsigned format = FIELD_EX32(ctrl, PLANE_CTRL, FORMAT);

    if (!(formats[plane] & BIT(format)) ||
        (format == BATON_DISPLAY_FORMAT_NV12 &&
         FIELD_EX32(ctrl, PLANE_CTRL, ENCODING) > BATON_DISPLAY_ENC_BT2020)) {
        return BATON_DISPLAY_ERR_FORMAT;
    }
    return BATON_DISPLAY_ERR_NONE;
}

static unsigned check_align(const uint32_t *regs, bool nv12, uint32_t *addr)
{
    uint32_t pitch = regs[R_PLANE_PITCH];
    uint32_t pitches = FIELD_EX32(pitch, PLANE_PITCH, PLANE0);

    *addr = regs[R_PLANE_ADDR0];
    if (nv12) {
        pitches |= FIELD_EX32(pitch, PLANE_PITCH, PLANE1);
        if (*addr % BATON_DISPLAY_ALIGN == 0) {
            *addr = regs[R_PLANE_ADDR1];
        }
    }
    return (*addr | pitches) % BATON_DISPLAY_ALIGN ? BATON_DISPLAY_ERR_ALIGN :
                                                     BATON_DISPLAY_ERR_NONE;
}

static unsigned check_size(const BatonDisplayState *s, unsigned plane)
{
    const uint32_t *regs = s->planes[plane].active;
    unsigned format = FIELD_EX32(regs[R_PLANE_CTRL], PLANE_CTRL, FORMAT);
    unsigned width = FIELD_EX32(regs[R_PLANE_SIZE], PLANE_SIZE, WIDTH);
    unsigned height = FIELD_EX32(regs[R_PLANE_SIZE], PLANE_SIZE, HEIGHT);
    unsigned src_x = FIELD_EX32(regs[R_PLANE_SRC], PLANE_SRC, X);
    unsigned src_y = FIELD_EX32(regs[R_PLANE_SRC], PLANE_SRC, Y);
    unsigned line = (src_x + width) * baton_display_cpp(format);
    bool nv12 = format == BATON_DISPLAY_FORMAT_NV12;
    bool legal = width && height &&
        FIELD_EX32(regs[R_PLANE_POS], PLANE_POS, X) + width <=
            baton_display_width(s) &&
        FIELD_EX32(regs[R_PLANE_POS], PLANE_POS, Y) + height <=
            baton_display_height(s) &&
        line <= FIELD_EX32(regs[R_PLANE_PITCH], PLANE_PITCH, PLANE0);

    if (nv12) {
        legal &= (width | height | src_x | src_y) % 2 == 0 &&
            line <= FIELD_EX32(regs[R_PLANE_PITCH], PLANE_PITCH, PLANE1);
    }
    if (plane == BATON_DISPLAY_CURSOR) {
        legal &= MAX(width, height) <= BATON_DISPLAY_MAX_CURSOR;
    }
    return legal ? BATON_DISPLAY_ERR_NONE : BATON_DISPLAY_ERR_SIZE;
}

/* The ERR_STATUS code for what is latched; @addr is the offending address. */
unsigned baton_display_check_plane(const BatonDisplayState *s, unsigned plane,
                                   uint32_t *addr)
{
    const uint32_t *regs = s->planes[plane].active;
    uint32_t ctrl = regs[R_PLANE_CTRL];
    bool nv12 = FIELD_EX32(ctrl, PLANE_CTRL, FORMAT) ==
                BATON_DISPLAY_FORMAT_NV12;
    unsigned code = check_format(plane, ctrl);

    *addr = 0;
    if (code == BATON_DISPLAY_ERR_NONE) {
        code = check_size(s, plane);
    }
    if (code == BATON_DISPLAY_ERR_NONE) {
        code = check_align(regs, nv12, addr);
    }
    return code;
}

void baton_display_reset_regs(BatonDisplayState *s)
{
    memset(s->regs, 0, sizeof(s->regs));
    memset(s->planes, 0, sizeof(s->planes));
    s->regs[R_DISP_ID] = BATON_DISPLAY_ID;
    s->regs[R_DISP_VERSION] = FIELD_DP32(0, DISP_VERSION, MAJOR, 1);
    s->regs[R_DISP_CAPS] = FIELD_DP32(0, DISP_CAPS, PLANES,
                                      BATON_DISPLAY_PLANES) |
                           R_DISP_CAPS_VRR_MASK | R_DISP_CAPS_HASH_MASK |
                           R_DISP_CAPS_CRC_MASK;
    s->regs[R_DISP_DMA_RATE] = BATON_DISPLAY_DMA_RATE_RESET;
    s->background = 0;
    s->bytes = 0;
    s->commit = false;
    s->vblank_start = 0;
    s->latch_time = 0;
    s->done_first = 0;
    s->done_count = 0;
}

static uint32_t read_status(const BatonDisplayState *s)
{
    uint32_t status = 0;

    if (s->phase != BATON_DISPLAY_OFF) {
        bool vblank = baton_display_scanline(s) >= baton_display_height(s);

        status = FIELD_DP32(status, DISP_STATUS, RUNNING, 1);
        status = FIELD_DP32(status, DISP_STATUS, VBLANK, vblank);
        status = FIELD_DP32(status, DISP_STATUS, COMMIT, s->commit);
    }
    return status;
}

/* LO of a pair: keep the other half for the read of HI. */
static uint32_t read_lo(uint64_t value, uint32_t *hi)
{
    *hi = value >> 32;
    return value;
}

static uint32_t read_register(BatonDisplayState *s, unsigned reg)
{
    const BatonDisplayDone *done = baton_display_oldest_done(s);

    switch (reg) {
    case R_DISP_STATUS:
        return read_status(s);
    case R_DISP_SCANLINE:
        return baton_display_scanline(s);
    case R_DISP_TIME_LO:
        return read_lo(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
                       &s->regs[R_DISP_TIME_HI]);
    case R_DISP_VBLANK_TIME_LO:
        return read_lo(s->vblank_start, &s->regs[R_DISP_VBLANK_TIME_HI]);
    case R_DISP_BYTES_LO:
        return read_lo(s->bytes, &s->regs[R_DISP_BYTES_HI]);
    case R_DISP_DONE_STATUS:
        return FIELD_DP32(0, DISP_DONE_STATUS, COUNT, s->done_count);
    case R_DISP_DONE_FRAME:
        return done->frame;
    case R_DISP_DONE_CRC:
        return done->crc;
    case R_DISP_DONE_TIME_LO:
        return read_lo(done->time, &s->regs[R_DISP_DONE_TIME_HI]);
    case R_DISP_LATCH_TIME_LO:
        return read_lo(s->latch_time, &s->regs[R_DISP_LATCH_TIME_HI]);
    default:
        return s->regs[reg];
    }
}

static uint32_t read_plane_register(BatonDisplayState *s,
                                    BatonDisplayPlane *p, unsigned reg)
{
    const BatonDisplayDone *done = baton_display_oldest_done(s);
    bool on = baton_display_plane_enabled(p);
    unsigned plane = p - s->planes;

    switch (reg) {
    case R_PLANE_ACTIVE_ADDR0:
        return on ? p->active[R_PLANE_ADDR0] : 0;
    case R_PLANE_ACTIVE_ADDR1:
        return on ? p->active[R_PLANE_ADDR1] : 0;
    case R_PLANE_DONE_ADDR0:
        return done->addr0[plane];
    case R_PLANE_DONE_HASH_LO:
        return read_lo(done->hash[plane], &p->done_hash_hi);
    case R_PLANE_DONE_HASH_HI:
        return p->done_hash_hi;
    default:
        return p->regs[reg];
    }
}

/*
 * What is at @addr: @plane is the plane it belongs to or NULL, @reg the number
 * of the register within that plane or the engine.
 */
static const RegisterInfo *decode(BatonDisplayState *s, hwaddr addr,
                                  BatonDisplayPlane **plane, unsigned *reg)
{
    static const RegisterInfo none = { NONE };

    *plane = NULL;
    *reg = addr / 4;
    if (addr < BATON_DISPLAY_PLANE_BASE) {
        return *reg < BATON_DISPLAY_REGS ? &registers[*reg] : &none;
    }
    if (addr < BATON_DISPLAY_PLANE_BASE +
               BATON_DISPLAY_PLANES * BATON_DISPLAY_PLANE_STRIDE) {
        addr -= BATON_DISPLAY_PLANE_BASE;
        *plane = &s->planes[addr / BATON_DISPLAY_PLANE_STRIDE];
        *reg = addr % BATON_DISPLAY_PLANE_STRIDE / 4;
        return &plane_registers[*reg];
    }
    return &none;
}

static uint64_t baton_display_read(void *opaque, hwaddr addr, unsigned size)
{
    BatonDisplayState *s = opaque;
    BatonDisplayPlane *p;
    unsigned reg;
    uint32_t value = 0;

    if (addr >= A_DISP_EDID && addr < A_DISP_EDID + BATON_DISPLAY_EDID_SIZE) {
        value = ldl_le_p(s->edid + addr - A_DISP_EDID);
    } else if (decode(s, addr, &p, &reg)->access == NONE) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: read of reserved offset 0x%03"
                      HWADDR_PRIx "\n", s->name, addr);
    } else {
        value = p ? read_plane_register(s, p, reg) : read_register(s, reg);
    }
    trace_baton_display_read(s->name, addr, value);
    return value;
}

static void write_ctrl(BatonDisplayState *s, uint32_t value)
{
    uint32_t old = s->regs[R_DISP_CTRL];
    uint32_t on = ~old & value;

    if (FIELD_EX32(value, DISP_CTRL, RESET)) {
        baton_display_stop(s);
        baton_display_reset_regs(s);
        update_irq(s);
        return;
    }
    s->regs[R_DISP_CTRL] = value;
    if (value & R_DISP_CTRL_ENABLE_MASK &&
        on & (R_DISP_CTRL_ENABLE_MASK | R_DISP_CTRL_VRR_MASK) &&
        !baton_display_timing_legal(s)) {
        s->regs[R_DISP_CTRL] &= on & R_DISP_CTRL_ENABLE_MASK ?
            ~R_DISP_CTRL_ENABLE_MASK : ~R_DISP_CTRL_VRR_MASK;
        baton_display_error(s, BATON_DISPLAY_ERR_TIMING, 0, A_DISP_CTRL);
    } else if (on & R_DISP_CTRL_ENABLE_MASK) {
        baton_display_start(s);
    } else if (old & ~value & R_DISP_CTRL_ENABLE_MASK) {
        baton_display_stop(s);
        if (s->commit) {
            baton_display_commit(s, true);
        }
    }
}

static void write_register(BatonDisplayState *s, unsigned reg, uint32_t value)
{
    switch (reg) {
    case R_DISP_CTRL:
        write_ctrl(s, value);
        break;
    case R_DISP_IRQ_STATUS:
        s->regs[reg] &= ~value;
        update_irq(s);
        break;
    case R_DISP_IRQ_ENABLE:
        s->regs[reg] = value;
        update_irq(s);
        break;
    case R_DISP_COMMIT:
        baton_display_commit(s, FIELD_EX32(value, DISP_COMMIT, GO));
        break;
    case R_DISP_DONE_POP:
        if (FIELD_EX32(value, DISP_DONE_POP, GO)) {
            baton_display_pop_done(s);
        }
        break;
    case R_DISP_PIXEL_CLOCK ... R_DISP_VRR_VMAX:
        if (s->phase != BATON_DISPLAY_OFF) {
            baton_display_error(s, BATON_DISPLAY_ERR_TIMING, 0, reg * 4);
        } else {
            s->regs[reg] = value;
        }
        break;
    case R_DISP_DMA_RATE:
        if (!value) {
            baton_display_error(s, BATON_DISPLAY_ERR_REGISTER, 0, reg * 4);
        } else {
            s->regs[reg] = value;
        }
        break;
    case R_DISP_ERR_STATUS:
        s->regs[R_DISP_ERR_STATUS] = 0;
        s->regs[R_DISP_ERR_ADDR] = 0;
        break;
    default:
        s->regs[reg] = value;
        break;
    }
}

static void baton_display_write(void *opaque, hwaddr addr, uint64_t value,
                                unsigned size)
{
    BatonDisplayState *s = opaque;
    BatonDisplayPlane *p;
    unsigned reg;
    const RegisterInfo *info = decode(s, addr, &p, &reg);

    trace_baton_display_write(s->name, addr, value);
    if (info->access != RW) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: write to read-only or reserved "
                      "offset 0x%03" HWADDR_PRIx "\n", s->name, addr);
    } else if (value & ~info->writable) {
        baton_display_error(s, BATON_DISPLAY_ERR_REGISTER,
                            p ? p - s->planes : 0, addr);
    } else if (p) {
        p->regs[reg] = value;
    } else {
        write_register(s, reg, value);
    }
}

const MemoryRegionOps baton_display_ops = {
    .read = baton_display_read,
    .write = baton_display_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};
