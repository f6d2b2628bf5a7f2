// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: the sensor subdevice and its controls
 *
 * A sensor gives pictures of one size at any frame interval. The engine can
 * replace it by its pattern generator, which gives any size; so does an engine
 * without a sensor. The subdevice has no node of its own: the capture node
 * sets the frame interval and inherits the controls.
 */

#include <linux/baton-camera.h>
#include <linux/math64.h>
#include <linux/time64.h>
#include <media/media-entity.h>
#include <media/v4l2-common.h>
#include <media/v4l2-event.h>

#include "baton-camera.h"

#define BATON_CAMERA_MAX_INTERVAL_NS U32_MAX

static struct baton_camera *sensor_to_camera(struct v4l2_subdev *sd)
{
	return container_of(sd, struct baton_camera, sensor);
}

/**
 * baton_camera_source_size() - the sensor's size
 * @cam: the camera
 * @width: set to its width in pixels
 * @height: set to its height in lines
 *
 * Return: false if there is none or the pattern generator stands in for it.
 */
bool baton_camera_source_size(struct baton_camera *cam, u32 *width, u32 *height)
{
	u32 size = baton_camera_read(cam, A_CAM_SRC_SIZE);

	if (!size || READ_ONCE(cam->ctrl) & R_CAM_CTRL_PATTERN_MASK)
		return false;

	*width = FIELD_EX32(size, CAM_SIZE, WIDTH);
	*height = FIELD_EX32(size, CAM_SIZE, HEIGHT);
	return true;
}

static const char * const baton_camera_source_states[] = {
	[BATON_CAMERA_SRC_OK] = "delivers frames",
	[BATON_CAMERA_SRC_WAITING] = "has no frame yet",
	[BATON_CAMERA_SRC_END] = "has ended",
	[BATON_CAMERA_SRC_MALFORMED] = "delivers no 4:2:0 YUV4MPEG2 stream",
	[BATON_CAMERA_SRC_TRUNCATED] = "delivered a frame that is cut short",
	[BATON_CAMERA_SRC_UNSUPPORTED] = "delivers a size or format out of range",
};

/* A clip goes on behind a frame that is cut short, a live stream does not. */
static bool baton_camera_source_ended(struct baton_camera *cam, u32 state)
{
	return state == BATON_CAMERA_SRC_END ||
	       (state == BATON_CAMERA_SRC_TRUNCATED &&
		baton_camera_read(cam, A_CAM_SRC_KIND) == BATON_CAMERA_SRC_LIVE);
}

/**
 * baton_camera_source_changed() - report a change of the sensor's state
 * @cam: the camera
 *
 * Called from the interrupt handler.
 */
void baton_camera_source_changed(struct baton_camera *cam)
{
	static const struct v4l2_event resolution = {
		.type = V4L2_EVENT_SOURCE_CHANGE,
		.u.src_change.changes = V4L2_EVENT_SRC_CH_RESOLUTION,
	};
	static const struct v4l2_event end = { .type = V4L2_EVENT_EOS };
	u32 state = FIELD_EX32(baton_camera_read(cam, A_CAM_SRC_STATUS), CAM_SRC_STATUS, STATE);
	u32 size = baton_camera_read(cam, A_CAM_SRC_SIZE);

	if (state != cam->source_state && state < ARRAY_SIZE(baton_camera_source_states))
		dev_info_ratelimited(cam->dev, "sensor %s\n", baton_camera_source_states[state]);
	if (state != cam->source_state && baton_camera_source_ended(cam, state))
		v4l2_event_queue(&cam->vdev, &end);
	if (size != cam->source_size)
		v4l2_event_queue(&cam->vdev, &resolution);
	cam->source_state = state;
	cam->source_size = size;
}

/**
 * baton_camera_fit_size() - find the nearest size that can be captured
 * @cam: the camera
 * @width: pixels
 * @height: lines
 */
void baton_camera_fit_size(struct baton_camera *cam, u32 *width, u32 *height)
{
	if (baton_camera_source_size(cam, width, height))
		return;

	v4l_bound_align_image(width, BATON_CAMERA_MIN_SIZE, BATON_CAMERA_MAX_WIDTH, 1,
			      height, BATON_CAMERA_MIN_SIZE, BATON_CAMERA_MAX_HEIGHT, 1, 0);
}

static void baton_camera_fit_interval(struct v4l2_fract *interval)
{
	u64 ns;

	if (!interval->numerator || !interval->denominator)
		*interval = (struct v4l2_fract){ 1, 60 };

	ns = div_u64((u64)interval->numerator * NSEC_PER_SEC, interval->denominator);
	if (ns < BATON_CAMERA_MIN_INTERVAL_NS)
		*interval = (struct v4l2_fract){ 1, NSEC_PER_SEC / BATON_CAMERA_MIN_INTERVAL_NS };
	else if (ns > BATON_CAMERA_MAX_INTERVAL_NS)
		*interval = (struct v4l2_fract){ BATON_CAMERA_MAX_INTERVAL_NS / NSEC_PER_SEC, 1 };
}

/**
 * baton_camera_interval_ns() - the time between two frames
 * @cam: the camera
 *
 * Return: nanoseconds.
 */
u32 baton_camera_interval_ns(struct baton_camera *cam)
{
	struct v4l2_subdev_state *state;
	struct v4l2_fract interval;

	state = v4l2_subdev_lock_and_get_active_state(&cam->sensor);
	interval = *v4l2_subdev_state_get_interval(state, 0);
	v4l2_subdev_unlock_state(state);

	return div_u64((u64)interval.numerator * NSEC_PER_SEC, interval.denominator);
}

