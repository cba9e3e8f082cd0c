/* Runs as CSV and as JSON: one table of names and members for both. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "names.h"
#include "report.h"

enum kind { TEXT, ARRAY, COUNT, NUMBER, FLAG, BITS, PROCESS };

#define AT(member) offsetof(struct et_report, member)

static const struct member {
	const char *name;
	enum kind kind;
	size_t at;
} members[] = {
	{"run", TEXT, AT(run)},
	{"name", TEXT, AT(name)},
	{"mode", TEXT, AT(mode)},
	{"data", TEXT, AT(data)},
	{"init", TEXT, AT(init)},
	{"version", TEXT, AT(version)},
	{"board", TEXT, AT(board)},
	{"pictures", COUNT, AT(pictures)},
	{"epochs", COUNT, AT(epochs)},
	{"epochs_wanted", COUNT, AT(epochs_wanted)},
	{"steps", COUNT, AT(steps)},
	{"images", COUNT, AT(images)},
	{"finished", FLAG, AT(finished)},
	{"pid", PROCESS, AT(pid)},
	{"left_s", NUMBER, AT(left_s)},
	{"loss", NUMBER, AT(loss)},
	{"accuracy", NUMBER, AT(accuracy)},
	{"val_loss", NUMBER, AT(val_loss)},
	{"val_accuracy", NUMBER, AT(val_accuracy)},
	{"val_miou", NUMBER, AT(val_miou)},
	{"best", NUMBER, AT(best)},
	{"best_epoch", COUNT, AT(best_epoch)},
	{"running_loss", NUMBER, AT(running_loss)},
	{"running_accuracy", NUMBER, AT(running_accuracy)},
	{"skipped", COUNT, AT(skipped)},
	{"train_s", NUMBER, AT(train_s)},
	{"total_s", NUMBER, AT(total_s)},
	{"step_ms", NUMBER, AT(step.median)},
	{"step_low_ms", NUMBER, AT(step.low)},
	{"step_high_ms", NUMBER, AT(step.high)},
	{"data_ms", NUMBER, AT(data_wait.median)},
	{"data_low_ms", NUMBER, AT(data_wait.low)},
	{"data_high_ms", NUMBER, AT(data_wait.high)},
	{"forward_ms", NUMBER, AT(forward.median)},
	{"forward_low_ms", NUMBER, AT(forward.low)},
	{"forward_high_ms", NUMBER, AT(forward.high)},
	{"backward_ms", NUMBER, AT(backward.median)},
	{"backward_low_ms", NUMBER, AT(backward.low)},
	{"backward_high_ms", NUMBER, AT(backward.high)},
	{"update_ms", NUMBER, AT(update.median)},
	{"update_low_ms", NUMBER, AT(update.low)},
	{"update_high_ms", NUMBER, AT(update.high)},
	{"images_per_s", NUMBER, AT(images_per_s)},
	{"energy_j", NUMBER, AT(energy_j)},
	{"energy_net_j", NUMBER, AT(energy_net_j)},
	{"energy_epochs", COUNT, AT(energy_epochs)},
	{"power_w", NUMBER, AT(power_w)},
	{"j_per_image", NUMBER, AT(j_per_image)},
	{"idle_w", NUMBER, AT(idle_w)},
	{"energy_source", ARRAY, AT(source)},
	{"energy_scope", ARRAY, AT(scope)},
	{"energy_estimated", FLAG, AT(estimated)},
	{"energy_windows", FLAG, AT(windows)},
	{"energy_sources", FLAG, AT(sources)},
	{"pauses", COUNT, AT(pauses)},
	{"pause_s", NUMBER, AT(pause_s)},
	{"throttled_s", NUMBER, AT(throttled_s)},
	{"throttled", BITS, AT(throttled)},
	{"highest_c", NUMBER, AT(highest_c)},
	{"peak_rss", NUMBER, AT(peak_rss)},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

/* Members of a struct by their offsets are aligned as they are there. */
static const void *member(const struct et_report *r, const struct member *m)
{
	return (const char *)r + m->at;
}

static const char *text_of(const struct et_report *r, const struct member *m)
{
	const char *text = m->kind == TEXT ? *(char *const *)member(r, m) : member(r, m);
	return text && *text ? text : NULL;
}

static bool known(const struct et_report *r, const struct member *m)
{
	switch (m->kind) {
	case TEXT:
	case ARRAY:
		return text_of(r, m);
	case NUMBER:
		return !isnan(*(const double *)member(r, m));
	case PROCESS:
		return *(const int64_t *)member(r, m) > 0;
	case BITS:
		return *(const int64_t *)member(r, m) >= 0;
	default:
		return true;
	}
}

static void put(FILE *out, const struct et_report *r, const struct member *m)
{
	switch (m->kind) {
	case NUMBER:
		fprintf(out, "%.7g", *(const double *)member(r, m));
		break;
	case COUNT:
		fprintf(out, "%" PRIu64, *(const uint64_t *)member(r, m));
		break;
	case FLAG:
		fputs(*(const bool *)member(r, m) ? "true" : "false", out);
		break;
	default:
		fprintf(out, "%" PRId64, *(const int64_t *)member(r, m));
	}
}

void report_csv(FILE *out, const struct et_report *r, size_t n)
{
	for (size_t i = 0; i < MEMBERS; i++)
		fprintf(out, "%s%s", i ? "," : "", members[i].name);
	fputc('\n', out);
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < MEMBERS; i++) {
			const struct member *m = &members[i];
			if (!known(&r[k], m))
				;
			else if (m->kind == TEXT || m->kind == ARRAY)
				et_csv_text(out, text_of(&r[k], m));
			else
				put(out, &r[k], m);
			fputc(i + 1 < MEMBERS ? ',' : '\n', out);
		}
}

void report_json(FILE *out, const struct et_report *r, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		fputs(k ? ",\n {" : "[\n {", out);
		bool first = true;
		for (size_t i = 0; i < MEMBERS; i++) {
			const struct member *m = &members[i];
			if (!known(&r[k], m))
				continue;
			fprintf(out, "%s\"%s\": ", first ? "" : ",\n  ", m->name);
			if (m->kind == TEXT || m->kind == ARRAY)
				name_put_json(out, text_of(&r[k], m));
			else
				put(out, &r[k], m);
			first = false;
		}
		fputc('}', out);
	}
	fputs("\n]\n", out);
}
