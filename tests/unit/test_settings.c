/* Training settings: the table, where a value comes from, what is refused. */
#include <cjson/cJSON.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_case.h"

static struct et_err err;

static size_t index_of(const char *key)
{
	size_t n;
	const struct et_setting *s = et_settings(&n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(s[i].key, key) == 0)
			return i;
	ck_abort_msg("no setting %s", key);
	return 0;
}

static const char *text_of(const struct et_train *t, const char *key)
{
	static char buf[200];
	et_train_text(t, index_of(key), buf, sizeof(buf));
	return buf;
}

/* A conf from "key=value" words; NULL ends them. */
static struct et_conf *conf_of(const char *const *words)
{
	struct et_conf *conf = et_conf_new();
	ck_assert_ptr_nonnull(conf);
	for (; *words; words++) {
		char key[200];
		char *value = strcpy(key, *words) + strcspn(*words, "=");
		*value++ = 0;
		ck_assert_msg(et_conf_set(conf, key, value, &err) == ET_OK, "%s", err.text);
	}
	return conf;
}
#define CONF(...) conf_of((const char *const[]){__VA_ARGS__, NULL})

/* Spec's "train" (with ' for ", or NULL) and conf (taken over, or NULL). */
static int read_train(struct et_train *t, const char *train, struct et_conf *conf)
{
	cJSON *json = NULL;
	memset(&err, 0, sizeof(err));
	if (train) {
		char *text = net_quotes(train);
		if (et_json_parse(text, strlen(text), "t.json", &json, &err) < 0)
			ck_abort_msg("%s", err.text);
	}
	int status = et_train_read(t, json, conf, &err);
	et_json_free(json);
	et_conf_free(conf);
	return status;
}

static void must_read(struct et_train *t, const char *train, struct et_conf *conf)
{
	if (read_train(t, train, conf) < 0)
		ck_abort_msg("%s", err.text);
}

static void refuse(int code, const char *want, const char *train, struct et_conf *conf)
{
	struct et_train t;
	int status = read_train(&t, train, conf);
	ck_assert_msg(status == code && err.code == code && strcmp(err.text, want) == 0,
		      "%d: %s\nnot %d: %s", status, status ? err.text : "accepted", code, want);
	et_train_free(&t); /* harmless after a failure */
}

/* ---- the table ------------------------------------------------------------------------------- */

START_TEST(table)
{
	size_t n;
	const struct et_setting *s = et_settings(&n);
	ck_assert_uint_eq(n, 33);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(index_of(s[i].key), i);
		ck_assert_int_gt((int)strlen(s[i].help), 10);
		ck_assert_msg(s[i].help[strlen(s[i].help) - 1] != '.', "%s", s[i].help);
		ck_assert_msg(!strchr(s[i].help, '\n') && *s[i].arg, "%s", s[i].key);
	}
}
END_TEST

