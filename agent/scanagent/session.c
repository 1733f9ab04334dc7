/* SPDX-License-Identifier: MIT */
/*
 * Workers: receive, map, scan, answer, log, receive again.
 *
 * A message's buffer is in one of three hands: the port's (a receive is pending), a worker's, or nobody's, once
 * the connection has ended or ends. The section in a message is ours to close when the answer was taken.
 */
#include "session.h"

#include <fltUser.h>

#include <errno.h>
#include <stddef.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "record.h"

#include "../../filter/onaccess/protocol.h"

#define KEY_MESSAGE 1
#define KEY_QUIT    2

struct message {
        FILTER_MESSAGE_HEADER header;
        OA_SCAN_REQUEST request;
        OVERLAPPED overlapped;
};

struct answer {
        FILTER_REPLY_HEADER header;
        OA_SCAN_REPLY reply;
};

G_STATIC_ASSERT(offsetof(struct message, request) == sizeof(FILTER_MESSAGE_HEADER));
G_STATIC_ASSERT(sizeof(struct answer) == sizeof(FILTER_REPLY_HEADER) + sizeof(OA_SCAN_REPLY));
G_STATIC_ASSERT(OA_MAX_SIGNATURE == FM_SIGNATURE_MAX);
G_STATIC_ASSERT(OA_VERDICT_CLEAN == (int)FM_VERDICT_CLEAN && OA_VERDICT_INFECTED == (int)FM_VERDICT_INFECTED &&
                OA_VERDICT_ERROR == (int)FM_VERDICT_ERROR);

struct fm_session {
        struct fm_session_shared *shared;
        HANDLE port;
        HANDLE completions;
        int ended_fd;
        gint closing; /* atomically: no more receives */
        unsigned thread_count;
        HANDLE *threads;
        struct message *messages;
};

void fm_log_line(int fd, const char *line)
{
        size_t left = strlen(line);

        while (left > 0) {
                ssize_t n = write(fd, line, left);

                if (n < 0 && errno != EINTR)
                        return;
                if (n > 0) {
                        line += n;
                        left -= (size_t)n;
                }
        }
}

void fm_session_shared_init(struct fm_session_shared *shared, const struct fm_service_options *options,
                            struct fm_engines *engines)
{
        shared->options = options;
        pthread_mutex_init(&shared->lock, NULL);
        shared->engines = engines;
        shared->received = 0;
}

void fm_session_shared_deinit(struct fm_session_shared *shared)
{
        fm_engines_unref(shared->engines);
        pthread_mutex_destroy(&shared->lock);
}

void fm_session_shared_set_engines(struct fm_session_shared *shared, struct fm_engines *engines)
{
        struct fm_engines *old;

        pthread_mutex_lock(&shared->lock);
        old = shared->engines;
        shared->engines = engines;
        pthread_mutex_unlock(&shared->lock);
        fm_engines_unref(old);
}

/* Signatures are looked for anew with each message: a reload counts from the next one on. */
static void worker_refresh(struct fm_engines_worker **worker, struct fm_session_shared *shared)
{
        struct fm_engines *engines;

        pthread_mutex_lock(&shared->lock);
        engines = fm_engines_ref(shared->engines);
        pthread_mutex_unlock(&shared->lock);
        if (*worker == NULL || fm_engines_worker_get(*worker) != engines) {
                fm_engines_worker_free(*worker);
                *worker = fm_engines_worker_new(engines);
        }
        fm_engines_unref(engines);
}

static void session_end(struct fm_session *session)
{
        const guint64 one = 1;

        g_atomic_int_set(&session->closing, 1);
        if (write(session->ended_fd, &one, sizeof(one)) < 0) {
                /* It is readable already. */
        }
}

static void receive(struct fm_session *session, struct message *message)
{
        HRESULT result;

        if (g_atomic_int_get(&session->closing))
                return;
        memset(&message->overlapped, 0, sizeof(message->overlapped));
        result = FilterGetMessage(session->port, &message->header, offsetof(struct message, overlapped),
                                  &message->overlapped);
        if (result != HRESULT_FROM_WIN32(ERROR_IO_PENDING) && FAILED(result))
                session_end(session);
}

