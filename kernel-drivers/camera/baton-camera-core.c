// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: probe, media graph, power
 *
 * sensor subdevice -> capture video node
 */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "baton-buf.h"
#include "baton-camera.h"

static int baton_camera_map_hardware(struct baton_camera *cam, struct platform_device *pdev)
{
	u32 version;
	u32 id;
	int ret;

	mutex_init(&cam->lock);
	cam->irq = platform_get_irq(pdev, 0);
	if (cam->irq < 0)
		return cam->irq;

	cam->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(cam->regs))
		return PTR_ERR(cam->regs);

	id = baton_camera_read(cam, A_CAM_ID);
	version = baton_camera_read(cam, A_CAM_VERSION);
	if (id != BATON_CAMERA_ID || FIELD_EX32(version, CAM_VERSION, MAJOR) != 1)
		return dev_err_probe(cam->dev, -ENODEV,
				     "no Baton camera 1.x: ID %#x, version %#x\n", id, version);

	baton_camera_write(cam, A_CAM_CTRL, R_CAM_CTRL_RESET_MASK);

	ret = dma_set_mask_and_coherent(cam->dev, DMA_BIT_MASK(40));
	if (ret)
		return ret;

	/* A segment's length is 32 bits wide, in whole pages. */
	dma_set_max_seg_size(cam->dev, ALIGN_DOWN(U32_MAX, BATON_CAMERA_SEG_ALIGN));

	/* The engine follows a list of any number of pieces. */
	ret = devm_baton_buf_declare(cam->dev, &(struct baton_buf_needs){ });
	if (ret)
		return ret;

	return baton_camera_ring_init(cam);
}

static void baton_camera_free(struct baton_camera *cam)
{
	baton_camera_sensor_cleanup(cam);
	media_device_cleanup(&cam->mdev);
	baton_camera_move_cleanup(cam);
	mutex_destroy(&cam->lock);
	kfree(cam);
}

/* The last file has been closed */
static void baton_camera_release(struct v4l2_device *v4l2_dev)
{
	baton_camera_free(container_of(v4l2_dev, struct baton_camera, v4l2_dev));
}

static int baton_camera_register_v4l2(struct baton_camera *cam)
{
	cam->mdev.dev = cam->dev;
	strscpy(cam->mdev.model, "Baton camera", sizeof(cam->mdev.model));
	media_device_init(&cam->mdev);

	cam->v4l2_dev.mdev = &cam->mdev;
	cam->v4l2_dev.ctrl_handler = &cam->ctrls;
	cam->v4l2_dev.release = baton_camera_release;
	return v4l2_device_register(cam->dev, &cam->v4l2_dev);
}

static int baton_camera_register_nodes(struct baton_camera *cam)
{
	int ret;

	ret = v4l2_device_register_subdev(&cam->v4l2_dev, &cam->sensor);
	if (ret)
		return ret;

	ret = video_register_device(&cam->vdev, VFL_TYPE_VIDEO, -1);
	if (ret)
		return ret;

	ret = media_create_pad_link(&cam->sensor.entity, 0, &cam->vdev.entity, 0,
				    MEDIA_LNK_FL_IMMUTABLE | MEDIA_LNK_FL_ENABLED);
	if (ret)
		goto err_video;

	ret = media_device_register(&cam->mdev);
	if (ret)
		goto err_video;
	return 0;

err_video:
	vb2_video_unregister_device(&cam->vdev);
	return ret;
}

static void baton_camera_set_name(struct baton_camera *cam)
{
	int alias = of_alias_get_id(cam->dev->of_node, "camera");

	if (alias >= 0)
		snprintf(cam->name, sizeof(cam->name), BATON_CAMERA_NAME ".%d", alias);
	else
		strscpy(cam->name, dev_name(cam->dev), sizeof(cam->name));
}

