/* Masks against rows of text. */
#include <check.h>
#include <string.h>

#include "data/priv.h"
#include "mask_case.h"

void mask_check(const char *file, const char *const *rows, int h)
{
	struct et_picture mask = {.px = NULL};
	struct et_err err;
	int w = (int)strlen(rows[0]);
	ck_assert_msg(et_mask_decode(file, &mask, &err) == 0, "%s", err.text);
	ck_assert_int_eq(mask.h, h);
	ck_assert_int_eq(mask.w, w);
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			int want = rows[y][x] == '.' ? 255 : rows[y][x] - '0';
			ck_assert_msg(mask.px[y * w + x] == want, "%d,%d: %d, not %d", y, x,
				      mask.px[y * w + x], want);
		}
	et_picture_free(&mask);
}
