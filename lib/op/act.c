/* Activations: one kernel call for each thread's piece. */
#include "op/op.h"

struct job {
	const struct et_kern *k;
	enum et_act act;
	const float *in, *dy;
	float *out;
	uint32_t *bits;
	const uint32_t *mask;
};

static void act_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->act(end - begin, j->in + begin, j->out + begin, j->bits ? j->bits + begin / 32 : NULL,
		  j->act);
}

void et_act_forward(const struct et_ctx *x, enum et_act act, size_t n, const float *in, float *y,
		    uint32_t *bits)
{
	struct job j = {.k = x->k, .act = act, .in = in, .out = y, .bits = bits};
	et_parallel(x, n, ET_GRAIN, act_piece, &j);
}

static void mask_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->mask(end - begin, j->mask + begin / 32, j->dy + begin, j->out + begin);
}

void et_mask(const struct et_ctx *x, size_t n, const uint32_t *bits, const float *dy, float *dx)
{
	struct job j = {.k = x->k, .mask = bits, .dy = dy, .out = dx};
	et_parallel(x, n, ET_GRAIN, mask_piece, &j);
}

static void hardswish_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->hardswish(end - begin, j->in + begin, j->out + begin);
}

void et_hardswish_forward(const struct et_ctx *x, size_t n, const float *in, float *y)
{
	struct job j = {.k = x->k, .in = in, .out = y};
	et_parallel(x, n, ET_GRAIN, hardswish_piece, &j);
}

static void hardswish_bwd_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->hardswish_bwd(end - begin, j->in + begin, j->dy + begin, j->out + begin);
}

void et_hardswish_backward(const struct et_ctx *x, size_t n, const float *in, const float *dy,
			   float *dx)
{
	struct job j = {.k = x->k, .in = in, .dy = dy, .out = dx};
	et_parallel(x, n, ET_GRAIN, hardswish_bwd_piece, &j);
}

static void sigmoid_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->sigmoid(end - begin, j->in + begin, j->out + begin);
}

void et_sigmoid_forward(const struct et_ctx *x, size_t n, const float *in, float *y)
{
	struct job j = {.k = x->k, .in = in, .out = y};
	et_parallel(x, n, ET_GRAIN, sigmoid_piece, &j);
}

static void sigmoid_bwd_piece(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	j->k->sigmoid_bwd(end - begin, j->in + begin, j->dy + begin, j->out + begin);
}

void et_sigmoid_backward(const struct et_ctx *x, size_t n, const float *y, const float *dy,
			 float *dx)
{
	struct job j = {.k = x->k, .in = y, .dy = dy, .out = dx};
	et_parallel(x, n, ET_GRAIN, sigmoid_bwd_piece, &j);
}
