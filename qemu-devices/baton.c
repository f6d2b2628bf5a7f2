/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: a virtual system-on-chip built from its device tree
 *
 * The tree given by -dtb says which devices exist, where, on which interrupt,
 * and which part of memory each bus master reaches: docs/hardware/machine.md.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "system/device_tree.h"
#include "baton-machine.h"

#define BATON_MAX_ALIASES 8

/* Properties of engines that the machine offers as ALIAS-PROPERTY */
static const struct {
    const char *alias;
    const char *property;
    const char *description;
} engine_properties[] = {
    { "camera", "file", "YUV4MPEG2 file that the camera sees" },
    { "camera", "loop", "start the file again at its end (on/off)" },
    { "camera", "chardev", "character device with a live YUV4MPEG2 stream" },
    { "display", "xres", "width of the monitor's preferred mode" },
    { "display", "yres", "height of the monitor's preferred mode" },
    { "monitor", "log", "file for all that the bus monitor sees" },
    { "monitor", "clock", "file to map that counts its events" },
};

static bool baton_check_options(const BatonMachineState *s, Error **errp)
{
    const MachineState *ms = MACHINE(s);
    const BatonDt *dt = s->dt;
    g_autofree char *cpu_type = g_strdup_printf(ARM_CPU_TYPE_NAME("%s"),
                                                dt->cpu_model);
    uint64_t ram_size = 0;

    for (unsigned i = 0; i < dt->banks->len; i++) {
        ram_size += g_array_index(dt->banks, BatonRange, i).size;
    }
    if (ms->ram_size != ram_size) {
        error_setg(errp, "-m: is %" PRIu64 " MiB, but the device tree's memory "
                   "nodes have %" PRIu64 " MiB: use -m %" PRIu64 "M",
                   ms->ram_size / MiB, ram_size / MiB, ram_size / MiB);
        return false;
    }
    if (ms->smp.cpus != dt->num_cpus || ms->smp.max_cpus != dt->num_cpus) {
        error_setg(errp, "-smp: is %u (at most %u), but the device tree's "
                   "/cpus has %u: use -smp %u", ms->smp.cpus, ms->smp.max_cpus,
                   dt->num_cpus, dt->num_cpus);
        return false;
    }
    if (ms->cpu_type && !g_str_equal(ms->cpu_type, cpu_type)) {
        error_setg(errp, "-cpu: is not the %s of the device tree's /cpus: use "
                   "-cpu %s", dt->cpu_model, dt->cpu_model);
        return false;
    }
    return true;
}

/* The banks share one block of RAM, one behind the other. */
static void baton_map_memory(BatonMachineState *s)
{
    MemoryRegion *ram = MACHINE(s)->ram;
    uint64_t offset = 0;

    for (unsigned i = 0; i < s->dt->banks->len; i++) {
        const BatonRange *bank = &g_array_index(s->dt->banks, BatonRange, i);
        g_autofree char *name = g_strdup_printf("dram%u", i);
        MemoryRegion *mr = g_new(MemoryRegion, 1);

        memory_region_init_alias(mr, OBJECT(s), name, ram, offset, bank->size);
        memory_region_add_subregion(get_system_memory(), bank->base, mr);
        offset += bank->size;
    }
}

/* arm_load_dtb() leaves the bank it boots from: put back the others. */
static void baton_restore_memory(const struct arm_boot_info *info, void *fdt)
{
    const BatonMachineState *s = container_of(info, BatonMachineState,
                                              bootinfo);
    g_autofree char *path = g_strdup_printf("/memory@%" PRIx64,
                                            info->loader_start);
    g_autofree uint64_t *reg = g_new(uint64_t, 2 * s->dt->banks->len);

    for (unsigned i = 0; i < s->dt->banks->len; i++) {
        const BatonRange *bank = &g_array_index(s->dt->banks, BatonRange, i);

        reg[2 * i] = cpu_to_be64(bank->base);
        reg[2 * i + 1] = cpu_to_be64(bank->size);
    }
    qemu_fdt_setprop(fdt, path, "reg", reg, 16 * s->dt->banks->len);
}

