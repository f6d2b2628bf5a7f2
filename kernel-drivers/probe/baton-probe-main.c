// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: dma-buf importers and exporters made by tests
 *
 * /dev/baton-probe lets its user call the dma-buf functions in any order, from
 * any thread and also wrongly. It can crash the kernel: for test kernels only.
 *
 * A call holds references and no lock, so that one that sleeps stops no other.
 * An object refers to those it was made from, whence the order in which they go.
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "baton-probe.h"

/* An object that cannot be found yet, with one reference */
void *probe_alloc(size_t size, const struct probe_kind *kind)
{
	struct probe_object *object = kzalloc(size, GFP_KERNEL);

	if (!object)
		return ERR_PTR(-ENOMEM);

	kref_init(&object->kref);
	object->kind = kind;
	return object;
}

/* Give @object an id, which takes over the caller's reference, also on an error. */
int probe_publish(struct probe_file *file, struct probe_object *object, u32 *id)
{
	int ret;

	/* Somebody may guess the id and drop it at once. */
	kref_get(&object->kref);
	ret = xa_alloc(&file->objects, &object->id, object, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		if (object->kind->drop)
			object->kind->drop(object);
		probe_put(object);
	}

	*id = object->id;
	probe_put(object);
	return ret;
}

static void probe_release(struct kref *kref)
{
	struct probe_object *object = container_of(kref, struct probe_object, kref);

	object->kind->release(object);
}

void probe_put(struct probe_object *object)
{
	kref_put(&object->kref, probe_release);
}

/* An object of any type, with a reference; or ERR_PTR(-ENXIO) */
void *probe_find_any(struct probe_file *file, u32 id)
{
	struct probe_object *object;

	xa_lock(&file->objects);
	object = xa_load(&file->objects, id);
	if (object)
		kref_get(&object->kref);
	xa_unlock(&file->objects);
	return object ?: ERR_PTR(-ENXIO);
}

void *probe_find(struct probe_file *file, u32 id, const struct probe_kind *kind)
{
	struct probe_object *object = probe_find_any(file, id);

	if (!IS_ERR(object) && object->kind != kind) {
		probe_put(object);
		return ERR_PTR(-ENXIO);
	}
	return object;
}

static int probe_set_drop(struct probe_object *object, const struct baton_probe_drop *args)
{
	bool force = args->flags & BATON_PROBE_DROP_FORCE;

	if (args->flags & ~BATON_PROBE_DROP_FORCE || args->lock > BATON_PROBE_LOCK_MISSING)
		return -EINVAL;

	if (object->kind == &probe_mapping_kind)
		container_of(object, struct probe_mapping, object)->unmap_lock = args->lock;
	else if (object->kind == &probe_vmap_kind)
		container_of(object, struct probe_vmap, object)->vunmap_lock = args->lock;
	else if (force && object->kind == &probe_attachment_kind)
		probe_detach_by_force(container_of(object, struct probe_attachment, object));
	else if (force && object->kind == &probe_buffer_kind)
		probe_put_by_force(container_of(object, struct probe_buffer, object));
	return 0;
}

static void probe_drop_object(struct probe_file *file, struct probe_object *object)
{
	if (!xa_erase(&file->objects, object->id))
		return;
	if (object->kind->drop)
		object->kind->drop(object);
	probe_put(object);
}

static int probe_drop(struct probe_file *file, void *arg)
{
	const struct baton_probe_drop *args = arg;
	struct probe_object *object;
	int ret;

	object = probe_find_any(file, args->id);
	if (IS_ERR(object))
		return PTR_ERR(object);

	ret = probe_set_drop(object, args);
	if (!ret)
		probe_drop_object(file, object);
	probe_put(object);
	return ret;
}

