/*
 * Packing of operands into the panels of the GEMM micro-kernels; MR, NR and the order of rows are
 * theirs (gemm_tmpl.h).
 */

/*
 * Lanes of x by a prologue: an expression for all of them, so that all have affine's bits. Its
 * operands are loaded before it: with a branch in between, compilers don't make it one fused
 * operation.
 */
ET_INLINE vf prologue_vf(vf x, const float *scale, const float *shift, enum et_act act, size_t len)
{
	vf sc = load_upto(scale, len), sh = load_upto(shift, len);
	return act_vf(x * sc + sh, act);
}

#if VL == 4
/* Depths p .. p+len of four rows, as columns i .. i+4 of dst; len <= VL. */
ET_INLINE void pack_quad(float *dst, size_t p, size_t len, const float *const *rows,
			 const struct et_prologue *pro, enum et_act act)
{
	vf v[4];
	ET_UNROLL(4)
	for (int i = 0; i < 4; i++) {
		if (!rows[i])
			v[i] = (vf){0};
		else if (pro)
			v[i] = prologue_vf(load_upto(rows[i] + p, len), pro->scale + p,
					   pro->shift + p, act, len);
		else
			v[i] = load_upto(rows[i] + p, len);
	}
	vf_transpose(v);
	ET_UNROLL(4)
	for (size_t l = 0; l < 4; l++)
		if (l < len)
			vf_store(dst + (p + l) * MR, v[l]);
}

/* Depth-major: the lanes of a vector are four rows. */
ET_INLINE void pack_row_panel(float *dst, size_t k0, size_t len, const float *const *rows,
			      const struct et_prologue *pro, enum et_act act)
{
	dst += k0 * MR;
	for (int i = 0; i < MR; i += 4) {
		size_t p = 0;
		for (; p + VL <= len; p += VL)
			pack_quad(dst + i, p, VL, rows + i, pro, act);
		if (p < len)
			pack_quad(dst + i, p, len - p, rows + i, pro, act);
	}
}
#else
/* len <= VL values of a row. */
ET_INLINE void pack_piece(float *dst, const float *src, size_t p, size_t len,
			  const struct et_prologue *pro, enum et_act act)
{
	vf v = load_upto(src + p, len);
	if (pro)
		v = prologue_vf(v, pro->scale + p, pro->shift + p, act, len);
	store_upto(dst + p, v, len);
}

/* Row after row, ET_KC_MAX floats apart. */
ET_INLINE void pack_row_panel(float *dst, size_t k0, size_t len, const float *const *rows,
			      const struct et_prologue *pro, enum et_act act)
{
	dst += k0;
	for (int i = 0; i < MR; i++, dst += ET_KC_MAX) {
		size_t p = 0;
		if (!rows[i]) {
			memset(dst, 0, len * sizeof(float));
			continue;
		}
		for (; p + VL <= len; p += VL)
			pack_piece(dst, rows[i], p, VL, pro, act);
		if (p < len)
			pack_piece(dst, rows[i], p, len - p, pro, act);
	}
}
#endif

static void pack_r(float *dst, size_t k0, size_t len, const float *const *rows)
{
	pack_row_panel(dst, k0, len, rows, NULL, ET_ACT_NONE);
}

static void pack_rp(float *dst, size_t k0, size_t len, const float *const *rows,
		    const struct et_prologue *pro)
{
	if (pro->act == ET_ACT_RELU)
		pack_row_panel(dst, k0, len, rows, pro, ET_ACT_RELU);
	else if (pro->act == ET_ACT_RELU6)
		pack_row_panel(dst, k0, len, rows, pro, ET_ACT_RELU6);
	else
		pack_row_panel(dst, k0, len, rows, pro, ET_ACT_NONE);
}

static void pack_k(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	for (size_t p = 0; p < k; p++, dst += MR, src += ld)
		ET_UNROLL(4)
	for (size_t i = 0; i < MR; i += VL) {
		size_t room = MR - i < VL ? MR - i : VL, len = i < cols ? cols - i : 0;
		store_upto(dst + i, load_upto(src + i, len < room ? len : room), room);
	}
}

static void pack_b(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	if (cols == NR) {
		for (size_t p = 0; p < k; p++)
			ET_UNROLL(4)
		for (int j = 0; j < NV; j++)
			vf_store(dst + p * NR + j * VL, vf_load(src + p * ld + j * VL));
		return;
	}
	for (size_t p = 0; p < k; p++) {
		size_t j = 0;
		for (; j < cols; j++)
			dst[p * NR + j] = src[p * ld + j];
		for (; j < NR; j++)
			dst[p * NR + j] = 0;
	}
}

/* The first len <= VL depths of rows rows <= VL, src ld apart, as columns of dst. */
ET_INLINE void transpose_block(float *dst, size_t len, const float *src, size_t ld, size_t rows)
{
	vf v[VL];
	ET_UNROLL(16)
	for (size_t i = 0; i < VL; i++)
		v[i] = i >= rows   ? (vf){0}
		       : len == VL ? vf_load(src + i * ld)
				   : vf_load_part(src + i * ld, len);
	vf_transpose(v);
	ET_UNROLL(16)
	for (size_t p = 0; p < VL; p++)
		if (p < len)
			vf_store(dst + p * NR, v[p]);
}

static void pack_bt(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	for (size_t j = 0; j < NR; j += VL) {
		const float *s = src + j * ld;
		size_t rows = j >= cols ? 0 : cols - j, p = 0;
		if (rows >= VL)
			for (; p + VL <= k; p += VL)
				transpose_block(dst + p * NR + j, VL, s + p, ld, VL);
		else
			for (; p + VL <= k; p += VL)
				transpose_block(dst + p * NR + j, VL, s + p, ld, rows);
		if (p < k)
			transpose_block(dst + p * NR + j, k - p, s + p, ld, rows);
	}
}

/* Gathered rows of any width, as they are or through a prologue. */
ET_INLINE void pack_gathered(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
			     size_t cols, const struct et_prologue *pro, enum et_act act)
{
	for (size_t p = 0; p < k; p++, dst += ld) {
		const float *r = rows[p];
		for (size_t j = 0; j < cols; j += VL) {
			size_t len = cols - j < VL ? cols - j : VL;
			vf v = {0};
			if (r)
				v = load_upto(r + off + j, len);
			if (r && pro)
				v = prologue_vf(v, pro->scale + off + j, pro->shift + off + j, act,
						len);
			store_upto(dst + j, v, len);
		}
	}
}

static void pack_rows(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
		      size_t cols)
{
	pack_gathered(dst, ld, k, rows, off, cols, NULL, ET_ACT_NONE);
}

static void pack_rows_p(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
			size_t cols, const struct et_prologue *pro)
{
	if (pro->act == ET_ACT_RELU)
		pack_gathered(dst, ld, k, rows, off, cols, pro, ET_ACT_RELU);
	else if (pro->act == ET_ACT_RELU6)
		pack_gathered(dst, ld, k, rows, off, cols, pro, ET_ACT_RELU6);
	else
		pack_gathered(dst, ld, k, rows, off, cols, pro, ET_ACT_NONE);
}