static int baton_camera_sensor_set_frame_interval(struct v4l2_subdev *sd,
						  struct v4l2_subdev_state *state,
						  struct v4l2_subdev_frame_interval *fi)
{
	baton_camera_fit_interval(&fi->interval);
	*v4l2_subdev_state_get_interval(state, fi->pad) = fi->interval;
	return 0;
}

static int baton_camera_sensor_init_state(struct v4l2_subdev *sd,
					  struct v4l2_subdev_state *state)
{
	struct v4l2_subdev_frame_interval fi = {
		.interval.numerator = baton_camera_read(sensor_to_camera(sd), A_CAM_SRC_INTERVAL),
		.interval.denominator = NSEC_PER_SEC,
	};

	return baton_camera_sensor_set_frame_interval(sd, state, &fi);
}

static const struct v4l2_subdev_pad_ops baton_camera_sensor_pad_ops = {
	.get_frame_interval = v4l2_subdev_get_frame_interval,
	.set_frame_interval = baton_camera_sensor_set_frame_interval,
};

static const struct v4l2_subdev_ops baton_camera_sensor_ops = {
	.pad = &baton_camera_sensor_pad_ops,
};

static const struct v4l2_subdev_internal_ops baton_camera_sensor_internal_ops = {
	.init_state = baton_camera_sensor_init_state,
};

static int baton_camera_s_ctrl(struct v4l2_ctrl *ctrl)
{
	struct baton_camera *cam = container_of(ctrl->handler, struct baton_camera, ctrls);
	u32 bit = ctrl->id == V4L2_CID_TEST_PATTERN ? R_CAM_CTRL_PATTERN_MASK :
						      R_CAM_CTRL_FREERUN_MASK;

	baton_camera_update_ctrl(cam, bit, ctrl->val);
	return 0;
}

static const struct v4l2_ctrl_ops baton_camera_ctrl_ops = {
	.s_ctrl = baton_camera_s_ctrl,
};

static const char * const baton_camera_test_patterns[] = {
	"Disabled",
	"Moving Ramp",
};

static const struct v4l2_ctrl_config baton_camera_free_running = {
	.ops = &baton_camera_ctrl_ops,
	.id = V4L2_CID_BATON_FREE_RUNNING,
	.name = "Free Running",
	.type = V4L2_CTRL_TYPE_BOOLEAN,
	.max = 1,
	.step = 1,
};

static int baton_camera_init_ctrls(struct baton_camera *cam)
{
	bool none = !FIELD_EX32(baton_camera_read(cam, A_CAM_CAPS), CAM_CAPS, SOURCE);

	v4l2_ctrl_handler_init(&cam->ctrls, 2);
	cam->test_pattern = v4l2_ctrl_new_std_menu_items(&cam->ctrls, &baton_camera_ctrl_ops,
							 V4L2_CID_TEST_PATTERN, 1,
							 none ? BIT(0) : 0, none,
							 baton_camera_test_patterns);
	cam->free_running = v4l2_ctrl_new_custom(&cam->ctrls, &baton_camera_free_running, NULL);
	if (cam->ctrls.error)
		return cam->ctrls.error;

	return v4l2_ctrl_handler_setup(&cam->ctrls);
}

/**
 * baton_camera_grab_ctrls() - fix the controls, which an enabled engine refuses to change
 * @cam: the camera
 * @grabbed: whether they are fixed
 */
void baton_camera_grab_ctrls(struct baton_camera *cam, bool grabbed)
{
	v4l2_ctrl_grab(cam->test_pattern, grabbed);
	v4l2_ctrl_grab(cam->free_running, grabbed);
}

/**
 * baton_camera_sensor_init() - make the sensor subdevice
 * @cam: the camera
 *
 * Return: 0 or a negative error code.
 */
int baton_camera_sensor_init(struct baton_camera *cam)
{
	struct v4l2_subdev *sd = &cam->sensor;
	int ret;

	cam->source_size = baton_camera_read(cam, A_CAM_SRC_SIZE);
	cam->source_state = baton_camera_read(cam, A_CAM_SRC_STATUS);

	v4l2_subdev_init(sd, &baton_camera_sensor_ops);
	sd->internal_ops = &baton_camera_sensor_internal_ops;
	sd->owner = THIS_MODULE;
	sd->dev = cam->dev;
	sd->ctrl_handler = &cam->ctrls;
	sd->entity.function = MEDIA_ENT_F_CAM_SENSOR;
	snprintf(sd->name, sizeof(sd->name), "%s sensor", cam->name);

	ret = baton_camera_init_ctrls(cam);
	if (ret)
		goto err_ctrls;

	cam->sensor_pad.flags = MEDIA_PAD_FL_SOURCE;
	ret = media_entity_pads_init(&sd->entity, 1, &cam->sensor_pad);
	if (ret)
		goto err_ctrls;

	ret = v4l2_subdev_init_finalize(sd);
	if (ret)
		goto err_entity;
	return 0;

err_entity:
	media_entity_cleanup(&sd->entity);
err_ctrls:
	v4l2_ctrl_handler_free(&cam->ctrls);
	return ret;
}

/**
 * baton_camera_sensor_cleanup() - free what baton_camera_sensor_init() made
 * @cam: the camera, with no file open
 */
void baton_camera_sensor_cleanup(struct baton_camera *cam)
{
	v4l2_subdev_cleanup(&cam->sensor);
	media_entity_cleanup(&cam->sensor.entity);
	v4l2_ctrl_handler_free(&cam->ctrls);
}
