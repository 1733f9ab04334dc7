/* SPDX-License-Identifier: MIT */
/*
 * The management half of fltUser.h. A Find handle holds the list as it was at First; each call gives one
 * entry, and one that does not fit is given again.
 */
#include "fltlib/manage.h"

#include "win32/object.h"

#include <string.h>

#define INVALID   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER)
#define NO_MORE   HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS)
#define TOO_SMALL HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER)

/* Of any of the kinds: the question, and for a list where it stands. */
struct fm_managed {
        struct fm_w32_object object;
        pthread_mutex_t lock; /* guards request.information_class, entries and next */
        struct fm_request request;
        GPtrArray *entries;
        guint next;
        WCHAR *names[3];
};

static void managed_destroy(struct fm_w32_object *object)
{
        struct fm_managed *managed = (struct fm_managed *)object;

        g_clear_pointer(&managed->entries, g_ptr_array_unref);
        for (unsigned i = 0; i < G_N_ELEMENTS(managed->names); i++)
                g_free(managed->names[i]);
        pthread_mutex_destroy(&managed->lock);
        g_free(managed);
}

static const struct fm_w32_type filter_type = { .name = "Filter", .destroy = managed_destroy };
static const struct fm_w32_type instance_type = { .name = "Instance", .destroy = managed_destroy };
static const struct fm_w32_type filter_find_type = { .name = "FilterFind", .destroy = managed_destroy };
static const struct fm_w32_type volume_find_type = { .name = "VolumeFind", .destroy = managed_destroy };
static const struct fm_w32_type instance_find_type = { .name = "InstanceFind", .destroy = managed_destroy };
static const struct fm_w32_type volume_instance_find_type = {.name = "VolumeInstanceFind",
                                                             .destroy = managed_destroy};

static DWORD last_class(enum fm_manage_op op)
{
        switch (op) {
        case FM_MANAGE_LIST_FILTERS:
        case FM_MANAGE_FILTER_INFORMATION:
                return FilterAggregateStandardInformation;
        case FM_MANAGE_LIST_VOLUMES:
                return FilterVolumeStandardInformation;
        default:
                return InstanceAggregateStandardInformation;
        }
}

static WCHAR *copy_name(LPCWSTR name)
{
        return name ? g_memdup2(name, ((size_t)lstrlenW(name) + 1) * sizeof(WCHAR)) : NULL;
}

static struct fm_managed *managed_new(const struct fm_w32_type *type, const struct fm_request *request)
{
        struct fm_managed *managed = g_new0(struct fm_managed, 1);

        fm_w32_object_init(&managed->object, type);
        pthread_mutex_init(&managed->lock, NULL);
        managed->request = *request;
        managed->request.filter = managed->names[0] = copy_name(request->filter);
        managed->request.volume = managed->names[1] = copy_name(request->volume);
        managed->request.instance = managed->names[2] = copy_name(request->instance);
        return managed;
}

/* Never NULL, also for an empty one. */
static const void *entry_data(GBytes *entry, gsize *length)
{
        const void *data = g_bytes_get_data(entry, length);

        return data ? data : "";
}

static HRESULT give_entry(GBytes *entry, void *buffer, DWORD size, LPDWORD bytes_returned)
{
        gsize length;
        const void *data = entry_data(entry, &length);

        *bytes_returned = (DWORD)length;
        if (size < length || !buffer)
                return TOO_SMALL;
        memcpy(buffer, data, length);
        return S_OK;
}

static HRESULT find_next(struct fm_managed *managed, DWORD class, void *buffer, DWORD size,
                         LPDWORD bytes_returned)
{
        HRESULT hr = S_OK;

        if (!bytes_returned || class > last_class(managed->request.op))
                return INVALID;
        *bytes_returned = 0;
        pthread_mutex_lock(&managed->lock);
        if (!managed->entries || managed->request.information_class != class) {
                g_clear_pointer(&managed->entries, g_ptr_array_unref);
                managed->request.information_class = class;
                hr = fm_request_run(&managed->request, &managed->entries);
        }
        if (SUCCEEDED(hr) && managed->next >= managed->entries->len)
                hr = NO_MORE;
        if (SUCCEEDED(hr))
                hr = give_entry(managed->entries->pdata[managed->next], buffer, size, bytes_returned);
        if (SUCCEEDED(hr))
                managed->next++;
        pthread_mutex_unlock(&managed->lock);
        return hr;
}

