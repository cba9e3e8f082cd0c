#include "op/moments.h"

#define MOST 512
/* Channels that a thread joins: cache lines of its own. */
#define JOINED 16

static size_t fitting(size_t c)
{
	return et_max(16384 / c, 8);
}

size_t et_block_rows(size_t rows, size_t c)
{
	return et_max(et_min(fitting(c), rows), et_ceil_div(rows, MOST));
}

struct et_moment_blocks et_moments_open(const struct et_ctx *x, size_t rows, size_t c, size_t block,
					struct et_arena *work)
{
	struct et_moment_blocks m = {.x = x,
				     .k = x->k,
				     .rows = rows,
				     .c = c,
				     .block = block,
				     .blocks = et_ceil_div(rows, block)};
	/* Fewer rows may come in more blocks: what is reserved for many must do for few. */
	size_t room = et_max(m.blocks, et_min(et_ceil_div(rows, fitting(c)), MOST));
	m.mean = et_arena_alloc(work, room * c, sizeof(float));
	m.dev = et_arena_alloc(work, room * c, sizeof(float));
	return m;
}

static size_t rows_in(const struct et_moment_blocks *m, size_t b)
{
	return et_min(m->block, m->rows - b * m->block);
}

void et_moments_block(const struct et_moment_blocks *m, size_t b, const float *y, size_t ld,
		      size_t c0, size_t c)
{
	size_t at = b * m->c + c0;

	m->k->col_moments(rows_in(m, b), ld, c, y, m->mean + at, m->dev + at);
}

struct join {
	const struct et_moment_blocks *m;
	float *mean, *var;
};

static void join_channels(void *arg, size_t begin, size_t end, int thread)
{
	const struct join *j = arg;
	const struct et_moment_blocks *m = j->m;
	(void)thread;

	for (; begin < end; begin += JOINED) {
		/* Chan, Golub and LeVeque's update joins means and squared deviations. */
		double n = 0, at[JOINED] = {0}, sq[JOINED] = {0};
		size_t c = et_min(JOINED, end - begin);
		for (size_t b = 0; b < m->blocks; b++) {
			double nb = (double)rows_in(m, b), share = nb / (n + nb), both = n * share;
			const float *mean = m->mean + b * m->c + begin,
				    *dev = m->dev + b * m->c + begin;
			for (size_t ch = 0; ch < c; ch++) {
				double d = (double)mean[ch] - at[ch];
				sq[ch] += (double)dev[ch] + d * d * both;
				at[ch] += d * share;
			}
			n += nb;
		}
		for (size_t ch = 0; ch < c; ch++) {
			j->mean[begin + ch] = (float)at[ch];
			j->var[begin + ch] = (float)(sq[ch] / n);
		}
	}
}

void et_moments_join(const struct et_moment_blocks *m, float *mean, float *var)
{
	struct join j = {m, mean, var};
	et_parallel(m->x, m->c, JOINED, join_channels, &j);
}
