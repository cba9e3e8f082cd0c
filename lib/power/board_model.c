/*
 * Boards and what they draw: watts at the wall or at a USB meter, idle and with all cores busy
 * (Linpack where that was measured, since it is nearer to training; else stress-ng). From
 * geerlingguy/sbc-reviews; the Zero 2 W from top500-benchmark. A Jetson Nano is not among them: no
 * figure of its processors alone was found, and it has a sensor.
 */
#include <string.h>

#include "power/source.h"

static const struct board {
	const char *name; /* as in the device tree, without vendor and revision */
	double idle, full;
	int percent; /* how wrong it may be */
} boards[] = {
	{"Raspberry Pi Zero 2 W", 0.6, 2.1, 50},
	{"Raspberry Pi 3 Model B Plus", 3.1, 5.6, 30},
	{"Raspberry Pi 3 Model B", 1.5, 4.3, 30},
	{"Raspberry Pi 400", 2.7, 6.4, 30},
	{"Raspberry Pi 4 Model B", 1.6, 7.2, 30},
	{"Raspberry Pi Compute Module 4", 2.5, 5.2, 30},
	{"Raspberry Pi 500 Plus", 2.9, 12.9, 30},
	{"Raspberry Pi 500", 3.1, 11.0, 30},
	{"Raspberry Pi 5 Model B", 2.8, 13.8, 30},
	{"Raspberry Pi Compute Module 5", 2.4, 9.4, 30},
	{"Orange Pi Zero 2W", 1.12, 2.4, 30},
	{"OrangePi Zero 2W", 1.12, 2.4, 30},
	{"Orange Pi 5 Max", 1.4, 12.8, 30},
	{"Orange Pi 5", 1.0, 11.5, 30},
	{"ROCK 5B", 3.6, 12, 30},
	{"ROCK 5 Model B", 3.6, 12, 30},
	{"ROCK 5C", 1.6, 12.4, 30},
	{"RK1", 2.85, 18.1, 30},
	{"AML-S905X-CC", 1.3, 2.4, 30},
};

/* "Raspberry Pi 4 Model B Rev 1.4": behind the name nothing, or a revision. */
static bool is_board(const char *model, const char *name)
{
	const char *at = strcasestr(model, name);

	if (!at || (at > model && at[-1] != ' '))
		return false;
	const char *rest = at + strlen(name);
	return !*rest || strncasecmp(rest, " Rev", 4) == 0 ||
	       (strncasecmp(rest, " V", 2) == 0 && rest[2] >= '0' && rest[2] <= '9');
}

bool et_board_name(const char *root, char *model, size_t n)
{
	return et_sys_line(model, n, "%s/proc/device-tree/model", root) ||
	       et_sys_line(model, n, "%s/sys/firmware/devicetree/base/model", root);
}

const char *et_board_watts(const char *model, double *idle, double *full, int *percent)
{
	for (size_t i = 0; i < ET_COUNT(boards); i++)
		if (is_board(model, boards[i].name)) {
			*idle = boards[i].idle;
			*full = boards[i].full;
			*percent = boards[i].percent;
			return boards[i].name;
		}
	return NULL;
}
