/* SPDX-License-Identifier: MIT */
/*
 * The verifier's rules are the same in the table, in the code that raises them, in docs/verifier.md, and
 * among the filters that break them.
 *
 * Arguments: --print (the tables of docs/verifier.md, and nothing else), or SOURCE-ROOT FILTER=RULE[ WORD]...
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "nt/rules.h"

static const char *source_root;
static char **fixtures; /* FILTER=RULE[ WORD]... */

static char *windows_text(const struct fm_rule *rule)
{
        g_autoptr(GString) text = g_string_new(NULL);

        if (rule->windows)
                return g_strdup(rule->windows);
        g_string_append_printf(text, "`0x%02x %s`", rule->bug_check, fm_bug_check_name(rule->bug_check));
        if (rule->parameter)
                g_string_append_printf(text, " (0x%x)", rule->parameter);
        return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *documented(void)
{
        GString *text = g_string_new(NULL);

        for (unsigned group = 0; group < FM_RULE_GROUPS; group++) {
                g_string_append_printf(text, "### %s\n\n| rule | broken by | on Windows |\n|---|---|---|\n",
                                       fm_rule_group_titles[group]);
                for (const struct fm_rule *rule = fm_rules; rule->name; rule++) {
                        g_autofree char *windows = windows_text(rule);

                        if (rule->group == group)
                                g_string_append_printf(text, "| `%s` | %s%s | %s |\n", rule->name, rule->what,
                                                       rule->note ? " (a note)" : "", windows);
                }
                g_string_append_c(text, '\n');
        }
        return g_string_free(text, FALSE);
}

static char *read_file(const char *path)
{
        g_autofree char *absolute = g_build_filename(source_root, path, NULL);
        char *text;

        g_assert_true(g_file_get_contents(absolute, &text, NULL, NULL));
        return text;
}

static void test_documented(void)
{
        g_autofree char *text = read_file("docs/verifier.md"), *tables = documented();

        if (!strstr(text, tables))
                g_test_message("docs/verifier.md must have what \"test-nt-rules --print\" prints");
        g_assert_nonnull(strstr(text, tables));
}

static void test_table(void)
{
        for (const struct fm_rule *rule = fm_rules; rule->name; rule++) {
                g_assert_true(fm_rule_find(rule->name) == rule); /* no name twice */
                g_assert_nonnull(fm_bug_check_name(rule->bug_check));
                g_assert_true(rule->windows || rule->bug_check != 0xc4 || rule->parameter);
        }
        g_assert_null(fm_rule_find("no-such-rule"));
}

/* All C sources below src. */
static char *all_sources(void)
{
        static const char *const folders[] = {"nt", "fltmgr", "port", "fuse"};
        GString *all = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *folder = g_build_filename(source_root, "src", folders[i], NULL);
                GDir *dir = g_dir_open(folder, 0, NULL);
                const char *name;

                g_assert_nonnull(dir);
                while ((name = g_dir_read_name(dir))) {
                        g_autofree char *path = g_build_filename("src", folders[i], name, NULL);
                        g_autofree char *text = NULL;

                        if (!g_str_has_suffix(name, ".c") || strcmp(name, "rules.c") == 0)
                                continue;
                        text = read_file(path);
                        g_string_append(all, text);
                }
                g_dir_close(dir);
        }
        return g_string_free(all, FALSE);
}

static void test_raised(void)
{
        g_autofree char *sources = all_sources();

        for (const struct fm_rule *rule = fm_rules; rule->name; rule++) {
                g_autofree char *literal = g_strdup_printf("\"%s\"", rule->name);

                if (!strstr(sources, literal))
                        g_test_message("nothing raises %s", rule->name);
                g_assert_nonnull(strstr(sources, literal));
        }
}

/* One of the strings in each call is a rule. */
static void test_known(void)
{
        g_autofree char *sources = all_sources();
        g_autoptr(GRegex) call = g_regex_new("\\bfm_(violation|violation_of|misuse)\\(([^;]*\"[^;]*);", 0, 0, NULL);
        g_autoptr(GRegex) word = g_regex_new("\"([a-z]+(-[a-z]+)*)\"", 0, 0, NULL);
        g_autoptr(GMatchInfo) match = NULL;
        unsigned calls = 0;

        for (g_regex_match(call, sources, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
                g_autofree char *text = g_match_info_fetch(match, 2);
                g_autoptr(GMatchInfo) words = NULL;
                bool known;

                calls++;
                /* One comes from a table. */
                known = strstr(text, "].rule") != NULL;
                for (g_regex_match(word, text, 0, &words); g_match_info_matches(words) && !known;
                     g_match_info_next(words, NULL)) {
                        g_autofree char *name = g_match_info_fetch(words, 1);

                        known = fm_rule_find(name) != NULL;
                }
                if (!known)
                        g_test_message("no rule: %s", text);
                g_assert_true(known);
        }
        g_assert_cmpuint(calls, >, 50);
}

static bool has_fixture(const struct fm_rule *rule)
{
        for (char **fixture = fixtures; *fixture; fixture++) {
                g_auto(GStrv) words = g_strsplit(strchr(*fixture, '=') + 1, " ", -1);

                if (strcmp(words[0], rule->name) == 0)
                        return g_strv_contains((const char *const *)words, "note") == rule->note;
        }
        return false;
}

static void test_broken(void)
{
        for (const struct fm_rule *rule = fm_rules; rule->name; rule++) {
                if (!has_fixture(rule))
                        g_test_message("no filter breaks %s", rule->name);
                g_assert_true(has_fixture(rule));
        }
}

static void test_fixtures(void)
{
        g_autofree char *folder = g_build_filename(source_root, "tests/filters/misdeeds", NULL);
        g_autoptr(GHashTable) listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GDir *dir = g_dir_open(folder, 0, NULL);
        const char *name;

        for (char **fixture = fixtures; *fixture; fixture++) {
                const char *rest = strchr(*fixture, '=') + 1;
                g_autofree char *rule = g_strndup(rest, strcspn(rest, " "));

                if (!fm_rule_find(rule))
                        g_test_message("%s: there is no such rule", *fixture);
                g_assert_nonnull(fm_rule_find(rule));
                g_hash_table_add(listed, g_strdup_printf("%.*s.c", (int)strcspn(*fixture, "="), *fixture));
        }
        g_assert_nonnull(dir);
        while ((name = g_dir_read_name(dir))) {
                if (!g_str_has_suffix(name, ".c") || strcmp(name, "misdeed.c") == 0)
                        continue;
                if (!g_hash_table_contains(listed, name))
                        g_test_message("%s breaks no rule", name);
                g_assert_true(g_hash_table_contains(listed, name));
        }
        g_dir_close(dir);
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "--print") == 0) {
                g_autofree char *tables = documented();

                return fputs(tables, stdout) < 0;
        }
        g_test_init(&argc, &argv, NULL);
        g_assert_cmpint(argc, >, 2);
        source_root = argv[1];
        fixtures = argv + 2;
        g_test_add_func("/nt/rules/table", test_table);
        g_test_add_func("/nt/rules/documented", test_documented);
        g_test_add_func("/nt/rules/raised", test_raised);
        g_test_add_func("/nt/rules/known", test_known);
        g_test_add_func("/nt/rules/broken", test_broken);
        g_test_add_func("/nt/rules/fixtures", test_fixtures);
        return g_test_run();
}
