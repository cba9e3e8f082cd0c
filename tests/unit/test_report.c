/* Run directories written by hand, and what is to be read from them. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/bench.h"
#include "run/report_files.h"
#include "scratch.h"
#include "suites.h"

static struct et_err err;
static struct et_report r;

static void put(const char *name, const char *text)
{
	scratch_put(name, text, strlen(text));
}

static void near(double found, double want)
{
	ck_assert_msg(fabs(found - want) <= 1e-9 * fabs(want), "found %.17g, not %.17g", found,
		      want);
}

static void read_it(void)
{
	int status = et_report_read(scratch_path(""), &r, &err);
	ck_assert_msg(status == ET_OK, "%s", err.text);
}

/* What is wrong is said with this in it. */
static void refused(const char *text)
{
	ck_assert_int_eq(et_report_read(scratch_path(""), &r, &err), ET_EDATA);
	ck_assert_msg(strstr(err.text, text), "'%s' is not in: %s", text, err.text);
}

#define JSON(epochs, power)                                                                   \
	"{\"version\":\"9.9\",\"data\":{\"path\":\"/p\",\"fingerprint\":\"1\",\"train\":30}," \
	"\"machine\":{\"board\":\"Toaster 2\"},\"init\":\"w\",\"classes\":[\"a\",\"b\"],"     \
	"\"train\":{\"epochs\":" epochs ",\"batch_size\":16,\"mode\":\"filter:4\"},"          \
	"\"spec\":{\"name\":\"net\"}" power "}"

#define STEPS                                                                                   \
	"step,epoch,samples,loss,accuracy,lr,data_ms,forward_ms,backward_ms,update_ms,step_ms," \
	"energy_j,power_w,energy_source,temp_c,freq_mhz,throttled,rss_mb\n"
#define EPOCHS "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_s,skipped"
#define ENERGY ",energy_j,energy_net_j,power_w,j_per_image,total_s,pauses,pause_s,throttled_s\n"

/* Two epochs of three, and one step of the third. */
static void whole_run(void)
{
	put("run.json",
	    JSON("3", ",\"power\":{\"source\":\"rapl\",\"scope\":\"package\",\"idle_w\":2}"));
	put("epochs.csv", EPOCHS ENERGY "1,2,0.25,1.5,0.5,0.1,3,10,1,40,32,10,1,4,1,0.5,0.25\n"
					"2,1,0.75,1.25,0.75,0.1,2,15,2,30,20,6,0.9,5,2,1.5,\n");
	put("steps.csv",
	    STEPS "1,1,16,2,0.5,0.1,1,10,20,2,100,4,40,rapl,60.5,1500,0x0,200.5\n"
		  "2,1,14,2,0.5,0.1,2,20,30,3,200,4,40,rapl,61.5,1500,0x50000,210\n"
		  "3,2,16,1,0.5,0.1,3,30,40,4,300,4,40,rapl:window,62.5,1400,0x50002,205\n"
		  "4,2,14,1,0.5,0.1,4,40,50,5,400,4,40,rapl,,,,\n"
		  "5,3,16,0.5,0.875,0.1,5,50,60,6,500,8,16,rapl,55,1500,0x70000,201\n");
	put("power.csv", "step,time_s,phase,power_w,temp_c,freq_mhz,throttled\n"
			 "0,0,idle,2,50,600,0x0\n"
			 "2,3,train,10,60,1500,0x4\n"
			 "2,4,pause,3,81.5,600,0x4\n"
			 "4,6,pause,10,70,1500,0x40000\n"
			 "5,9,train,12,71,,0x40004\n"
			 "5,10,pause,,,,\n"
			 "5,10.5,pause,,,,\n"
			 "5,12,train,11,60,1500,0x40000\n");
}

