/* How much of a dataset's features is kept, and where. */
#include <string.h>

#include "run/cache.h"

/* Of the memory to spare, others on the machine get as much, the system's own file cache first. */
#define SHARE(bytes) ((bytes) / 2)

static bool augments(const struct et_augment *a)
{
	static const struct et_augment none;
	return memcmp(a, &none, sizeof(none)) != 0;
}

/* Entries of that size that fit into *left, which they are taken from. */
static uint32_t take(uint64_t wanted, size_t floats, uint64_t *left)
{
	uint64_t each = floats * sizeof(float), n = each ? *left / each : 0;

	n = n < wanted ? n : wanted;
	n = n < UINT32_MAX ? n : UINT32_MAX - 1;
	*left -= n * each;
	return (uint32_t)n;
}

struct et_cache_plan et_cache_plan_of(const struct et_session *s, uint64_t spare)
{
	struct et_cache_plan p = {0};
	uint64_t variants = s->t.cache_variants ? (uint64_t)s->t.cache_variants : 1, size = 0;
	uint64_t train = et_dataset_count(s->ds, ET_SPLIT_TRAIN) * variants;
	uint64_t val = s->val == ET_SPLITS ? 0 : et_dataset_count(s->ds, s->val);
	bool automatic = strcmp(s->t.cache, "auto") == 0;

	if (strcmp(s->t.cache, "off") == 0) {
		p.why = "off";
		return p;
	}
	p.train_floats = et_net_features(&s->net, true);
	p.val_floats = et_net_features(&s->net, false);
	if (!p.train_floats) {
		p.why = "no frozen convolution at the beginning";
		return p;
	}
	if (augments(&s->augment) && !s->t.cache_variants)
		train = 0; /* no picture comes twice */
	p.wanted = (train * p.train_floats + val * p.val_floats) * sizeof(float);
	if (automatic)
		size = SHARE(spare);
	else
		et_parse_size(s->t.cache, &size);
	uint64_t left = size;
	p.train = take(train, p.train_floats, &left);
	p.val = take(val, p.val_floats, &left);
	p.bytes = size - left;
	p.file = p.bytes > SHARE(spare);
	if (!p.train && !p.val)
		p.why = automatic ? "no memory to spare" : "no picture fits";
	return p;
}
