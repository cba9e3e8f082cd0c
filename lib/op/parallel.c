/* Sharing out of independent pieces among threads; see team.h for why it is not left to OpenMP. */
#include <limits.h>
#include <linux/futex.h>
#if defined(_OPENMP)
#include <omp.h>
#endif
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "op/team.h"

/* How long a thread without work looks around before it sleeps: some tens of microseconds. */
#define SPINS 2000

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield");
#endif
}

static inline uint64_t make_offer(uint64_t generation, size_t pieces)
{
	return generation << 40 | (uint64_t)pieces << 20;
}

static inline bool has_piece(uint64_t offer)
{
	return (offer & 0xfffff) < (offer >> 20 & 0xfffff);
}

/* Takes pieces of the job on offer until there are none. */
static void work(struct et_team *t, int thread)
{
	uint64_t offer = atomic_load(&t->offer);

	while (has_piece(offer)) {
		if (!atomic_compare_exchange_weak(&t->offer, &offer, offer + 1))
			continue;
		size_t begin = (offer & 0xfffff) * t->grain, end = et_min(begin + t->grain, t->n);
		t->fn(t->arg, begin, end, thread);
		atomic_fetch_add(&t->done, 1);
		offer = atomic_load(&t->offer);
	}
}

static void sleep_until_called(struct et_team *t)
{
	uint32_t call = atomic_load(&t->call);

	atomic_fetch_add(&t->sleepers, 1);
	if (!has_piece(atomic_load(&t->offer)) && !atomic_load(&t->quit))
		syscall(SYS_futex, &t->call, FUTEX_WAIT_PRIVATE, call, NULL, NULL, 0);
	atomic_fetch_sub(&t->sleepers, 1);
}

static void serve(struct et_team *t, int thread)
{
	while (!atomic_load(&t->quit)) {
		int spins = 0;
		work(t, thread);
		while (spins++ < SPINS && !has_piece(atomic_load(&t->offer)) &&
		       !atomic_load(&t->quit))
			pause_cpu();
		if (spins > SPINS)
			sleep_until_called(t);
	}
}

static void call_all(struct et_team *t)
{
	atomic_fetch_add(&t->call, 1);
	if (atomic_load(&t->sleepers))
		syscall(SYS_futex, &t->call, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* The master's part of a job: offer it, work on it, wait for the pieces that others have taken. */
static void run_job(struct et_team *t, size_t n, size_t grain,
		    void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg)
{
	size_t pieces = et_ceil_div(n, grain);
	uint64_t generation = (atomic_load(&t->offer) >> 40) + 1;

	t->fn = fn;
	t->arg = arg;
	t->n = n;
	t->grain = grain;
	atomic_store(&t->done, 0);
	atomic_store(&t->offer, make_offer(generation, pieces));
	call_all(t);
	work(t, 0);
	for (int spins = 0; atomic_load(&t->done) < pieces; spins++) {
		if (spins < SPINS)
			pause_cpu();
		else
			sched_yield(); /* who holds the piece may need this processor */
	}
}

void et_team_run(struct et_ctx *x, void (*fn)(void *arg), void *arg)
{
	struct et_team team = {.offer = 0};

	if (x->team || x->threads <= 1) {
		fn(arg);
		return;
	}
	x->team = &team;
#pragma omp parallel num_threads(x->threads)
	{
#if defined(_OPENMP)
		int thread = omp_get_thread_num();
#else
		int thread = 0;
#endif
		if (thread == 0) {
			fn(arg);
			atomic_store(&team.quit, true);
			call_all(&team);
		} else {
			serve(&team, thread);
		}
	}
	x->team = NULL;
}

/* ---- one job --------------------------------------------------------------------------------- */

struct lone {
	struct et_ctx ctx;
	size_t n, grain;
	void (*fn)(void *arg, size_t begin, size_t end, int thread);
	void *arg;
};

static void run_lone(void *arg)
{
	struct lone *l = arg;
	run_job(l->ctx.team, l->n, l->grain, l->fn, l->arg);
}

void et_parallel_in(const struct et_ctx *x, size_t pieces, size_t n, size_t grain,
		    void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg)
{
	size_t units = et_ceil_div(n, grain);

	if (!n)
		return;
	pieces = et_max(1, et_min(et_min(pieces, units), ET_TEAM_PIECES));
	if (x->threads <= 1 || pieces == 1) {
		fn(arg, 0, n, 0);
		return;
	}
	grain *= et_ceil_div(units, pieces);
	if (x->team) {
		run_job(x->team, n, grain, fn, arg);
	} else {
		struct lone l = {.ctx = *x, .n = n, .grain = grain, .fn = fn, .arg = arg};
		et_team_run(&l.ctx, run_lone, &l);
	}
}

void et_parallel(const struct et_ctx *x, size_t n, size_t grain,
		 void (*fn)(void *arg, size_t begin, size_t end, int thread), void *arg)
{
	/* A few pieces a thread: one that is slow or away is made up for by the others. */
	et_parallel_in(x, 4 * (size_t)x->threads, n, grain, fn, arg);
}