START_TEST(sums_by_hand)
{
	whole_run();
	read_it();
	ck_assert_str_eq(r.name, "net");
	ck_assert_str_eq(r.mode, "filter:4");
	ck_assert_str_eq(r.data, "/p");
	ck_assert_str_eq(r.init, "w");
	ck_assert_str_eq(r.version, "9.9");
	ck_assert_str_eq(r.board, "Toaster 2");
	ck_assert_int_eq(r.classes, 2);
	ck_assert_int_eq(r.batch_size, 16);
	ck_assert_uint_eq(r.pictures, 30);
	ck_assert_uint_eq(r.epochs, 2);
	ck_assert_uint_eq(r.epochs_wanted, 3);
	ck_assert_uint_eq(r.steps, 5);
	ck_assert_uint_eq(r.images, 76);
	ck_assert(!r.finished && !r.pid);
	near(r.accuracy, 0.75);
	near(r.val_loss, 1.25);
	near(r.best, 0.75);
	ck_assert_uint_eq(r.best_epoch, 2);
	near(r.running_loss, 0.5);
	near(r.running_accuracy, 0.875);
	ck_assert_uint_eq(r.skipped, 3);
	near(r.train_s, 5.5);
	/* 4 + 5, the step of 0.5, and the pause from 9 to 10.5. */
	near(r.total_s, 11);
	near(r.images_per_s, 76 / 5.5);
	/* Two and a half epochs are done: 30 pictures are two steps. */
	near(r.left_s, 11 / 2.5 * 0.5);
	near(r.step.median, 300);
	near(r.step.low, 200);
	near(r.step.high, 400);
	near(r.data_wait.median, 3);
	near(r.forward.low, 20);
	near(r.backward.high, 50);
	near(r.update.median, 4);
	et_report_free(&r);
}
END_TEST

START_TEST(energy_by_hand)
{
	whole_run();
	read_it();
	near(r.energy_j, 40 + 30 + 8);
	near(r.energy_net_j, 32 + 20 + 8 - 2 * 0.5);
	ck_assert_uint_eq(r.energy_epochs, 2);
	near(r.power_w, 78 / 9.5);
	near(r.j_per_image, (30 * 1 + 30 * 0.9) / 60);
	near(r.idle_w, 2);
	ck_assert_str_eq(r.source, "rapl");
	ck_assert_str_eq(r.scope, "package");
	ck_assert(!r.estimated && r.windows && !r.sources);
	near(r.epoch[1].energy_j, 70);
	near(r.epoch[1].total_s, 9);
	near(r.epoch[1].train_s, 5);
	et_report_free(&r);
	/* An epoch in a gap of the meter: the sum says of how many it is, the curve ends. */
	put("epochs.csv", EPOCHS ENERGY "1,2,0.25,1.5,0.5,0.1,3,10,1,,,,,4,1,0.5,\n"
					"2,1,0.75,1.25,0.75,0.1,2,15,2,30,,6,0.9,5,2,1.5,\n");
	read_it();
	near(r.energy_j, 38);
	ck_assert_uint_eq(r.energy_epochs, 1);
	near(r.power_w, 38 / 5.5);
	ck_assert(isnan(r.energy_net_j) && isnan(r.epoch[1].energy_j));
	near(r.j_per_image, 0.9);
	et_report_free(&r);
}
END_TEST

START_TEST(heat_by_hand)
{
	whole_run();
	read_it();
	ck_assert_uint_eq(r.pauses, 1 + 2 + 1);
	near(r.pause_s, 0.5 + 1.5 + 1.5);
	/* Of the first epoch, and from 6 to 9; nothing is known of what follows. */
	near(r.throttled_s, 0.25 + 3);
	/* 0x4 of power.csv, 0x2 of step 3, and of 0x7 since boot what was not there before: bit 1.
	 * 0x5 in step 2 came after 0x0. */
	ck_assert_int_eq(r.throttled, 0x7);
	near(r.highest_c, 81.5);
	near(r.peak_rss, 210e6);
	ck_assert_uint_eq(r.n_power, 8);
	near(r.power[1].power_w, 10);
	near(r.power[2].temp_c, 81.5);
	ck_assert(isnan(r.power[5].power_w) && !r.clocked);
	ck_assert_uint_eq(r.n_pause, 2);
	near(r.pause[0].from_s, 3);
	near(r.pause[0].to_s, 6);
	near(r.pause[1].from_s, 9);
	near(r.pause[1].to_s, 10.5);
	ck_assert_uint_eq(r.n_throttle, 2);
	ck_assert(r.throttle[0].from_s == 0);
	near(r.throttle[0].to_s, 4);
	near(r.throttle[1].from_s, 6);
	near(r.throttle[1].to_s, 9);
	ck_assert_uint_eq(r.n_loss, 5);
	near(r.losses[2].epoch, 1.5);
	near(r.losses[2].time_s, 0.6);
	near(r.losses[4].epoch, 2.5);
	near(r.losses[4].loss, 0.5);
	et_report_free(&r);
}
END_TEST

