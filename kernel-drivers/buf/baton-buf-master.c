// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: bus masters that outlive their driver
 *
 * Unbinding a platform device takes its DMA configuration away, and the code of
 * its release function may be unloaded. Storage in the pool of an engine and the
 * attachments of its buffers can live on, in the hands of programs and of other
 * drivers. They therefore refer to a device of their own, which lives here.
 */

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/of_device.h>
#include <linux/of_reserved_mem.h>
#include <linux/slab.h>

#include "baton-buf.h"

struct baton_master {
	struct device dev;
	struct device_dma_parameters parms;
};

static void baton_master_release(struct device *dev)
{
	of_reserved_mem_device_release(dev);
	kfree(container_of(dev, struct baton_master, dev));
}

static int baton_master_init(struct device *dev, struct device_node *node, u64 mask,
			     const struct baton_buf_needs *needs)
{
	int ret;

	dev->coherent_dma_mask = mask;
	dev->dma_mask = &dev->coherent_dma_mask;
	ret = of_dma_configure(dev, node, true);
	if (ret)
		return ret;

	ret = dma_set_mask_and_coherent(dev, mask);
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT_MAX);

	/* memory-region is optional, the default CMA area is the other place */
	ret = of_reserved_mem_device_init_by_idx(dev, node, 0);
	if (ret && ret != -ENODEV)
		return ret;

	ret = devm_baton_buf_declare(dev, needs);
	if (ret)
		return ret;
	return baton_buf_add_pool(dev);
}

/**
 * baton_buf_master_create() - make the bus master of an engine
 * @dev: the engine, with a device tree node
 * @mask: DMA mask
 * @needs: what the DMA API cannot say of it
 *
 * The master has the windows of the engine's bus. Its memory-region becomes a
 * pool for buffers.
 *
 * Return: a device for the DMA API, or an ERR_PTR().
 */
struct device *baton_buf_master_create(struct device *dev, u64 mask,
				       const struct baton_buf_needs *needs)
{
	struct baton_master *master;
	int ret;

	master = kzalloc(sizeof(*master), GFP_KERNEL);
	if (!master)
		return ERR_PTR(-ENOMEM);

	device_initialize(&master->dev);
	master->dev.release = baton_master_release;
	master->dev.dma_parms = &master->parms;
	ret = dev_set_name(&master->dev, "%s", dev_name(dev));
	if (!ret)
		ret = baton_master_init(&master->dev, dev->of_node, mask, needs);
	if (ret) {
		put_device(&master->dev);
		return ERR_PTR(ret);
	}
	return &master->dev;
}
EXPORT_SYMBOL_GPL(baton_buf_master_create);

/**
 * baton_buf_master_destroy() - drop a master
 * @master: what baton_buf_master_create() returned; freed when no storage comes
 *	from its pool any more
 */
void baton_buf_master_destroy(struct device *master)
{
	baton_buf_remove_pool(master);
	put_device(master);
}
EXPORT_SYMBOL_GPL(baton_buf_master_destroy);
