/*
 * Fuzz target: whatever the bytes, a picture file is refused with its name, or decodes to the size
 * that its header said, within the memory that the probe said; and so does a mask. Build as
 * tests/fuzz/safetensors.c, with all of lib/base and lib/data, and -lpng -ljpeg -lz -lm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/priv.h"

/* Larger ones are right, but cost the fuzzer its speed. */
#define MOST (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void named(const char *path, int rc, const struct et_err *err)
{
	require((rc == ET_EDATA || rc == ET_ENOMEM) && err->code == rc);
	require(!strncmp(err->text, path, strlen(path)));
}

static void prepare(const struct et_picture *p)
{
	static const struct et_augment augment = {.flip = true,
						  .crop = 2,
						  .rrc_min = 0.08f,
						  .rrc_max = 1,
						  .jitter = 0.5f,
						  .cutout = 3};
	struct et_picture tmp[3] = {{0}};
	struct et_err err;
	float x[11 * 9 * 3];
	struct et_prep prep = {
		.channels = p->c, .height = 11, .width = 9, .std = {1, 1, 1}, .crop_pct = 0.875};
	for (int i = 0; i < 4; i++) {
		prep.resize = i & 1 ? ET_RESIZE_STRETCH : ET_RESIZE_CROP;
		require(et_prep_run(&prep, i < 2 ? NULL : &augment, 1, 2, (uint32_t)i, p, tmp, x,
				    &err) == 0);
		for (int k = 0; k < 11 * 9 * p->c; k++)
			require(x[k] >= 0 && x[k] <= 1);
	}
	for (int i = 0; i < 3; i++)
		et_picture_free(&tmp[i]);
}

static void check_mask(const char *path)
{
	struct et_header head;
	struct et_picture m = {0}, scratch = {0};
	struct et_err err = {0};
	int32_t label[11 * 9];
	int rc = et_mask_header(path, &head, &err);
	if (rc < 0)
		named(path, rc, &err);
	if (rc < 0 || et_picture_bytes(head.h, head.w, 1) > MOST)
		return;
	rc = et_mask_decode(path, &m, &err);
	if (rc < 0) {
		named(path, rc, &err);
	} else {
		const struct et_augment augment = {.crop = 2, .scale_min = 0.2f, .scale_max = 3};
		struct et_prep prep = {.channels = 1,
				       .height = 11,
				       .width = 9,
				       .std = {1, 1, 1},
				       .crop_pct = 0.875};
		require(m.h == head.h && m.w == head.w && m.c == 1);
		require(m.cap == et_picture_bytes(m.h, m.w, 1));
		for (uint32_t i = 0; i < 3; i++)
			require(et_prep_labels(&prep, i ? &augment : NULL, 1, 2, i,
					       i == 2 ? m.h / 2 + 1 : m.h, m.w, &m, 1000, &scratch,
					       label, &err) == 0);
		for (int i = 0; i < 11 * 9; i++)
			require(label[i] == 1000 || (label[i] >= 0 && label[i] < 255));
	}
	et_picture_free(&m);
	et_picture_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct et_err err = {0};
	struct et_picture_info info;
	int fd = memfd_create("picture", MFD_CLOEXEC);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int rc = et_picture_probe(path, &info, &err);
	if (rc < 0)
		named(path, rc, &err);
	if (rc == 0 && info.bytes <= MOST) {
		static const struct {
			int c, want;
		} ways[] = {{3, 0}, {1, 0}, {3, 2}, {1, 5}};
		struct et_picture p = {0};
		int first = 0;
		for (size_t i = 0; i < 4; i++) {
			int w = ways[i].want;
			rc = et_picture_decode(path, ways[i].c, w, w, &p, &err);
			if (i == 0)
				first = rc;
			if (rc < 0) {
				named(path, rc, &err);
				continue;
			}
			require(p.c == ways[i].c && p.cap <= info.bytes);
			if (!w)
				require(p.h == info.h && p.w == info.w && first == 0);
			else
				require(p.h >= (info.h < 2 * w ? info.h : 2 * w) &&
					p.w >= (info.w < 2 * w ? info.w : 2 * w));
			prepare(&p);
		}
		et_picture_free(&p);
	}
	check_mask(path);
	close(fd);
	return 0;
}
