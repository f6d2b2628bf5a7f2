/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton access counter: a test instrument
 *
 * Lies over one page of DRAM and counts the bytes that come through it, before
 * it does to the page what was asked for: -device baton-access-counter,id=ID,
 * then qom-set "addr", and qom-get "loaded" and "stored". It is independent of
 * the plugins' view of memory, whose counts the tests compare with it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/qdev-core.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "qom/object.h"

#define TYPE_BATON_ACCESS_COUNTER "baton-access-counter"
OBJECT_DECLARE_SIMPLE_TYPE(BatonAccessCounter, BATON_ACCESS_COUNTER)

#define PAGE_BYTES 4096

struct BatonAccessCounter {
    DeviceState parent_obj;

    MemoryRegion page;
    MemoryRegion *ram;          /* what is beneath; NULL if there is no page */
    hwaddr ram_offset;
    uint64_t addr;
    uint64_t loaded, stored;
};

static uint64_t counter_read(void *opaque, hwaddr offset, unsigned size)
{
    BatonAccessCounter *s = opaque;
    uint8_t *ram = memory_region_get_ram_ptr(s->ram);

    s->loaded += size;
    return ldn_le_p(ram + s->ram_offset + offset, size);
}

static void counter_write(void *opaque, hwaddr offset, uint64_t value,
                          unsigned size)
{
    BatonAccessCounter *s = opaque;
    uint8_t *ram = memory_region_get_ram_ptr(s->ram);

    s->stored += size;
    stn_le_p(ram + s->ram_offset + offset, size, value);
    memory_region_set_dirty(s->ram, s->ram_offset + offset, size);
}

static const MemoryRegionOps counter_ops = {
    .read = counter_read,
    .write = counter_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.max_access_size = 8,
    .impl.max_access_size = 8,
};

static void counter_unmap(BatonAccessCounter *s)
{
    if (s->ram) {
        memory_region_del_subregion(get_system_memory(), &s->page);
        memory_region_unref(s->ram);
        s->ram = NULL;
    }
}

static void counter_map(BatonAccessCounter *s, Error **errp)
{
    MemoryRegionSection section;

    section = memory_region_find(get_system_memory(), s->addr, PAGE_BYTES);
    if (s->addr % PAGE_BYTES || !section.mr ||
        !memory_region_is_ram(section.mr)) {
        memory_region_unref(section.mr);
        error_setg(errp, "there is no page of RAM at 0x%" PRIx64, s->addr);
        return;
    }
    s->ram = section.mr;
    s->ram_offset = section.offset_within_region;
    memory_region_add_subregion_overlap(get_system_memory(), s->addr,
                                        &s->page, 1);
}

static void counter_get_addr(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &BATON_ACCESS_COUNTER(obj)->addr, errp);
}

/* 0: nowhere */
static void counter_set_addr(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    BatonAccessCounter *s = BATON_ACCESS_COUNTER(obj);

    if (!visit_type_uint64(v, name, &s->addr, errp)) {
        return;
    }
    counter_unmap(s);
    if (s->addr) {
        counter_map(s, errp);
    }
}

static void counter_init(Object *obj)
{
    BatonAccessCounter *s = BATON_ACCESS_COUNTER(obj);

    memory_region_init_io(&s->page, obj, &counter_ops, s,
                          TYPE_BATON_ACCESS_COUNTER, PAGE_BYTES);
    object_property_add_uint64_ptr(obj, "loaded", &s->loaded,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stored", &s->stored,
                                   OBJ_PROP_FLAG_READ);
}

static void counter_unrealize(DeviceState *dev)
{
    counter_unmap(BATON_ACCESS_COUNTER(dev));
}

static void counter_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "Counts accesses to a page of RAM, for tests";
    dc->unrealize = counter_unrealize;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    object_class_property_add(klass, "addr", "uint64", counter_get_addr,
                              counter_set_addr, NULL, NULL);
}

static const TypeInfo counter_types[] = {
    {
        .name = TYPE_BATON_ACCESS_COUNTER,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(BatonAccessCounter),
        .instance_init = counter_init,
        .class_init = counter_class_init,
    },
};
DEFINE_TYPES(counter_types)
