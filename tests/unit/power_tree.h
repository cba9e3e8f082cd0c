/* A made-up /sys, /proc and /dev in the scratch directory, and sources opened on it. */
#ifndef TESTS_POWER_TREE_H
#define TESTS_POWER_TREE_H

#include "power/source.h"

/* Writes a file below the scratch directory, with the directories above it. */
void tree_put(const char *path, const char *text);
/* Removes a file; moves a file or directory. */
void tree_remove(const char *path);
void tree_move(const char *from, const char *to);
/* Asks for the scratch directory as sysroot; the rest is zero. */
struct et_power_conf tree_conf(void);

/* Opens a source on the tree; fails the test if it is not there. */
void tree_open(struct et_source *s, const struct et_source_kind *kind);
/* Checks that a source is not there, with this status and text in what is said. */
void tree_refuses(const struct et_source_kind *kind, int status, const char *text);
/* A reading; "now" grows by 10 s from call to call. */
double tree_read(struct et_source *s);

/* Puts a zone of RAPL there: its name, counter and range. */
void tree_zone(const char *dir, const char *name, const char *energy, const char *range);
/* A reply of a Raspberry Pi 5 to pmic_read_adc: 4.5 W in its twelve rails. */
extern const char tree_pmic[];

#endif