static const char *reason_name(ULONG reason)
{
        switch (reason) {
        case OA_REASON_OPEN:
                return "open";
        case OA_REASON_EXECUTE:
                return "execute";
        case OA_REASON_CLEANUP:
                return "cleanup";
        default:
                return "unknown";
        }
}

/* Before the answer: who asked may be gone right after it. */
static char *process_name(ULONG process_id)
{
        g_autofree char *path = g_strdup_printf("/proc/%u/comm", process_id);
        char *name = NULL;

        if (!g_file_get_contents(path, &name, NULL, NULL))
                return NULL;
        return g_strchomp(name);
}

static bool message_is_valid(const struct message *message, DWORD bytes)
{
        const size_t fixed = offsetof(struct message, request) + offsetof(OA_SCAN_REQUEST, Name);

        return bytes >= fixed && message->request.NameLength <= bytes - fixed && message->request.NameLength % 2 == 0;
}

static enum fm_verdict scan_section(struct fm_engines_worker *worker, const OA_SCAN_REQUEST *request,
                                    char signature[FM_SIGNATURE_MAX])
{
        g_autofree char *path = g_utf16_to_utf8(request->Name, request->NameLength / 2, NULL, NULL, NULL);
        enum fm_verdict verdict;
        void *view;

        /* The size that the filter saw: if the file is shorter by now, the scan faults and is an error. */
        view = MapViewOfFile((HANDLE)(ULONG_PTR)request->Section, FILE_MAP_READ, 0, 0, request->FileSize);
        if (view == NULL)
                return FM_VERDICT_ERROR;
        verdict = fm_engines_scan(worker, view, request->FileSize, path != NULL ? path : "", signature);
        UnmapViewOfFile(view);
        return verdict;
}

static void answer(struct fm_session *session, const struct message *message, enum fm_verdict verdict,
                   const char signature[FM_SIGNATURE_MAX])
{
        struct answer out = { .header.MessageId = message->header.MessageId };
        HRESULT result;

        out.reply.Verdict = verdict;
        memcpy(out.reply.Signature, signature, sizeof(out.reply.Signature));
        result = FilterReplyMessage(session->port, &out.header, sizeof(out));
        if (SUCCEEDED(result)) {
                CloseHandle((HANDLE)(ULONG_PTR)message->request.Section);
        } else if (result == ERROR_FLT_NO_WAITER_FOR_REPLY) {
                g_autofree char *line = fm_event_format("late", "nobody waited for this answer any more",
                                                        session->shared->options->json, g_get_real_time());

                fm_log_line(session->shared->options->log_fd, line);
        } else {
                session_end(session);
        }
}

static void log_verdict(const struct fm_service_options *options, const OA_SCAN_REQUEST *request, const char *process,
                        enum fm_verdict verdict, const char *signature, gint64 microseconds)
{
        const struct fm_record record = {
                .reason = reason_name(request->Reason),
                .name = request->Name,
                .name_length = request->NameLength / 2,
                .name_truncated = (request->Flags & OA_SCAN_NAME_TRUNCATED) != 0,
                .process_id = request->ProcessId,
                .process = process,
                .size = request->FileSize,
                .verdict = verdict,
                .signature = signature,
                .microseconds = microseconds,
        };
        g_autofree char *line = fm_record_format(&record, options->json, g_get_real_time());

        fm_log_line(options->log_fd, line);
}

static void handle_scan(struct fm_session *session, struct fm_engines_worker **worker, struct message *message)
{
        const struct fm_service_options *options = session->shared->options;
        const OA_SCAN_REQUEST *request = &message->request;
        char signature[FM_SIGNATURE_MAX] = "";
        g_autofree char *process = process_name(request->ProcessId);
        gint64 start = g_get_monotonic_time();
        gint64 microseconds;
        enum fm_verdict verdict;

        worker_refresh(worker, session->shared);
        verdict = scan_section(*worker, request, signature);
        microseconds = g_get_monotonic_time() - start;
        if (options->delay != 0)
                g_usleep(options->delay * 1000ul);
        /* Logged first: whoever sees an open refused finds the reason in the log. */
        log_verdict(options, request, process, verdict, signature, microseconds);
        answer(session, message, verdict, signature);
}

