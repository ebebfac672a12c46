/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a plain test program of a fuzz target: gives it the empty input and each file of its
 * corpus, and prints TAP. A target that dislikes an input crashes, and the broken plan tells.
 * Arguments: the corpus folder (it may be missing), and the name of one file of it.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
/* A target may define it, as for libFuzzer. */
__attribute__((__weak__)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *only = "*";

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && fnmatch(only, entry->d_name, 0) == 0;
}

/* The input is a block of its own of just its size, so that a sanitizer sees each overrun. */
static void give(const char *dir, const char *name)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rbe");
	if (!f || fstat(fileno(f), &st) < 0) {
		fprintf(stderr, "# cannot read %s\n", path);
		exit(1);
	}
	size_t size = (size_t)st.st_size;
	uint8_t *bytes = malloc(size ? size : 1);
	if (!bytes || fread(bytes, 1, size, f) != size) {
		fprintf(stderr, "# cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : ".";
	struct dirent **entries = NULL;

	setlinebuf(stdout);
	if (argc > 2)
		only = argv[2];
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	int n = scandir(dir, &entries, is_input, alphasort);
	if (n < 0)
		n = 0;
	printf("1..%d\n", n + 1);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok 1 - empty\n");
	for (int i = 0; i < n; i++) {
		give(dir, entries[i]->d_name);
		printf("ok %d - %s\n", i + 2, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
