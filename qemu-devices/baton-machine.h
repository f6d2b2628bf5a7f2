/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_BATON_MACHINE_H
#define HW_BATON_MACHINE_H

#include "qemu/notify.h"
#include "hw/arm/boot.h"
#include "hw/boards.h"
#include "baton-dt.h"

#define TYPE_BATON_MACHINE MACHINE_TYPE_NAME("baton")
OBJECT_DECLARE_SIMPLE_TYPE(BatonMachineState, BATON_MACHINE)

struct BatonMachineState {
    MachineState parent;

    struct arm_boot_info bootinfo;
    Notifier powerdown;
    BatonDt *dt;
    DeviceState *gic;
    DeviceState *power_key;
    GHashTable *bindings;       /* "camera0-file" -> value, until used */
};

/* The CPUs, their timers and the GIC, at the tree's addresses */
bool baton_create_cpus(BatonMachineState *s, Error **errp);

/* baton-devices.c */
extern const BatonModel baton_models[];
bool baton_create_devices(BatonMachineState *s, Error **errp);
void baton_create_power_key(BatonMachineState *s);
bool baton_create_nics(BatonMachineState *s, Error **errp);

/* Has every ALIAS-PROPERTY of -M found its device? */
bool baton_check_bindings(const BatonMachineState *s, Error **errp);

#endif