START_TEST(bits_that_were_there_before)
{
	struct et_bits b = {0};
	int64_t seen = -1;
	et_bits_add(&b, -1, &seen);
	ck_assert_int_eq(seen, -1);
	et_bits_add(&b, 0x50000, &seen);
	ck_assert_int_eq(seen, 0);
	et_bits_add(&b, 0x50000, &seen);
	ck_assert_int_eq(seen, 0);
	et_bits_add(&b, 0xd0001, &seen);
	ck_assert_int_eq(seen, 0x9);
	/* The board was started anew. */
	et_bits_add(&b, 0, &seen);
	et_bits_add(&b, 0x20000, &seen);
	ck_assert_int_eq(seen, 0xb);
}
END_TEST

/* Nothing of energy, no power.csv, but heat in steps.csv. */
START_TEST(of_an_earlier_version)
{
	put("run.json", JSON("1", ""));
	put("epochs.csv", EPOCHS "\n1,2,0.25,,,0.1,3,10,0\n");
	put("steps.csv", STEPS "1,1,16,2,0.5,0.1,1,10,20,2,100,,,,60.5,1500,,200.5\n"
			       "2,1,14,2,0.5,0.1,2,20,30,3,300,,,,65.5,1500,0x1,210\n"
			       "3,1,14,2,0.5,0.1,2,20,30,3,300,,,,,,,\n");
	read_it();
	ck_assert(r.finished);
	near(r.left_s, 0);
	ck_assert(isnan(r.energy_j) && isnan(r.energy_net_j) && isnan(r.power_w));
	ck_assert(isnan(r.total_s) && isnan(r.j_per_image) && isnan(r.throttled_s));
	ck_assert(isnan(r.val_accuracy) && isnan(r.running_loss));
	ck_assert_str_eq(r.source, "");
	near(r.best, 0.25);
	near(r.train_s, 3);
	near(r.highest_c, 65.5);
	ck_assert_int_eq(r.throttled, 1);
	ck_assert(r.clocked);
	ck_assert_uint_eq(r.n_power, 3);
	near(r.power[1].time_s, 0.4);
	near(r.throttle[0].from_s, 0.1);
	near(r.throttle[0].to_s, 0.4);
	et_report_free(&r);
}
END_TEST

START_TEST(masks_and_a_model)
{
	put("run.json", JSON("3", ",\"power\":{\"source\":\"model:Toaster 2\"}"));
	put("epochs.csv", EPOCHS ",val_miou,\"val_iou_a,b\",\"val_iou_\"\"c\"\"\nd\"" ENERGY
				 "1,2,0.5,1,0.9,0.1,3,10,0,0.5,0.25,,1,,1,1,1,0,0,\n"
				 "2,2,0.5,1,0.8,0.1,3,10,0,0.75,0.25,,1,,1,1,1,0,0,\n"
				 "3,2,0.5,1,0.7,0.1,3,10,0,0.25,0.25,,1,,1,1,1,0,0,\n");
	read_it();
	near(r.best, 0.75);
	ck_assert_uint_eq(r.best_epoch, 2);
	near(r.val_miou, 0.25);
	near(r.energy_j, 3);
	ck_assert(r.estimated && !r.windows);
	ck_assert(isnan(r.step.median) && isnan(r.images_per_s));
	et_report_free(&r);
	put("steps.csv", STEPS "1,1,16,2,0.5,0.1,1,10,20,2,100,1,1,model:Toaster 2:window,,,,\n"
			       "2,1,16,2,0.5,0.1,1,10,20,2,100,1,1,rapl,,,,\n");
	read_it();
	ck_assert_str_eq(r.source, "rapl");
	ck_assert(r.sources && r.windows);
	et_report_free(&r);
}
END_TEST