START_TEST(defaults)
{
	static const struct {
		const char *key, *value;
	} want[] = {
		{"epochs", "10"},
		{"batch_size", "32"},
		{"micro_batch", "0"},
		{"optimizer", "sgd"},
		{"lr", "0.05"},
		{"momentum", "0.9"},
		{"beta1", "0.9"},
		{"weight_decay", "0.0001"},
		{"beta2", "0.999"},
		{"eps", "1e-08"},
		{"lr_min", "0"},
		{"schedule", "cosine"},
		{"warmup", "0"},
		{"step_size", "10"},
		{"gamma", "0.1"},
		{"clip_norm", "0"},
		{"seed", "0"},
		{"label_smoothing", "0"},
		{"last", "0"},
		{"class_weights", "none"},
		{"trainable", ""},
		{"bn", "auto"},
		{"mode", "exact"},
		{"modes", ""},
		{"augment", "none"},
		{"subset", ""},
		{"cache", "auto"},
		{"cache_variants", "0"},
		{"winograd", "auto"},
		{"save_steps", "0"},
		{"keep", "2"},
		{"val_fraction", "-1"},
		{"on_bad_image", "fail"},
	};
	struct et_train t;
	size_t n;
	et_settings(&n);
	ck_assert_uint_eq(ET_COUNT(want), n);
	must_read(&t, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(strcmp(text_of(&t, want[i].key), want[i].value) == 0, "%s: %s",
			      want[i].key, text_of(&t, want[i].key));
	ck_assert(t.lr == 0.05 && t.eps == 1e-8 && t.optimizer == ET_SGD &&
		  t.schedule == ET_COSINE && t.bn == ET_BN_AUTO);
	et_train_free(&t);
}
END_TEST

/* A value beside its limit, as text. */
static const char *beside(const struct et_setting *s, bool high, char buf[64])
{
	double limit = high ? s->max : s->min;
	if (s->kind == ET_SET_INT)
		snprintf(buf, 64, "%.0f", limit + (high ? 2 : -2)); /* 2: visible at 2^53 */
	else
		snprintf(buf, 64, "%.17g", limit + (high ? 1 : -1) * fmax(fabs(limit), 1e-30));
	return buf;
}

START_TEST(ranges)
{
	size_t n;
	const struct et_setting *s = et_settings(&n);
	struct et_conf *conf = et_conf_new();
	for (size_t i = 0; i < n; i++) {
		static const char *const words[] = {"",	   " 1",   "1x",  "nan",
						    "inf", "0x10", "one", "1e999"};
		char buf[64];
		if (s[i].kind != ET_SET_INT && s[i].kind != ET_SET_FLOAT)
			continue;
		for (size_t w = 0; w < ET_COUNT(words); w++)
			ck_assert_msg(et_conf_set(conf, s[i].key, words[w], &err) == ET_EUSAGE,
				      "%s '%s'", s[i].key, words[w]);
		for (int high = 0; high < 2; high++) {
			snprintf(buf, sizeof(buf), s[i].kind == ET_SET_INT ? "%.0f" : "%.17g",
				 high ? s[i].max : s[i].min);
			ck_assert_msg(et_conf_set(conf, s[i].key, buf, &err) == ET_OK, "%s",
				      err.text);
			beside(&s[i], high, buf);
			ck_assert_msg(et_conf_set(conf, s[i].key, buf, &err) == ET_EUSAGE,
				      "%s accepts %s", s[i].key, buf);
			ck_assert_msg(!strncmp(err.text, s[i].key, strlen(s[i].key)) &&
					      strstr(err.text, ": expected ") &&
					      strstr(err.text, buf),
				      "%s", err.text);
		}
		ck_assert_ptr_nonnull(et_conf_value(conf, i));
	}
	ck_assert_int_eq(et_conf_set(conf, "epochs", "2.5", &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "epochs: expected an integer from 1 to 1000000, found '2.5'");
	ck_assert_int_eq(et_conf_set(conf, "momentum", "1", &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "momentum: expected a number from 0 to 0.9999, found '1'");
	et_conf_free(conf);
}
END_TEST

START_TEST(choices)
{
	static const char *const wrong[] = {"",	     "sg", "sgdx",	"SGD",
					    "adam|", "|",  "adamw|sgd", "sgd|adam|adamw"};
	struct et_conf *conf = et_conf_new();
	struct et_train t;
	for (size_t i = 0; i < ET_COUNT(wrong); i++)
		ck_assert_msg(et_conf_set(conf, "optimizer", wrong[i], &err) == ET_EUSAGE, "'%s'",
			      wrong[i]);
	ck_assert_int_eq(et_conf_set(conf, "schedule", "cos", &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "schedule: expected one of constant|step|cosine, found 'cos'");
	ck_assert_int_eq(et_conf_set(conf, "learning_rate", "1", &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "train: unknown key 'learning_rate'");
	ck_assert_int_eq(et_conf_set(conf, "batchsize", "1", &err), ET_EUSAGE);
	ck_assert_str_eq(err.text, "train: unknown key 'batchsize' (did you mean 'batch_size'?)");
	et_conf_free(conf);
	must_read(&t, NULL, CONF("optimizer=adam", "schedule=step", "bn=frozen"));
	ck_assert(t.optimizer == ET_ADAM && t.schedule == ET_STEP && t.bn == ET_BN_FROZEN);
	et_train_free(&t);
	must_read(&t,
		  "{'optimizer':'adamw','schedule':'constant','bn':'batch','on_bad_image':"
		  "'skip'}",
		  NULL);
	ck_assert(t.optimizer == ET_ADAMW && t.schedule == ET_CONSTANT && t.bn == ET_BN_BATCH &&
		  t.on_bad_image == 1);
	et_train_free(&t);
}
END_TEST

/* ---- where a value comes from ---------------------------------------------------------------- */

START_TEST(precedence)
{
	struct et_train t;
	must_read(&t, "{'lr':0.5,'epochs':7,'mode':'exact','seed':9007199254740991}",
		  CONF("lr=0.25", "momentum=0", "lr=0.125"));
	ck_assert(t.lr == 0.125);      /* the last word of the command line */
	ck_assert(t.epochs == 7);      /* the spec */
	ck_assert(t.batch_size == 32); /* the default */
	ck_assert(t.momentum == 0);
	ck_assert_int_eq(t.seed, 9007199254740991);
	et_train_free(&t);

	must_read(&t, "{'modes':{'layer4.*':'filter:4','fc':'exact'}}", NULL);
	ck_assert_str_eq(t.modes, "layer4.*=filter:4;fc=exact");
	et_train_free(&t);

	/* One way to choose layers replaces the other. */
	must_read(&t, "{'last':3}", CONF("trainable=fc.*,layer4.*"));
	ck_assert_int_eq(t.last, 0);
	ck_assert_str_eq(t.trainable, "fc.*,layer4.*");
	et_train_free(&t);
	must_read(&t, "{'trainable':['fc.*','layer4.*']}", NULL);
	ck_assert_str_eq(t.trainable, "fc.*,layer4.*");
	et_train_free(&t);
	must_read(&t, "{'trainable':'fc.*'}", CONF("last=2"));
	ck_assert_int_eq(t.last, 2);
	ck_assert_str_eq(t.trainable, "");
	et_train_free(&t);
	must_read(&t, "{'augment':[]}", NULL);
	ck_assert_str_eq(t.augment, "none");
	et_train_free(&t);
	must_read(&t, "{'augment':['flip','crop:4']}", NULL);
	ck_assert_str_eq(t.augment, "flip,crop:4");
	et_train_free(&t);
}
END_TEST

/* Each key sets its own member. */
START_TEST(members)
{
	struct et_train t;
	must_read(&t, NULL,
		  CONF("epochs=2", "batch_size=40", "micro_batch=4", "optimizer=adamw", "lr=0.5",
		       "momentum=0.6", "weight_decay=0.7", "beta1=0.8", "beta2=0.85", "eps=0.01",
		       "schedule=step", "lr_min=0.11", "warmup=0.12", "step_size=0.13",
		       "gamma=0.14", "clip_norm=0.15", "label_smoothing=0.16", "class_weights=auto",
		       "trainable=a", "bn=batch", "mode=filter:4", "modes=m=exact", "augment=b",
		       "seed=17", "subset=c", "val_fraction=0.18", "on_bad_image=skip", "cache=5M",
		       "cache_variants=3", "save_steps=19", "winograd=off", "keep=5"));
	ck_assert(t.epochs == 2 && t.batch_size == 40 && t.micro_batch == 4);
	ck_assert(t.optimizer == ET_ADAMW && t.schedule == ET_STEP && t.bn == ET_BN_BATCH);
	ck_assert(t.lr == 0.5 && t.momentum == 0.6 && t.weight_decay == 0.7);
	ck_assert(t.beta1 == 0.8 && t.beta2 == 0.85 && t.eps == 0.01);
	ck_assert(t.lr_min == 0.11 && t.warmup == 0.12 && t.step_size == 0.13 && t.gamma == 0.14);
	ck_assert(t.clip_norm == 0.15 && t.label_smoothing == 0.16 && t.val_fraction == 0.18);
	ck_assert_str_eq(t.cache, "5M");
	ck_assert_int_eq(t.cache_variants, 3);
	ck_assert_int_eq(t.winograd, 1);
	ck_assert(t.last == 0 && t.seed == 17 && t.on_bad_image == 1 && t.save_steps == 19);
	ck_assert_int_eq(t.keep, 5);
	ck_assert_str_eq(t.class_weights, "auto");
	ck_assert_str_eq(t.trainable, "a");
	ck_assert_str_eq(t.mode, "filter:4");
	ck_assert_str_eq(t.modes, "m=exact");
	ck_assert_str_eq(t.augment, "b");
	ck_assert_str_eq(t.subset, "c");
	et_train_free(&t);
}
END_TEST

START_TEST(refusals)
{
	refuse(ET_EDATA, "train: expected an object", "[1]", NULL);
	refuse(ET_EDATA, "train: unknown key 'lrr' (did you mean 'lr'?)", "{'lrr':1}", NULL);
	refuse(ET_EDATA, "train: lr: expected a number, found a string", "{'lr':'0.1'}", NULL);
	refuse(ET_EDATA, "train: lr: expected a number, found null", "{'lr':null}", NULL);
	refuse(ET_EDATA, "train: epochs: expected an integer, found true or false",
	       "{'epochs':true}", NULL);
	refuse(ET_EDATA, "train: modes: expected an object of strings, found an array",
	       "{'modes':['exact']}", NULL);
	refuse(ET_EDATA,
	       "train: modes: 'a': expected a non-empty string, and no '=' or ';' in either",
	       "{'modes':{'a':1}}", NULL);
	refuse(ET_EDATA, "cache: expected auto, off or a size such as 500M, found 'x'",
	       "{'cache':'x'}", NULL);
	refuse(ET_EDATA, "mode: unknown technique 'exakt' (did you mean 'exact'?)",
	       "{'mode':'exakt'}", NULL);
	refuse(ET_EDATA, "train: mode: expected a string, found an array", "{'mode':['exact']}",
	       NULL);
	refuse(ET_EDATA, "train: optimizer: expected a string, found a number", "{'optimizer':1}",
	       NULL);
	refuse(ET_EDATA,
	       "train: trainable: expected a string or an array of strings, found an "
	       "object",
	       "{'trainable':{}}", NULL);
	refuse(ET_EDATA, "train: trainable: expected an array of non-empty strings without commas",
	       "{'trainable':['a,b']}", NULL);
	refuse(ET_EDATA, "train: trainable: expected an array of non-empty strings without commas",
	       "{'trainable':['a','']}", NULL);
	refuse(ET_EDATA, "train: epochs: expected an integer from 1 to 1000000, found '0'",
	       "{'epochs':0}", NULL);
	refuse(ET_EDATA,
	       "train: seed: expected an integer from 0 to 9007199254740992, found '1e+17'",
	       "{'seed':1e17}", NULL);
	refuse(ET_EDATA, "train: gamma: expected a number from 0 to 1, found '1.1'",
	       "{'gamma':1.1}", NULL);
	refuse(ET_EDATA, "train: optimizer: expected one of sgd|adam|adamw, found 'sdg'",
	       "{'optimizer':'sdg'}", NULL);
	refuse(ET_EDATA, "last and trainable exclude each other: found last 1 and trainable 'fc'",
	       "{'last':1,'trainable':'fc'}", NULL);
	refuse(ET_EUSAGE, "last and trainable exclude each other: found last 1 and trainable 'fc'",
	       NULL, CONF("last=1", "trainable=fc"));
	refuse(ET_EUSAGE, "micro_batch must not exceed batch_size: found 16 and 8",
	       "{'micro_batch':16}", CONF("batch_size=8"));
	refuse(ET_EUSAGE, "lr_min must not exceed lr: found 0.1 and 0.05", NULL,
	       CONF("lr_min=0.1"));
}
END_TEST

/* Every setting's text, given back as a choice, makes the same text. */
START_TEST(round_trip)
{
	static const char *const locales[] = {"C", "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
	for (size_t l = 0; l < ET_COUNT(locales); l++) {
		struct et_train t, u;
		struct et_conf *conf = et_conf_new();
		size_t n;
		if (!setlocale(LC_ALL, locales[l])) {
			et_conf_free(conf);
			continue;
		}
		const struct et_setting *s = et_settings(&n);
		must_read(&t,
			  "{'lr':0.1,'momentum':0.30000000000000004,'weight_decay':1e-300,"
			  "'eps':1.5e-9,'clip_norm':123456.789,'val_fraction':-0.5,'seed':123}",
			  CONF("seed=9007199254740992", "epochs=1000000", "schedule=step",
			       "gamma=0.70000000000000007", "mode=exact", "class_weights=auto",
			       "augment=flip,jitter:0.4"));
		ck_assert_str_eq(text_of(&t, "lr"), "0.1");
		ck_assert_str_eq(text_of(&t, "momentum"), "0.30000000000000004");
		ck_assert_str_eq(text_of(&t, "seed"), "9007199254740992");
		for (size_t i = 0; i < n; i++)
			ck_assert_msg(et_conf_set(conf, s[i].key, text_of(&t, s[i].key), &err) ==
					      ET_OK,
				      "%s", err.text);
		must_read(&u, NULL, conf);
		for (size_t i = 0; i < n; i++) {
			char buf[200];
			et_train_text(&t, i, buf, sizeof(buf));
			ck_assert_str_eq(text_of(&u, s[i].key), buf);
		}
		ck_assert(t.lr == u.lr && t.gamma == u.gamma && t.eps == u.eps &&
			  t.weight_decay == u.weight_decay && t.momentum == u.momentum);
		et_train_free(&t);
		et_train_free(&u);
	}
	setlocale(LC_ALL, "C");
}
END_TEST

/* A resumed run takes over how long and how careful, and nothing that changes the numbers. */
START_TEST(adopt)
{
	struct et_train t;
	must_read(&t, "{'lr':0.5,'epochs':7}", NULL);
	struct et_conf *conf = CONF("lr=0.25", "epochs=9", "save_steps=5", "keep=4",
				    "on_bad_image=skip", "seed=4");
	ck_assert_int_eq(et_train_adopt(&t, conf, &err), ET_OK);
	ck_assert(t.lr == 0.5 && t.seed == 0);
	ck_assert(t.epochs == 9 && t.save_steps == 5 && t.keep == 4 && t.on_bad_image == 1);
	ck_assert_int_eq(et_train_adopt(&t, NULL, &err), ET_OK);
	et_conf_free(conf);
	et_train_free(&t);
}
END_TEST

Suite *suite_settings(void);
Suite *suite_settings(void)
{
	Suite *s = suite_create("settings");
	TCase *tc = num_tcase("settings");
	tcase_add_test(tc, table);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, ranges);
	tcase_add_test(tc, choices);
	tcase_add_test(tc, precedence);
	tcase_add_test(tc, members);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, adopt);
	suite_add_tcase(s, tc);
	return s;
}
