/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XXH64, seed 0, as a stream: the frame hash of the Baton engines
 *
 * Specification: xxHash fast digest algorithm, version 0.1.1, section "XXH64".
 */
#ifndef BATON_XXH64_H
#define BATON_XXH64_H

#include "migration/vmstate.h"

#define BATON_XXH64_STRIPE 32

typedef struct BatonXXH64 {
    uint64_t lane[4];
    uint64_t length;                    /* bytes hashed so far */
    uint8_t tail[BATON_XXH64_STRIPE];   /* the last, incomplete stripe */
} BatonXXH64;

void baton_xxh64_init(BatonXXH64 *h);
void baton_xxh64_update(BatonXXH64 *h, const void *data, size_t len);
/* The hash of everything so far; more may follow. */
uint64_t baton_xxh64_digest(const BatonXXH64 *h);

extern const VMStateDescription vmstate_baton_xxh64;

#endif
