/* What the tests of the sign-symmetric family share. */
#ifndef TEST_SYMMETRY_H
#define TEST_SYMMETRY_H

#include "mode/signs.h"
#include "num.h"

static inline struct et_ctx context(int isa, int threads)
{
	return (struct et_ctx){.k = et_kern_at((size_t)isa), .threads = threads};
}

/* Work enough for anything here. */
static inline struct et_arena arena(void)
{
	struct et_arena a;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, (size_t)16 << 20, &err), ET_OK);
	return a;
}

TCase *tcase_prune(void);
TCase *tcase_symmetry_net(void);

#endif
