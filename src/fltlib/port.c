/* SPDX-License-Identifier: MIT */
/*
 * The functions of fltUser.h that deal with ports. Errors of the transport become HRESULTs here and nowhere
 * below.
 */
#include "fltlib/client.h"
#include "fltlib/handle.h"
#include "fltlib/manage.h"
#include "win32/dos_error.h"

#include <ntstatus.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define DISCONNECTED   HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE)
#define INVALID        HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER)
#define NO_RESOURCES   HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES)
#define NO_ACCESS      HRESULT_FROM_WIN32(ERROR_NOACCESS)

HRESULT fm_hresult_from_transport(int error)
{
        switch (-error) {
        case ENOENT:
        case ENOTDIR:
                return HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
        case EACCES:
        case EPERM:
                return HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED);
        case EPIPE:
                return DISCONNECTED;
        case EMSGSIZE:
        case EINVAL:
                return INVALID;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
                return NO_RESOURCES;
        default:
                return HRESULT_FROM_WIN32(ERROR_GEN_FAILURE);
        }
}

static struct fm_port_handle *port_of(HANDLE handle)
{
        return fm_w32_handle_ref(handle, &fm_port_handle_type);
}

/* The answer to CONNECT: a handle, or why not. fd is taken over in any case. */
static HRESULT finish_connect(int fd, DWORD options, HANDLE *ret)
{
        struct fm_client_frame answer;
        uint8_t buffer[256];
        struct fm_ring ring;
        struct fm_port_handle *connection;
        int r, memory;

        r = fm_client_welcome(fd);
        if (r == 0)
                r = fm_client_receive(fd, buffer, sizeof(buffer), 0, &answer);
        if (r < 0) {
                close(fd);
                /* A server that goes away now never had the port. */
                return fm_hresult_from_transport(r == -EPIPE ? -ENOENT : r);
        }
        memory = fm_client_take_descriptor(&answer);
        fm_client_frame_clear(&answer);
        if (answer.frame.type != FM_FRAME_CONNECTED) {
                r = -EPROTO;
        } else if (!NT_SUCCESS(answer.frame.connected.status)) {
                close(fd);
                if (memory >= 0)
                        close(memory);
                return fm_hresult_from_status(answer.frame.connected.status);
        } else {
                r = memory < 0 ? -ENOMEM : fm_ring_map(&ring, memory, answer.frame.connected.ring_size);
        }
        if (memory >= 0)
                close(memory);
        if (r < 0) {
                close(fd);
                return fm_hresult_from_transport(r);
        }
        connection = fm_port_handle_new(fd, &ring, answer.frame.connected.token, options);
        *ret = fm_w32_handle_new(connection);
        if (!*ret)
                fm_port_handle_type.close(&connection->io.object);
        fm_w32_object_unref(connection);
        if (*ret)
                return S_OK;
        *ret = INVALID_HANDLE_VALUE;
        return NO_RESOURCES;
}

/*
 * Connects to a port. Blocks as long as the filter's ConnectNotify does. Security attributes change nothing
 * here.
 */
HRESULT WINAPI FilterConnectCommunicationPort(LPCWSTR lpPortName, DWORD dwOptions, LPCVOID lpContext,
                                              WORD wSizeOfContext, LPSECURITY_ATTRIBUTES lpSecurityAttributes,
                                              HANDLE *hPort)
{
        struct fm_frame connect = { .type = FM_FRAME_CONNECT, .tag = 1 };
        size_t length;
        int fd, r;

        if (!hPort)
                return INVALID;
        *hPort = INVALID_HANDLE_VALUE;
        if (!lpPortName || dwOptions & ~FLT_PORT_FLAG_SYNC_HANDLE || !lpContext != !wSizeOfContext)
                return INVALID;
        if (wSizeOfContext > FM_CONTEXT_MAX)
                return HRESULT_FROM_WIN32(ERROR_ARITHMETIC_OVERFLOW);
        length = (size_t)lstrlenW(lpPortName) * sizeof(WCHAR);
        if (length > FM_NAME_MAX)
                return HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND); /* no port can have it */
        connect.connect.flags = FM_CONNECT_RING;
        connect.connect.options = dwOptions;
        connect.connect.name = (struct fm_bytes){ (const uint8_t *)lpPortName, (uint32_t)length };
        connect.connect.context = (struct fm_bytes){ lpContext, wSizeOfContext };
        fd = fm_client_open();
        if (fd < 0)
                return fm_hresult_from_transport(fd);
        r = fm_client_send(fd, &connect, -1);
        if (r < 0 && r != -EPIPE) {
                close(fd);
                return fm_hresult_from_transport(r);
        }
        return finish_connect(fd, dwOptions, hPort);
}

