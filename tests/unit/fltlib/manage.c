/* SPDX-License-Identifier: MIT */
/* The management half: one entry a call, sizes, ends of lists, and what each function sends. */
#include "server.h"

#include <ntstatus.h>

#include <string.h>

static struct {
        uint32_t op, class;
        char filter[64], volume[64], instance[64], altitude[64];
} asked; /* the last request; read after the call that made it */

static int32_t status;
static unsigned names; /* how many entries a list has */
static unsigned a_frame; /* how many of them go into one answer */

static void keep(char *to, struct fm_bytes from)
{
        g_autofree gunichar2 *copy = from.length ? g_memdup2(from.data, from.length) : NULL;
        g_autofree char *text = copy ? g_utf16_to_utf8(copy, from.length / 2, NULL, NULL, NULL) : NULL;

        g_strlcpy(to, text ? text : "", 64);
}

/* Lists have entries of 6 bytes: their number in UTF-16. */
static void answer(const struct fm_frame *request, struct fm_frame *reply, uint8_t *entries, size_t size)
{
        size_t position = 0;

        asked.op = request->manage.op;
        asked.class = request->manage.class;
        keep(asked.filter, request->manage.filter);
        keep(asked.volume, request->manage.volume);
        keep(asked.instance, request->manage.instance);
        keep(asked.altitude, request->manage.altitude);
        reply->managed.status = status;
        for (unsigned i = request->manage.first; status >= 0 && i < names && reply->managed.count < a_frame;
             i++) {
                WCHAR text[3] = { (WCHAR)('0' + i / 100), (WCHAR)('0' + i / 10 % 10), (WCHAR)('0' + i % 10) };

                g_assert_cmpint(fm_entry_add(entries, size, &position, text, sizeof(text)), ==, 0);
                reply->managed.count++;
                reply->managed.more = i + 1 < names;
        }
        reply->managed.entries = (struct fm_bytes){ entries, (uint32_t)position };
}

static void setup(struct fake_server **server, gconstpointer unused)
{
        *server = fake_server_new();
        fake_server_on_manage(*server, answer);
        status = STATUS_SUCCESS;
        names = 1;
        a_frame = 10;
        memset(&asked, 0, sizeof(asked));
}

static void teardown(struct fake_server **server, gconstpointer unused)
{
        fake_server_free(*server);
}

static void assert_hr(HRESULT got, ULONG wanted)
{
        g_assert_cmphex((ULONG)got, ==, wanted);
}

static void test_list(struct fake_server **server, gconstpointer unused)
{
        HANDLE find = NULL;
        WCHAR buffer[3];
        DWORD bytes = 0;

        names = 123; /* in several answers */
        assert_hr(FilterFindFirst(FilterAggregateStandardInformation, buffer, sizeof(buffer), &bytes, &find),
                  0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_LIST_FILTERS);
        g_assert_cmpuint(asked.class, ==, 2);
        for (unsigned i = 1; i < 123; i++) {
                /* What does not fit is given again. */
                assert_hr(FilterFindNext(find, FilterAggregateStandardInformation, buffer, 5, &bytes),
                          0x8007007A);
                g_assert_cmpuint(bytes, ==, 6);
                assert_hr(FilterFindNext(find, FilterAggregateStandardInformation, buffer, sizeof(buffer),
                                         &bytes),
                          0);
                g_assert_cmpuint((buffer[0] - '0') * 100u + (buffer[1] - '0') * 10u + (buffer[2] - '0'), ==,
                                 i);
        }
        assert_hr(FilterFindNext(find, FilterAggregateStandardInformation, buffer, sizeof(buffer), &bytes),
                  0x80070103);
        assert_hr(FilterFindNext(find, (FILTER_INFORMATION_CLASS)3, buffer, sizeof(buffer), &bytes),
                  0x80070057);
        /* A handle of one family is none of another. */
        assert_hr(FilterVolumeFindClose(find), 0x80070006);
        assert_hr(FilterVolumeFindNext(find, FilterVolumeBasicInformation, buffer, sizeof(buffer), &bytes),
                  0x80070006);
        assert_hr(FilterFindClose(find), 0);
        assert_hr(FilterFindClose(find), 0x80070006);
}

static void test_first(struct fake_server **server, gconstpointer unused)
{
        HANDLE find = NULL;
        WCHAR buffer[3];
        DWORD bytes = 0;

        assert_hr(FilterVolumeFindFirst(FilterVolumeStandardInformation, buffer, 4, &bytes, &find),
                  0x8007007A);
        g_assert_true(find == INVALID_HANDLE_VALUE);
        g_assert_cmpuint(bytes, ==, 6);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_LIST_VOLUMES);
        assert_hr(FilterVolumeFindFirst((FILTER_VOLUME_INFORMATION_CLASS)2, buffer, 6, &bytes, &find),
                  0x80070057);
        assert_hr(FilterInstanceFindFirst(L"f", (INSTANCE_INFORMATION_CLASS)4, buffer, 6, &bytes, &find),
                  0x80070057);
        names = 0;
        assert_hr(FilterInstanceFindFirst(L"filter", InstanceFullInformation, buffer, 6, &bytes, &find),
                  0x80070103);
        g_assert_true(find == INVALID_HANDLE_VALUE);
        g_assert_cmpstr(asked.filter, ==, "filter");
        names = 1;
        assert_hr(FilterVolumeInstanceFindFirst(L"C:", InstanceBasicInformation, buffer, 6, &bytes, &find),
                  0);
        g_assert_cmpstr(asked.volume, ==, "C:");
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_LIST_VOLUME_INSTANCES);
        assert_hr(FilterVolumeInstanceFindNext(find, InstanceBasicInformation, buffer, 6, &bytes),
                  0x80070103);
        assert_hr(FilterVolumeInstanceFindClose(find), 0);
        status = STATUS_FLT_FILTER_NOT_FOUND;
        assert_hr(FilterInstanceFindFirst(L"filter", InstanceFullInformation, buffer, 6, &bytes, &find),
                  0x801F0013);
}

