/* A bench as a picture. */
#include <math.h>

#include "bench.h"

/* Of a whole training; with masks it is mean IoU that counts. */
static double score(const struct et_bench_mode *m)
{
	return isnan(m->val_miou) ? m->val_accuracy : m->val_miou;
}

static bool have_accuracy(const struct et_bench_result *r)
{
	for (int i = 0; i < r->modes; i++)
		if (!isnan(score(&r->mode[i])))
			return true;
	return false;
}

/* A recipe holds nothing that would end its quotes. */
static int put_points(FILE *f, const struct et_bench_result *r, bool accuracy)
{
	int n = 0;
	fputs("$points << END\n", f);
	for (int i = 0; i < r->modes; i++) {
		const struct et_bench_mode *m = &r->mode[i];
		double y = accuracy ? score(m) : m->cosine;
		uint64_t memory = m->peak_memory ? m->peak_memory : m->planned_peak;
		if (isnan(y))
			continue;
		fprintf(f, "%.9g %.9g %.9g \"%s\" %d\n", m->step.median, (double)memory / 1e6, y,
			m->recipe, ++n);
	}
	fputs("END\n", f);
	return n;
}

static void put_panel(FILE *f, int column, const char *label)
{
	fprintf(f,
		"set xlabel '%s'\n"
		"plot $points using %d:3:5 with points pointtype 7 pointsize 1.6 linecolor "
		"variable, \\\n"
		"  '' using %d:(int($5) %% 2 ? $3 : NaN):4 with labels offset 0,1 noenhanced, \\\n"
		"  '' using %d:(int($5) %% 2 ? NaN : $3):4 with labels offset 0,-1 noenhanced\n",
		label, column, column, column);
}

static int put_script(FILE *f, const void *what, struct et_err *err)
{
	const struct et_bench_result *r = what;
	bool accuracy = have_accuracy(r), measured = r->mode[0].peak_memory > 0;
	fputs("unset key\nset grid\nset offsets graph 0.2, graph 0.2, graph 0.12, graph 0.12\n", f);
	int n = put_points(f, r, accuracy);
	fprintf(f, "set ylabel '%s'\nset multiplot layout 1,2\n",
		!accuracy		     ? "cosine with the exact gradient of the weights"
		: isnan(r->mode[0].val_miou) ? "validation accuracy"
					     : "validation mIoU");
	put_panel(f, 1, "median step, ms");
	put_panel(f, 2, measured ? "peak memory, MB" : "peak memory as planned, MB");
	fputs("unset multiplot\n", f);
	return n ? ET_OK
		 : et_fail(err, ET_EIO,
			   "--plot: neither accuracy nor likeness to exact is known: nothing to "
			   "draw");
}

int plot_bench(const struct gnuplot *g, const struct et_bench_result *r, struct et_err *err)
{
	return gnuplot_draw(g, 1200, 560, put_script, r, err);
}
