/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton device tree: memory, CPUs, and what comes with them */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "hw/arm/bsa.h"
#include "standard-headers/linux/input-event-codes.h"
#include "baton-dt-internal.h"

static const struct {
    const char *compatible;
    const char *model;
} cpu_models[] = {
    { "arm,cortex-a57", "cortex-a57" },
    { "arm,cortex-a72", "cortex-a72" },
    { "arm,cortex-a76", "cortex-a76" },
    { "arm,neoverse-n1", "neoverse-n1" },
};

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const BatonRange *x = a, *y = b;

    return x->base < y->base ? -1 : x->base > y->base;
}

static bool dt_memory_node(DtParser *p, int node, Error **errp)
{
    const uint8_t *data;
    int n = dt_entries(p, node, "reg", 4, &data, errp);

    if (n < 0) {
        return false;
    }
    while (n--) {
        BatonRange bank;

        bank.base = dt_read_cells(&data, 2);
        bank.size = dt_read_cells(&data, 2);
        if (bank.size == 0 || (bank.base | bank.size) % MiB) {
            return dt_error(errp, p, node, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64
                            " is empty or not in units of 1 MiB",
                            bank.base, bank.size);
        }
        if (bank.base >> CPU_ADDRESS_BITS ||
            (bank.size - 1 + bank.base) >> CPU_ADDRESS_BITS ||
            bank.size >> CPU_ADDRESS_BITS) {
            return dt_error(errp, p, node, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64 " exceeds %d bits",
                            bank.base, bank.size, CPU_ADDRESS_BITS);
        }
        if (!dt_claim(p, node, bank, errp)) {
            return false;
        }
        g_array_append_val(p->dt->banks, bank);
    }
    return true;
}

bool dt_memory(DtParser *p, Error **errp)
{
    const void *fdt = p->fdt;
    int node;

    fdt_for_each_subnode(node, fdt, 0) {
        if (!dt_string_is(fdt, node, "device_type", "memory") ||
            !dt_enabled(fdt, node)) {
            continue;
        }
        /* The loader finds the nodes by this name to replace them */
        if (!strstart(fdt_get_name(fdt, node, NULL), "memory@", NULL)) {
            return dt_error(errp, p, node, "device_type",
                            "memory, but the name is not memory@ADDRESS");
        }
        if (!dt_memory_node(p, node, errp)) {
            return false;
        }
    }
    if (p->dt->banks->len == 0) {
        return dt_error(errp, p, 0, "memory@ADDRESS", "is missing");
    }
    g_array_sort(p->dt->banks, compare_ranges);
    return true;
}

static const char *dt_cpu_model(const DtParser *p, int node, Error **errp)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cpu_models); i++) {
        if (dt_is_compatible(p->fdt, node, cpu_models[i].compatible)) {
            return cpu_models[i].model;
        }
    }
    dt_error(errp, p, node, "compatible", "is no CPU of this machine");
    return NULL;
}

static bool dt_cpu(DtParser *p, int node, unsigned cells, Error **errp)
{
    BatonDt *dt = p->dt;
    const char *model = dt_cpu_model(p, node, errp);
    const uint8_t *data;
    uint64_t mpidr;
    int n;

    if (!model) {
        return false;
    }
    if (dt->cpu_model && dt->cpu_model != model) {
        return dt_error(errp, p, node, "compatible",
                        "all CPUs must be alike, the first is %s",
                        dt->cpu_model);
    }
    dt->cpu_model = model;
    if (dt->num_cpus == BATON_MAX_CPUS) {
        return dt_error(errp, p, node, "reg", "is one CPU more than %d",
                        BATON_MAX_CPUS);
    }
    n = dt_entries(p, node, "reg", cells, &data, errp);
    if (n < 0) {
        return false;
    }
    if (n != 1) {
        return dt_error(errp, p, node, "reg", "must have one entry");
    }
    mpidr = dt_read_cells(&data, cells);
    if (mpidr != dt->num_cpus) {
        return dt_error(errp, p, node, "reg",
                        "0x%" PRIx64 " is not the affinity of CPU %u", mpidr,
                        dt->num_cpus);
    }
    if (!dt_string_is(p->fdt, node, "enable-method", "psci")) {
        return dt_error(errp, p, node, "enable-method", "must be psci");
    }
    dt->num_cpus++;
    return true;
}

bool dt_cpus(DtParser *p, Error **errp)
{
    int cpus = fdt_path_offset(p->fdt, "/cpus");
    unsigned cells;
    int node;

    if (cpus < 0) {
        return dt_error(errp, p, 0, "cpus", "is missing");
    }
    if (!dt_num_cells(p, cpus, "#address-cells", &cells, errp)) {
        return false;
    }
    fdt_for_each_subnode(node, p->fdt, cpus) {
        if (dt_string_is(p->fdt, node, "device_type", "cpu") &&
            dt_enabled(p->fdt, node) && !dt_cpu(p, node, cells, errp)) {
            return false;
        }
    }
    if (p->dt->num_cpus == 0) {
        return dt_error(errp, p, cpus, "cpu@0", "is missing");
    }
    return true;
}

/* Those of the CPU are wired in code: the tree must say what is there */
static bool dt_check_ppis(const DtParser *p, int node, const unsigned *ppis,
                          unsigned n, Error **errp)
{
    const uint8_t *data = dt_interrupts(p, node, n, errp);

    if (!data) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t type = dt_read_cells(&data, 1);
        uint32_t number = dt_read_cells(&data, 1);

        dt_read_cells(&data, 1);
        if (type != 1 || number != ppis[i]) {
            return dt_error(errp, p, node, "interrupts",
                            "<%u %u> is not the CPU's <1 %u>", type, number,
                            ppis[i]);
        }
    }
    return true;
}