/* A run that has just begun, and one whose last rows are being written. */
START_TEST(at_work)
{
	put("run.json", JSON("3", ""));
	read_it();
	ck_assert_uint_eq(r.epochs, 0);
	ck_assert(!r.finished && isnan(r.loss) && isnan(r.best) && isnan(r.left_s));
	ck_assert(isnan(r.step.median) && isnan(r.running_loss) && r.n_epoch == 0);
	et_report_free(&r);
	put("epochs.csv", "epoch,lo");
	put("steps.csv", STEPS "1,1,16,2,0.5,0.1,1,10,20,2,100,,,,60.5,1500,,200.5\n2,1,16,1,0.");
	put("power.csv", "step,time_s,phase,power_w,temp_c,freq_mhz,throttled\n1,2,\"tra\n1,2\n");
	read_it();
	ck_assert_uint_eq(r.steps, 1);
	near(r.running_loss, 2);
	near(r.left_s, 0.1 / 0.5 * 2.5);
	ck_assert(r.clocked && r.n_power == 1);
	et_report_free(&r);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	put("run.json", JSON("3", ""));
	put("epochs.csv", "loss,accuracy\n1,2\n");
	refused("epochs.csv:1: expected a header with a column 'epoch'");
	put("epochs.csv", EPOCHS "\n1,2,0.25,,,0.1,3,10,0\n2,2,0.25,,,0.1,three,10,0\n");
	refused("epochs.csv:3: seconds: expected a number, found 'three'");
	put("epochs.csv", EPOCHS "\n-1,2,0.25,,,0.1,3,10,0\n");
	refused("epochs.csv:2: epoch: expected an integer");
	put("epochs.csv", EPOCHS "\n1,2,0.25\n");
	refused("epochs.csv:2: expected 9 cells, found 3");
	put("epochs.csv", EPOCHS "\n1,2,nan,,,0.1,3,10,0\n");
	refused("epochs.csv:2: accuracy: expected a number");
	put("epochs.csv", EPOCHS "\n");
	put("steps.csv", "step,throttled\n1,0x1z\n");
	refused("steps.csv:2: throttled: expected hexadecimal bits, found '0x1z'");
	scratch_put("steps.csv", "step\n1\n\0\n", 9);
	refused("steps.csv:3: expected text, found a zero byte");
	put("steps.csv", "step\n1\n");
	put("power.csv", "time_s,step\n,1\n");
	refused("power.csv:2: time_s");
	put("run.json", "{}");
	refused("run.json");
	put("run.json", JSON("\"many\"", ""));
	refused("run.json");
	ck_assert_int_eq(et_report_read("/nowhere", &r, &err), ET_ENOINPUT);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------ */

START_TEST(rows_as_others_write_them)
{
	static const char *const names[] = {"a b", "n", "none"};
	struct et_rows rows;
	double v;
	put("t.csv", "n,\"a b\",\"c\"\"\n,\"\r\n"
		     "1.5,\"x,\"\"y\"\"\nz\",\r\n"
		     "\r\n"
		     ",plain \"quotes\",\n");
	ck_assert_int_eq(et_rows_open(&rows, scratch_path(""), "t.csv", names, 3, &err), 1);
	ck_assert_int_eq(et_rows_next(&rows, &err), 1);
	ck_assert_uint_eq(rows.line, 3);
	ck_assert_str_eq(et_rows_text(&rows, 0), "x,\"y\"\nz");
	ck_assert_int_eq(et_rows_number(&rows, 1, &v, &err), 0);
	near(v, 1.5);
	ck_assert_int_eq(et_rows_number(&rows, 2, &v, &err), 0);
	ck_assert(isnan(v));
	ck_assert_int_eq(et_rows_next(&rows, &err), 1);
	ck_assert_uint_eq(rows.line, 6);
	ck_assert_str_eq(et_rows_text(&rows, 0), "plain \"quotes\"");
	ck_assert_int_eq(et_rows_number(&rows, 1, &v, &err), 0);
	ck_assert(isnan(v));
	ck_assert_int_eq(et_rows_next(&rows, &err), 0);
	et_rows_close(&rows);
}
END_TEST

START_TEST(a_row_has_an_end)
{
	static const char *const names[] = {"step"};
	struct et_rows rows;
	size_t n = (2u << 20) + 10;
	char *text = malloc(n);
	ck_assert_ptr_nonnull(text);
	memset(text, 'x', n);
	memcpy(text, "step\n", 5);
	scratch_put("t.csv", text, n);
	free(text);
	ck_assert_int_eq(et_rows_open(&rows, scratch_path(""), "t.csv", names, 1, &err), 1);
	ck_assert_int_eq(et_rows_next(&rows, &err), ET_EDATA);
	ck_assert(strstr(err.text, "t.csv:2: the row is longer than 1 MB"));
	ck_assert(rows.room <= 2u << 20);
	et_rows_close(&rows);
	ck_assert_int_eq(et_rows_open(&rows, scratch_path(""), "none.csv", names, 1, &err), 0);
	et_rows_close(&rows);
}
END_TEST

/* ---- much of it ------------------------------------------------------------------------------ */

START_TEST(quartiles_of_few_are_exact)
{
	struct et_histogram *h = calloc(1, sizeof(*h));
	double v[] = {0, 4.001, 1e9, 4.002, 7};
	ck_assert_ptr_nonnull(h);
	ck_assert(isnan(et_histogram_quartiles(h).median));
	for (int i = 0; i < 5; i++)
		et_histogram_add(h, v[i]);
	et_histogram_add(h, NAN);
	struct et_quartiles q = et_histogram_quartiles(h);
	ck_assert_double_eq_tol(q.low, 4.001, 0.001);
	ck_assert_double_eq_tol(q.median, 4.0015, 0.001);
	near(q.high, 7);
	*h = (struct et_histogram){.n = 0};
	for (int i = 4; i > 0; i--)
		et_histogram_add(h, i);
	q = et_histogram_quartiles(h);
	near(q.low, 1.75);
	near(q.median, 2.5);
	near(q.high, 3.25);
	free(h);
}
END_TEST

START_TEST(quartiles_of_many_are_near)
{
	enum { N = 20001 };
	struct et_histogram *h = calloc(1, sizeof(*h));
	double *v = malloc(N * sizeof(*v));
	uint32_t x = 1;
	ck_assert(h && v);
	for (int i = 0; i < N; i++) {
		x = x * 1664525 + 1013904223;
		v[i] = 20 * exp((double)(x >> 8) / (1 << 23));
		et_histogram_add(h, v[i]);
	}
	struct et_quartiles q = et_histogram_quartiles(h);
	struct et_spread s = et_spread_of(v, N);
	ck_assert_double_eq_tol(q.median, s.median, 0.003 * s.median);
	ck_assert_double_eq_tol(q.high - q.low, s.iqr, 0.003 * q.high);
	ck_assert_double_eq_tol(q.low, v[N / 4], 0.003 * v[N / 4]);
	free(h);
	free(v);
}
END_TEST

START_TEST(a_curve_has_so_many_points)
{
	struct et_curve c;
	size_t n;
	ck_assert_int_eq(et_curve_open(&c, 8, &err), 0);
	/* 37 rows: 16 are joined to 8 points of 2, 32 to 8 of 4; 9 points of 4 and one row. */
	for (int i = 0; i < 37; i++) {
		struct et_report_moment m = {i, 0, i < 4 ? NAN : i, i == 5 ? 99 : 50, NAN, 2.0 * i};
		et_curve_add(&c, &m);
	}
	struct et_report_moment *p = et_curve_take(&c, &n);
	ck_assert_uint_le(n, 8);
	/* Points of 8 rows then, the last one of what is left. */
	ck_assert_uint_eq(n, 5);
	near(p[0].time_s, 3.5);
	near(p[0].power_w, 5.5);
	near(p[0].temp_c, 99);
	ck_assert(isnan(p[0].freq_mhz));
	near(p[1].loss, 23);
	near(p[1].temp_c, 50);
	near(p[4].time_s, 34);
	free(p);
}
END_TEST

START_TEST(spans_are_so_many)
{
	struct et_spans s;
	ck_assert_int_eq(et_spans_open(&s, &err), 0);
	/* ET_SPANS + 1 of them; the 11th begins just after the 10th. */
	for (int i = 0; i <= ET_SPANS; i++) {
		et_spans_add(&s, i - (i == 10 ? 0.4 : 0), i + 0.25, true);
		et_spans_add(&s, i + 0.25, i + 0.5, true);
		et_spans_add(&s, i + 0.5, i + 0.6, false);
	}
	et_spans_add(&s, 1e5, 1e6, false);
	ck_assert_uint_eq(s.n, ET_SPANS);
	near(s.span[9].from_s, 9);
	near(s.span[9].to_s, 10.5);
	near(s.span[10].from_s, 11);
	near(s.span[ET_SPANS - 1].to_s, ET_SPANS + 0.5);
	free(s.span);
}
END_TEST

/* More steps than points of curves: what is summed is of all of them. */
START_TEST(a_long_run)
{
	enum { STEPS_HERE = 30000 };
	put("run.json", JSON("1", ""));
	FILE *f = fopen(scratch_path("steps.csv"), "w");
	ck_assert_ptr_nonnull(f);
	fputs("step,epoch,samples,loss,step_ms,temp_c\n", f);
	for (int i = 1; i <= STEPS_HERE; i++)
		fprintf(f, "%d,1,2,%d,%d,%d\n", i, i, 100 + i % 11, i == 777 ? 90 : 60);
	ck_assert_int_eq(fclose(f), 0);
	read_it();
	ck_assert_uint_eq(r.steps, STEPS_HERE);
	ck_assert_uint_eq(r.images, 2 * STEPS_HERE);
	near(r.running_loss, (STEPS_HERE + 1) / 2.0);
	ck_assert_double_eq_tol(r.step.median, 105, 0.3);
	ck_assert_double_eq_tol(r.train_s, STEPS_HERE * 0.105, 0.01);
	near(r.highest_c, 90);
	ck_assert(r.n_power <= ET_REPORT_MOMENTS && r.n_power > ET_REPORT_MOMENTS / 4);
	ck_assert(r.n_loss <= 512 && r.n_loss > 128);
	et_report_free(&r);
}
END_TEST

Suite *suite_report(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("run");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, sums_by_hand);
	tcase_add_test(tc, energy_by_hand);
	tcase_add_test(tc, heat_by_hand);
	tcase_add_test(tc, bits_that_were_there_before);
	tcase_add_test(tc, of_an_earlier_version);
	tcase_add_test(tc, masks_and_a_model);
	tcase_add_test(tc, at_work);
	tcase_add_test(tc, what_is_wrong_is_named);
	tcase_add_test(tc, rows_as_others_write_them);
	tcase_add_test(tc, a_row_has_an_end);
	tcase_add_test(tc, quartiles_of_few_are_exact);
	tcase_add_test(tc, quartiles_of_many_are_near);
	tcase_add_test(tc, a_curve_has_so_many_points);
	tcase_add_test(tc, spans_are_so_many);
	tcase_add_test(tc, a_long_run);
	suite_add_tcase(s, tc);
	return s;
}
