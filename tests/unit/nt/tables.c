/* SPDX-License-Identifier: MIT */
/* Generic tables of both kinds against a plain array, with every insertion and deletion order that chance
 * brings. */
#include <fltKernel.h>
#include <glib.h>
#include <stdbool.h>

#define KEYS 300

static unsigned alive;

static PVOID avl_allocate(struct _RTL_AVL_TABLE *table, CLONG size)
{
        alive++;
        return g_malloc(size);
}

static VOID avl_free(struct _RTL_AVL_TABLE *table, PVOID buffer)
{
        alive--;
        g_free(buffer);
}

static RTL_GENERIC_COMPARE_RESULTS compare(const int *a, const int *b)
{
        return *a < *b ? GenericLessThan : *a > *b ? GenericGreaterThan : GenericEqual;
}

static RTL_GENERIC_COMPARE_RESULTS avl_compare(struct _RTL_AVL_TABLE *table, PVOID a, PVOID b)
{
        return compare(a, b);
}

static PVOID splay_allocate(struct _RTL_GENERIC_TABLE *table, CLONG size)
{
        alive++;
        return g_malloc(size);
}

static VOID splay_free(struct _RTL_GENERIC_TABLE *table, PVOID buffer)
{
        alive--;
        g_free(buffer);
}

static RTL_GENERIC_COMPARE_RESULTS splay_compare(struct _RTL_GENERIC_TABLE *table, PVOID a, PVOID b)
{
        return compare(a, b);
}

/* Depth of the part; parents, balances and the order of depths are checked on the way. */
static int check_avl(PRTL_BALANCED_LINKS node, PRTL_BALANCED_LINKS parent)
{
        int left, right;

        if (!node)
                return 0;
        g_assert_true(node->Parent == parent);
        left = check_avl(node->LeftChild, node);
        right = check_avl(node->RightChild, node);
        g_assert_cmpint(node->Balance, ==, right - left);
        g_assert_cmpint(ABS(right - left), <=, 1);
        return MAX(left, right) + 1;
}

static void check_avl_table(PRTL_AVL_TABLE table, const bool *present)
{
        PVOID key = NULL;
        ULONG index = 0;

        g_assert_cmpint(check_avl(table->BalancedRoot.RightChild, &table->BalancedRoot), ==,
                        (int)table->DepthOfTree);
        for (int i = 0; i < KEYS; i++) {
                int *found;

                if (!present[i]) {
                        g_assert_null(RtlLookupElementGenericTableAvl(table, &i));
                        continue;
                }
                found = RtlEnumerateGenericTableWithoutSplayingAvl(table, &key);
                g_assert_nonnull(found);
                g_assert_cmpint(*found, ==, i);
                g_assert_true(RtlGetElementGenericTableAvl(table, index) == found);
                g_assert_true(RtlLookupElementGenericTableAvl(table, &i) == found);
                index++;
        }
        g_assert_null(RtlEnumerateGenericTableWithoutSplayingAvl(table, &key));
        g_assert_cmpuint(RtlNumberGenericTableElementsAvl(table), ==, index);
        g_assert_null(RtlGetElementGenericTableAvl(table, index));
}

static void test_avl(void)
{
        RTL_AVL_TABLE table;
        bool present[KEYS] = {false};
        BOOLEAN added;

        RtlInitializeGenericTableAvl(&table, avl_compare, avl_allocate, avl_free, NULL);
        g_assert_true(RtlIsGenericTableEmptyAvl(&table));
        for (int i = 0; i < 5000; i++) {
                int key = g_test_rand_int_range(0, KEYS);

                if (g_test_rand_int_range(0, 100) < (i / 1000 % 2 ? 30 : 70)) {
                        int *element = RtlInsertElementGenericTableAvl(&table, &key, sizeof(key), &added);

                        g_assert_cmpint(*element, ==, key);
                        g_assert_cmpint(added, ==, !present[key]);
                        present[key] = true;
                } else {
                        g_assert_cmpint(RtlDeleteElementGenericTableAvl(&table, &key), ==, present[key]);
                        present[key] = false;
                }
                if (i % 50 == 0)
                        check_avl_table(&table, present);
        }
        while (!RtlIsGenericTableEmptyAvl(&table))
                RtlDeleteElementGenericTableAvl(&table, RtlGetElementGenericTableAvl(&table, 0));
        g_assert_cmpuint(table.DepthOfTree, ==, 0);
        g_assert_cmpuint(alive, ==, 0);
}

/* Deleting what the enumeration stands on is allowed. */
static void test_avl_delete_while_enumerating(void)
{
        RTL_AVL_TABLE table;
        int expected = 0;

        RtlInitializeGenericTableAvl(&table, avl_compare, avl_allocate, avl_free, NULL);
        for (int i = 0; i < 100; i++)
                RtlInsertElementGenericTableAvl(&table, &i, sizeof(i), NULL);
        for (int *element = RtlEnumerateGenericTableAvl(&table, TRUE); element;
             element = RtlEnumerateGenericTableAvl(&table, FALSE)) {
                int key = *element;

                g_assert_cmpint(key, ==, expected++);
                g_assert_true(RtlDeleteElementGenericTableAvl(&table, &key));
        }
        g_assert_cmpint(expected, ==, 100);
        g_assert_cmpuint(alive, ==, 0);
}

static void test_splay(void)
{
        RTL_GENERIC_TABLE table;
        bool present[KEYS] = {false};
        g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(int));

        RtlInitializeGenericTable(&table, splay_compare, splay_allocate, splay_free, NULL);
        for (int i = 0; i < 5000; i++) {
                int key = g_test_rand_int_range(0, KEYS);
                BOOLEAN added;

                if (g_test_rand_int_range(0, 100) < (i / 1000 % 2 ? 30 : 70)) {
                        RtlInsertElementGenericTable(&table, &key, sizeof(key), &added);
                        g_assert_cmpint(added, ==, !present[key]);
                        if (added)
                                g_array_append_val(order, key);
                        present[key] = true;
                } else {
                        g_assert_cmpint(RtlDeleteElementGenericTable(&table, &key), ==, present[key]);
                        for (guint j = 0; present[key] && j < order->len; j++) {
                                if (g_array_index(order, int, j) == key) {
                                        g_array_remove_index(order, j);
                                        break;
                                }
                        }
                        present[key] = false;
                }
                g_assert_cmpuint(RtlNumberGenericTableElements(&table), ==, order->len);
                if (i % 50 == 0) {
                        PVOID restart = NULL;

                        for (int k = 0; k < KEYS; k++) {
                                if (present[k])
                                        g_assert_cmpint(*(int *)RtlEnumerateGenericTableWithoutSplaying(
                                                                &table, &restart),
                                                        ==, k);
                        }
                        g_assert_null(RtlEnumerateGenericTableWithoutSplaying(&table, &restart));
                        for (guint j = 0; j < order->len; j++)
                                g_assert_cmpint(*(int *)RtlGetElementGenericTable(&table, j), ==,
                                                g_array_index(order, int, j));
                }
        }
        while (!RtlIsGenericTableEmpty(&table))
                RtlDeleteElementGenericTable(&table, RtlGetElementGenericTable(&table, 0));
        g_assert_cmpuint(alive, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/tables/avl", test_avl);
        g_test_add_func("/nt/tables/avl-delete-while-enumerating", test_avl_delete_while_enumerating);
        g_test_add_func("/nt/tables/splay", test_splay);
        return g_test_run();
}
