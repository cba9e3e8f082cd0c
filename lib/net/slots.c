/* Placement of slots in one arena by lifetime: largest first, each in the tightest gap that fits.
 */
#include <stdlib.h>

#include "net/program.h"

#define ALIGN 64

struct order {
	struct et_slot *slot;
	int index;
};

static int by_size(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	if (x->slot->bytes != y->slot->bytes)
		return x->slot->bytes < y->slot->bytes ? 1 : -1;
	return x->index - y->index;
}

static int by_place(const void *a, const void *b)
{
	const struct et_slot *x = *(struct et_slot *const *)a, *y = *(struct et_slot *const *)b;
	return x->at < y->at ? -1 : x->at > y->at;
}

size_t et_slots_place(struct et_slot *slots, int n)
{
	struct order *order = et_calloc((size_t)n + 1, sizeof(*order));
	struct et_slot **busy = et_calloc((size_t)n + 1, sizeof(struct et_slot *));
	size_t total = 0;

	if (!order || !busy) {
		/* Without memory for the search: one after another. */
		for (int i = 0; i < n; i++) {
			slots[i].at = total;
			total += et_ceil_div(slots[i].bytes, ALIGN) * ALIGN;
		}
		free(order);
		free(busy);
		return total;
	}
	for (int i = 0; i < n; i++)
		order[i] = (struct order){&slots[i], i};
	qsort(order, (size_t)n, sizeof(*order), by_size);
	for (int i = 0; i < n; i++) {
		struct et_slot *s = order[i].slot;
		size_t need = et_ceil_div(s->bytes, ALIGN) * ALIGN, best = SIZE_MAX, at = 0,
		       end = 0;
		int m = 0;
		for (int j = 0; j < i; j++)
			if (order[j].slot->begin <= s->end && s->begin <= order[j].slot->end)
				busy[m++] = order[j].slot;
		qsort(busy, (size_t)m, sizeof(struct et_slot *), by_place);
		for (int j = 0; j < m; j++) {
			if (busy[j]->at > end && busy[j]->at - end >= need &&
			    busy[j]->at - end < best) {
				best = busy[j]->at - end;
				at = end;
			}
			end = et_max(end, busy[j]->at + et_ceil_div(busy[j]->bytes, ALIGN) * ALIGN);
		}
		s->at = best == SIZE_MAX ? end : at;
		total = et_max(total, s->at + need);
	}
	free(order);
	free(busy);
	return total;
}