static void serialise(struct fm_port_handle *connection)
{
        if (connection->options & FLT_PORT_FLAG_SYNC_HANDLE)
                pthread_mutex_lock(&connection->serial);
}

static void unserialise(struct fm_port_handle *connection)
{
        if (connection->options & FLT_PORT_FLAG_SYNC_HANDLE)
                pthread_mutex_unlock(&connection->serial);
}

/* On a handle of FLT_PORT_FLAG_SYNC_HANDLE an overlapped receive, too, has happened when the call returns. */
static HRESULT receive_synchronously(struct fm_port_handle *connection, PFILTER_MESSAGE_HEADER buffer,
                                     DWORD size, LPOVERLAPPED overlapped)
{
        struct fm_w32_event *event = NULL;
        NTSTATUS status;
        DWORD bytes;

        if (fm_port_handle_is_disconnected(connection))
                return DISCONNECTED;
        if (overlapped && !fm_w32_io_start(&connection->io, overlapped, &event))
                return HRESULT_FROM_WIN32(GetLastError());
        serialise(connection);
        status = fm_port_handle_receive(connection, buffer, size, &bytes);
        unserialise(connection);
        if (overlapped)
                fm_w32_io_complete(&connection->io, overlapped, event, status, bytes);
        return fm_hresult_from_status(status);
}

HRESULT WINAPI FilterGetMessage(HANDLE hPort, PFILTER_MESSAGE_HEADER lpMessageBuffer,
                                DWORD dwMessageBufferSize, LPOVERLAPPED lpOverlapped)
{
        struct fm_port_handle *connection = port_of(hPort);
        HRESULT hr;

        if (!connection)
                return DISCONNECTED;
        if (!lpMessageBuffer || dwMessageBufferSize < sizeof(FILTER_MESSAGE_HEADER))
                hr = INVALID;
        else if (lpOverlapped && !(connection->options & FLT_PORT_FLAG_SYNC_HANDLE))
                hr = fm_port_handle_start_receive(connection, lpMessageBuffer, dwMessageBufferSize,
                                                  lpOverlapped);
        else
                hr = receive_synchronously(connection, lpMessageBuffer, dwMessageBufferSize, lpOverlapped);
        fm_w32_object_unref(connection);
        return hr;
}

HRESULT WINAPI FilterTryGetMessage(HANDLE hPort, PFILTER_MESSAGE_HEADER lpMessageBuffer,
                                   DWORD dwMessageBufferSize, LPDWORD lpBytesReturned)
{
        struct fm_port_handle *connection = port_of(hPort);
        DWORD bytes = 0;
        HRESULT hr = INVALID;

        if (!connection)
                return DISCONNECTED;
        if (lpMessageBuffer && dwMessageBufferSize >= sizeof(FILTER_MESSAGE_HEADER)) {
                serialise(connection);
                hr = fm_hresult_from_status(
                        fm_port_handle_try_receive(connection, lpMessageBuffer, dwMessageBufferSize, &bytes));
                unserialise(connection);
        }
        if (lpBytesReturned)
                *lpBytesReturned = bytes;
        fm_w32_object_unref(connection);
        return hr;
}

