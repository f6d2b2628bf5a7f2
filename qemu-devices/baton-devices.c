/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton: the devices of the tree */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/char/pl011.h"
#include "hw/intc/arm_gicv3.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/registerfields.h"
#include "hw/sysbus.h"
#include "hw/virtio/virtio-mmio.h"
#include "hw/watchdog/sbsa_gwdt.h"
#include "net/net.h"
#include "system/runstate.h"
#include "system/system.h"
#include "baton-machine.h"
#include "baton-monitor.h"
#include "regs/baton-camera-regs.h"
#include "regs/baton-display-regs.h"
#include "trace.h"

static void baton_prepare_serial(BatonMachineState *s, const BatonNode *node,
                                 DeviceState *dev)
{
    if (node->index >= 0) {
        qdev_prop_set_chr(dev, "chardev", serial_hd(node->index));
    }
}

static void baton_prepare_gpio(BatonMachineState *s, const BatonNode *node,
                               DeviceState *dev)
{
    qdev_prop_set_uint32(dev, "pullups", 0);
    qdev_prop_set_uint32(dev, "pulldowns", 0xff);
}

static void baton_prepare_virtio(BatonMachineState *s, const BatonNode *node,
                                 DeviceState *dev)
{
    qdev_prop_set_bit(dev, "force-legacy", false);
}

static void baton_prepare_watchdog(BatonMachineState *s, const BatonNode *node,
                                   DeviceState *dev)
{
    qdev_prop_set_uint64(dev, "clock-frequency", BATON_TIMER_HZ);
}

static void baton_prepare_monitor(BatonMachineState *s, const BatonNode *node,
                                  DeviceState *dev)
{
    baton_monitor_set_banks(BATON_MONITOR(dev), s->dt->banks);
    for (unsigned i = 0; i < s->dt->nodes->len; i++) {
        const BatonNode *master = g_ptr_array_index(s->dt->nodes, i);

        if (master->model->is_master) {
            baton_monitor_add_master(BATON_MONITOR(dev), master->name);
        }
    }
}

const BatonModel baton_models[] = {
    {
        .compatible = "arm,gic-v3",
        .type = TYPE_ARM_GICV3,
        .num_regs = 2,
        .reg_size = { 64 * KiB, GICV3_REDIST_SIZE },
        .mmio = { 0, 1 },
    }, {
        .compatible = "arm,pl011",
        .type = TYPE_PL011,
        .alias = "serial",
        .num_regs = 1,
        .reg_size = { 4 * KiB },
        .has_irq = true,
        .prepare = baton_prepare_serial,
    }, {
        .compatible = "arm,pl031",
        .type = "pl031",
        .num_regs = 1,
        .reg_size = { 4 * KiB },
        .has_irq = true,
    }, {
        .compatible = "arm,pl061",
        .type = "pl061",
        .num_regs = 1,
        .reg_size = { 4 * KiB },
        .has_irq = true,
        .prepare = baton_prepare_gpio,
    }, {
        .compatible = "arm,sbsa-gwdt",
        .type = TYPE_WDT_SBSA,
        .num_regs = 2,
        .reg_size = { SBSA_GWDT_CMMIO_SIZE, SBSA_GWDT_RMMIO_SIZE },
        .mmio = { 1, 0 },
        .has_irq = true,
        .prepare = baton_prepare_watchdog,
    }, {
        .compatible = "virtio,mmio",
        .type = TYPE_VIRTIO_MMIO,
        .num_regs = 1,
        .reg_size = { 0x200 },
        .has_irq = true,
        .prepare = baton_prepare_virtio,
    }, {
        .compatible = "baton,camera-1.0",
        .type = "baton-camera",
        .alias = "camera",
        .num_regs = 1,
        .reg_size = { BATON_CAMERA_MMIO_SIZE },
        .has_irq = true,
        .is_master = true,
    }, {
        .compatible = "baton,display-1.0",
        .type = "baton-display",
        .alias = "display",
        .num_regs = 1,
        .reg_size = { BATON_DISPLAY_MMIO_SIZE },
        .has_irq = true,
        .is_master = true,
    }, {
        .compatible = "baton,monitor-1.0",
        .type = TYPE_BATON_MONITOR,
        .alias = "monitor",
        .num_regs = 1,
        .reg_size = { BATON_MONITOR_MMIO_SIZE },
        .is_monitor = true,
        .prepare = baton_prepare_monitor,
    },
    { }
};

static uint64_t baton_ram_offset(const BatonMachineState *s, uint64_t addr)
{
    uint64_t offset = 0;

    for (unsigned i = 0; i < s->dt->banks->len; i++) {
        const BatonRange *bank = &g_array_index(s->dt->banks, BatonRange, i);

        if (addr >= bank->base && addr - bank->base < bank->size) {
            return offset + (addr - bank->base);
        }
        offset += bank->size;
    }
    g_assert_not_reached();     /* a window lies within a bank */
}

