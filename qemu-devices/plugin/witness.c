/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: CPU witness, a TCG plugin
 *
 * Counts the bytes that each CPU loads and stores, by physical page of DRAM and
 * by interval, and notes the code that did it first. An interval lasts from one
 * event at the bus monitor to the next: the monitor counts them in a file that
 * both have mapped. docs/proof.md tells what is counted as what.
 *
 * Arguments: out=FILE      what to write when QEMU ends (witness-file.h)
 *            ram=BASE+SIZE a bank of DRAM, once for each
 *            clock=FILE    the monitor's interval counter (interval 0 for ever)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <glib.h>
#include "qemu/qemu-plugin.h"
#include "witness-file.h"

#define PAGE_BITS   12
#define PAGE_SIZE   (1u << PAGE_BITS)
#define PAGE_OFFSET (PAGE_SIZE - 1)
#define MAX_BANKS   8

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

typedef struct Bank {
    uint64_t base, size;
    uint64_t first;             /* index of its first page in Cpu.pages */
} Bank;

typedef struct Cpu {
    WitnessRecord *pages;       /* what is being counted */
    WitnessRecord unknown;
    GArray *done;               /* records of earlier intervals */
    struct qemu_plugin_register *pc, *lr, *context;
    GByteArray *value;
} Cpu;

static Bank banks[MAX_BANKS];
static unsigned num_banks;
static uint64_t num_pages;
static Cpu *cpus;
static int num_cpus;
static FILE *out;
static const uint64_t *clock_interval;

static uint32_t current_interval(void)
{
    return clock_interval ? __atomic_load_n(clock_interval, __ATOMIC_ACQUIRE)
                          : 0;
}

static uint64_t read_register(Cpu *cpu, struct qemu_plugin_register *reg)
{
    uint64_t value = 0;

    g_byte_array_set_size(cpu->value, 0);
    if (reg && qemu_plugin_read_register(reg, cpu->value) > 0) {
        memcpy(&value, cpu->value->data, MIN(cpu->value->len, sizeof(value)));
    }
    return value;
}

/*
 * The same translated code may run at several virtual addresses: the page
 * comes from the CPU, and the place in it from the translation.
 */
static void note_code(Cpu *cpu, WitnessCode *code, uint64_t pc)
{
    code->pc = (read_register(cpu, cpu->pc) & ~(uint64_t)PAGE_OFFSET) |
               (pc & PAGE_OFFSET);
    code->lr = read_register(cpu, cpu->lr);
    code->context = read_register(cpu, cpu->context);
}

static bool is_used(const WitnessRecord *record)
{
    return record->bytes[0] || record->bytes[1];
}

static void finish(Cpu *cpu, WitnessRecord *record)
{
    if (is_used(record)) {
        g_array_append_val(cpu->done, *record);
        *record = (WitnessRecord) {};
    }
}

static void count(Cpu *cpu, WitnessRecord *record, uint64_t page,
                  unsigned bytes, bool is_store, uint64_t pc)
{
    uint32_t interval = current_interval();

    if (record->interval != interval) {
        finish(cpu, record);
    }
    if (!is_used(record)) {
        record->page = page;
        record->interval = interval;
        record->cpu = cpu - cpus;
    }
    if (!record->bytes[is_store]) {
        note_code(cpu, &record->code[is_store], pc);
    }
    record->bytes[is_store] += bytes;
}

static void count_in_page(Cpu *cpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                          unsigned bytes, uint64_t pc)
{
    struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, vaddr);
    bool is_store = qemu_plugin_mem_is_store(info);
    uint64_t addr;

    if (!hwaddr) {
        count(cpu, &cpu->unknown, WITNESS_UNKNOWN_PAGE, bytes, is_store, pc);
        return;
    }
    addr = qemu_plugin_hwaddr_phys_addr(hwaddr);
    for (unsigned i = 0; i < num_banks; i++) {
        uint64_t offset = addr - banks[i].base;

        if (offset < banks[i].size) {
            uint64_t index = banks[i].first + (offset >> PAGE_BITS);

            count(cpu, &cpu->pages[index], addr & ~(uint64_t)PAGE_OFFSET,
                  bytes, is_store, pc);
            return;
        }
    }
}

static void memory_access(unsigned cpu_index, qemu_plugin_meminfo_t info,
                          uint64_t vaddr, void *pc)
{
    Cpu *cpu = &cpus[cpu_index];
    unsigned bytes = 1u << qemu_plugin_mem_size_shift(info);
    unsigned room = PAGE_SIZE - (vaddr & PAGE_OFFSET);

    count_in_page(cpu, info, vaddr, MIN(bytes, room), (uintptr_t)pc);
    if (bytes > room) {
        count_in_page(cpu, info, vaddr + room, bytes - room, (uintptr_t)pc);
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);

    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uintptr_t pc = qemu_plugin_insn_vaddr(insn);

        qemu_plugin_register_vcpu_mem_cb(insn, memory_access,
                                         QEMU_PLUGIN_CB_R_REGS,
                                         QEMU_PLUGIN_MEM_RW, (void *)pc);
    }
}

