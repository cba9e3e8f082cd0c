/* Patches of pixels: what gradient filtering keeps of activations and weights. */

ET_INLINE void act_count_as(int rows, int cols, size_t row, size_t c, const float *x, float *y,
			    uint8_t *count, enum et_act kind)
{
	size_t ch = 0;

	/* A last vector that overlaps the one before sees values that were worked on already:
	 * they pass or not as they did at first. */
	for (; c >= VL && ch < c; ch = next_vec(ch, c)) {
		vi passed = {0};
		for (int a = 0; a < rows; a++)
			for (int b = 0; b < cols; b++) {
				size_t at = (size_t)a * row + (size_t)b * c + ch;
				vf v = vf_load(x + at);
				vi pass = ~(v <= (vf){0});
				if (kind == ET_ACT_RELU6)
					pass &= ~(v >= vf_set1(6));
				passed -= pass;
				vf_store(y + at, act_vf(v, kind));
			}
		vi_store_bytes(count + ch, passed);
	}
	for (; ch < c; ch++) {
		int passed = 0;
		for (int a = 0; a < rows; a++)
			for (int b = 0; b < cols; b++) {
				size_t at = (size_t)a * row + (size_t)b * c + ch;
				float v = x[at];
				passed += !(v <= 0) && !(kind == ET_ACT_RELU6 && v >= 6);
				y[at] = act_f(v, kind);
			}
		count[ch] = (uint8_t)passed;
	}
}

static void act_count(int rows, int cols, size_t row, size_t c, const float *x, float *y,
		      uint8_t *count, enum et_act kind)
{
	if (kind == ET_ACT_RELU6)
		act_count_as(rows, cols, row, c, x, y, count, ET_ACT_RELU6);
	else
		act_count_as(rows, cols, row, c, x, y, count, ET_ACT_RELU);
}

static void share(size_t n, const uint8_t *count, float by, const float *dy, float *dx)
{
	size_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf part = __builtin_convertvector(vi_load_bytes(count + i), vf);
		vf_store(dx + i, vf_load(dy + i) * (part * by));
	}
	for (; i < n; i++)
		dx[i] = dy[i] * ((float)count[i] * by);
}