static HRESULT find_first(const struct fm_w32_type *type, const struct fm_request *request, DWORD class,
                          void *buffer, DWORD size, LPDWORD bytes_returned, HANDLE *handle)
{
        struct fm_managed *managed;
        HRESULT hr;

        if (!handle)
                return INVALID;
        *handle = INVALID_HANDLE_VALUE;
        managed = managed_new(type, request);
        hr = find_next(managed, class, buffer, size, bytes_returned);
        if (SUCCEEDED(hr)) {
                *handle = fm_w32_handle_new(managed);
                if (!*handle) {
                        *handle = INVALID_HANDLE_VALUE;
                        hr = HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES);
                }
        }
        fm_w32_object_unref(managed);
        return hr;
}

static HRESULT find_next_of_handle(HANDLE handle, const struct fm_w32_type *type, DWORD class, void *buffer,
                                   DWORD size, LPDWORD bytes_returned)
{
        struct fm_managed *managed = fm_w32_handle_ref(handle, type);
        HRESULT hr;

        if (!managed)
                return E_HANDLE;
        hr = find_next(managed, class, buffer, size, bytes_returned);
        fm_w32_object_unref(managed);
        return hr;
}

static HRESULT close_handle(HANDLE handle, const struct fm_w32_type *type)
{
        struct fm_managed *managed = fm_w32_handle_ref(handle, type);

        if (!managed)
                return E_HANDLE;
        fm_w32_handle_close(handle);
        fm_w32_object_unref(managed);
        return S_OK;
}

static HRESULT query(const struct fm_request *request, DWORD class, void *buffer, DWORD size,
                     LPDWORD bytes_returned)
{
        struct fm_request with_class = *request;
        g_autoptr(GPtrArray) entries = NULL;
        HRESULT hr;

        if (!bytes_returned || class > last_class(request->op))
                return INVALID;
        *bytes_returned = 0;
        with_class.information_class = class;
        hr = fm_request_run(&with_class, &entries);
        if (FAILED(hr))
                return hr;
        if (entries->len == 0)
                return NO_MORE;
        return give_entry(entries->pdata[0], buffer, size, bytes_returned);
}

/* A handle for something that exists now; that it goes on to exist is not promised (choice). */
static HRESULT create(const struct fm_w32_type *type, const struct fm_request *request, HANDLE *handle)
{
        struct fm_managed *managed;
        HRESULT hr;

        *handle = INVALID_HANDLE_VALUE;
        hr = fm_request_run(request, NULL);
        if (FAILED(hr))
                return hr;
        managed = managed_new(type, request);
        *handle = fm_w32_handle_new(managed);
        fm_w32_object_unref(managed);
        if (*handle)
                return S_OK;
        *handle = INVALID_HANDLE_VALUE;
        return HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES);
}

static HRESULT information_of_handle(HANDLE handle, const struct fm_w32_type *type, DWORD class, void *buffer,
                                     DWORD size, LPDWORD bytes_returned)
{
        struct fm_managed *managed = fm_w32_handle_ref(handle, type);
        HRESULT hr;

        if (!managed)
                return E_HANDLE;
        hr = query(&managed->request, class, buffer, size, bytes_returned);
        fm_w32_object_unref(managed);
        return hr;
}

/* Filters. */

HRESULT WINAPI FilterLoad(LPCWSTR lpFilterName)
{
        struct fm_request request = { .op = FM_MANAGE_LOAD, .filter = lpFilterName };

        return lpFilterName && *lpFilterName ? fm_request_run(&request, NULL) : INVALID;
}

HRESULT WINAPI FilterUnload(LPCWSTR lpFilterName)
{
        struct fm_request request = { .op = FM_MANAGE_UNLOAD, .filter = lpFilterName };

        return lpFilterName && *lpFilterName ? fm_request_run(&request, NULL) : INVALID;
}

HRESULT WINAPI FilterCreate(LPCWSTR lpFilterName, HFILTER *hFilter)
{
        struct fm_request request = {
                .op = FM_MANAGE_FILTER_INFORMATION,
                .information_class = FilterFullInformation,
                .filter = lpFilterName,
        };

        return hFilter && lpFilterName && *lpFilterName ? create(&filter_type, &request, hFilter) : INVALID;
}

HRESULT WINAPI FilterClose(HFILTER hFilter)
{
        return close_handle(hFilter, &filter_type);
}

