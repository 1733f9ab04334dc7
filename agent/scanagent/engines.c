/* SPDX-License-Identifier: MIT */
/*
 * The engines in use, and the guard around a scan.
 *
 * A mapped file that is truncated faults (SIGBUS) where it ended. The handler then puts zeros in place of what is
 * gone, and the scan goes on to its end; its verdict is an error. No engine has to know about it.
 */
#include "engines.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENGINES_MAX 4

struct fm_engines {
        gatomicrefcount refs;
        unsigned count;
        const struct fm_engine *types[ENGINES_MAX];
        void *engines[ENGINES_MAX];
};

struct fm_engines_worker {
        struct fm_engines *engines;
        void *states[ENGINES_MAX];
};

/* What this thread scans. */
struct guard {
        uintptr_t start;
        uintptr_t end;
        volatile bool faulted;
};

static _Thread_local struct guard *guard;

static void fault(int number, siginfo_t *info, void *context)
{
        uintptr_t address = (uintptr_t)info->si_addr;
        uintptr_t page = address & ~((uintptr_t)getpagesize() - 1);
        struct guard *mine = guard;

        if (mine != NULL && address >= mine->start && address < mine->end &&
            mmap((void *)page, mine->end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
                    MAP_FAILED) {
                mine->faulted = true;
                return;
        }
        signal(number, SIG_DFL);
        raise(number);
}

void fm_engines_catch_faults(void)
{
        struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };

        sigaction(SIGBUS, &action, NULL);
}

static bool add_engine(struct fm_engines *engines, const struct fm_engine *type, const char *file, GError **error)
{
        void *engine = type->open(file, error);

        if (engine == NULL)
                return false;
        engines->types[engines->count] = type;
        engines->engines[engines->count] = engine;
        engines->count++;
        return true;
}

struct fm_engines *fm_engines_open(const struct fm_engine_files *files, GError **error)
{
        struct fm_engines *engines = g_new0(struct fm_engines, 1);

        g_atomic_ref_count_init(&engines->refs);
        if (!add_engine(engines, &fm_engine_eicar, NULL, error) ||
            (files->patterns != NULL && !add_engine(engines, &fm_engine_pattern, files->patterns, error)) ||
            (files->hashes != NULL && !add_engine(engines, &fm_engine_sha256, files->hashes, error)) ||
            (files->yara != NULL && !add_engine(engines, &fm_engine_yara, files->yara, error))) {
                fm_engines_unref(engines);
                return NULL;
        }
        return engines;
}

struct fm_engines *fm_engines_ref(struct fm_engines *engines)
{
        g_atomic_ref_count_inc(&engines->refs);
        return engines;
}

void fm_engines_unref(struct fm_engines *engines)
{
        if (engines == NULL || !g_atomic_ref_count_dec(&engines->refs))
                return;
        for (unsigned i = 0; i < engines->count; i++)
                engines->types[i]->close(engines->engines[i]);
        g_free(engines);
}

struct fm_engines_worker *fm_engines_worker_new(struct fm_engines *engines)
{
        struct fm_engines_worker *worker = g_new0(struct fm_engines_worker, 1);

        worker->engines = fm_engines_ref(engines);
        for (unsigned i = 0; i < engines->count; i++) {
                if (engines->types[i]->worker_new != NULL)
                        worker->states[i] = engines->types[i]->worker_new(engines->engines[i]);
        }
        return worker;
}

void fm_engines_worker_free(struct fm_engines_worker *worker)
{
        if (worker == NULL)
                return;
        for (unsigned i = 0; i < worker->engines->count; i++) {
                if (worker->states[i] != NULL)
                        worker->engines->types[i]->worker_free(worker->states[i]);
        }
        fm_engines_unref(worker->engines);
        g_free(worker);
}

struct fm_engines *fm_engines_worker_get(struct fm_engines_worker *worker)
{
        return worker->engines;
}

static enum fm_verdict ask_all(struct fm_engines_worker *worker, const uint8_t *data, size_t size, const char *path,
                               char signature[FM_SIGNATURE_MAX])
{
        enum fm_verdict verdict = FM_VERDICT_CLEAN;

        for (unsigned i = 0; i < worker->engines->count; i++) {
                enum fm_verdict one = worker->engines->types[i]->scan(worker->engines->engines[i], worker->states[i],
                                                                      data, size, path, signature);

                if (one == FM_VERDICT_INFECTED)
                        return one;
                if (one != FM_VERDICT_CLEAN)
                        verdict = one;
        }
        return verdict;
}

enum fm_verdict fm_engines_scan(struct fm_engines_worker *worker, const uint8_t *data, size_t size, const char *path,
                                char signature[FM_SIGNATURE_MAX])
{
        struct guard mine = { .start = (uintptr_t)data, .end = (uintptr_t)data + size };
        enum fm_verdict verdict;

        signature[0] = '\0';
        guard = &mine;
        verdict = ask_all(worker, data, size, path, signature);
        guard = NULL;
        if (mine.faulted)
                verdict = FM_VERDICT_ERROR;
        if (verdict != FM_VERDICT_INFECTED)
                signature[0] = '\0';
        return verdict;
}