bool dt_timer(const DtParser *p, Error **errp)
{
    static const unsigned ppis[] = {
        INTID_TO_PPI(ARCH_TIMER_S_EL1_IRQ), INTID_TO_PPI(ARCH_TIMER_NS_EL1_IRQ),
        INTID_TO_PPI(ARCH_TIMER_VIRT_IRQ), INTID_TO_PPI(ARCH_TIMER_NS_EL2_IRQ),
    };
    int node = fdt_node_offset_by_compatible(p->fdt, -1, "arm,armv8-timer");
    uint32_t hz;

    if (node < 0 || !dt_enabled(p->fdt, node)) {
        return dt_error(errp, p, 0, "timer", "is missing");
    }
    if (fdt_getprop(p->fdt, node, "clock-frequency", NULL)) {
        if (!dt_u32(p, node, "clock-frequency", &hz, errp)) {
            return false;
        }
        if (hz != BATON_TIMER_HZ) {
            return dt_error(errp, p, node, "clock-frequency",
                            "is %u, the timer runs at %u", hz, BATON_TIMER_HZ);
        }
    }
    return dt_check_ppis(p, node, ppis, ARRAY_SIZE(ppis), errp);
}

bool dt_pmu(const DtParser *p, Error **errp)
{
    static const unsigned ppi = INTID_TO_PPI(VIRTUAL_PMU_IRQ);
    g_autofree char *own = g_strdup_printf("arm,%s-pmu", p->dt->cpu_model);
    int node;

    fdt_for_each_subnode(node, p->fdt, 0) {
        const char *name = dt_string(p->fdt, node, "compatible");

        if (!name || !dt_enabled(p->fdt, node) ||
            (!g_str_has_suffix(name, "-pmu") &&
             !g_str_equal(name, "arm,armv8-pmuv3"))) {
            continue;
        }
        if (!g_str_equal(name, "arm,armv8-pmuv3") && !g_str_equal(name, own)) {
            return dt_error(errp, p, node, "compatible",
                            "%s is not the CPU's %s", name, own);
        }
        if (!dt_check_ppis(p, node, &ppi, 1, errp)) {
            return false;
        }
    }
    return true;
}

bool dt_psci(const DtParser *p, Error **errp)
{
    int node = fdt_path_offset(p->fdt, "/psci");

    if (node < 0 || !dt_enabled(p->fdt, node)) {
        return dt_error(errp, p, 0, "psci", "is missing");
    }
    if (!dt_is_compatible(p->fdt, node, "arm,psci-1.0") &&
        !dt_is_compatible(p->fdt, node, "arm,psci-0.2")) {
        return dt_error(errp, p, node, "compatible",
                        "is neither arm,psci-1.0 nor arm,psci-0.2");
    }
    if (!dt_string_is(p->fdt, node, "method", "hvc")) {
        return dt_error(errp, p, node, "method", "must be hvc");
    }
    return true;
}

bool dt_gic(DtParser *p, Error **errp)
{
    const uint64_t redist_size = 0x20000ull * p->dt->num_cpus;
    BatonNode *gic = dt_find_node(p->dt, p->gic);
    uint32_t cells;

    if (!gic) {
        return dt_error(errp, p, p->gic, "status",
                        "the interrupt controller is disabled or not on a bus");
    }
    if (!dt_u32(p, p->gic, "#interrupt-cells", &cells, errp)) {
        return false;
    }
    if (cells != 3) {
        return dt_error(errp, p, p->gic, "#interrupt-cells",
                        "is %u, must be 3", cells);
    }
    if (gic->regs[1].size < redist_size) {
        return dt_error(errp, p, p->gic, "reg",
                        "redistributors of %u CPUs take 0x%" PRIx64,
                        p->dt->num_cpus, redist_size);
    }
    for (unsigned i = 0; i < p->dt->nodes->len; i++) {
        BatonNode *node = g_ptr_array_index(p->dt->nodes, i);

        if (node != gic && node->model == gic->model) {
            return dt_error(errp, p, node->offset, "compatible",
                            "is a second interrupt controller");
        }
    }
    p->dt->gic = gic;
    return true;
}

static bool dt_power_key(DtParser *p, int node, Error **errp)
{
    const uint8_t *data;
    uint32_t pin, flags;
    BatonNode *gpio;
    int n = dt_entries(p, node, "gpios", 3, &data, errp);

    if (n < 0) {
        return false;
    }
    if (n != 1) {
        return dt_error(errp, p, node, "gpios", "must have one entry");
    }
    gpio = dt_find_node(p->dt, fdt_node_offset_by_phandle(
                                   p->fdt, dt_read_cells(&data, 1)));
    pin = dt_read_cells(&data, 1);
    flags = dt_read_cells(&data, 1);
    if (!gpio || !g_str_equal(gpio->model->compatible, "arm,pl061")) {
        return dt_error(errp, p, node, "gpios", "is not at an arm,pl061");
    }
    if (pin > 7 || flags) {
        return dt_error(errp, p, node, "gpios",
                        "<%u %u> is not an active high pin below 8", pin,
                        flags);
    }
    p->dt->key_gpio = gpio;
    p->dt->key_pin = pin;
    return true;
}

bool dt_gpio_keys(DtParser *p, Error **errp)
{
    int keys = fdt_node_offset_by_compatible(p->fdt, -1, "gpio-keys");
    int node;

    if (keys < 0 || !dt_enabled(p->fdt, keys)) {
        return true;
    }
    fdt_for_each_subnode(node, p->fdt, keys) {
        uint32_t code;

        if (dt_u32(p, node, "linux,code", &code, NULL) && code == KEY_POWER) {
            return dt_power_key(p, node, errp);
        }
    }
    return true;
}