static bool baton_build(BatonMachineState *s, Error **errp)
{
    MachineState *ms = MACHINE(s);

    if (!ms->dtb) {
        error_setg(errp, "-dtb: is missing, the machine is built from a device "
                   "tree: use -dtb FILE");
        return false;
    }
    s->dt = baton_dt_load(ms->dtb, baton_models, errp);
    if (!s->dt || !baton_check_options(s, errp)) {
        return false;
    }
    baton_map_memory(s);
    if (!baton_create_cpus(s, errp) || !baton_create_devices(s, errp) ||
        !baton_check_bindings(s, errp)) {
        return false;
    }
    baton_create_power_key(s);
    return baton_create_nics(s, errp);
}

static void baton_init(MachineState *ms)
{
    BatonMachineState *s = BATON_MACHINE(ms);
    const BatonRange *bank;

    if (!baton_build(s, &error_fatal)) {
        return;
    }
    bank = &g_array_index(s->dt->banks, BatonRange, 0);
    s->bootinfo.loader_start = bank->base;
    s->bootinfo.ram_size = bank->size;
    s->bootinfo.board_id = -1;
    s->bootinfo.psci_conduit = QEMU_PSCI_CONDUIT_HVC;
    s->bootinfo.modify_dtb = baton_restore_memory;
    arm_load_kernel(ARM_CPU(first_cpu), ms, &s->bootinfo);
}

static void baton_get_binding(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    g_autofree char *value =
        g_strdup(g_hash_table_lookup(BATON_MACHINE(obj)->bindings, name) ?: "");

    visit_type_str(v, name, &value, errp);
}

static void baton_set_binding(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    char *value;

    if (visit_type_str(v, name, &value, errp)) {
        g_hash_table_replace(BATON_MACHINE(obj)->bindings, g_strdup(name),
                             value);
    }
}

static void baton_add_binding_properties(ObjectClass *oc)
{
    for (unsigned i = 0; i < ARRAY_SIZE(engine_properties); i++) {
        for (unsigned n = 0; n < BATON_MAX_ALIASES; n++) {
            g_autofree char *name =
                g_strdup_printf("%s%u-%s", engine_properties[i].alias, n,
                                engine_properties[i].property);

            object_class_property_add(oc, name, "str", baton_get_binding,
                                      baton_set_binding, NULL, NULL);
            object_class_property_set_description(
                oc, name, engine_properties[i].description);
        }
    }
}

static void baton_instance_init(Object *obj)
{
    BATON_MACHINE(obj)->bindings =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void baton_instance_finalize(Object *obj)
{
    BatonMachineState *s = BATON_MACHINE(obj);

    g_hash_table_unref(s->bindings);
    g_clear_pointer(&s->dt, baton_dt_free);
}

static void baton_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->desc = "Baton virtual SoC, built from its device tree (-dtb)";
    mc->init = baton_init;
    mc->default_cpus = 2;
    mc->max_cpus = BATON_MAX_CPUS;
    mc->default_ram_size = 2 * GiB;
    mc->default_ram_id = "baton.ram";
    mc->default_nic = "virtio-net-device";
    mc->block_default_type = IF_VIRTIO;
    mc->minimum_page_bits = 12;
    mc->no_cdrom = 1;
    mc->no_floppy = 1;
    mc->no_parallel = 1;
    baton_add_binding_properties(oc);
}

static const TypeInfo baton_machine_info = {
    .name = TYPE_BATON_MACHINE,
    .parent = TYPE_MACHINE,
    .instance_size = sizeof(BatonMachineState),
    .instance_init = baton_instance_init,
    .instance_finalize = baton_instance_finalize,
    .class_init = baton_class_init,
};

static void baton_machine_register_types(void)
{
    type_register_static(&baton_machine_info);
}

type_init(baton_machine_register_types)
