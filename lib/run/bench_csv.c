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

/* A cell each, empty where the number is not known. */
static void put_numbers(FILE *f, const double *v, size_t n)
{
	char text[32];
	for (size_t i = 0; i < n; i++)
		fprintf(f, ",%s", et_csv_cell("%.7g", v[i], text));
}

static void put_modes(FILE *f, const struct et_bench_result *r, int epochs)
{
	fputs("mode,steps,data_ms,data_iqr_ms,forward_ms,forward_iqr_ms,backward_ms,"
	      "backward_iqr_ms,update_ms,update_iqr_ms,step_ms,step_iqr_ms,speedup,peak_bytes,"
	      "planned_peak_bytes,saved_bytes,energy_j,cosine,norm_ratio,epochs,val_accuracy,"
	      "best_val_accuracy,seconds,val_miou,best_val_miou,energy_net_j,idle_w,train_j,"
	      "energy_source\n",
	      f);
	for (int i = 0; i < r->modes; i++) {
		const struct et_bench_mode *m = &r->mode[i];
		et_csv_text(f, m->recipe);
		const double times[] = {m->data.median,	  m->data.iqr,	      m->forward.median,
					m->forward.iqr,	  m->backward.median, m->backward.iqr,
					m->update.median, m->update.iqr,      m->step.median,
					m->step.iqr,	  m->speedup};
		const double rest[] = {m->energy_j,	 m->cosine,
				       m->ratio,	 epochs ? epochs : NAN,
				       m->val_accuracy,	 m->best_val_accuracy,
				       m->seconds,	 m->val_miou,
				       m->best_val_miou, m->energy_net_j,
				       r->idle_w,	 m->train_j};
		fprintf(f, ",%" PRIu64, m->steps);
		put_numbers(f, times, ET_COUNT(times));
		if (m->peak_memory)
			fprintf(f, ",%" PRIu64, m->peak_memory);
		else
			fputc(',', f);
		fprintf(f, ",%" PRIu64 ",%" PRIu64, m->planned_peak, m->saved);
		put_numbers(f, rest, ET_COUNT(rest));
		fputc(',', f);
		if (!isnan(m->energy_j))
			et_csv_text(f, r->energy_source);
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
			const double v[] = {l->cosine, l->ratio, l->dx_cosine, l->dx_ratio,
					    l->zeros};
			et_csv_text(f, r->mode[i].recipe);
			fputc(',', f);
			et_csv_text(f, l->name);
			put_numbers(f, v, ET_COUNT(v));
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
