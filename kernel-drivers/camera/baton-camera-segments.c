// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: segment lists
 *
 * Where the planes of a buffer lie, in the form in which the engine reads it.
 * Written when the buffer gets its memory or has moved, used for every frame.
 */

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "baton-buf.h"
#include "baton-camera.h"

static_assert(sizeof(struct baton_camera_segment) == BATON_CAMERA_SEG_SIZE);
static_assert(offsetof(struct baton_camera_segment, length) == BATON_CAMERA_SEG_LENGTH);

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
 * baton_camera_segments_fill() - write the segment list of a plane
 * @cam: the camera
 * @list: the list, which the engine does not know now
 * @sgt: the memory, mapped for the camera
 * @offset: of the plane in @sgt, bytes
 *
 * Return: 0, -ENOMEM, or -EINVAL if the memory is in too many pieces; then
 * @list is as it was.
 */
int baton_camera_segments_fill(struct baton_camera *cam, struct baton_camera_list *list,
			       struct sg_table *sgt, size_t offset)
{
	struct baton_camera_list new = { .size = sgt->nents * sizeof(*new.segments) };

	if (sgt->nents > U16_MAX)
		return -EINVAL;

	new.segments = dma_alloc_coherent(cam->dev, new.size, &new.dma, GFP_KERNEL);
	if (!new.segments)
		return -ENOMEM;

	new.count = baton_camera_list_segments(new.segments, sgt, offset);
	new.address = baton_buf_cpu_address(cam->dev, le64_to_cpu(new.segments->address));
	baton_camera_segments_free(cam, list);
	*list = new;
	return 0;
}

/**
 * baton_camera_segments_free() - free the segment list of a plane
 * @cam: the camera
 * @list: the list, empty or not known to the engine
 */
void baton_camera_segments_free(struct baton_camera *cam, struct baton_camera_list *list)
{
	if (list->segments)
		dma_free_coherent(cam->dev, list->size, list->segments, list->dma);
	*list = (struct baton_camera_list) { };
}