static void handle(struct fm_session *session, struct fm_engines_worker **worker, struct message *message, DWORD bytes)
{
        static const char nothing[FM_SIGNATURE_MAX];
        const struct fm_service_options *options = session->shared->options;
        unsigned number = (unsigned)g_atomic_int_add(&session->shared->received, 1) + 1;

        if (options->crash_after != 0 && number >= options->crash_after)
                kill(getpid(), SIGKILL);
        if (!message_is_valid(message, bytes)) {
                message->request.Section = 0;
                answer(session, message, FM_VERDICT_ERROR, nothing);
        } else if (options->mute) {
                g_autofree char *process = process_name(message->request.ProcessId);

                log_verdict(options, &message->request, process, FM_VERDICT_NONE, nothing, 0);
        } else if (options->allow_all) {
                if (options->delay != 0)
                        g_usleep(options->delay * 1000ul);
                answer(session, message, FM_VERDICT_CLEAN, nothing);
        } else {
                handle_scan(session, worker, message);
        }
}

static DWORD WINAPI work(LPVOID context)
{
        struct fm_session *session = context;
        struct fm_engines_worker *worker = NULL;

        for (;;) {
                OVERLAPPED *overlapped = NULL;
                ULONG_PTR key = 0;
                DWORD bytes = 0;
                BOOL ok = GetQueuedCompletionStatus(session->completions, &bytes, &key, &overlapped, INFINITE);
                struct message *message;

                if (key == KEY_QUIT || overlapped == NULL)
                        break;
                message = CONTAINING_RECORD(overlapped, struct message, overlapped);
                if (ok) {
                        handle(session, &worker, message, bytes);
                        receive(session, message);
                } else if (GetLastError() != ERROR_OPERATION_ABORTED) {
                        session_end(session);
                }
        }
        fm_engines_worker_free(worker);
        return 0;
}

static bool start_threads(struct fm_session *session)
{
        unsigned count = session->shared->options->threads;

        session->threads = g_new0(HANDLE, count);
        for (unsigned i = 0; i < count; i++) {
                HANDLE thread = CreateThread(NULL, 0, work, session, 0, NULL);

                if (thread == NULL)
                        break;
                session->threads[session->thread_count++] = thread;
        }
        return session->thread_count > 0;
}

struct fm_session *fm_session_new(HANDLE port, struct fm_session_shared *shared)
{
        struct fm_session *session = g_new0(struct fm_session, 1);
        unsigned messages = shared->options->threads * shared->options->receives;

        session->shared = shared;
        session->port = port;
        session->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        session->completions = CreateIoCompletionPort(port, NULL, KEY_MESSAGE, shared->options->threads);
        if (session->ended_fd < 0 || session->completions == NULL || !start_threads(session)) {
                fm_session_free(session);
                return NULL;
        }
        session->messages = g_new0(struct message, messages);
        for (unsigned i = 0; i < messages; i++)
                receive(session, &session->messages[i]);
        return session;
}

/*
 * What is pending is cancelled; the quits stand in line behind what was delivered. The messages' memory goes
 * after the connection, which could still write to it.
 */
void fm_session_free(struct fm_session *session)
{
        g_atomic_int_set(&session->closing, 1);
        if (session->messages != NULL)
                CancelIoEx(session->port, NULL);
        for (unsigned i = 0; i < session->thread_count; i++)
                PostQueuedCompletionStatus(session->completions, 0, KEY_QUIT, NULL);
        for (unsigned i = 0; i < session->thread_count; i++) {
                WaitForSingleObject(session->threads[i], INFINITE);
                CloseHandle(session->threads[i]);
        }
        g_free(session->threads);
        CloseHandle(session->port);
        if (session->completions != NULL)
                CloseHandle(session->completions);
        if (session->ended_fd >= 0)
                close(session->ended_fd);
        g_free(session->messages);
        g_free(session);
}

int fm_session_get_ended_fd(struct fm_session *session)
{
        return session->ended_fd;
}
