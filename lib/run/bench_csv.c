/* The files of a bench: bench.csv, a row a mode; layers.csv, a row a mode and layer. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/bench.h"

#define BENCH  "bench.csv"
#define LAYERS "layers.csv"

bool et_bench_is(const char *dir)
{
	char *path = et_path_join(dir, BENCH);
	bool is = path && et_path_exists(path);
	free(path);
	return is;
}

static void put_number(FILE *f, double v)
{
	char text[32];
	fprintf(f, ",%s", et_csv_cell("%.7g", v, text));
}

static void put_spread(FILE *f, struct et_spread s)
{
	put_number(f, s.median);
	put_number(f, s.iqr);
}

static void put_modes(FILE *f, const struct et_bench_result *r, int epochs)
{
	fputs("mode,steps,data_ms,data_iqr_ms,forward_ms,forward_iqr_ms,backward_ms,"
	      "backward_iqr_ms,update_ms,update_iqr_ms,step_ms,step_iqr_ms,speedup,peak_bytes,"
	      "planned_peak_bytes,saved_bytes,energy_j,cosine,norm_ratio,epochs,val_accuracy,"
	      "best_val_accuracy,seconds\n",
	      f);
	for (int i = 0; i < r->modes; i++) {
		const struct et_bench_mode *m = &r->mode[i];
		et_csv_text(f, m->recipe);
		fprintf(f, ",%" PRIu64, m->steps);
		put_spread(f, m->data);
		put_spread(f, m->forward);
		put_spread(f, m->backward);
		put_spread(f, m->update);
		put_spread(f, m->step);
		put_number(f, m->speedup);
		if (m->peak_memory)
			fprintf(f, ",%" PRIu64, m->peak_memory);
		else
			fputc(',', f);
		fprintf(f, ",%" PRIu64 ",%" PRIu64, m->planned_peak, m->saved);
		put_number(f, m->energy_j);
		put_number(f, m->cosine);
		put_number(f, m->ratio);
		put_number(f, epochs ? epochs : NAN);
		put_number(f, m->val_accuracy);
		put_number(f, m->best_val_accuracy);
		put_number(f, m->seconds);
		fputc('\n', f);
	}
}

static void put_layers(FILE *f, const struct et_bench_result *r, int epochs)
{
	(void)epochs;
	fputs("mode,layer,cosine,norm_ratio,dx_cosine,dx_norm_ratio,dy_zeros\n", f);
	for (int i = 0; i < r->modes; i++)
		for (int k = 0; k < r->mode[i].layers; k++) {
			const struct et_bench_layer *l = &r->mode[i].layer[k];
			et_csv_text(f, r->mode[i].recipe);
			fputc(',', f);
			et_csv_text(f, l->name);
			put_number(f, l->cosine);
			put_number(f, l->ratio);
			put_number(f, l->dx_cosine);
			put_number(f, l->dx_ratio);
			put_number(f, l->zeros);
			fputc('\n', f);
		}
}

static int write_table(const struct et_bench_result *r, const char *dir, const char *name,
		       int epochs, void (*put)(FILE *, const struct et_bench_result *, int),
		       struct et_err *err)
{
	char *text = NULL, *path = et_path_join(dir, name);
	size_t n = 0;
	FILE *f = path ? open_memstream(&text, &n) : NULL;
	int status = ET_ENOMEM;

	if (f) {
		put(f, r, epochs);
		bool failed = ferror(f);
		status = fclose(f) == 0 && !failed ? et_file_write(path, text, n, err) : ET_ENOMEM;
	}
	free(text);
	free(path);
	return status == ET_ENOMEM ? et_fail(err, ET_ENOMEM, "out of memory") : status;
}

/* bench.csv last: it says that there is a bench. */
int et_bench_write(const struct et_bench_result *result, const char *dir, int epochs,
		   struct et_err *err)
{
	ET_TRY(write_table(result, dir, LAYERS, epochs, put_layers, err));
	return write_table(result, dir, BENCH, epochs, put_modes, err);
}
