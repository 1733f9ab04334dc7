/* SPDX-License-Identifier: MIT */
/*
 * The scan engines on buffers: what is found, and what is not.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engines.h"

/* In two halves: the whole string in this program would be found in it. */
#define EICAR_HEAD "X5O!P%@AP[4\\PZX54(P^)7CC)7}"
#define EICAR_TAIL "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

/* A file of signatures that lives as long as the test. */
struct file {
        char *path;
};

static struct file file_new(const void *data, size_t size)
{
        struct file file;
        g_autoptr(GError) error = NULL;
        int fd = g_file_open_tmp("fltsim-engines-XXXXXX", &file.path, &error);

        g_assert_no_error(error);
        g_assert_cmpint(write(fd, data, size), ==, (gssize)size);
        close(fd);
        return file;
}

static void file_remove(struct file *file)
{
        g_unlink(file->path);
        g_free(file->path);
}

static enum fm_verdict scan_one(const struct fm_engine *type, void *engine, const void *data, size_t size,
                                char *signature)
{
        /* Exactly as large as the data: reading beyond it shows under ASan and valgrind. */
        g_autofree uint8_t *copy = size != 0 ? g_memdup2(data, size) : g_malloc(1);
        void *worker = type->worker_new != NULL ? type->worker_new(engine) : NULL;
        enum fm_verdict verdict = type->scan(engine, worker, copy, size, "file", signature);

        if (worker != NULL)
                type->worker_free(worker);
        return verdict;
}

static enum fm_verdict scan_eicar(const char *before, const char *after, size_t after_size, size_t cut)
{
        g_autoptr(GString) content = g_string_new(before);
        char signature[FM_SIGNATURE_MAX] = "";
        g_autoptr(GError) error = NULL;
        enum fm_verdict verdict;
        void *engine;

        g_string_append(content, EICAR_HEAD);
        g_string_append(content, EICAR_TAIL);
        g_string_append_len(content, after, (gssize)after_size);
        g_string_truncate(content, content->len - cut);

        engine = fm_engine_eicar.open(NULL, &error);
        g_assert_nonnull(engine);
        verdict = scan_one(&fm_engine_eicar, engine, content->str, content->len, signature);
        g_assert_cmpstr(signature, ==, verdict == FM_VERDICT_INFECTED ? "EICAR-Test-File" : "");
        fm_engine_eicar.close(engine);
        return verdict;
}