HRESULT WINAPI FilterGetInformation(HFILTER hFilter, FILTER_INFORMATION_CLASS dwInformationClass,
                                    LPVOID lpBuffer, DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return information_of_handle(hFilter, &filter_type, dwInformationClass, lpBuffer, dwBufferSize,
                                     lpBytesReturned);
}

HRESULT WINAPI FilterFindFirst(FILTER_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                               DWORD dwBufferSize, LPDWORD lpBytesReturned, LPHANDLE lpFilterFind)
{
        struct fm_request request = { .op = FM_MANAGE_LIST_FILTERS };

        return find_first(&filter_find_type, &request, dwInformationClass, lpBuffer, dwBufferSize,
                          lpBytesReturned, lpFilterFind);
}

HRESULT WINAPI FilterFindNext(HANDLE hFilterFind, FILTER_INFORMATION_CLASS dwInformationClass,
                              LPVOID lpBuffer, DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return find_next_of_handle(hFilterFind, &filter_find_type, dwInformationClass, lpBuffer, dwBufferSize,
                                   lpBytesReturned);
}

HRESULT WINAPI FilterFindClose(HANDLE hFilterFind)
{
        return close_handle(hFilterFind, &filter_find_type);
}

/* Instances. */

/* dwCreatedInstanceNameLength counts bytes; a longer name is cut, and terminated. */
HRESULT WINAPI FilterAttachAtAltitude(LPCWSTR lpFilterName, LPCWSTR lpVolumeName, LPCWSTR lpAltitude,
                                      LPCWSTR lpInstanceName, DWORD dwCreatedInstanceNameLength,
                                      LPWSTR lpCreatedInstanceName)
{
        struct fm_request request = {
                .op = FM_MANAGE_ATTACH,
                .filter = lpFilterName,
                .volume = lpVolumeName,
                .altitude = lpAltitude,
                .instance = lpInstanceName,
        };
        g_autoptr(GPtrArray) entries = NULL;
        HRESULT hr;

        if (!lpFilterName || !lpVolumeName)
                return INVALID;
        hr = fm_request_run(&request, &entries);
        if (SUCCEEDED(hr) && lpCreatedInstanceName && dwCreatedInstanceNameLength >= sizeof(WCHAR)) {
                size_t room = dwCreatedInstanceNameLength / sizeof(WCHAR) - 1, length = 0;
                gsize bytes = 0;

                if (entries->len > 0) {
                        const void *name = entry_data(entries->pdata[0], &bytes);

                        length = MIN(bytes / sizeof(WCHAR), room);
                        memcpy(lpCreatedInstanceName, name, length * sizeof(WCHAR));
                }
                lpCreatedInstanceName[length] = 0;
        }
        return hr;
}

HRESULT WINAPI FilterAttach(LPCWSTR lpFilterName, LPCWSTR lpVolumeName, LPCWSTR lpInstanceName,
                            DWORD dwCreatedInstanceNameLength, LPWSTR lpCreatedInstanceName)
{
        return FilterAttachAtAltitude(lpFilterName, lpVolumeName, NULL, lpInstanceName,
                                      dwCreatedInstanceNameLength, lpCreatedInstanceName);
}

HRESULT WINAPI FilterDetach(LPCWSTR lpFilterName, LPCWSTR lpVolumeName, LPCWSTR lpInstanceName)
{
        struct fm_request request = {
                .op = FM_MANAGE_DETACH,
                .filter = lpFilterName,
                .volume = lpVolumeName,
                .instance = lpInstanceName,
        };

        return lpFilterName && lpVolumeName ? fm_request_run(&request, NULL) : INVALID;
}

HRESULT WINAPI FilterInstanceCreate(LPCWSTR lpFilterName, LPCWSTR lpVolumeName, LPCWSTR lpInstanceName,
                                    HFILTER_INSTANCE *hInstance)
{
        struct fm_request request = {
                .op = FM_MANAGE_INSTANCE_INFORMATION,
                .information_class = InstanceBasicInformation,
                .filter = lpFilterName,
                .volume = lpVolumeName,
                .instance = lpInstanceName,
        };

        return hInstance && lpFilterName && lpVolumeName ? create(&instance_type, &request, hInstance)
                                                         : INVALID;
}

HRESULT WINAPI FilterInstanceClose(HFILTER_INSTANCE hInstance)
{
        return close_handle(hInstance, &instance_type);
}

HRESULT WINAPI FilterInstanceGetInformation(HFILTER_INSTANCE hInstance,
                                            INSTANCE_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                                            DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return information_of_handle(hInstance, &instance_type, dwInformationClass, lpBuffer, dwBufferSize,
                                     lpBytesReturned);
}