/* What the bus master reaches: its windows of DRAM, and nothing between them */
static MemoryRegion *baton_create_dma(BatonMachineState *s,
                                      const BatonNode *node)
{
    g_autofree char *name = g_strdup_printf("%s-dma", node->name);
    MemoryRegion *container = g_new(MemoryRegion, 1);

    memory_region_init(container, OBJECT(s), name, UINT64_MAX);
    for (unsigned i = 0; i < node->dma->len; i++) {
        const BatonWindow *w = &g_array_index(node->dma, BatonWindow, i);
        g_autofree char *alias = g_strdup_printf("%s-window%u", node->name, i);
        MemoryRegion *mr = g_new(MemoryRegion, 1);

        memory_region_init_alias(mr, OBJECT(s), alias, MACHINE(s)->ram,
                                 baton_ram_offset(s, w->cpu), w->size);
        memory_region_add_subregion(container, w->bus, mr);
        trace_baton_window(node->name, w->bus, w->cpu, w->size);
    }
    return container;
}

static bool baton_apply_bindings(BatonMachineState *s, const BatonNode *node,
                                 DeviceState *dev, Error **errp)
{
    g_autofree char *prefix = g_strdup_printf("%s-", node->name);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, s->bindings);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const char *property;

        if (!strstart(key, prefix, &property)) {
            continue;
        }
        if (!object_property_parse(OBJECT(dev), property, value, errp)) {
            return false;
        }
        g_hash_table_iter_remove(&iter);
    }
    return true;
}

static bool baton_create_device(BatonMachineState *s, BatonNode *node,
                                Error **errp)
{
    ERRP_GUARD();
    const BatonModel *model = node->model;
    DeviceState *dev = qdev_new(model->type);
    SysBusDevice *sbd = SYS_BUS_DEVICE(dev);

    trace_baton_device(node->path, node->name, model->type, node->spi);
    node->dev = dev;
    dev->id = g_strdup(node->name);
    if (!object_property_try_add_child(OBJECT(s), node->name, OBJECT(dev),
                                       errp)) {
        goto fail;
    }
    if (model->prepare) {
        model->prepare(s, node, dev);
    }
    if (model->is_master) {
        object_property_set_link(OBJECT(dev), "dma",
                                 OBJECT(baton_create_dma(s, node)),
                                 &error_abort);
        if (s->dt->monitor) {
            object_property_set_link(OBJECT(dev), "monitor",
                                     OBJECT(s->dt->monitor->dev),
                                     &error_abort);
        }
    }
    if (!baton_apply_bindings(s, node, dev, errp) ||
        !sysbus_realize_and_unref(sbd, errp)) {
        goto fail;
    }
    for (unsigned i = 0; i < model->num_regs; i++) {
        sysbus_mmio_map(sbd, model->mmio[i], node->regs[i].base);
    }
    if (model->has_irq) {
        sysbus_connect_irq(sbd, 0, qdev_get_gpio_in(s->gic, node->spi));
    }
    return true;

fail:
    error_prepend(errp, "%s (%s): ", node->name, node->path);
    return false;
}

bool baton_create_devices(BatonMachineState *s, Error **errp)
{
    const BatonDt *dt = s->dt;

    /* Before the masters that it watches */
    if (dt->monitor && !baton_create_device(s, dt->monitor, errp)) {
        return false;
    }
    /*
     * A bus is put in front of those there are: going backwards the first
     * -device virtio-... gets the lowest slot, and Linux names it first.
     */
    for (unsigned i = dt->nodes->len; i-- > 0;) {
        BatonNode *node = g_ptr_array_index(dt->nodes, i);

        if (node != dt->gic && node != dt->monitor &&
            !baton_create_device(s, node, errp)) {
            return false;
        }
    }
    return true;
}

bool baton_check_bindings(const BatonMachineState *s, Error **errp)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, s->bindings);
    if (g_hash_table_iter_next(&iter, &key, NULL)) {
        const char *dash = strchr(key, '-');

        error_setg(errp, "-M %s: the device tree enables no device with the "
                   "alias %.*s", (char *)key, (int)(dash - (char *)key),
                   (char *)key);
        return false;
    }
    return true;
}

static void baton_powerdown(Notifier *n, void *opaque)
{
    BatonMachineState *s = container_of(n, BatonMachineState, powerdown);

    qemu_set_irq(qdev_get_gpio_in(s->power_key, 0), 1);
}

void baton_create_power_key(BatonMachineState *s)
{
    qemu_irq pin;

    if (!s->dt->key_gpio) {
        return;
    }
    pin = qdev_get_gpio_in(s->dt->key_gpio->dev, s->dt->key_pin);
    s->power_key = sysbus_create_simple("gpio-key", -1, pin);
    s->powerdown.notify = baton_powerdown;
    qemu_register_powerdown_notifier(&s->powerdown);
}

/* -nic: into the lowest free virtio slots */
bool baton_create_nics(BatonMachineState *s, Error **errp)
{
    for (unsigned i = 0; i < s->dt->nodes->len; i++) {
        BatonNode *node = g_ptr_array_index(s->dt->nodes, i);
        DeviceState *nic;

        if (!object_dynamic_cast(OBJECT(node->dev), TYPE_VIRTIO_MMIO)) {
            continue;
        }
        nic = qemu_create_nic_device("virtio-net-device", true, "virtio");
        if (!nic) {
            break;
        }
        if (!qdev_realize_and_unref(nic, BUS(&VIRTIO_MMIO(node->dev)->bus),
                                    errp)) {
            return false;
        }
    }
    return true;
}
