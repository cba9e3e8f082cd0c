/*
 * Runs a fuzz target over files, without a fuzzer: each argument is a file or a directory of files.
 * Anything wrong ends in abort() or a sanitizer's report, after the name of the file.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	struct et_err err;
	char *text;
	size_t n;
	if (et_file_read(path, 0, &text, &n, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%s\n", path);
	fflush(stdout);
	/* A copy without the NUL that et_file_read() adds: the sanitizer sees a byte too many. */
	uint8_t *data = malloc(n + !n);
	if (!data)
		return 1;
	memcpy(data, text, n);
	free(text);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int run_dir(const char *path)
{
	DIR *d = opendir(path);
	int failed = !d, n = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		char *file = et_path_join(path, e->d_name);
		if (file && e->d_name[0] != '.') {
			failed |= run_file(file);
			n++;
		}
		free(file);
	}
	if (d)
		closedir(d);
	if (!n)
		fprintf(stderr, "%s: no files\n", path);
	return failed || !n;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;
	for (int i = 1; i < argc; i++)
		failed |= et_path_is_dir(argv[i]) ? run_dir(argv[i]) : run_file(argv[i]);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