#define PROBE_VERB(name, type, function) \
	[_IOC_NR(BATON_PROBE_IOC_##name)] = { sizeof(struct baton_probe_##type), function }

static const struct probe_verb {
	size_t size;
	int (*run)(struct probe_file *file, void *arg);
} probe_verbs[] = {
	PROBE_VERB(DEVICE, device, probe_device_add),
	PROBE_VERB(DROP, drop, probe_drop),
	PROBE_VERB(GET, get, probe_get),
	PROBE_VERB(ATTACH, attach, probe_attach),
	PROBE_VERB(MAP, map, probe_map),
	PROBE_VERB(TABLE, table, probe_table),
	PROBE_VERB(ACCESS, access, probe_access),
	PROBE_VERB(PIN, pin, probe_pin),
	PROBE_VERB(UNPIN, pin, probe_unpin),
	PROBE_VERB(VMAP, vmap, probe_vmap),
	PROBE_VERB(BEGIN, cpu_access, probe_begin),
	PROBE_VERB(END, cpu_access, probe_end),
	PROBE_VERB(WINDOW, window_map, probe_window),
	PROBE_VERB(FENCE_NEW, fence_new, probe_fence_new),
	PROBE_VERB(FENCE_ADD, fence_add, probe_fence_add),
	PROBE_VERB(FENCE_SIGNAL, fence_signal, probe_fence_signal),
	PROBE_VERB(INFO, info, probe_info),
	PROBE_VERB(EXPORT, export, probe_export),
	PROBE_VERB(BEHAVE, behave, probe_behave),
	PROBE_VERB(NOTIFY, notify, probe_notify),
	PROBE_VERB(MISUSE, misuse, probe_misuse),
	PROBE_VERB(EXPORT_INFO, export_info, probe_export_info),
};

union probe_args {
	struct baton_probe_device device; /* the largest */
};

static long probe_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct probe_file *file = filp->private_data;
	void __user *user = (void __user *)arg;
	const struct probe_verb *verb;
	union probe_args args;
	int ret;

	if (_IOC_TYPE(cmd) != _IOC_TYPE(BATON_PROBE_IOC_DROP) ||
	    _IOC_NR(cmd) >= ARRAY_SIZE(probe_verbs))
		return -ENOTTY;

	verb = &probe_verbs[_IOC_NR(cmd)];
	ret = copy_struct_from_user(&args, verb->size, user, _IOC_SIZE(cmd));
	if (ret)
		return ret;

	ret = verb->run(file, &args);
	if (ret)
		return ret;
	if (copy_to_user(user, &args, min_t(size_t, verb->size, _IOC_SIZE(cmd))))
		return -EFAULT;
	return 0;
}

static ssize_t probe_read(struct file *filp, char __user *data, size_t size, loff_t *offset)
{
	struct probe_file *file = filp->private_data;

	return probe_log_read(file->log, data, size);
}

static int probe_fop_mmap(struct file *filp, struct vm_area_struct *vma)
{
	return probe_mmap(filp->private_data, vma);
}

static int probe_open(struct inode *inode, struct file *filp)
{
	struct probe_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;

	file->log = probe_log_new();
	if (!file->log) {
		kfree(file);
		return -ENOMEM;
	}

	xa_init_flags(&file->objects, XA_FLAGS_ALLOC1);
	filp->private_data = file;
	return 0;
}

/* Whatever the release of an object could wait for is ended before. */
static int probe_fop_release(struct inode *inode, struct file *filp)
{
	struct probe_file *file = filp->private_data;
	struct probe_object *object;
	unsigned long id;

	xa_for_each(&file->objects, id, object)
		if (object->kind->drop)
			probe_drop_object(file, object);
	xa_for_each(&file->objects, id, object)
		probe_drop_object(file, object);

	xa_destroy(&file->objects);
	probe_log_put(file->log);
	kfree(file);
	return 0;
}

static const struct file_operations probe_fops = {
	.owner = THIS_MODULE,
	.open = probe_open,
	.release = probe_fop_release,
	.read = probe_read,
	.mmap = probe_fop_mmap,
	.unlocked_ioctl = probe_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice probe_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "baton-probe",
	.fops = &probe_fops,
	.mode = 0600,
};
module_misc_device(probe_misc);

MODULE_DESCRIPTION("dma-buf importers and exporters made by tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