HRESULT WINAPI FilterGetPortDescriptor(HANDLE hPort, int *lpDescriptor)
{
        struct fm_port_handle *connection = port_of(hPort);

        if (lpDescriptor)
                *lpDescriptor = -1;
        if (!connection)
                return DISCONNECTED;
        if (lpDescriptor) {
                fm_port_handle_watch(connection);
                *lpDescriptor = connection->io.fd;
        }
        fm_w32_object_unref(connection);
        return lpDescriptor ? S_OK : INVALID;
}

/* The answer is exact: S_OK means that the sender has it. Never waits for the filter. */
HRESULT WINAPI FilterReplyMessage(HANDLE hPort, PFILTER_REPLY_HEADER lpReplyBuffer, DWORD dwReplyBufferSize)
{
        struct fm_port_handle *connection = port_of(hPort);
        bool wants_poke = false;
        HRESULT hr;
        int r;

        if (!connection)
                return DISCONNECTED;
        if (!lpReplyBuffer || dwReplyBufferSize < sizeof(FILTER_REPLY_HEADER)) {
                fm_w32_object_unref(connection);
                return INVALID;
        }
        serialise(connection);
        r = fm_port_handle_is_disconnected(connection)
                    ? -EPIPE
                    : fm_ring_reply(&connection->ring, lpReplyBuffer->MessageId, lpReplyBuffer->Status,
                                    lpReplyBuffer + 1, dwReplyBufferSize - (DWORD)sizeof(FILTER_REPLY_HEADER),
                                    &wants_poke);
        if (wants_poke)
                fm_port_handle_poke(connection, FM_POKE_SLOTS);
        unserialise(connection);
        if (r == 0)
                hr = S_OK;
        else if (r == -ENOENT)
                hr = ERROR_FLT_NO_WAITER_FOR_REPLY;
        else if (r == -EMSGSIZE)
                hr = HRESULT_FROM_WIN32(ERROR_MORE_DATA);
        else
                hr = DISCONNECTED;
        fm_w32_object_unref(connection);
        return hr;
}

/*
 * Copies between the caller's memory and ours. The caller may have told a length that his memory does not
 * have, and that is an error, not a fault: so the kernel copies. false: it could not.
 */
static bool copy_user(void *to, const void *from, size_t length, bool to_user)
{
        struct iovec ours = { .iov_len = length }, his = { .iov_len = length };
        ssize_t n;

        if (length == 0)
                return true;
        ours.iov_base = to_user ? (void *)(uintptr_t)from : to;
        his.iov_base = to_user ? to : (void *)(uintptr_t)from;
        n = to_user ? process_vm_writev(getpid(), &ours, 1, &his, 1, 0)
                    : process_vm_readv(getpid(), &ours, 1, &his, 1, 0);
        if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
                /* A sandbox that forbids it. */
                memcpy(to, from, length);
                return true;
        }
        return n == (ssize_t)length;
}

/*
 * Memory for a call that is too large for a frame: input at 0, output behind it. Descriptor or negative
 * errno; -EFAULT: the input is not there.
 */
static int call_memory(const void *in, uint32_t in_length, uint32_t out_length, uint32_t *ret_out_offset,
                       void **ret_map)
{
        uint32_t out_offset = (in_length + 4095) & ~4095u;
        size_t size = (size_t)out_offset + out_length;
        int fd = memfd_create("fltlib-call", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        void *map = MAP_FAILED;

        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t)size) == 0 &&
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
                map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
                close(fd);
                return -ENOMEM;
        }
        if (!copy_user(map, in, in_length, false)) {
                munmap(map, size);
                close(fd);
                return -EFAULT;
        }
        *ret_out_offset = out_offset;
        *ret_map = map;
        return fd;
}

