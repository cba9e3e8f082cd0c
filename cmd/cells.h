/* Numbers as people read them; "-" where they are not known. */
#ifndef CMD_CELLS_H
#define CMD_CELLS_H

#include <stddef.h>

#define CELL 64

char *cell_fixed(char buf[CELL], double v, int digits, const char *unit);
char *cell_short(char buf[CELL], double v, const char *unit); /* about four digits */
char *cell_time(char buf[CELL], double seconds);	      /* "42.1 s", "1:02:03" */
/* "50.1 mJ", "123 J", "45.6 kJ"; "12.7 Wh"; estimated: "~" before it. */
char *cell_joules(char buf[CELL], double j, int estimated);
char *cell_watt_hours(char buf[CELL], double j, int estimated);

#endif
