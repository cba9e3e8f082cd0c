/* The loop over independent pieces that every memory-bound operator uses. */
#include "op/op.h"

void et_parallel(const struct et_ctx *x, size_t n, size_t grain,
		 void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg)
{
	size_t pieces = et_ceil_div(n, grain);
	int threads = (int)et_min(pieces, (size_t)x->threads);

	if (threads <= 1) {
		if (n)
			fn(arg, 0, n, 0);
		return;
	}
#pragma omp parallel for num_threads(threads) schedule(static, 1)
	for (int t = 0; t < threads; t++) {
		size_t begin = pieces * (size_t)t / (size_t)threads * grain;
		size_t end = et_min(pieces * ((size_t)t + 1) / (size_t)threads * grain, n);
		if (begin < end)
			fn(arg, begin, end, t);
	}
}
