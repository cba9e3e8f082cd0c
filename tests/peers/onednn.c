#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

#if DNNL_VERSION_MAJOR != 2
#error "peers-conv is written for oneDNN 2.x (Debian 12's libdnnl-dev): 3.x has another interface"
#endif

enum { X, W, Y, TENSORS };

/* What a primitive reads, twice, and what it writes. */
static const struct role {
	int arg;
	dnnl_query_t layout;
	int tensor;
} roles[PASSES][3] = {
	[PASS_FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md, X},
			  {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, W},
			  {DNNL_ARG_DST, dnnl_query_dst_md, Y}},
	[PASS_DATA] = {{DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, Y},
		       {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, W},
		       {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, X}},
	[PASS_WEIGHTS] = {{DNNL_ARG_SRC, dnnl_query_src_md, X},
			  {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, Y},
			  {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, W}},
};

struct primitive {
	dnnl_primitive_t primitive;
	dnnl_memory_t memory[3]; /* by role */
	dnnl_exec_arg_t args[3];
	char name[64];
};

struct onednn_conv {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_memory_desc_t plain[TENSORS], any[TENSORS]; /* PyTorch's layout; oneDNN's choice */
	struct primitive pass[PASSES];
};

static void must(dnnl_status_t status, const char *what)
{
	if (status == dnnl_success)
		return;
	fprintf(stderr, "peers-conv: oneDNN: %s failed with status %d\n", what, (int)status);
	exit(70);
}

static void copy(const struct onednn_conv *o, dnnl_memory_t from, dnnl_memory_t to)
{
	const dnnl_memory_desc_t *a, *b;
	dnnl_primitive_desc_t pd;
	dnnl_primitive_t p;

	must(dnnl_memory_get_memory_desc(from, &a), "a memory's descriptor");
	must(dnnl_memory_get_memory_desc(to, &b), "a memory's descriptor");
	must(dnnl_reorder_primitive_desc_create(&pd, a, o->engine, b, o->engine, NULL), "reorder");
	must(dnnl_primitive_create(&p, pd), "reorder");
	const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
	must(dnnl_primitive_execute(p, o->stream, 2, args), "reorder");
	must(dnnl_stream_wait(o->stream), "reorder");
	must(dnnl_primitive_destroy(p), "reorder");
	must(dnnl_primitive_desc_destroy(pd), "reorder");
}

static dnnl_memory_t memory_open(const struct onednn_conv *o, const dnnl_memory_desc_t *md,
				 void *data)
{
	dnnl_memory_t m;
	must(dnnl_memory_create(&m, md, o->engine, data), "memory");
	return m;
}

/* The caller destroys *pd: it is a hint for the other passes. */
static void pass_open(struct onednn_conv *o, enum pass which, const void *desc,
		      const_dnnl_primitive_desc_t hint, const float *const in[TENSORS],
		      dnnl_primitive_desc_t *pd)
{
	struct primitive *pass = &o->pass[which];
	const char *name = "";

	must(dnnl_primitive_desc_create(pd, desc, NULL, o->engine, hint), "convolution");
	must(dnnl_primitive_desc_query(*pd, dnnl_query_impl_info_str, 0, (void *)&name), "a query");
	snprintf(pass->name, sizeof(pass->name), "%s", name);
	must(dnnl_primitive_create(&pass->primitive, *pd), "convolution");
	for (int i = 0; i < 3; i++) {
		const struct role *role = &roles[which][i];
		pass->memory[i] = memory_open(o, dnnl_primitive_desc_query_md(*pd, role->layout, 0),
					      DNNL_MEMORY_ALLOCATE);
		pass->args[i] = (dnnl_exec_arg_t){role->arg, pass->memory[i]};
		if (i == 2)
			break;
		dnnl_memory_t user = memory_open(o, &o->plain[role->tensor],
						 (void *)(uintptr_t)in[role->tensor]);
		copy(o, user, pass->memory[i]);
		must(dnnl_memory_destroy(user), "memory");
	}
}

