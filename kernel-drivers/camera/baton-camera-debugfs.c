// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: debugfs
 *
 * baton-camera.N/
 *   frames     the last 256 finished frames, one line each, oldest first:
 *              seq=N time=NS status=N hash=0xH buffer=N addr=0xA,P [addr=0xA,P]
 *              seq and buffer as in the V4L2 buffer, time of the frame's start
 *              (CLOCK_MONOTONIC), status BATON_CAMERA_DESC_*, and for each
 *              plane the CPU address of its first byte and the number of
 *              pieces of its memory
 *   hash       Y or N: let the engine hash the frames
 *   dma_rate   the engine's memory bandwidth in MB/s, writable
 *   counters   of the engine since it was probed, in one line:
 *              frames=N drops=N overruns=N errors=N bytes=N
 *   registers  the engine's registers
 */

#include <linux/debugfs.h>
#include <linux/kstrtox.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "baton-camera.h"

static void baton_camera_show_frame(struct seq_file *s, const struct baton_camera_log_entry *entry)
{
	unsigned int i;

	seq_printf(s, "seq=%u time=%llu status=%u hash=0x%016llx buffer=%u", entry->sequence,
		   entry->timestamp, entry->status, entry->hash, entry->buffer);
	for (i = 0; i < BATON_CAMERA_HW_PLANES && entry->pieces[i]; i++)
		seq_printf(s, " addr=0x%llx,%u", (u64)entry->address[i], entry->pieces[i]);
	seq_putc(s, '\n');
}

static int frames_show(struct seq_file *s, void *data)
{
	struct baton_camera *cam = s->private;
	struct baton_camera_log_entry *log;
	unsigned int count, i;

	log = kmalloc(sizeof(cam->log), GFP_KERNEL);
	if (!log)
		return -ENOMEM;

	spin_lock_irq(&cam->ring_lock);
	memcpy(log, cam->log, sizeof(cam->log));
	count = cam->log_count;
	spin_unlock_irq(&cam->ring_lock);

	for (i = count - min(count, BATON_CAMERA_LOG_ENTRIES); i != count; i++)
		baton_camera_show_frame(s, &log[i % BATON_CAMERA_LOG_ENTRIES]);
	kfree(log);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(frames);

static int counters_show(struct seq_file *s, void *data)
{
	struct baton_camera *cam = s->private;
	u64 bytes;

	spin_lock_irq(&cam->ring_lock);
	bytes = baton_camera_read64(cam, A_CAM_BYTES_LO);
	spin_unlock_irq(&cam->ring_lock);
	seq_printf(s, "frames=%u drops=%u overruns=%u errors=%u bytes=%llu\n",
		   baton_camera_read(cam, A_CAM_FRAMES), baton_camera_read(cam, A_CAM_DROPS),
		   baton_camera_read(cam, A_CAM_OVERRUNS), baton_camera_read(cam, A_CAM_ERRORS),
		   bytes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static ssize_t hash_read(struct file *file, char __user *to, size_t count, loff_t *ppos)
{
	struct baton_camera *cam = file->private_data;
	char text[] = "N\n";

	if (READ_ONCE(cam->ctrl) & R_CAM_CTRL_HASH_MASK)
		text[0] = 'Y';
	return simple_read_from_buffer(to, count, ppos, text, 2);
}

static ssize_t hash_write(struct file *file, const char __user *from, size_t count, loff_t *ppos)
{
	bool on;
	int ret;

	ret = kstrtobool_from_user(from, count, &on);
	if (ret)
		return ret;

	baton_camera_update_ctrl(file->private_data, R_CAM_CTRL_HASH_MASK, on);
	return count;
}

static const struct file_operations hash_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = hash_read,
	.write = hash_write,
};

static int dma_rate_get(void *data, u64 *value)
{
	*value = baton_camera_read(data, A_CAM_DMA_RATE);
	return 0;
}

static int dma_rate_set(void *data, u64 value)
{
	if (!value || value > U32_MAX)
		return -EINVAL;

	baton_camera_write(data, A_CAM_DMA_RATE, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(dma_rate_fops, dma_rate_get, dma_rate_set, "%llu\n");

#define BATON_CAMERA_REG(reg) { #reg, A_##reg }

/* Not the LO of counters: reading it changes what HI shows. */
static const struct debugfs_reg32 baton_camera_regs[] = {
	BATON_CAMERA_REG(CAM_ID),
	BATON_CAMERA_REG(CAM_VERSION),
	BATON_CAMERA_REG(CAM_CAPS),
	BATON_CAMERA_REG(CAM_CTRL),
	BATON_CAMERA_REG(CAM_STATUS),
	BATON_CAMERA_REG(CAM_IRQ_STATUS),
	BATON_CAMERA_REG(CAM_IRQ_ENABLE),
	BATON_CAMERA_REG(CAM_FORMAT),
	BATON_CAMERA_REG(CAM_SIZE),
	BATON_CAMERA_REG(CAM_PITCH),
	BATON_CAMERA_REG(CAM_INTERVAL),
	BATON_CAMERA_REG(CAM_DMA_RATE),
	BATON_CAMERA_REG(CAM_RING_LO),
	BATON_CAMERA_REG(CAM_RING_HI),
	BATON_CAMERA_REG(CAM_RING_SIZE),
	BATON_CAMERA_REG(CAM_HEAD),
	BATON_CAMERA_REG(CAM_TAIL),
	BATON_CAMERA_REG(CAM_RECALL_RESULT),
	BATON_CAMERA_REG(CAM_SRC_KIND),
	BATON_CAMERA_REG(CAM_SRC_SIZE),
	BATON_CAMERA_REG(CAM_SRC_INTERVAL),
	BATON_CAMERA_REG(CAM_SRC_COLOR),
	BATON_CAMERA_REG(CAM_SRC_STATUS),
	BATON_CAMERA_REG(CAM_FRAMES),
	BATON_CAMERA_REG(CAM_DROPS),
	BATON_CAMERA_REG(CAM_OVERRUNS),
	BATON_CAMERA_REG(CAM_ERRORS),
	BATON_CAMERA_REG(CAM_ERR_STATUS),
	BATON_CAMERA_REG(CAM_ERR_ADDR_LO),
	BATON_CAMERA_REG(CAM_ERR_ADDR_HI),
};

/**
 * baton_camera_debugfs_init() - make the debugfs directory
 * @cam: the camera
 */
void baton_camera_debugfs_init(struct baton_camera *cam)
{
	struct debugfs_regset32 *regset;

	cam->debugfs = debugfs_create_dir(cam->name, NULL);
	debugfs_create_file("frames", 0444, cam->debugfs, cam, &frames_fops);
	debugfs_create_file("counters", 0444, cam->debugfs, cam, &counters_fops);
	debugfs_create_file("hash", 0644, cam->debugfs, cam, &hash_fops);
	debugfs_create_file_unsafe("dma_rate", 0644, cam->debugfs, cam, &dma_rate_fops);

	regset = devm_kzalloc(cam->dev, sizeof(*regset), GFP_KERNEL);
	if (!regset)
		return;

	regset->regs = baton_camera_regs;
	regset->nregs = ARRAY_SIZE(baton_camera_regs);
	regset->base = cam->regs;
	debugfs_create_regset32("registers", 0444, cam->debugfs, regset);
}
