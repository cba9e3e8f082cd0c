/* Stopping in good order: the program's only global state is which signal was caught. */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

static volatile sig_atomic_t caught;

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};

static void on_signal(int signal_number)
{
	if (caught) {
		/* The signal is blocked in its own handler: it arrives when this returns. */
		signal(signal_number, SIG_DFL);
		raise(signal_number);
	}
	caught = signal_number;
}

const volatile sig_atomic_t *signals_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++) {
		struct sigaction before;
		/* nohup, and a shell that starts a job in the background, ignore signals for us. */
		if (sigaction(stopping[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(stopping[i], &action, NULL);
	}
	/* Writing to a log nobody reads, or beyond `ulimit -f`, is an error like any other. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return &caught;
}

void signals_die(void)
{
	int by = caught;
	if (!by)
		return;
	fflush(NULL);
	signal(by, SIG_DFL);
	raise(by);
}
