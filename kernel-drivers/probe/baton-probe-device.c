// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: devices with any limits
 */

#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "baton-buf.h"
#include "baton-probe.h"

static void probe_device_release(struct probe_object *object)
{
	struct probe_device *device = container_of(object, struct probe_device, object);

	platform_device_unregister(device->pdev);
	kfree(device);
}

const struct probe_kind probe_device_kind = { .release = probe_device_release };

/* The map ends with an empty entry; the device frees it. */
static int probe_set_windows(struct device *dev, const struct baton_probe_device *args)
{
	struct bus_dma_region *map;
	unsigned int i;

	if (!args->window_count)
		return 0;

	map = kcalloc(args->window_count + 1, sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;

	for (i = 0; i < args->window_count; i++) {
		map[i].cpu_start = args->windows[i].cpu;
		map[i].dma_start = args->windows[i].bus;
		map[i].size = args->windows[i].size;
	}
	dev->dma_range_map = map;
	return 0;
}

static int probe_set_limits(struct platform_device *pdev, const struct baton_probe_device *args)
{
	struct device *dev = &pdev->dev;

	pdev->platform_dma_mask = args->dma_mask;
	dev->coherent_dma_mask = args->dma_mask;
	dev->bus_dma_limit = args->bus_limit;
	dev_assign_dma_coherent(dev, args->flags & BATON_PROBE_DEVICE_COHERENT);
	if (args->flags & BATON_PROBE_DEVICE_NO_MASK)
		dev->dma_mask = NULL;
	if (args->max_segment)
		dma_set_max_seg_size(dev, args->max_segment);
	if (args->boundary)
		dma_set_seg_boundary(dev, args->boundary);
	dma_set_min_align_mask(dev, args->min_align_mask);
	return probe_set_windows(dev, args);
}

static int probe_declare(struct device *dev, const struct baton_probe_device *args)
{
	const struct baton_buf_needs needs = {
		.max_segments = args->max_segments,
		.align = args->align,
	};

	if (!(args->flags & BATON_PROBE_DEVICE_DECLARE))
		return 0;
	return devm_baton_buf_declare(dev, &needs);
}

static struct platform_device *probe_device_new(const struct baton_probe_device *args)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_alloc("baton-probe", PLATFORM_DEVID_AUTO);
	if (!pdev)
		return ERR_PTR(-ENOMEM);

	ret = probe_set_limits(pdev, args);
	if (!ret)
		ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ERR_PTR(ret);
	}

	ret = probe_declare(&pdev->dev, args);
	if (ret) {
		platform_device_unregister(pdev);
		return ERR_PTR(ret);
	}
	return pdev;
}

int probe_device_add(struct probe_file *file, void *arg)
{
	struct baton_probe_device *args = arg;
	struct probe_device *device;
	int ret;

	if (args->window_count > BATON_PROBE_MAX_WINDOWS)
		return -EINVAL;

	device = probe_alloc(sizeof(*device), &probe_device_kind);
	if (IS_ERR(device))
		return PTR_ERR(device);

	device->pdev = probe_device_new(args);
	if (IS_ERR(device->pdev)) {
		ret = PTR_ERR(device->pdev);
		kfree(device);
		return ret;
	}
	return probe_publish(file, &device->object, &args->id);
}
