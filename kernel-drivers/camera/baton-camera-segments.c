// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: segment lists
 *
 * Where the planes of a buffer lie, in the form in which the engine reads it.
 * Written once when the buffer gets its memory, used for every frame.
 */

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "baton-buf.h"
#include "baton-camera.h"

static_assert(sizeof(struct baton_camera_segment) == BATON_CAMERA_SEG_SIZE);
static_assert(offsetof(struct baton_camera_segment, length) == BATON_CAMERA_SEG_LENGTH);

/* The memory plane with hardware plane @plane in it, and its offset there */
static struct sg_table *baton_camera_plane_memory(struct baton_camera *cam,
						  struct vb2_buffer *vb,
						  unsigned int plane, size_t *offset)
{
	*offset = 0;
	if (plane && cam->info->mem_planes == 1) {
		*offset = cam->format.plane_fmt[0].bytesperline * cam->format.height;
		plane = 0;
	}
	return vb2_plane_cookie(vb, plane);
}

/* List the memory of @sgt from @offset on; return the number of segments */
static unsigned int baton_camera_list_segments(struct baton_camera_segment *list,
					       struct sg_table *sgt, size_t offset)
{
	unsigned int count = 0;
	dma_addr_t end = 0;
	struct scatterlist *sg;
	u32 length = 0;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t address = sg_dma_address(sg) + offset;
		u32 piece = sg_dma_len(sg);

		if (offset >= piece) {
			offset -= piece;
			continue;
		}
		piece -= offset;
		offset = 0;

		if (count && address == end && length + piece > length) {
			length += piece;
			list[count - 1].length = cpu_to_le32(length);
		} else {
			length = piece;
			list[count].address = cpu_to_le64(address);
			list[count].length = cpu_to_le32(length);
			list[count].reserved = 0;
			count++;
		}
		end = address + piece;
	}
	return count;
}

/**
 * baton_camera_segments_init() - write the segment lists of a buffer
 * @cam: the camera
 * @buf: the buffer, whose planes have their memory
 *
 * Return: 0, -ENOMEM, or -EINVAL if the memory is in too many pieces.
 */
int baton_camera_segments_init(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	struct vb2_buffer *vb = &buf->vb.vb2_buf;
	unsigned int entries = 0;
	unsigned int used = 0;
	struct sg_table *sgt;
	unsigned int plane;
	size_t offset;

	for (plane = 0; plane < cam->info->hw_planes; plane++) {
		sgt = baton_camera_plane_memory(cam, vb, plane, &offset);
		if (sgt->nents > U16_MAX)
			return -EINVAL;
		entries += sgt->nents;
	}

	buf->segments_size = entries * sizeof(*buf->segments);
	buf->segments = dma_alloc_coherent(cam->dev, buf->segments_size,
					   &buf->segments_dma, GFP_KERNEL);
	if (!buf->segments)
		return -ENOMEM;

	for (plane = 0; plane < cam->info->hw_planes; plane++) {
		struct baton_camera_segment *list = buf->segments + used;

		sgt = baton_camera_plane_memory(cam, vb, plane, &offset);
		buf->count[plane] = baton_camera_list_segments(list, sgt, offset);
		buf->address[plane] = baton_buf_cpu_address(cam->dev,
							    le64_to_cpu(list->address));
		used += buf->count[plane];
	}
	return 0;
}

/**
 * baton_camera_segments_free() - free the segment lists of a buffer
 * @cam: the camera
 * @buf: the buffer, which the engine does not own
 */
void baton_camera_segments_free(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	dma_free_coherent(cam->dev, buf->segments_size, buf->segments, buf->segments_dma);
	buf->segments = NULL;
}
