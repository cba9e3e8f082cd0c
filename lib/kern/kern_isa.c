/* Compiled once for each instruction set with -DET_ISA=<name>; exports et_kern_<name> and nothing
 * else. */
#include "kern/kern.h"
#include "kern/vec.h"

#if VL == 16
#define MR 14
#define NR 32
#define KC 256
#define NC 512
#elif VL == 8
#define MR 6
#define NR 16
#define KC 256
#define NC 512
#elif defined(__aarch64__) || defined(__ARM_NEON)
#define MR 8
#define NR 12
#define KC 256
#define NC (NR * 10) /* a small board's cores share the second cache */
#else
#define MR 4
#define NR 8
#define KC 256
#define NC 256
#endif

_Static_assert(MR <= ET_MR_MAX && NR <= ET_NR_MAX && KC <= ET_KC_MAX,
	       "tile larger than the drivers' buffers");

#include "kern/act_tmpl.h"
#include "kern/gemm_tmpl.h"
#include "kern/pack_tmpl.h"
#include "kern/elem_tmpl.h"
#include "kern/chan_tmpl.h"
#include "kern/dw_block_tmpl.h"
#include "kern/dw_back_tmpl.h"
#include "kern/dw_tmpl.h"
#include "kern/update_tmpl.h"
#include "kern/pool_tmpl.h"
#include "kern/patch_tmpl.h"
#include "kern/onepass_tmpl.h"
#include "kern/exp_tmpl.h"
#include "kern/drop_tmpl.h"
#include "kern/sign_tmpl.h"
#include "kern/wino_tmpl.h"

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define STR_(a)	   #a
#define STR(a)	   STR_(a)

const struct et_kern CAT(et_kern_, ET_ISA) = {
	.name = STR(ET_ISA),
	.vl = VL,
	.mr = MR,
	.nr = NR,
	.kc = KC,
	.nc = NC,
	.gemm_k = gemm_k,
	.gemm_r = GEMM_R,
	.gemm_kv = gemm_kv,
	.gemm_dv = gemm_dv,
	.gemm_rv = GEMM_RV,
	.gemm_s = GEMM_S,
	.r_row = VL == 4 ? 1 : ET_KC_MAX,
	.r_depth = VL == 4 ? MR : 1,
	.pack_r = pack_r,
	.pack_rp = pack_rp,
	.pack_k = pack_k,
	.pack_b = pack_b,
	.pack_bt = pack_bt,
	.pack_rows = pack_rows,
	.pack_rows_p = pack_rows_p,
	.store = store,
	.wino_input = wino_input,
	.wino_output_t = wino_output_t,
	.wino_output = wino_output,
	.wino_filter = wino_filter,
	.wino_filter_t = wino_filter_t,
	.wino_sum = wino_sum,
	.add = add,
	.mul = mul,
	.axpy = axpy,
	.scale = scale,
	.act = act,
	.mask = mask,
	.hardswish = hardswish,
	.hardswish_bwd = hardswish_bwd,
	.affine = affine,
	.col_sum = col_sum,
	.col_moments = col_moments,
	.col_bn_bwd = col_bn_bwd,
	.bn_dx = bn_dx,
	.dw_forward = dw_forward,
	.dw_data = dw_data,
	.dw_weight = dw_weight,
	.affine_act = affine_act,
	.act_count = act_count,
	.share = share,
	.row_sum = row_sum,
	.sumsq = sumsq,
	.sgd = sgd,
	.one_pass = one_pass,
	.adam = adam,
	.row_mul = row_mul,
	.col_dot = col_dot,
	.max_forward = max_forward,
	.max_backward = max_backward,
	.window = window,
	.lerp_row = lerp_row,
	.sigmoid = sigmoid,
	.sigmoid_bwd = sigmoid_bwd,
	.row_max = row_max,
	.exp_sum = exp_sum,
	.philox = philox,
	.drop = drop,
	.abs_sum = abs_sum,
	.uniform = uniform,
	.sign = sign,
	.noise = noise,
	.prune = prune,
};
