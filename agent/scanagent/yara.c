/* SPDX-License-Identifier: MIT */
/*
 * YARA rules, by libyara. The first rule that matches names the infection.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yara.h>

/* A rule can take for ever; seconds. */
#define SCAN_TIME_MAX 60

struct yara_engine {
        YR_RULES *rules;
};

/* The first complaint is the one that explains the others. */
static void compiler_complains(int level, const char *file, int line, const YR_RULE *rule, const char *message,
                               void *context)
{
        GError **error = context;

        if (level == YARA_ERROR_LEVEL_ERROR && *error == NULL)
                g_set_error(error, FM_ENGINE_ERROR, 0, "%s:%d: %s", file != NULL ? file : "(rules)", line, message);
}

static YR_RULES *compile(FILE *stream, const char *file, GError **error)
{
        YR_COMPILER *compiler;
        YR_RULES *rules = NULL;

        if (yr_compiler_create(&compiler) != ERROR_SUCCESS) {
                g_set_error_literal(error, FM_ENGINE_ERROR, 0, "libyara: no memory");
                return NULL;
        }
        yr_compiler_set_callback(compiler, compiler_complains, error);
        if (yr_compiler_add_file(compiler, stream, NULL, file) == 0 && *error == NULL &&
            yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS)
                rules = NULL;
        yr_compiler_destroy(compiler);
        if (rules == NULL && *error == NULL)
                g_set_error(error, FM_ENGINE_ERROR, 0, "%s: not usable", file);
        return rules;
}

static void *yara_open(const char *file, GError **error)
{
        GError *problem = NULL;
        struct yara_engine *engine;
        YR_RULES *rules;
        FILE *stream;

        stream = fopen(file, "re");
        if (stream == NULL) {
                g_set_error(error, FM_ENGINE_ERROR, 0, "%s: %s", file, g_strerror(errno));
                return NULL;
        }
        if (yr_initialize() != ERROR_SUCCESS) {
                g_set_error_literal(error, FM_ENGINE_ERROR, 0, "libyara can't be initialized");
                fclose(stream);
                return NULL;
        }
        rules = compile(stream, file, &problem);
        fclose(stream);
        if (rules == NULL) {
                g_propagate_error(error, problem);
                yr_finalize();
                return NULL;
        }
        engine = g_new0(struct yara_engine, 1);
        engine->rules = rules;
        return engine;
}

static void yara_close(void *data)
{
        struct yara_engine *engine = data;

        yr_rules_destroy(engine->rules);
        yr_finalize();
        g_free(engine);
}

static int rule_matches(YR_SCAN_CONTEXT *context, int message, void *data, void *signature)
{
        if (message != CALLBACK_MSG_RULE_MATCHING)
                return CALLBACK_CONTINUE;
        fm_signature_set(signature, ((YR_RULE *)data)->identifier);
        return CALLBACK_ABORT;
}

/* Faults are caught by our own handler: libyara's would take its place for all threads. */
static void *yara_worker_new(void *data)
{
        struct yara_engine *engine = data;
        YR_SCANNER *scanner;

        if (yr_scanner_create(engine->rules, &scanner) != ERROR_SUCCESS)
                return NULL;
        yr_scanner_set_flags(scanner, SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_REPORT_RULES_MATCHING | SCAN_FLAGS_NO_TRYCATCH);
        yr_scanner_set_timeout(scanner, SCAN_TIME_MAX);
        return scanner;
}

static void yara_worker_free(void *worker)
{
        if (worker != NULL)
                yr_scanner_destroy(worker);
}

static enum fm_verdict yara_scan(void *engine, void *worker, const uint8_t *data, size_t size, const char *path,
                                 char signature[FM_SIGNATURE_MAX])
{
        if (worker == NULL)
                return FM_VERDICT_ERROR;
        signature[0] = '\0';
        yr_scanner_set_callback(worker, rule_matches, signature);
        if (yr_scanner_scan_mem(worker, data, size) != ERROR_SUCCESS)
                return FM_VERDICT_ERROR;
        return signature[0] != '\0' ? FM_VERDICT_INFECTED : FM_VERDICT_CLEAN;
}

const struct fm_engine fm_engine_yara = {
        .name = "yara",
        .open = yara_open,
        .close = yara_close,
        .worker_new = yara_worker_new,
        .worker_free = yara_worker_free,
        .scan = yara_scan,
};