static void test_eicar(void)
{
        char blanks[61];

        memset(blanks, ' ', sizeof(blanks));
        g_assert_cmpint(scan_eicar("", "", 0, 0), ==, FM_VERDICT_INFECTED);
        g_assert_cmpint(scan_eicar("", "\n", 1, 0), ==, FM_VERDICT_INFECTED);
        g_assert_cmpint(scan_eicar("", " \t\r\n\x1a", 5, 0), ==, FM_VERDICT_INFECTED);
        g_assert_cmpint(scan_eicar("", blanks, 60, 0), ==, FM_VERDICT_INFECTED);

        g_assert_cmpint(scan_eicar("", blanks, 61, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("", "", 0, 1), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("", "", 0, 68), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar(" ", "", 0, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("\n", "\n", 1, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("see: ", " (a test)", 9, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("", "x", 1, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("", "\n\0", 2, 0), ==, FM_VERDICT_CLEAN);
        g_assert_cmpint(scan_eicar("", "\v", 1, 0), ==, FM_VERDICT_CLEAN);
}

static void *engine_open(const struct fm_engine *type, const char *text)
{
        struct file file = file_new(text, strlen(text));
        g_autoptr(GError) error = NULL;
        void *engine = type->open(file.path, &error);

        g_assert_no_error(error);
        g_assert_nonnull(engine);
        file_remove(&file);
        return engine;
}

static void assert_refused(const struct fm_engine *type, const char *text, size_t size, const char *message)
{
        struct file file = file_new(text, size);
        g_autoptr(GError) error = NULL;

        g_assert_null(type->open(file.path, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, file.path));
        if (strstr(error->message, message) == NULL)
                g_error("\"%s\" is not in \"%s\"", message, error->message);
        file_remove(&file);
}

static void assert_found(const struct fm_engine *type, void *engine, const void *data, size_t size, const char *name)
{
        char signature[FM_SIGNATURE_MAX] = "";

        if (scan_one(type, engine, data, size, signature) == FM_VERDICT_INFECTED)
                g_assert_cmpstr(signature, ==, name);
        else
                g_assert_null(name);
}

static void test_pattern(void)
{
        void *engine = engine_open(&fm_engine_pattern, "# comment\n"
                                                       "\n"
                                                       "Plain=deadbeef\n"
                                                       "  Gap = 41 42 ?? ?? 43 44  \n"
                                                       "Front=??0102\n"
                                                       "Back=a1a2??\n"
                                                       "Same.Anchor=beefcafe\r\n"
                                                       "Zeros=00000000000000000001");
        static const uint8_t zeros[64];
        uint8_t data[4096];

        assert_found(&fm_engine_pattern, engine, "", 0, NULL);
        assert_found(&fm_engine_pattern, engine, "\xde", 1, NULL);
        assert_found(&fm_engine_pattern, engine, "\xde\xad\xbe\xef", 4, "Plain");
        assert_found(&fm_engine_pattern, engine, "\xde\xad\xbe", 3, NULL);
        assert_found(&fm_engine_pattern, engine, "\xde\xde\xad\xbe\xef\xef", 6, "Plain");
        assert_found(&fm_engine_pattern, engine, "\xbe\xef\xca\xfe", 4, "Same.Anchor");
        assert_found(&fm_engine_pattern, engine, "AB\0\xffxCD", 7, NULL);
        assert_found(&fm_engine_pattern, engine, "AB\0\xff\x43\x44", 6, "Gap");
        assert_found(&fm_engine_pattern, engine, "AB\0\xff\x43", 5, NULL);
        /* A wildcard stands for one byte, also at the ends. */
        assert_found(&fm_engine_pattern, engine, "\x01\x02", 2, NULL);
        assert_found(&fm_engine_pattern, engine, "x\x01\x02", 3, "Front");
        assert_found(&fm_engine_pattern, engine, "\xa1\xa2", 2, NULL);
        assert_found(&fm_engine_pattern, engine, "\xa1\xa2x", 3, "Back");
        assert_found(&fm_engine_pattern, engine, zeros, sizeof(zeros), NULL);

        /* At every place of a larger buffer. */
        for (size_t i = 0; i + 4 <= sizeof(data); i += 13) {
                memset(data, 0xbe, sizeof(data));
                memcpy(data + i, "\xde\xad\xbe\xef", 4);
                assert_found(&fm_engine_pattern, engine, data, sizeof(data), "Plain");
        }
        fm_engine_pattern.close(engine);
}

static void test_pattern_against_naive(void)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

        for (unsigned round = 0; round < 200; round++) {
                g_autoptr(GString) text = g_string_new("P=");
                uint8_t data[300], bytes[8], mask[8];
                unsigned size = (unsigned)g_rand_int_range(rand, 2, 9);
                bool expected = false;
                void *engine;

                /* Two values only, so that near misses and overlaps are common. */
                for (unsigned i = 0; i < sizeof(data); i++)
                        data[i] = (uint8_t)g_rand_int_range(rand, 0, 2);
                for (unsigned i = 0; i < size; i++) {
                        bytes[i] = (uint8_t)g_rand_int_range(rand, 0, 2);
                        mask[i] = i < 2 || g_rand_boolean(rand) ? 0xff : 0;
                        g_string_append_printf(text,
                                               mask[i] != 0 ? "%02x"
                                                            : "?"
                                                              "?",
                                               bytes[i]);
                }
                for (unsigned at = 0; at + size <= sizeof(data) && !expected; at++) {
                        expected = true;
                        for (unsigned i = 0; i < size; i++)
                                expected = expected && (mask[i] == 0 || data[at + i] == bytes[i]);
                }
                engine = engine_open(&fm_engine_pattern, text->str);
                assert_found(&fm_engine_pattern, engine, data, sizeof(data), expected ? "P" : NULL);
                fm_engine_pattern.close(engine);
        }
}

static void test_pattern_malformed(void)
{
        static const struct {
                const char *text;
                const char *message;
        } cases[] = {
                { "NoEquals", ":1: expected NAME=HEX" },
                { "\n\n=00ff", ":3: expected NAME=HEX" },
                { "A=", ":1: needs two" },
                { "A=0g11", ":1: expected pairs" },
                { "A=001", ":1: expected pairs" },
                { "A=0?11", ":1: expected pairs" },
                { "A=00?", ":1: expected pairs" },
                { "A=11?"
                  "?22",
                  ":1: needs two" },
                { "A=?"
                  "??"
                  "?",
                  ":1: needs two" },
                { "Good=0011\nA=zz", ":2: expected pairs" },
        };
        g_autoptr(GString) longest = g_string_new("A=");

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_refused(&fm_engine_pattern, cases[i].text, strlen(cases[i].text), cases[i].message);
        assert_refused(&fm_engine_pattern, "A=00\0", 5, "not a text file");

        for (unsigned i = 0; i < 4097; i++)
                g_string_append(longest, "ab");
        assert_refused(&fm_engine_pattern, longest->str, longest->len, ":1: longer than");
}

static void test_missing_file(void)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(fm_engine_pattern.open("/nonexistent/patterns", &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/patterns"));
        g_clear_error(&error);
        g_assert_null(fm_engine_sha256.open("/nonexistent/hashes", &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/hashes"));
        g_clear_error(&error);
        g_assert_null(fm_engine_yara.open("/nonexistent/rules", &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/rules"));
}

#define YARA_RULE "rule Found { strings: $a = \"needle\" condition: $a }"

/* "abc" and the empty string: FIPS 180-2. */
#define SHA256_ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA256_EMPTY "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"

static void test_sha256(void)
{
        void *engine = engine_open(&fm_engine_sha256, "# known\n" SHA256_ABC "  Letters.A\n" SHA256_EMPTY "\n");
        void *starred = engine_open(&fm_engine_sha256, SHA256_ABC " *dir/file name");
        void *none = engine_open(&fm_engine_sha256, "# nothing\n");

        assert_found(&fm_engine_sha256, engine, "abc", 3, "Letters.A");
        assert_found(&fm_engine_sha256, engine, "", 0, "sha256:E3B0C44298FC1C14");
        assert_found(&fm_engine_sha256, engine, "abd", 3, NULL);
        assert_found(&fm_engine_sha256, engine, "abcd", 4, NULL);
        assert_found(&fm_engine_sha256, starred, "abc", 3, "dir/file name");
        assert_found(&fm_engine_sha256, none, "abc", 3, NULL);
        fm_engine_sha256.close(engine);
        fm_engine_sha256.close(starred);
        fm_engine_sha256.close(none);

        assert_refused(&fm_engine_sha256, "0123", 4, ":1: expected 64");
        assert_refused(&fm_engine_sha256, SHA256_ABC "0 name", 70, ":1: expected 64");
        assert_refused(&fm_engine_sha256, SHA256_ABC "\nname only", 74, ":2: expected 64");
}

static void test_signature_name(void)
{
        char signature[FM_SIGNATURE_MAX];
        g_autoptr(GString) name = g_string_new(NULL);

        fm_signature_set(signature, "short");
        g_assert_cmpstr(signature, ==, "short");

        /* 62 bytes, then a character of two that would not fit whole. */
        for (unsigned i = 0; i < 62; i++)
                g_string_append_c(name, 'x');
        g_string_append(name, "\xc3\xa4");
        fm_signature_set(signature, name->str);
        g_assert_cmpuint(strlen(signature), ==, 62);

        g_string_assign(name, "x");
        for (unsigned i = 0; i < 31; i++)
                g_string_append(name, "\xc3\xa4");
        fm_signature_set(signature, name->str);
        g_assert_cmpstr(signature, ==, name->str);
}

static void test_together(void)
{
        struct file patterns = file_new("P=70617474", 10);
        struct file hashes = file_new(SHA256_ABC " H", 66);
        struct fm_engine_files files = { .patterns = patterns.path, .hashes = hashes.path };
        char signature[FM_SIGNATURE_MAX];
        g_autoptr(GError) error = NULL;
        struct fm_engines_worker *worker;
        struct fm_engines *engines;

        engines = fm_engines_open(&files, &error);
        g_assert_no_error(error);
        worker = fm_engines_worker_new(engines);
        g_assert_true(fm_engines_worker_get(worker) == engines);
        fm_engines_unref(engines); /* the worker keeps it */

        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"abc", 3, "a", signature), ==, FM_VERDICT_INFECTED);
        g_assert_cmpstr(signature, ==, "H");
        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"a pattern", 9, "a", signature), ==,
                        FM_VERDICT_INFECTED);
        g_assert_cmpstr(signature, ==, "P");
        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"nothing", 7, "a", signature), ==, FM_VERDICT_CLEAN);
        g_assert_cmpstr(signature, ==, "");
        fm_engines_worker_free(worker);

        files.hashes = "/nonexistent/hashes";
        g_assert_null(fm_engines_open(&files, &error));
        g_assert_nonnull(error);
        file_remove(&patterns);
        file_remove(&hashes);
}

#define YARA_RULE "rule Found { strings: $a = \"needle\" condition: $a }"

/* A file that shrinks under the scan is an error of this file, and the worker goes on with the next. */
static void assert_survives(const struct fm_engine_files *files)
{
        const size_t size = 64 * 1024;
        struct file victim = file_new("", 0);
        char signature[FM_SIGNATURE_MAX];
        g_autoptr(GError) error = NULL;
        struct fm_engines *engines = fm_engines_open(files, &error);
        struct fm_engines_worker *worker;
        int fd = open(victim.path, O_RDWR | O_CLOEXEC);
        uint8_t *view;

        g_assert_no_error(error);
        worker = fm_engines_worker_new(engines);
        fm_engines_unref(engines);

        for (unsigned i = 0; i < 4; i++) {
                g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
                view = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
                g_assert_true(view != MAP_FAILED);
                g_assert_cmpint(fm_engines_scan(worker, view, size, "v", signature), ==, FM_VERDICT_CLEAN);
                g_assert_cmpint(ftruncate(fd, i * 4096 + 10), ==, 0);
                g_assert_cmpint(fm_engines_scan(worker, view, size, "v", signature), ==, FM_VERDICT_ERROR);
                munmap(view, size);
        }
        close(fd);

        /* What each of the engines knows. */
        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"abc", 3, "a", signature), ==,
                        files->hashes != NULL ? FM_VERDICT_INFECTED : FM_VERDICT_CLEAN);
        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"patt", 4, "a", signature), ==,
                        files->patterns != NULL ? FM_VERDICT_INFECTED : FM_VERDICT_CLEAN);
        g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"needle", 6, "a", signature), ==,
                        files->yara != NULL ? FM_VERDICT_INFECTED : FM_VERDICT_CLEAN);
        fm_engines_worker_free(worker);
        file_remove(&victim);
}

