/* The parts of the suite "net", one file each. */
#ifndef TEST_NET_H
#define TEST_NET_H

#include "net_case.h"

TCase *tcase_select(void);
TCase *tcase_finite(void);
TCase *tcase_memory(void);

/* A residual net with every joint, dropout and batch norm, of 5 classes. */
extern const char net_layers[];

#endif
