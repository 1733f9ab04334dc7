/* SPDX-License-Identifier: MIT */
#include "fltmgr/altitude.h"

#include <glib.h>

static void test_valid(void)
{
        static const char *const good[] = {"0",
                                           "1",
                                           "0003333",
                                           "320000",
                                           "320000.5",
                                           "0.1",
                                           "99999999999999999999999999999999.00000000000000000000000001"};
        static const char *const bad[] = {"",     ".",    ".5",      "5.",      "1.2.3", "-1",  "+1",  "1e5",
                                          " 320", "320 ", "320,000", "0x10000", "abc",   "1.a", "1 .2"};

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
                if (!fm_altitude_is_valid(good[i]))
                        g_error("\"%s\" should be valid", good[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                if (fm_altitude_is_valid(bad[i]))
                        g_error("\"%s\" should not be valid", bad[i]);
}

static void test_order(void)
{
        /* From low to high; those in one row are the same height. */
        static const char *const rows[][4] = {
                {"0", "000", "0.0", "0.000"},
                {"0.00000000000000000000000000000000001"},
                {"0.1", "0.10", "00.1000"},
                {"0.11"},
                {"1", "1.0", "001"},
                {"9.99"},
                {"10"},
                {"100.123456", "100.1234560"},
                {"100.1234561"},
                {"100.2"},
                {"03333", "3333"},
                {"320000"},
                {"320000.000000000000000000000000000000000000001"},
                {"320001"},
                {"4294967297"},
                {"99999999999999999999999999999998"},
                {"99999999999999999999999999999999", "099999999999999999999999999999999.0"},
                {"100000000000000000000000000000000"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(rows); j++)
                        for (size_t k = 0; k < 4 && rows[i][k]; k++)
                                for (size_t l = 0; l < 4 && rows[j][l]; l++) {
                                        int order = fm_altitude_compare(rows[i][k], rows[j][l]);

                                        if ((order > 0) != (i > j) || (order < 0) != (i < j))
                                                g_error("\"%s\" against \"%s\": %d", rows[i][k], rows[j][l], order);
                                }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/altitude/valid", test_valid);
        g_test_add_func("/altitude/order", test_order);
        return g_test_run();
}
