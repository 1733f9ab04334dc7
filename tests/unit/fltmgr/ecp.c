/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include "fltmgr/ecp.h"
#include "nt/verifier.h"

static const GUID types[3] = {{1, 2, 3, {4}}, {1, 2, 3, {5}}, {9, 9, 9, {9}}};
static struct fake *fake;
static unsigned cleaned;

static VOID cleanup(PVOID context, LPCGUID type)
{
        g_assert_cmpuint(((unsigned char *)context)[0], ==, 0x5a);
        cleaned++;
}

static PVOID ecp_new(const GUID *type, ULONG size)
{
        unsigned char *body;
        PVOID context;

        assert_status(FltAllocateExtraCreateParameter(fake->filter, type, size, 0, cleanup, 'tset', &context),
                      STATUS_SUCCESS);
        body = context;
        for (ULONG i = 0; i < size; i++)
                g_assert_cmpuint(body[i], ==, 0);
        body[0] = 0x5a;
        return context;
}

static void test_list(void)
{
        PVOID a = ecp_new(&types[0], 100), b = ecp_new(&types[1], 7), twin = ecp_new(&types[0], 1), found;
        PECP_LIST list;
        ULONG size;
        GUID type;

        cleaned = 0;
        assert_status(FltAllocateExtraCreateParameterList(fake->filter, 0, &list), STATUS_SUCCESS);
        assert_status(FltGetNextExtraCreateParameter(fake->filter, list, NULL, NULL, &found, &size), STATUS_NOT_FOUND);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, a), STATUS_SUCCESS);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, a), STATUS_INVALID_PARAMETER);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, twin), STATUS_INVALID_PARAMETER);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, b), STATUS_SUCCESS);

        assert_status(FltFindExtraCreateParameter(fake->filter, list, &types[1], &found, &size), STATUS_SUCCESS);
        g_assert_true(found == b);
        g_assert_cmpuint(size, ==, 7);
        assert_status(FltFindExtraCreateParameter(fake->filter, list, &types[2], &found, &size), STATUS_NOT_FOUND);
        g_assert_null(found);
        assert_status(FltGetNextExtraCreateParameter(fake->filter, list, NULL, &type, &found, NULL), STATUS_SUCCESS);
        g_assert_true(found == a && IsEqualGUID(&type, &types[0]));
        assert_status(FltGetNextExtraCreateParameter(fake->filter, list, a, &type, &found, &size), STATUS_SUCCESS);
        g_assert_true(found == b && IsEqualGUID(&type, &types[1]));
        assert_status(FltGetNextExtraCreateParameter(fake->filter, list, b, NULL, &found, &size), STATUS_NOT_FOUND);
        g_assert_null(found);
        g_assert_cmpuint(size, ==, 0);
        assert_status(FltGetNextExtraCreateParameter(fake->filter, NULL, NULL, NULL, NULL, NULL),
                      STATUS_INVALID_PARAMETER);

        assert_status(FltRemoveExtraCreateParameter(fake->filter, list, &types[0], &found, &size), STATUS_SUCCESS);
        g_assert_true(found == a);
        g_assert_cmpuint(size, ==, 100);
        assert_status(FltRemoveExtraCreateParameter(fake->filter, list, &types[0], &found, &size), STATUS_NOT_FOUND);
        g_assert_cmpuint(cleaned, ==, 0);
        FltFreeExtraCreateParameter(fake->filter, a);
        FltFreeExtraCreateParameter(fake->filter, twin);
        g_assert_cmpuint(cleaned, ==, 2);
        FltFreeExtraCreateParameterList(fake->filter, list);
        g_assert_cmpuint(cleaned, ==, 3);
}

static void test_acknowledge(void)
{
        PVOID a = ecp_new(&types[0], 8);

        g_assert_false(FltIsEcpAcknowledged(fake->filter, a));
        g_assert_false(FltIsEcpFromUserMode(fake->filter, a));
        FltAcknowledgeEcp(fake->filter, a);
        g_assert_true(FltIsEcpAcknowledged(fake->filter, a));
        FltPrepareToReuseEcp(fake->filter, a);
        g_assert_false(FltIsEcpAcknowledged(fake->filter, a));
        FltFreeExtraCreateParameter(fake->filter, a);
}

static void test_callback_data(void)
{
        struct fm_operation *create = fm_operation_new_generated(fake->instance, IRP_MJ_CREATE, NULL);
        struct fm_operation *read = fm_operation_new_generated(fake->instance, IRP_MJ_READ, NULL);
        PECP_LIST list, found = (PVOID)&found;

        cleaned = 0;
        assert_status(FltGetEcpListFromCallbackData(fake->filter, &create->data, &found), STATUS_SUCCESS);
        g_assert_null(found);
        assert_status(FltGetEcpListFromCallbackData(fake->filter, &read->data, &found), STATUS_INVALID_PARAMETER);
        assert_status(FltAllocateExtraCreateParameterList(fake->filter, 0, &list), STATUS_SUCCESS);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, ecp_new(&types[0], 1)), STATUS_SUCCESS);
        assert_status(FltSetEcpListIntoCallbackData(fake->filter, &read->data, list), STATUS_INVALID_PARAMETER_2);
        assert_status(FltSetEcpListIntoCallbackData(fake->filter, &create->data, list), STATUS_SUCCESS);
        assert_status(FltSetEcpListIntoCallbackData(fake->filter, &create->data, list), STATUS_INVALID_PARAMETER_3);
        assert_status(FltGetEcpListFromCallbackData(fake->filter, &create->data, &found), STATUS_SUCCESS);
        g_assert_true(found == list);
        /* The list goes with the operation; one that was lent does not. */
        fm_operation_free(create);
        g_assert_cmpuint(cleaned, ==, 1);
        create = fm_operation_new_generated(fake->instance, IRP_MJ_CREATE, NULL);
        assert_status(FltAllocateExtraCreateParameterList(fake->filter, 0, &list), STATUS_SUCCESS);
        assert_status(FltInsertExtraCreateParameter(fake->filter, list, ecp_new(&types[0], 1)), STATUS_SUCCESS);
        fm_ecp_list_lend(create, list);
        fm_operation_free(create);
        g_assert_cmpuint(cleaned, ==, 1);
        FltFreeExtraCreateParameterList(fake->filter, list);
        g_assert_cmpuint(cleaned, ==, 2);
        fm_operation_free(read);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fm_verifier_init(false);
        fake = fake_new();
        g_test_add_func("/ecp/list", test_list);
        g_test_add_func("/ecp/acknowledge", test_acknowledge);
        g_test_add_func("/ecp/callback-data", test_callback_data);
        result = g_test_run();
        fake_free(fake);
        return result;
}
