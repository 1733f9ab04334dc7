/* SPDX-License-Identifier: MIT */
/* One question to the filter manager, over a socket of its own. */
#include "fltlib/client.h"
#include "fltlib/manage.h"
#include "win32/dos_error.h"

#include <errno.h>
#include <unistd.h>

#define ENTRIES_MAX 65536 /* a list that grows for ever while it is read */

/* A name that is too long stays too long for the frame, whatever its length: it is not read to its end. */
static struct fm_bytes bytes_of(LPCWSTR text)
{
        uint32_t length = 0;

        while (text && length < FM_NAME_MAX && text[length])
                length++;
        return (struct fm_bytes){ (const uint8_t *)text, length * (uint32_t)sizeof(WCHAR) };
}

static int collect(const struct fm_frame *managed, GPtrArray *entries)
{
        struct fm_bytes entry;
        size_t position = 0;
        int r;

        while ((r = fm_entry_next(managed->managed.entries, &position, &entry)) > 0)
                g_ptr_array_add(entries, g_bytes_new(entry.data, entry.length));
        return r;
}

HRESULT fm_request_run(const struct fm_request *request, GPtrArray **ret_entries)
{
        struct fm_frame frame = {
                .type = FM_FRAME_MANAGE,
                .tag = 1,
                .manage = {
                        .op = request->op,
                        .class = request->information_class,
                        .filter = bytes_of(request->filter),
                        .volume = bytes_of(request->volume),
                        .instance = bytes_of(request->instance),
                        .altitude = bytes_of(request->altitude),
                },
        };
        g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        g_autofree uint8_t *buffer = g_malloc(FM_FRAME_MAX);
        struct fm_client_frame answer;
        bool greeted = false, more = true;
        NTSTATUS status = 0;
        int fd = fm_client_open(), r = fd < 0 ? fd : 0;

        while (r == 0 && more && status >= 0) {
                r = fm_client_send(fd, &frame, -1);
                if (!greeted && (r == 0 || r == -EPIPE)) /* why it has closed can be read */
                        r = fm_client_welcome(fd);
                greeted = true;
                if (r == 0)
                        r = fm_client_receive(fd, buffer, FM_FRAME_MAX, 0, &answer);
                if (r < 0)
                        break;
                fm_client_frame_clear(&answer);
                if (answer.frame.type != FM_FRAME_MANAGED) {
                        r = -EPROTO;
                        break;
                }
                status = answer.frame.managed.status;
                r = collect(&answer.frame, entries);
                frame.manage.first = entries->len;
                more = answer.frame.managed.more && answer.frame.managed.count > 0 &&
                       entries->len < ENTRIES_MAX;
        }
        if (fd >= 0)
                close(fd);
        if (r < 0)
                return fm_hresult_from_transport(r);
        if (status < 0)
                return fm_hresult_from_status(status);
        if (ret_entries)
                *ret_entries = g_steal_pointer(&entries);
        return S_OK;
}
