/* The table of unit-test suites. CK_RUN_SUITE, CK_RUN_CASE select; CK_FORK=no for debuggers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "suites.h"

int main(void)
{
	/*
	 * No OpenMP in this process: libcheck forks a child for each test, and a child of a process
	 * that has run a parallel region hangs in its own first one.
	 */
	SRunner *runner = srunner_create(NULL);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		srunner_add_suite(runner, suites[i]());
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