static void test_verbs(struct fake_server **server, gconstpointer unused)
{
        WCHAR name[3];

        assert_hr(FilterLoad(L"scanner"), 0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_LOAD);
        g_assert_cmpstr(asked.filter, ==, "scanner");
        status = STATUS_IMAGE_ALREADY_LOADED;
        assert_hr(FilterLoad(L"scanner"), 0x80070420);
        status = STATUS_OBJECT_NAME_NOT_FOUND;
        assert_hr(FilterLoad(L"nothing"), 0x80070002);
        status = STATUS_PRIVILEGE_NOT_HELD;
        assert_hr(FilterUnload(L"scanner"), 0x80070522);
        status = STATUS_FLT_INSTANCE_ALTITUDE_COLLISION;
        assert_hr(FilterAttach(L"f", L"C:", NULL, 0, NULL), 0x801F0011);
        status = STATUS_SUCCESS;
        assert_hr(FilterAttachAtAltitude(L"f", L"C:", L"370000", L"i", sizeof(name), name), 0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_ATTACH);
        g_assert_cmpstr(asked.altitude, ==, "370000");
        g_assert_cmpstr(asked.instance, ==, "i");
        g_assert_true(name[0] == '0' && name[1] == '0' && name[2] == 0); /* cut: the length counts bytes */
        assert_hr(FilterDetach(L"f", L"D:", L"j"), 0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_DETACH);
        g_assert_cmpstr(asked.volume, ==, "D:");
        assert_hr(FilterLoad(NULL), 0x80070057);
        assert_hr(FilterDetach(L"f", NULL, NULL), 0x80070057);
}

static void test_handles(struct fake_server **server, gconstpointer unused)
{
        HFILTER filter = NULL;
        HFILTER_INSTANCE instance = NULL;
        WCHAR buffer[8];
        DWORD bytes = 0;

        assert_hr(FilterCreate(L"scanner", &filter), 0);
        assert_hr(
                FilterGetInformation(filter, FilterAggregateBasicInformation, buffer, sizeof(buffer), &bytes),
                0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_FILTER_INFORMATION);
        g_assert_cmpuint(asked.class, ==, 1);
        g_assert_cmpstr(asked.filter, ==, "scanner");
        assert_hr(FilterGetInformation(filter, FilterFullInformation, buffer, 2, &bytes), 0x8007007A);
        g_assert_cmpuint(bytes, ==, 6);
        assert_hr(FilterInstanceCreate(L"scanner", L"C:", NULL, &instance), 0);
        assert_hr(FilterInstanceGetInformation(instance, InstanceFullInformation, buffer, sizeof(buffer),
                                               &bytes),
                  0);
        g_assert_cmpuint(asked.op, ==, FM_MANAGE_INSTANCE_INFORMATION);
        g_assert_cmpstr(asked.volume, ==, "C:");
        g_assert_cmpstr(asked.instance, ==, "");
        assert_hr(
                FilterInstanceGetInformation(filter, InstanceFullInformation, buffer, sizeof(buffer), &bytes),
                0x80070006);
        assert_hr(FilterClose(instance), 0x80070006);
        assert_hr(FilterClose(filter), 0);
        assert_hr(FilterInstanceClose(instance), 0);
        status = STATUS_FLT_FILTER_NOT_FOUND;
        assert_hr(FilterCreate(L"other", &filter), 0x801F0013);
        g_assert_true(filter == INVALID_HANDLE_VALUE);
}

static void test_dos_name(struct fake_server **server, gconstpointer unused)
{
        WCHAR buffer[4];

        assert_hr(FilterGetDosName(L"\\Device\\Volume1", buffer, 3), 0x8007007A);
        assert_hr(FilterGetDosName(L"\\Device\\Volume1", buffer, 4), 0);
        g_assert_true(buffer[2] == '0' && buffer[3] == 0);
        g_assert_cmpstr(asked.volume, ==, "\\Device\\Volume1");
}

static void test_nobody(void)
{
        HANDLE find;
        WCHAR buffer[3];
        DWORD bytes;

        setenv("FLTSIM_RUNTIME_DIR", "/nonexistent", 1);
        assert_hr(FilterFindFirst(FilterFullInformation, buffer, 6, &bytes, &find), 0x80070002);
        g_assert_true(find == INVALID_HANDLE_VALUE);
        assert_hr(FilterLoad(L"x"), 0x80070002);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, struct fake_server *, NULL, setup, function, teardown)
        ADD("/manage/list", test_list);
        ADD("/manage/first", test_first);
        ADD("/manage/verbs", test_verbs);
        ADD("/manage/handles", test_handles);
        ADD("/manage/dos-name", test_dos_name);
        g_test_add_func("/manage/nobody", test_nobody);
        return g_test_run();
}
