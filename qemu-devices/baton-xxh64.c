/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XXH64, seed 0, as a stream: the frame hash of the Baton engines
 *
 * The constants and step names are those of the specification.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "baton-xxh64.h"

#define PRIME64_1 0x9e3779b185ebca87ULL
#define PRIME64_2 0xc2b2ae3d27d4eb4fULL
#define PRIME64_3 0x165667b19e3779f9ULL
#define PRIME64_4 0x85ebca77c2b2ae63ULL
#define PRIME64_5 0x27d4eb2f165667c5ULL

static inline uint64_t xxh64_round(uint64_t acc, uint64_t lane)
{
    return rol64(acc + lane * PRIME64_2, 31) * PRIME64_1;
}

static inline uint64_t merge_accumulator(uint64_t acc, uint64_t lane)
{
    return (acc ^ xxh64_round(0, lane)) * PRIME64_1 + PRIME64_4;
}

static void consume_stripes(uint64_t lane[4], const uint8_t *p, size_t count)
{
    uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];

    for (; count; count--, p += BATON_XXH64_STRIPE) {
        a = xxh64_round(a, ldq_le_p(p));
        b = xxh64_round(b, ldq_le_p(p + 8));
        c = xxh64_round(c, ldq_le_p(p + 16));
        d = xxh64_round(d, ldq_le_p(p + 24));
    }
    lane[0] = a;
    lane[1] = b;
    lane[2] = c;
    lane[3] = d;
}

void baton_xxh64_init(BatonXXH64 *h)
{
    *h = (BatonXXH64) {
        .lane = { PRIME64_1 + PRIME64_2, PRIME64_2, 0, -PRIME64_1 },
    };
}

void baton_xxh64_update(BatonXXH64 *h, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t filled = h->length % BATON_XXH64_STRIPE;
    size_t whole;

    h->length += len;
    if (filled) {
        size_t take = MIN(len, BATON_XXH64_STRIPE - filled);

        memcpy(h->tail + filled, p, take);
        if (filled + take < BATON_XXH64_STRIPE) {
            return;
        }
        consume_stripes(h->lane, h->tail, 1);
        p += take;
        len -= take;
    }

    whole = len / BATON_XXH64_STRIPE;
    consume_stripes(h->lane, p, whole);
    memcpy(h->tail, p + whole * BATON_XXH64_STRIPE, len % BATON_XXH64_STRIPE);
}

uint64_t baton_xxh64_digest(const BatonXXH64 *h)
{
    const uint8_t *p = h->tail;
    const uint8_t *end = p + h->length % BATON_XXH64_STRIPE;
    uint64_t acc;

    if (h->length < BATON_XXH64_STRIPE) {
        acc = PRIME64_5;
    } else {
        acc = rol64(h->lane[0], 1) + rol64(h->lane[1], 7) +
              rol64(h->lane[2], 12) + rol64(h->lane[3], 18);
        for (int i = 0; i < 4; i++) {
            acc = merge_accumulator(acc, h->lane[i]);
        }
    }
    acc += h->length;

    for (; end - p >= 8; p += 8) {
        acc ^= xxh64_round(0, ldq_le_p(p));
        acc = rol64(acc, 27) * PRIME64_1 + PRIME64_4;
    }
    if (end - p >= 4) {
        acc ^= (uint64_t)(uint32_t)ldl_le_p(p) * PRIME64_1;
        acc = rol64(acc, 23) * PRIME64_2 + PRIME64_3;
        p += 4;
    }
    for (; p < end; p++) {
        acc ^= *p * PRIME64_5;
        acc = rol64(acc, 11) * PRIME64_1;
    }

    acc = (acc ^ (acc >> 33)) * PRIME64_2;
    acc = (acc ^ (acc >> 29)) * PRIME64_3;
    return acc ^ (acc >> 32);
}

const VMStateDescription vmstate_baton_xxh64 = {
    .name = "baton-xxh64",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_ARRAY(lane, BatonXXH64, 4),
        VMSTATE_UINT64(length, BatonXXH64),
        VMSTATE_UINT8_ARRAY(tail, BatonXXH64, BATON_XXH64_STRIPE),
        VMSTATE_END_OF_LIST()
    },
};