HRESULT WINAPI FilterInstanceFindFirst(LPCWSTR lpFilterName, INSTANCE_INFORMATION_CLASS dwInformationClass,
                                       LPVOID lpBuffer, DWORD dwBufferSize, LPDWORD lpBytesReturned,
                                       LPHANDLE lpFilterInstanceFind)
{
        struct fm_request request = { .op = FM_MANAGE_LIST_INSTANCES, .filter = lpFilterName };

        return lpFilterName ? find_first(&instance_find_type, &request, dwInformationClass, lpBuffer,
                                         dwBufferSize, lpBytesReturned, lpFilterInstanceFind)
                            : INVALID;
}

HRESULT WINAPI FilterInstanceFindNext(HANDLE hFilterInstanceFind,
                                      INSTANCE_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                                      DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return find_next_of_handle(hFilterInstanceFind, &instance_find_type, dwInformationClass, lpBuffer,
                                   dwBufferSize, lpBytesReturned);
}

HRESULT WINAPI FilterInstanceFindClose(HANDLE hFilterInstanceFind)
{
        return close_handle(hFilterInstanceFind, &instance_find_type);
}

/* Volumes. */

HRESULT WINAPI FilterVolumeFindFirst(FILTER_VOLUME_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                                     DWORD dwBufferSize, LPDWORD lpBytesReturned, PHANDLE lpVolumeFind)
{
        struct fm_request request = { .op = FM_MANAGE_LIST_VOLUMES };

        return find_first(&volume_find_type, &request, dwInformationClass, lpBuffer, dwBufferSize,
                          lpBytesReturned, lpVolumeFind);
}

HRESULT WINAPI FilterVolumeFindNext(HANDLE hVolumeFind, FILTER_VOLUME_INFORMATION_CLASS dwInformationClass,
                                    LPVOID lpBuffer, DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return find_next_of_handle(hVolumeFind, &volume_find_type, dwInformationClass, lpBuffer, dwBufferSize,
                                   lpBytesReturned);
}

HRESULT WINAPI FilterVolumeFindClose(HANDLE hVolumeFind)
{
        return close_handle(hVolumeFind, &volume_find_type);
}

HRESULT WINAPI FilterVolumeInstanceFindFirst(LPCWSTR lpVolumeName,
                                             INSTANCE_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                                             DWORD dwBufferSize, LPDWORD lpBytesReturned,
                                             LPHANDLE lpVolumeInstanceFind)
{
        struct fm_request request = { .op = FM_MANAGE_LIST_VOLUME_INSTANCES, .volume = lpVolumeName };

        return lpVolumeName ? find_first(&volume_instance_find_type, &request, dwInformationClass, lpBuffer,
                                         dwBufferSize, lpBytesReturned, lpVolumeInstanceFind)
                            : INVALID;
}

HRESULT WINAPI FilterVolumeInstanceFindNext(HANDLE hVolumeInstanceFind,
                                            INSTANCE_INFORMATION_CLASS dwInformationClass, LPVOID lpBuffer,
                                            DWORD dwBufferSize, LPDWORD lpBytesReturned)
{
        return find_next_of_handle(hVolumeInstanceFind, &volume_instance_find_type, dwInformationClass,
                                   lpBuffer, dwBufferSize, lpBytesReturned);
}

HRESULT WINAPI FilterVolumeInstanceFindClose(HANDLE hVolumeInstanceFind)
{
        return close_handle(hVolumeInstanceFind, &volume_instance_find_type);
}

HRESULT WINAPI FilterGetDosName(LPCWSTR lpVolumeName, LPWSTR lpDosName, DWORD dwDosNameBufferSize)
{
        struct fm_request request = { .op = FM_MANAGE_DOS_NAME, .volume = lpVolumeName };
        g_autoptr(GPtrArray) entries = NULL;
        const void *name;
        gsize length;
        HRESULT hr;

        if (!lpVolumeName || !lpDosName)
                return INVALID;
        hr = fm_request_run(&request, &entries);
        if (FAILED(hr))
                return hr;
        if (entries->len == 0)
                return HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
        name = entry_data(entries->pdata[0], &length);
        if (dwDosNameBufferSize < length / sizeof(WCHAR) + 1)
                return TOO_SMALL;
        memcpy(lpDosName, name, length);
        lpDosName[length / sizeof(WCHAR)] = 0;
        return S_OK;
}