/* Each engine alone: of several, only the first one meets the fault. */
static void test_shrinking_file(void)
{
        struct file patterns = file_new("P=70617474", 10);
        struct file hashes = file_new(SHA256_ABC " H", 66);
        struct file rules = file_new(YARA_RULE, strlen(YARA_RULE));

        fm_engines_catch_faults();
        assert_survives(&(struct fm_engine_files){ .patterns = patterns.path });
        assert_survives(&(struct fm_engine_files){ .hashes = hashes.path });
        if (fm_engine_yara.scan != NULL)
                assert_survives(&(struct fm_engine_files){ .yara = rules.path });
        file_remove(&patterns);
        file_remove(&hashes);
        file_remove(&rules);
}

static void test_yara(void)
{
        struct file rules = file_new(YARA_RULE, strlen(YARA_RULE));
        struct file broken = file_new("rule X {", 8);
        struct fm_engine_files files = { .yara = rules.path };
        char signature[FM_SIGNATURE_MAX];
        g_autoptr(GError) error = NULL;
        struct fm_engines *engines = fm_engines_open(&files, &error);

        if (fm_engine_yara.scan == NULL) {
                g_assert_nonnull(strstr(error->message, "without libyara"));
        } else {
                struct fm_engines_worker *worker;

                g_assert_no_error(error);
                worker = fm_engines_worker_new(engines);
                fm_engines_unref(engines);
                g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"a needle.", 9, "a", signature), ==,
                                FM_VERDICT_INFECTED);
                g_assert_cmpstr(signature, ==, "Found");
                g_assert_cmpint(fm_engines_scan(worker, (const uint8_t *)"hay", 3, "a", signature), ==,
                                FM_VERDICT_CLEAN);
                fm_engines_worker_free(worker);

                files.yara = broken.path;
                g_assert_null(fm_engines_open(&files, &error));
                g_assert_nonnull(strstr(error->message, broken.path));
        }
        file_remove(&rules);
        file_remove(&broken);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/agent/engines/eicar", test_eicar);
        g_test_add_func("/agent/engines/pattern", test_pattern);
        g_test_add_func("/agent/engines/pattern-against-naive", test_pattern_against_naive);
        g_test_add_func("/agent/engines/pattern-malformed", test_pattern_malformed);
        g_test_add_func("/agent/engines/missing-file", test_missing_file);
        g_test_add_func("/agent/engines/sha256", test_sha256);
        g_test_add_func("/agent/engines/signature-name", test_signature_name);
        g_test_add_func("/agent/engines/together", test_together);
        g_test_add_func("/agent/engines/shrinking-file", test_shrinking_file);
        g_test_add_func("/agent/engines/yara", test_yara);
        return g_test_run();
}
