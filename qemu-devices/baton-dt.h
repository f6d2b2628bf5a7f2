/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: what the machine takes from the device tree
 *
 * baton_dt_load() reads and checks the whole tree and creates nothing, so a
 * tree that the machine cannot be built from is refused before anything is.
 */
#ifndef HW_BATON_DT_H
#define HW_BATON_DT_H

#include "hw/qdev-core.h"

#define BATON_MAX_CPUS 8
#define BATON_NUM_SPIS 224
#define BATON_MAX_REGS 2

#define BATON_TIMER_HZ 62500000

typedef struct BatonMachineState BatonMachineState;
typedef struct BatonNode BatonNode;

typedef struct BatonRange {
    uint64_t base;
    uint64_t size;
} BatonRange;

/* An entry of ranges or dma-ranges, translated up to the CPU's address space */
typedef struct BatonWindow {
    uint64_t bus;
    uint64_t cpu;
    uint64_t size;
} BatonWindow;

/* A device the machine can have; a table of them ends with an empty entry */
typedef struct BatonModel {
    const char *compatible;
    const char *type;                   /* QOM type */
    const char *alias;                  /* "serial" if /aliases numbers it */
    unsigned num_regs;
    uint64_t reg_size[BATON_MAX_REGS];  /* least size of each reg entry */
    unsigned mmio[BATON_MAX_REGS];      /* the device's region for it */
    bool has_irq;
    bool is_master;
    bool is_monitor;                    /* of the masters; one at most */
    void (*prepare)(BatonMachineState *s, const BatonNode *node,
                    DeviceState *dev);  /* before realize, or NULL */
} BatonModel;

struct BatonNode {
    const BatonModel *model;
    int offset;                         /* in the tree */
    char *path;
    char *name;                         /* alias, or the node's own name */
    int index;                          /* N of the alias, or -1 */
    BatonRange regs[BATON_MAX_REGS];
    unsigned spi;
    GArray *dma;                        /* BatonWindow, of a master */
    DeviceState *dev;                   /* set by the machine */
};

typedef struct BatonDt {
    const char *cpu_model;
    unsigned num_cpus;
    GArray *banks;                      /* BatonRange, ascending */
    GPtrArray *nodes;                   /* BatonNode, in tree order */
    BatonNode *gic;
    BatonNode *monitor;                 /* or NULL */
    BatonNode *key_gpio;                /* of the power key, or NULL */
    unsigned key_pin;
} BatonDt;

BatonDt *baton_dt_load(const char *filename, const BatonModel *models,
                       Error **errp);
void baton_dt_free(BatonDt *dt);

#endif
