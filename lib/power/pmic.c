/*
 * The power chip of a Raspberry Pi 5, by the firmware's pmic_read_adc: volts and amperes of twelve
 * rails. What is fed from 5 V directly (USB, HATs, NVMe, the fan) and the converters' losses are
 * not in their sum; EXT5V_V and BATT_V are voltages that belong to no current.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

struct pmic {
	struct et_mailbox mailbox;
	int rails; /* a reply with other rails than at first is no reading */
};

#define RAILS 32

struct rail {
	char name[32];
	double amps, volts;
};

/* "NAME_A current(0)=0.10247270A", behind any blanks: the number is what stands behind "=". */
static bool parse_line(const char *line, size_t n, char name[32], char *unit, double *v)
{
	char word[32], kind[16], number[32], end;
	char copy[128];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, line, n);
	copy[n] = 0;
	if (sscanf(copy, " %31s %15[a-z](%*[0-9])=%31[0-9.]%c", word, kind, number, &end) != 4)
		return false;
	size_t len = strlen(word);
	if (len < 3 || word[len - 2] != '_' || word[len - 1] != end ||
	    strcmp(kind, end == 'A'   ? "current"
			 : end == 'V' ? "volt"
				      : "") != 0)
		return false;
	*unit = end;
	word[len - 2] = 0;
	memcpy(name, word, sizeof(word));
	return et_parse_f64(number, v);
}

double et_pmic_watts(const char *reply, int *rails)
{
	struct rail rail[RAILS];
	int n = 0;

	for (const char *line = reply; *line;) {
		size_t len = strcspn(line, "\n");
		char name[32], unit;
		double v;
		if (parse_line(line, len, name, &unit, &v)) {
			int i = 0;
			while (i < n && strcmp(rail[i].name, name) != 0)
				i++;
			if (i == RAILS)
				return NAN;
			if (i == n) {
				n++;
				rail[i].amps = rail[i].volts = NAN;
				memcpy(rail[i].name, name, sizeof(name));
			}
			*(unit == 'A' ? &rail[i].amps : &rail[i].volts) = v;
		}
		line += len + (line[len] == '\n');
	}
	double sum = 0;
	*rails = 0;
	for (int i = 0; i < n; i++) {
		if (strcmp(rail[i].name, "EXT5V") == 0 || strcmp(rail[i].name, "BATT") == 0)
			continue;
		sum += rail[i].amps * rail[i].volts;
		++*rails;
	}
	return *rails && sum < ET_POWER_MAX_W ? sum : NAN;
}

static int pmic_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	char reply[ET_MAILBOX_TEXT];
	struct pmic *p = et_calloc(1, sizeof(*p));

	if (!p)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = et_mailbox_open(&p->mailbox, et_power_root(conf), err);
	if (status) {
		free(p);
		return status;
	}
	bool answer = et_mailbox_ask(&p->mailbox, "pmic_read_adc", reply, sizeof(reply));
	if (!answer || strncmp(reply, "error=", 6) == 0)
		status = et_fail(err, ET_ENOINPUT,
				 "this board's power chip measures nothing (no pmic_read_adc)");
	else if (isnan(et_pmic_watts(reply, &p->rails)))
		status = et_fail(err, ET_EIO,
				 "%s: expected currents and voltages of rails from pmic_read_adc, "
				 "found '%.*s'",
				 p->mailbox.path, (int)et_min(strcspn(reply, "\n"), 60), reply);
	if (status) {
		et_mailbox_close(&p->mailbox);
		free(p);
		return status;
	}
	snprintf(s->info.name, sizeof(s->info.name), "pmic");
	snprintf(s->info.path, sizeof(s->info.path), "%s", p->mailbox.path);
	s->info.scope = "rails";
	s->info.unit = "W";
	s->info.note = "without USB, HATs, NVMe, fan and the converters' losses";
	s->info.hz = 10;
	s->state = p;
	return ET_OK;
}

static double pmic_read(struct et_source *s, double now)
{
	struct pmic *p = s->state;
	char reply[ET_MAILBOX_TEXT];
	int rails;

	(void)now;
	if (!et_mailbox_ask(&p->mailbox, "pmic_read_adc", reply, sizeof(reply)))
		return NAN;
	double watts = et_pmic_watts(reply, &rails);
	return rails == p->rails ? watts : NAN;
}

static void pmic_close(struct et_source *s)
{
	struct pmic *p = s->state;

	et_mailbox_close(&p->mailbox);
	free(p);
}

const struct et_source_kind et_source_pmic = {"pmic", pmic_open, pmic_read, pmic_close};
