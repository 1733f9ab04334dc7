/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, without a fuzzer: the corpus replays in every test run, and a crash that a
 * fuzzer found is looked at with a debugger. Arguments: files and directories.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replay(const char *path)
{
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        g_autofree char *data = NULL;
        const char *name;
        unsigned count = 0;
        gsize size;

        if (dir) {
                while ((name = g_dir_read_name(dir))) {
                        g_autofree char *inner = g_build_filename(path, name, NULL);

                        count += replay(inner);
                }
                return count;
        }
        if (!g_file_get_contents(path, &data, &size, NULL)) {
                printf("Bail out! can't read %s\n", path);
                return 0;
        }
        /* In a block of just that size, so that a sanitizer sees what reads past it. */
        {
                g_autofree uint8_t *exact = g_memdup2(data, size ? size : 1);

                LLVMFuzzerTestOneInput(exact, size);
        }
        return 1;
}

int main(int argc, char **argv)
{
        printf("1..%d\n", argc - 1);
        for (int i = 1; i < argc; i++) {
                unsigned count = replay(argv[i]);

                printf("%s %d %s (%u inputs)\n", count ? "ok" : "not ok", i, argv[i], count);
        }
        return 0;
}