/* Fills plain and any. */
static void describe(struct onednn_conv *o, const struct et_conv *g, int n)
{
	dnnl_dims_t dims[TENSORS] = {[X] = {n, g->c, g->h, g->w},
				     [W] = {g->k, g->c, g->kh, g->kw},
				     [Y] = {n, g->k, g->p, g->q}};
	const dnnl_dims_t grouped = {g->groups, g->k / g->groups, g->c / g->groups, g->kh, g->kw};

	if (g->groups > 1)
		memcpy(dims[W], grouped, sizeof(grouped));
	for (int i = 0; i < TENSORS; i++) {
		bool five = i == W && g->groups > 1;
		must(dnnl_memory_desc_init_by_tag(&o->any[i], 4 + five, dims[i], dnnl_f32,
						  dnnl_format_tag_any),
		     "a descriptor");
		must(dnnl_memory_desc_init_by_tag(&o->plain[i], 4 + five, dims[i], dnnl_f32,
						  five ? dnnl_abcde : dnnl_abcd),
		     "a descriptor");
	}
}

struct onednn_conv *onednn_open(const struct et_conv *g, int n, bool automatic, const float *x,
				const float *w, const float *dy)
{
	const float *const in[TENSORS] = {[X] = x, [W] = w, [Y] = dy};
	const dnnl_dims_t stride = {g->sh, g->sw}, dilate = {g->dh - 1, g->dw - 1};
	const dnnl_dims_t before = {g->ph, g->pw};
	const dnnl_dims_t after = {
		(g->p - 1) * g->sh + (g->kh - 1) * g->dh + 1 - g->h - g->ph,
		(g->q - 1) * g->sw + (g->kw - 1) * g->dw + 1 - g->w - g->pw,
	};
	const dnnl_alg_kind_t alg = automatic ? dnnl_convolution_auto : dnnl_convolution_direct;
	dnnl_convolution_desc_t d;
	dnnl_primitive_desc_t forward, data, weights;
	struct onednn_conv *o = calloc(1, sizeof(*o));

	must(o ? dnnl_success : dnnl_out_of_memory, "calloc");
	must(dnnl_engine_create(&o->engine, dnnl_cpu, 0), "an engine");
	must(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags), "a stream");
	describe(o, g, n);
	must(dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, alg, &o->any[X],
							&o->any[W], NULL, &o->any[Y], stride,
							dilate, before, after),
	     "forward");
	pass_open(o, PASS_FORWARD, &d, NULL, in, &forward);
	must(dnnl_dilated_convolution_backward_data_desc_init(
		     &d, alg, &o->any[X], &o->any[W], &o->any[Y], stride, dilate, before, after),
	     "backward data");
	pass_open(o, PASS_DATA, &d, forward, in, &data);
	must(dnnl_dilated_convolution_backward_weights_desc_init(&d, alg, &o->any[X], &o->any[W],
								 NULL, &o->any[Y], stride, dilate,
								 before, after),
	     "backward weights");
	pass_open(o, PASS_WEIGHTS, &d, forward, in, &weights);
	must(dnnl_primitive_desc_destroy(forward), "forward");
	must(dnnl_primitive_desc_destroy(data), "backward data");
	must(dnnl_primitive_desc_destroy(weights), "backward weights");
	return o;
}

void onednn_close(struct onednn_conv *o)
{
	for (int i = 0; i < PASSES; i++) {
		must(dnnl_primitive_destroy(o->pass[i].primitive), "closing");
		for (int j = 0; j < 3; j++)
			must(dnnl_memory_destroy(o->pass[i].memory[j]), "closing");
	}
	must(dnnl_stream_destroy(o->stream), "closing");
	must(dnnl_engine_destroy(o->engine), "closing");
	free(o);
}

void onednn_run(struct onednn_conv *o, enum pass pass)
{
	const struct primitive *p = &o->pass[pass];
	must(dnnl_primitive_execute(p->primitive, o->stream, 3, p->args), "a convolution");
	must(dnnl_stream_wait(o->stream), "a convolution");
}

void onednn_result(struct onednn_conv *o, enum pass pass, float *out)
{
	dnnl_memory_t user = memory_open(o, &o->plain[roles[pass][2].tensor], out);
	copy(o, o->pass[pass].memory[2], user);
	must(dnnl_memory_destroy(user), "memory");
}

const char *onednn_name(const struct onednn_conv *o, enum pass pass)
{
	return o->pass[pass].name;
}

const char *onednn_version(void)
{
	static char text[64];
	const dnnl_version_t *v = dnnl_version();
	const char *runtime = v->cpu_runtime == DNNL_RUNTIME_OMP	  ? "OpenMP"
			      : v->cpu_runtime == DNNL_RUNTIME_TBB	  ? "TBB"
			      : v->cpu_runtime == DNNL_RUNTIME_THREADPOOL ? "a thread pool"
									  : "no threads";
	snprintf(text, sizeof(text), "%d.%d.%d with %s", v->major, v->minor, v->patch, runtime);
	return text;
}