static void init_cpu(qemu_plugin_id_t id, unsigned cpu_index)
{
    g_autoptr(GArray) registers = qemu_plugin_get_registers();
    Cpu *cpu = &cpus[cpu_index];

    cpu->pages = g_new0(WitnessRecord, num_pages);
    cpu->done = g_array_new(false, false, sizeof(WitnessRecord));
    cpu->value = g_byte_array_new();
    for (unsigned i = 0; i < registers->len; i++) {
        const qemu_plugin_reg_descriptor *reg =
            &g_array_index(registers, qemu_plugin_reg_descriptor, i);

        if (!strcmp(reg->name, "pc")) {
            cpu->pc = reg->handle;
        } else if (!strcmp(reg->name, "x30")) {
            cpu->lr = reg->handle;
        } else if (!strcmp(reg->name, "CONTEXTIDR_EL1")) {
            cpu->context = reg->handle;
        }
    }
}

static int compare(const void *pa, const void *pb)
{
    const WitnessRecord *a = pa, *b = pb;

    if (a->interval != b->interval) {
        return a->interval < b->interval ? -1 : 1;
    }
    if (a->page != b->page) {
        return a->page < b->page ? -1 : 1;
    }
    return a->cpu < b->cpu ? -1 : 1;
}

static GArray *collect(void)
{
    GArray *all = g_array_new(false, false, sizeof(WitnessRecord));

    for (int i = 0; i < num_cpus; i++) {
        Cpu *cpu = &cpus[i];

        if (!cpu->pages) {
            continue;
        }
        for (uint64_t page = 0; page < num_pages; page++) {
            finish(cpu, &cpu->pages[page]);
        }
        finish(cpu, &cpu->unknown);
        g_array_append_vals(all, cpu->done->data, cpu->done->len);
    }
    g_array_sort(all, compare);
    return all;
}

static void write_records(qemu_plugin_id_t id, void *unused)
{
    g_autoptr(GArray) all = collect();
    WitnessHeader header = {
        .magic = WITNESS_MAGIC,
        .version = WITNESS_VERSION,
        .record_size = sizeof(WitnessRecord),
        .records = all->len,
    };

    if (fwrite(&header, sizeof(header), 1, out) != 1 ||
        fwrite(all->data, sizeof(WitnessRecord), all->len, out) != all->len ||
        fclose(out)) {
        fprintf(stderr, "baton-witness: cannot write: %s\n", strerror(errno));
    }
}

static bool open_out(const char *path)
{
    out = fopen(path, "wb");
    if (!out) {
        fprintf(stderr, "baton-witness: out=%s: %s\n", path, strerror(errno));
    }
    return out;
}

/* Whoever comes first, the monitor or the witness, makes the file. */
static bool map_clock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t *clock = MAP_FAILED;

    if (fd >= 0 && !ftruncate(fd, PAGE_SIZE)) {
        clock = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (clock == MAP_FAILED) {
        fprintf(stderr, "baton-witness: clock=%s: %s\n", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    clock_interval = clock + 1;
    return clock != MAP_FAILED;
}

static bool add_bank(const char *range)
{
    char *end;
    Bank bank = {
        .base = g_ascii_strtoull(range, &end, 0),
        .first = num_pages,
    };

    if (*end == '+') {
        bank.size = g_ascii_strtoull(end + 1, &end, 0);
    }
    if (*end || !bank.size || (bank.base | bank.size) & PAGE_OFFSET ||
        num_banks == MAX_BANKS) {
        fprintf(stderr, "baton-witness: ram=%s: not BASE+SIZE in whole pages, "
                "or more than %d of them\n", range, MAX_BANKS);
        return false;
    }
    banks[num_banks++] = bank;
    num_pages += bank.size >> PAGE_BITS;
    return true;
}

static bool parse(const char *arg)
{
    if (g_str_has_prefix(arg, "out=")) {
        return open_out(arg + strlen("out="));
    }
    if (g_str_has_prefix(arg, "clock=")) {
        return map_clock(arg + strlen("clock="));
    }
    if (g_str_has_prefix(arg, "ram=")) {
        return add_bank(arg + strlen("ram="));
    }
    fprintf(stderr, "baton-witness: unknown argument '%s'\n", arg);
    return false;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info,
                                           int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!parse(argv[i])) {
            return -1;
        }
    }
    if (!info->system_emulation || strcmp(info->target_name, "aarch64") ||
        !out || !num_banks) {
        fprintf(stderr, "baton-witness: needs out=FILE and ram=BASE+SIZE, "
                "and a system with aarch64 CPUs\n");
        return -1;
    }
    num_cpus = info->system.max_vcpus;
    cpus = g_new0(Cpu, num_cpus);
    qemu_plugin_register_vcpu_init_cb(id, init_cpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, write_records, NULL);
    return 0;
}
