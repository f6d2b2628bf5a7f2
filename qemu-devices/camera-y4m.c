/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YUV4MPEG2 headers */
#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "qapi/error.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "regs/baton-camera-regs.h"
#include "camera-y4m.h"

#define Y4M_MAGIC "YUV4MPEG2"

static bool parse_number(const char *text, const char **end, uint32_t *value)
{
    unsigned int number;

    if (!qemu_isdigit(*text) || qemu_strtoui(text, end, 10, &number) < 0) {
        return false;
    }
    *value = number;
    return true;
}

static bool parse_rate(const char *text, uint32_t *interval)
{
    const char *end;
    uint32_t num, den;
    uint64_t ns;

    if (!parse_number(text, &end, &num) || *end != ':' ||
        !parse_number(end + 1, &end, &den) || *end) {
        return false;
    }
    ns = num ? (uint64_t)NANOSECONDS_PER_SECOND * den / num : 0;
    *interval = ns <= UINT32_MAX ? ns : 0;
    return true;
}

static bool is_420(const char *chroma)
{
    static const char *const names[] = {
        "420", "420jpeg", "420mpeg2", "420paldv",
    };

    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(chroma, names[i])) {
            return true;
        }
    }
    return false;
}

static unsigned parse_parameter(const char *param, Y4MFormat *format,
                                Error **errp)
{
    const char *value = param + 1;
    bool valid = true;

    switch (param[0]) {
    case 'W':
        valid = parse_number(value, &value, &format->width) && !*value;
        break;
    case 'H':
        valid = parse_number(value, &value, &format->height) && !*value;
        break;
    case 'F':
        valid = parse_rate(value, &format->interval);
        break;
    case 'C':
        if (!is_420(value)) {
            error_setg(errp, "chroma format '%s' is not 8 bit 4:2:0", value);
            return BATON_CAMERA_SRC_UNSUPPORTED;
        }
        break;
    case 'I':
        if (strcmp(value, "p") && strcmp(value, "?")) {
            error_setg(errp, "interlacing '%s': only progressive frames are "
                       "supported", value);
            return BATON_CAMERA_SRC_UNSUPPORTED;
        }
        break;
    case 'X':
        if (!strcmp(value, "COLORRANGE=FULL")) {
            format->full_range = true;
        }
        break;
    case 'A':
        break;
    default:
        valid = false;
    }

    if (!valid) {
        error_setg(errp, "bad YUV4MPEG2 header parameter '%s'", param);
        return BATON_CAMERA_SRC_MALFORMED;
    }
    return BATON_CAMERA_SRC_OK;
}

static bool size_is_supported(const Y4MFormat *format)
{
    return format->width % 2 == 0 && format->height % 2 == 0 &&
           format->width >= BATON_CAMERA_MIN_SIZE &&
           format->height >= BATON_CAMERA_MIN_SIZE &&
           format->width <= BATON_CAMERA_MAX_WIDTH &&
           format->height <= BATON_CAMERA_MAX_HEIGHT;
}

unsigned y4m_parse_header(const char *line, Y4MFormat *format, Error **errp)
{
    g_auto(GStrv) params = g_strsplit(line, " ", -1);

    *format = (Y4MFormat) {};
    if (g_strcmp0(params[0], Y4M_MAGIC)) {
        error_setg(errp, "not a YUV4MPEG2 stream");
        return BATON_CAMERA_SRC_MALFORMED;
    }
    for (char **param = params + 1; *param; param++) {
        unsigned result = BATON_CAMERA_SRC_OK;

        if (**param) {
            result = parse_parameter(*param, format, errp);
        }
        if (result != BATON_CAMERA_SRC_OK) {
            return result;
        }
    }

    if (!size_is_supported(format)) {
        error_setg(errp, "frame size %ux%u: must be even, from %ux%u to %ux%u",
                   format->width, format->height,
                   BATON_CAMERA_MIN_SIZE, BATON_CAMERA_MIN_SIZE,
                   BATON_CAMERA_MAX_WIDTH, BATON_CAMERA_MAX_HEIGHT);
        return BATON_CAMERA_SRC_UNSUPPORTED;
    }
    format->encoding = format->height >= 720 ? BATON_COLOR_BT709
                                             : BATON_COLOR_BT601;
    return BATON_CAMERA_SRC_OK;
}

bool y4m_is_frame_header(const char *line)
{
    return strstart(line, "FRAME", &line) && (*line == '\0' || *line == ' ');
}
