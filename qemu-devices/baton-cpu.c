/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton: CPU cluster, generic timers and interrupt controller */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qlist.h"
#include "cpu.h"
#include "hw/arm/bsa.h"
#include "hw/intc/arm_gicv3.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "hw/sysbus.h"
#include "target/arm/gtimer.h"
#include "exec/address-spaces.h"
#include "baton-machine.h"

static bool baton_create_cpu(BatonMachineState *s, unsigned n, Error **errp)
{
    g_autofree char *type = g_strdup_printf(ARM_CPU_TYPE_NAME("%s"),
                                            s->dt->cpu_model);
    g_autofree char *name = g_strdup_printf("cpu%u", n);
    Object *cpu = object_new(type);
    bool ok;

    object_property_add_child(OBJECT(s), name, cpu);
    /* Linux starts at EL1, and QEMU's own PSCI answers it at HVC. */
    object_property_set_bool(cpu, "has_el3", false, &error_abort);
    object_property_set_bool(cpu, "has_el2", false, &error_abort);
    object_property_set_int(cpu, "cntfrq", BATON_TIMER_HZ, &error_abort);
    object_property_set_link(cpu, "memory", OBJECT(get_system_memory()),
                             &error_abort);
    ok = qdev_realize(DEVICE(cpu), NULL, errp);
    object_unref(cpu);
    return ok;
}

static void baton_wire_cpu(BatonMachineState *s, unsigned n)
{
    static const int timer_irq[] = {
        [GTIMER_PHYS] = ARCH_TIMER_NS_EL1_IRQ,
        [GTIMER_VIRT] = ARCH_TIMER_VIRT_IRQ,
        [GTIMER_HYP]  = ARCH_TIMER_NS_EL2_IRQ,
        [GTIMER_SEC]  = ARCH_TIMER_S_EL1_IRQ,
    };
    unsigned num_cpus = s->dt->num_cpus;
    DeviceState *cpu = DEVICE(qemu_get_cpu(n));
    SysBusDevice *gic = SYS_BUS_DEVICE(s->gic);
    int ppis = BATON_NUM_SPIS + n * GIC_INTERNAL;

    for (unsigned i = 0; i < ARRAY_SIZE(timer_irq); i++) {
        qdev_connect_gpio_out(cpu, i,
                              qdev_get_gpio_in(s->gic, ppis + timer_irq[i]));
    }
    qdev_connect_gpio_out_named(cpu, "pmu-interrupt", 0,
                                qdev_get_gpio_in(s->gic,
                                                 ppis + VIRTUAL_PMU_IRQ));
    sysbus_connect_irq(gic, n, qdev_get_gpio_in(cpu, ARM_CPU_IRQ));
    sysbus_connect_irq(gic, n + num_cpus, qdev_get_gpio_in(cpu, ARM_CPU_FIQ));
}

static bool baton_create_gic(BatonMachineState *s, Error **errp)
{
    const BatonNode *node = s->dt->gic;
    QList *redist_region_count = qlist_new();

    s->gic = qdev_new(node->model->type);
    object_property_add_child(OBJECT(s), "gic", OBJECT(s->gic));
    qdev_prop_set_uint32(s->gic, "num-cpu", s->dt->num_cpus);
    qdev_prop_set_uint32(s->gic, "num-irq", BATON_NUM_SPIS + GIC_INTERNAL);
    qlist_append_int(redist_region_count, s->dt->num_cpus);
    qdev_prop_set_array(s->gic, "redist-region-count", redist_region_count);
    if (!sysbus_realize_and_unref(SYS_BUS_DEVICE(s->gic), errp)) {
        return false;
    }
    for (unsigned i = 0; i < node->model->num_regs; i++) {
        sysbus_mmio_map(SYS_BUS_DEVICE(s->gic), node->model->mmio[i],
                        node->regs[i].base);
    }
    return true;
}

bool baton_create_cpus(BatonMachineState *s, Error **errp)
{
    for (unsigned n = 0; n < s->dt->num_cpus; n++) {
        if (!baton_create_cpu(s, n, errp)) {
            return false;
        }
    }
    if (!baton_create_gic(s, errp)) {
        return false;
    }
    for (unsigned n = 0; n < s->dt->num_cpus; n++) {
        baton_wire_cpu(s, n);
    }
    return true;
}
