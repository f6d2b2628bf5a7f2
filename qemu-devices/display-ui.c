/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: console */

#include "qemu/osdep.h"
#include "display.h"

static void show_front(BatonDisplayState *s)
{
    unsigned width = baton_display_width(s);
    DisplaySurface *surface;

    qemu_console_resize(s->con, width, baton_display_height(s));
    surface = qemu_console_surface(s->con);
    for (int y = 0; y < surface_height(surface); y++) {
        memcpy(surface_data(surface) + y * surface_stride(surface),
               s->front + y * width, width * 4);
    }
}

static void show_black(BatonDisplayState *s)
{
    DisplaySurface *surface = qemu_console_surface(s->con);

    memset(surface_data(surface), 0,
           surface_stride(surface) * surface_height(surface));
}

static void baton_display_gfx_update(void *opaque)
{
    BatonDisplayState *s = opaque;

    if (!s->redraw) {
        return;
    }
    s->redraw = false;
    if (s->front_valid) {
        show_front(s);
    } else {
        show_black(s);
    }
    dpy_gfx_update_full(s->con);
}

static void baton_display_invalidate(void *opaque)
{
    BATON_DISPLAY(opaque)->redraw = true;
}

static const GraphicHwOps baton_display_gfx_ops = {
    .invalidate = baton_display_invalidate,
    .gfx_update = baton_display_gfx_update,
};

void baton_display_init_ui(BatonDisplayState *s)
{
    s->con = graphic_console_init(DEVICE(s), 0, &baton_display_gfx_ops, s);
}
