/*
 * What the numeric tests share: memory that lives until the end of a test, buffers between guards,
 * comparison with the oracle at the scale of rounding, and the driver that runs one operator under
 * every instruction set and number of threads.
 */
#ifndef TEST_NUM_H
#define TEST_NUM_H

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "op/op.h"
#include "ref.h"

/* A case whose teardown frees what the functions below gave out, with a time-out for slow boards.
 */
TCase *num_tcase(const char *name);

/* ---- memory, freed by the teardown ----------------------------------------------------------- */

/* n zeroed elements; at least one byte. */
void *num_alloc(size_t n, size_t size);
struct ref num_ref(size_t n);
/*
 * Bytes between guards: every float next to the buffer is a NaN, so that a read beyond it that
 * matters shows in the result, and num_check_guards() notices a write. Under AddressSanitizer there
 * are no guards but the heap's own. The content is NaN as well (all bits set).
 */
void *num_guarded(size_t bytes);
float *num_floats(size_t n);
void num_check_guards(void);

/* Where a tensor may not be touched: no access is allowed there. */
float *num_forbidden(void);
/* p, or in a call that only measures num_forbidden(), unless p is NULL. */
void *num_at(const struct et_arena *work, const void *p);

/* ---- random numbers -------------------------------------------------------------------------- */

struct et_rng num_rng(uint64_t a, uint32_t b);
/* Uniform in lo..hi, both included. */
int num_int(struct et_rng *r, int lo, int hi);
/* n standard normals in a guarded buffer. */
float *num_normal(struct et_rng *r, size_t n);

/* ---- layouts --------------------------------------------------------------------------------- */

double *num_double(const float *x, size_t n);
/* [n,hw,c] to [n,c,hw] and back. */
double *num_nchw(int n, size_t hw, int c, const float *x);
struct ref num_nhwc(int n, size_t hw, int c, const struct ref *x);
float *num_nhwc_f32(int n, size_t hw, int c, const float *x);

/* ---- comparison ------------------------------------------------------------------------------ */

/* What the next failure should call the case: printf-like, at most 255 bytes. */
void num_label(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *num_label_text(void);
/* Fails unless |got - want| <= c * eps * mag in every element, denormals aside; NaN is only equal
 * to NaN. */
void num_check(const char *what, const float *got, const struct ref *want, double c);
/* Only that got is NaN wherever want is. */
void num_check_nan(const char *what, const float *got, const struct ref *want);
/* num_check() for numbers of the oracle itself against n numbers known some other way. */
void num_check_ref(const char *what, const struct ref *got, const float *want, double c);
void num_check_hand(const char *what, const double *got, const double *want, size_t n);
void num_check_bits(const char *what, const void *got, const void *want, size_t bytes);

/* ---- the driver ------------------------------------------------------------------------------ */

/* Something an operator writes, and what it holds before: NULL means NaN. */
struct num_out {
	void *v;
	size_t bytes;
	const void *before;
};

/*
 * Calls run(arg, x, work) under every instruction set of this processor with 1, 2 and 3 threads,
 * and 3 in a team;
 * first to measure, when run must pass its tensors through num_at(), then with an arena of exactly
 * the measured size, filled with NaN. Checks that the arena sufficed and is given back, guards,
 * and that the outputs are the same bits for every number of threads. check(arg) compares them.
 */
void num_run(void (*run)(void *arg, const struct et_ctx *x, struct et_arena *work),
	     void (*check)(void *arg), void *arg, const struct num_out *out, size_t outs);

#endif
