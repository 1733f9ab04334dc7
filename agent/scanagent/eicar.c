/* SPDX-License-Identifier: MIT */
/*
 * The EICAR test file, by its definition: the 68 characters are the first of the file, which may be longer
 * only by white space (blank, tab, line feed, carriage return, Ctrl-Z), and not longer than 128 bytes.
 * Any other file that contains them is not the test file.
 *
 * The string is never whole in this program: it would be found there.
 */
#include "engine.h"

#include <string.h>

#define HEAD          "X5O!P%@AP[4\\PZX54(P^)7CC)7}"
#define TAIL          "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
#define HEAD_SIZE     (sizeof(HEAD) - 1)
#define TAIL_SIZE     (sizeof(TAIL) - 1)
#define FILE_SIZE_MAX 128

G_STATIC_ASSERT(HEAD_SIZE + TAIL_SIZE == 68);

static void *eicar_open(const char *file, GError **error)
{
        static char engine; /* nothing to know, but an engine is not NULL */

        return &engine;
}

static void eicar_close(void *engine)
{
}

static enum fm_verdict eicar_scan(void *engine, void *worker, const uint8_t *data, size_t size, const char *path,
                                  char signature[FM_SIGNATURE_MAX])
{
        if (size < HEAD_SIZE + TAIL_SIZE || size > FILE_SIZE_MAX || memcmp(data, HEAD, HEAD_SIZE) != 0 ||
            memcmp(data + HEAD_SIZE, TAIL, TAIL_SIZE) != 0)
                return FM_VERDICT_CLEAN;
        for (size_t i = HEAD_SIZE + TAIL_SIZE; i < size; i++) {
                if (memchr(" \t\n\r\x1a", data[i], 5) == NULL)
                        return FM_VERDICT_CLEAN;
        }
        fm_signature_set(signature, "EICAR-Test-File");
        return FM_VERDICT_INFECTED;
}

const struct fm_engine fm_engine_eicar = {
        .name = "eicar",
        .open = eicar_open,
        .close = eicar_close,
        .scan = eicar_scan,
};
