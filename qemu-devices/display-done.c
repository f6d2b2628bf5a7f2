/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: records of completed pictures, a FIFO */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "display.h"
#include "trace.h"

/* The last of those that wait is never overwritten: the new one is lost. */
void baton_display_push_done(BatonDisplayState *s,
                             const BatonDisplayDone *record)
{
    unsigned last = s->done_first + s->done_count;

    trace_baton_display_frame_done(s->name, record->frame, record->addr0[0],
                                   record->hash[0], record->crc);
    if (s->done_count == BATON_DISPLAY_DONE_RECORDS) {
        s->regs[R_DISP_DONE_LOST]++;
        trace_baton_display_done_lost(s->name, record->frame);
        return;
    }
    s->done[last % BATON_DISPLAY_DONE_RECORDS] = *record;
    s->done_count++;
}

const BatonDisplayDone *baton_display_oldest_done(const BatonDisplayState *s)
{
    static const BatonDisplayDone none;

    return s->done_count ? &s->done[s->done_first] : &none;
}

void baton_display_pop_done(BatonDisplayState *s)
{
    if (!s->done_count) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: no record of a picture to drop\n",
                      s->name);
        return;
    }
    s->done_first = (s->done_first + 1) % BATON_DISPLAY_DONE_RECORDS;
    s->done_count--;
}