static HRESULT call(struct fm_port_handle *connection, const void *in, uint32_t in_length, void *out,
                    uint32_t out_length, DWORD *bytes_returned)
{
        struct fm_frame request = { .type = FM_FRAME_CALL, .tag = 1 };
        size_t room = 4096 + MIN(MAX(in_length, out_length), FM_INLINE_MAX);
        g_autofree uint8_t *buffer = g_malloc(room); /* the input, until it is sent; then the answer */
        struct fm_client_frame answer;
        int channel, memory = -1, r = 0;
        const uint8_t *from = NULL;
        uint32_t copied = 0;
        void *map = NULL;
        HRESULT hr;

        request.call.in_length = in_length;
        request.call.out_length = out_length;
        request.call.in = buffer;
        if (in_length > FM_INLINE_MAX || out_length > FM_INLINE_MAX) {
                memory = call_memory(in, in_length, out_length, &request.call.out_offset, &map);
                if (memory < 0)
                        return memory == -EFAULT ? NO_ACCESS : NO_RESOURCES;
                request.call.flags = FM_CALL_IN_MEMFD;
        } else if (!copy_user(buffer, in, in_length, false)) {
                return NO_ACCESS;
        }
        channel = fm_port_handle_get_channel(connection);
        if (channel < 0)
                r = channel;
        if (r == 0)
                r = fm_client_send(channel, &request, memory);
        if (r == 0)
                r = fm_client_receive(channel, buffer, room, 0, &answer);
        if (r == 0 && answer.frame.type != FM_FRAME_RETURN) {
                fm_client_frame_clear(&answer);
                r = -EPROTO;
        }
        if (channel >= 0)
                fm_port_handle_put_channel(connection, channel, r == 0);
        if (r == 0) {
                NTSTATUS status = answer.frame.ret.status;
                bool delivers = (ULONG)status < 0xC0000000;

                fm_port_handle_accept_given(connection, &answer, answer.frame.ret.given,
                                            answer.frame.ret.given_count);
                fm_client_frame_clear(&answer);
                if (delivers && map && answer.frame.ret.flags & FM_CALL_IN_MEMFD) {
                        copied = MIN(answer.frame.ret.out_length, out_length);
                        from = (uint8_t *)map + request.call.out_offset;
                } else if (delivers) {
                        copied = MIN(answer.frame.ret.out.length, out_length);
                        from = answer.frame.ret.out.data;
                }
                if (!copy_user(out, from, copied, true)) {
                        status = STATUS_ACCESS_VIOLATION;
                        delivers = false;
                }
                *bytes_returned =
                        delivers || status == STATUS_BUFFER_TOO_SMALL ? answer.frame.ret.out_length : 0;
                hr = fm_hresult_from_status(status);
        } else {
                /* A channel that ends under a call: the connection has, or is about to. */
                hr = fm_hresult_from_transport(r == -ENOENT ? -EPIPE : r);
        }
        if (memory >= 0) {
                munmap(map, (size_t)request.call.out_offset + out_length);
                close(memory);
        }
        return hr;
}

/* Runs the filter's MessageNotify and waits for it. Input and output are limited to 16 MiB each. */
HRESULT WINAPI FilterSendMessage(HANDLE hPort, LPVOID lpInBuffer, DWORD dwInBufferSize, LPVOID lpOutBuffer,
                                 DWORD dwOutBufferSize, LPDWORD lpBytesReturned)
{
        struct fm_port_handle *connection = port_of(hPort);
        DWORD bytes = 0;
        HRESULT hr;

        if (lpBytesReturned)
                *lpBytesReturned = 0;
        if (!connection)
                return DISCONNECTED;
        if (!lpInBuffer || dwInBufferSize == 0) {
                hr = INVALID;
        } else if (dwInBufferSize > FM_CALL_MAX) {
                hr = NO_RESOURCES;
        } else if (fm_port_handle_is_disconnected(connection)) {
                hr = DISCONNECTED;
        } else {
                serialise(connection);
                hr = call(connection, lpInBuffer, dwInBufferSize, lpOutBuffer,
                          lpOutBuffer ? MIN(dwOutBufferSize, FM_CALL_MAX) : 0, &bytes);
                unserialise(connection);
        }
        if (lpBytesReturned)
                *lpBytesReturned = bytes;
        fm_w32_object_unref(connection);
        return hr;
}