static int baton_camera_probe(struct platform_device *pdev)
{
	struct baton_camera *cam;
	int ret;

	cam = kzalloc(sizeof(*cam), GFP_KERNEL);
	if (!cam)
		return -ENOMEM;

	cam->dev = &pdev->dev;
	platform_set_drvdata(pdev, cam);
	baton_camera_set_name(cam);

	ret = baton_camera_map_hardware(cam, pdev);
	if (ret)
		goto err_free;

	ret = baton_camera_sensor_init(cam);
	if (ret)
		goto err_free;

	/* From here on the last reference to v4l2_dev frees everything. */
	ret = baton_camera_register_v4l2(cam);
	if (ret) {
		baton_camera_free(cam);
		return ret;
	}

	ret = baton_camera_capture_init(cam);
	if (ret)
		goto err_v4l2;

	ret = request_irq(cam->irq, baton_camera_irq, 0, cam->name, cam);
	if (ret)
		goto err_v4l2;

	ret = baton_camera_register_nodes(cam);
	if (ret)
		goto err_irq;

	baton_camera_write(cam, A_CAM_IRQ_ENABLE, cam->irq_enable);
	baton_camera_debugfs_init(cam);
	return 0;

err_irq:
	free_irq(cam->irq, cam);
err_v4l2:
	v4l2_device_unregister(&cam->v4l2_dev);
	v4l2_device_put(&cam->v4l2_dev);
	return ret;

err_free:
	kfree(cam);
	return ret;
}

static void baton_camera_remove(struct platform_device *pdev)
{
	struct baton_camera *cam = platform_get_drvdata(pdev);

	debugfs_remove_recursive(cam->debugfs);
	vb2_video_unregister_device(&cam->vdev);
	baton_buf_withdraw(cam->dev);
	media_device_unregister(&cam->mdev);
	v4l2_device_unregister(&cam->v4l2_dev);
	baton_camera_write(cam, A_CAM_IRQ_ENABLE, 0);
	free_irq(cam->irq, cam);
	v4l2_device_put(&cam->v4l2_dev);
}

static int baton_camera_suspend(struct device *dev)
{
	struct baton_camera *cam = dev_get_drvdata(dev);

	if (vb2_start_streaming_called(&cam->queue))
		baton_camera_ring_stop(cam);
	cam->dma_rate = baton_camera_read(cam, A_CAM_DMA_RATE);
	return 0;
}

/* The engine keeps nothing across a power cut */
static void baton_camera_restore(struct baton_camera *cam)
{
	spin_lock_irq(&cam->ring_lock);
	baton_camera_write(cam, A_CAM_DMA_RATE, cam->dma_rate);
	baton_camera_write(cam, A_CAM_IRQ_ENABLE, cam->irq_enable);
	baton_camera_write(cam, A_CAM_CTRL, cam->ctrl);
	spin_unlock_irq(&cam->ring_lock);
}

static int baton_camera_resume(struct device *dev)
{
	struct baton_camera *cam = dev_get_drvdata(dev);
	int ret;

	baton_camera_restore(cam);
	if (!vb2_start_streaming_called(&cam->queue))
		return 0;

	ret = baton_camera_ring_start(cam);
	if (ret)
		vb2_queue_error(&cam->queue);
	return ret;
}

static DEFINE_SIMPLE_DEV_PM_OPS(baton_camera_pm_ops, baton_camera_suspend, baton_camera_resume);

static const struct of_device_id baton_camera_of_match[] = {
	{ .compatible = "baton,camera-1.0" },
	{ }
};
MODULE_DEVICE_TABLE(of, baton_camera_of_match);

static struct platform_driver baton_camera_driver = {
	.probe = baton_camera_probe,
	.remove = baton_camera_remove,
	.driver = {
		.name = BATON_CAMERA_NAME,
		.of_match_table = baton_camera_of_match,
		.pm = pm_sleep_ptr(&baton_camera_pm_ops),
	},
};
module_platform_driver(baton_camera_driver);

MODULE_DESCRIPTION("Baton camera engine");
MODULE_LICENSE("GPL");
