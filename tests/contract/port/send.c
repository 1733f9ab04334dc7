/* SPDX-License-Identifier: MIT */
/*
 * FltSendMessage, row by row.
 *
 *   reply expected iff ReplyBuffer != NULL; header.ReplyLength 0     /send/reply/not-wanted
 *   no reply wanted: copied, not processed                           /send/reply/not-wanted
 *   ReplyLength in: payload only; header.ReplyLength 16 + it         /send/reply/capacity
 *   ReplyLength out: bytes copied                                    /send/reply/shorter
 *     0 whenever no reply was received                               /send/reply/length-without-reply
 *   ReplyBuffer may alias SenderBuffer                               /send/reply/alias
 *   arrived and fits: the header's status, whatever it is            /send/reply/status
 *   longer than the buffer: truncated, STATUS_BUFFER_OVERFLOW,
 *     whatever its status; replier 0x800700EA                        /send/reply/longer, /send/reply/capacity-zero
 *   Timeout NULL; Timeout points at 0                                /send/timeout/null, /send/timeout/zero
 *   relative, in either phase; message never seen; late reply        /send/timeout/relative-first-phase,
 *                                                                    /send/timeout/relative-second-phase
 *   absolute, in either phase                                        /send/timeout/absolute-first-phase,
 *                                                                    /send/timeout/absolute-second-phase
 *   one deadline for both phases                                     /send/timeout/one-deadline
 *   deadline already past at the call: nothing delivered             /send/timeout/past
 *   *ClientPort NULL                                                 /send/disconnected/null
 *   connection ended before, in the first, in the second wait        /send/disconnected/before,
 *                                                                    /send/disconnected/first-phase,
 *                                                                    /send/disconnected/second-phase
 *   the requestor is being killed, in either phase, or was before    /send/terminating/...
 *   other signals do not end the wait                                /send/terminating/other-signals
 *   many threads at once, each its own MessageId                     /send/many-threads
 *   the oldest pending receive that is large enough                  /send/oldest/overlapped, /send/oldest/threads,
 *     (of sleeping threads: who asks meanwhile does not wait for it) /send/oldest/asleep
 *   none is large enough                                             /send/no-receive-is-large-enough
 *   MessageId from 1, per connection, at delivery, to every message  /send/message-id
 *   no message is kept for a sender that left                        /send/timeout/relative-first-phase
 *   the largest message, and one more byte                           /send/largest
 */
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "fixture.h"

#define MILLISECONDS(n) ((LONGLONG)(n) * -10000)

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 4);
}

/* A message of the scene's connection; a reply is wanted if there is room for one. */
static struct sender message(struct scene *scene, const char *text, void *reply, ULONG room)
{
        return (struct sender){
                .link = scene->link, .payload = text, .length = (ULONG)strlen(text), .reply = reply,
                .reply_length = room,
        };
}

static const struct remote_result *get(struct scene *scene)
{
        return RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 16 + 64);
}

static void expect(struct scene *scene, const char *text)
{
        const struct remote_result *result = get(scene);

        assert_hex(result->hr, ==, 0);
        g_assert_cmpstr((const char *)result->data, ==, text);
}

/* Nothing was left behind: the next message is the one that is sent now. */
static void expect_nothing_before(struct scene *scene)
{
        struct sender next = message(scene, "the next one", NULL, 0);

        sender_start(&next);
        expect(scene, "the next one");
        assert_hex(sender_join(&next), ==, STATUS_SUCCESS);
}

static LONGLONG now_since_1601(void)
{
        LARGE_INTEGER now;

        KeQuerySystemTime(&now);
        return now.QuadPart;
}

/* Another connection on which nothing is received: its sends are the clock. */
static struct sender clock_new(struct scene *scene, struct link *other, LONGLONG timeout)
{
        struct sender sender = message(scene, "tick", NULL, 0);

        sender.link = other;
        sender.has_timeout = true;
        sender.timeout = timeout;
        return sender;
}

static void pass(struct scene *scene, struct link *other, LONGLONG timeout)
{
        struct sender sender = clock_new(scene, other, timeout);

        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
}

static void test_not_wanted(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "note", NULL, 0);
        const struct remote_result *result;

        sender_start(&sender);
        sender_wait_blocked(&sender);
        result = get(scene);
        g_assert_cmpuint(result->reply_length, ==, 0);
        g_assert_cmpuint(result->id, ==, 1);
        /* Nobody has said a word about it, and the sender goes on. */
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        assert_hex(agent_reply(scene->agent, scene->handle, 1, STATUS_SUCCESS, ""), ==, 0x801F0020);

        /* A length without a buffer is no wish for a reply. */
        sender = message(scene, "note", NULL, 100);
        sender_start(&sender);
        g_assert_cmpuint(get(scene)->reply_length, ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpuint(sender.reply_length, ==, 0);
}

static void test_capacity(struct scene *scene, gconstpointer unused)
{
        static const ULONG rooms[] = { 1, 7, 8, 512, 65536 };
        g_autofree char *reply = g_malloc(65536);

        for (unsigned i = 0; i < G_N_ELEMENTS(rooms); i++) {
                struct sender sender = message(scene, "question", reply, rooms[i]);
                const struct remote_result *result;

                sender_start(&sender);
                result = get(scene);
                g_assert_cmpuint(result->reply_length, ==, 16 + rooms[i]);
                assert_hex(RUN(scene->agent, REMOTE_REPLY, .handle = scene->handle, .id = result->id,
                               .size = 16 + rooms[i], .flags = REMOTE_PATTERN)->hr, ==, 0);
                assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
                g_assert_cmpuint(sender.reply_length, ==, rooms[i]);
                g_assert_cmpuint(remote_pattern_length((uint8_t *)reply, rooms[i]), ==, rooms[i]);
        }
}

static void test_capacity_zero(struct scene *scene, gconstpointer unused)
{
        char reply[4] = "???";
        struct sender sender = message(scene, "question", reply, 0);
        const struct remote_result *result;

        sender_start(&sender);
        result = get(scene);
        g_assert_cmpuint(result->reply_length, ==, 16);
        assert_hex(agent_reply(scene->agent, scene->handle, result->id, STATUS_SUCCESS, ""), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpuint(sender.reply_length, ==, 0);

        sender_start(&sender);
        assert_hex(agent_reply(scene->agent, scene->handle, get(scene)->id, STATUS_SUCCESS, "a"), ==, 0x800700EA);
        assert_hex(sender_join(&sender), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(sender.reply_length, ==, 0);
        g_assert_cmpstr(reply, ==, "???");
}

static void test_shorter(struct scene *scene, gconstpointer unused)
{
        char reply[8] = "ABCDEFG";
        struct sender sender = message(scene, "question", reply, sizeof(reply));

        sender_start(&sender);
        assert_hex(agent_reply(scene->agent, scene->handle, get(scene)->id, STATUS_SUCCESS, "abc"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpuint(sender.reply_length, ==, 3);
        g_assert_cmpmem(reply, sizeof(reply), "abcDEFG", 8);
}

static void test_longer(struct scene *scene, gconstpointer unused)
{
        static const guint32 statuses[] = { 0, 0xC0000906, 0x102, 0xC0000037 };

        for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
                char reply[8] = "ABCDEFG";
                struct sender sender = message(scene, "question", reply, 4);

                sender_start(&sender);
                assert_hex(agent_reply(scene->agent, scene->handle, get(scene)->id, (NTSTATUS)statuses[i], "abcde"),
                           ==, 0x800700EA);
                assert_hex(sender_join(&sender), ==, STATUS_BUFFER_OVERFLOW);
                g_assert_cmpuint(sender.reply_length, ==, 4);
                g_assert_cmpmem(reply, sizeof(reply), "abcdEFG", 8);
        }
}

static void test_alias(struct scene *scene, gconstpointer unused)
{
        char buffer[32] = "question";
        struct sender sender = message(scene, buffer, buffer, sizeof(buffer));
        const struct remote_result *result;

        sender_start(&sender);
        result = get(scene);
        g_assert_cmpstr((const char *)result->data, ==, "question");
        assert_hex(agent_reply(scene->agent, scene->handle, result->id, STATUS_SUCCESS, "the answer"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        g_assert_cmpmem(buffer, sender.reply_length, "the answer", 10);
}

static void test_status(struct scene *scene, gconstpointer unused)
{
        static const guint32 statuses[] = {
                0x00000000, 0x00000102, 0x00000103, 0x40000000, 0x80000005, 0x8000001A, 0xC0000022,
                0xC0000037, 0xC000004B, 0xC0000120, 0xC0000906, 0xC01C0020, 0xFFFFFFFF,
        };
        char reply[8];

        for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
                struct sender sender = message(scene, "question", reply, sizeof(reply));

                sender_start(&sender);
                assert_hex(agent_reply(scene->agent, scene->handle, get(scene)->id, (NTSTATUS)statuses[i], "abc"),
                           ==, 0);
                assert_hex(sender_join(&sender), ==, statuses[i]);
                g_assert_cmpmem(reply, sender.reply_length, "abc", 3);
        }
}

static void test_length_without_reply(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "question", reply, sizeof(reply));
        struct link nowhere = { .client = NULL };

        sender.has_timeout = true;
        sender.timeout = MILLISECONDS(1);
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        g_assert_cmpuint(sender.reply_length, ==, 0);

        sender = message(scene, "question", reply, sizeof(reply));
        sender.link = &nowhere;
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(sender.reply_length, ==, 0);

        sender = message(scene, "question", reply, sizeof(reply));
        sender.has_timeout = true;
        sender.timeout = now_since_1601() - 1;
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        g_assert_cmpuint(sender.reply_length, ==, 0);

        sender = message(scene, "question", reply, sizeof(reply));
        sender_start(&sender);
        get(scene);
        agent_kill(g_steal_pointer(&scene->agent));
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(sender.reply_length, ==, 0);
}

static void wait_for_ever(struct scene *scene, bool zero)
{
        char reply[8];
        struct sender sender = message(scene, "question", reply, sizeof(reply));
        struct link *other;
        uint64_t id;

        agent_connect(scene->agent, scene->port, &other);
        sender.has_timeout = zero;
        sender_start(&sender);
        sender_wait_blocked(&sender);
        pass(scene, other, MILLISECONDS(50));
        g_assert_false(sender_is_done(&sender));
        id = get(scene)->id;
        pass(scene, other, MILLISECONDS(50));
        g_assert_false(sender_is_done(&sender));
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, "abc"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_null(struct scene *scene, gconstpointer unused)
{
        wait_for_ever(scene, false);
}

static void test_zero(struct scene *scene, gconstpointer unused)
{
        wait_for_ever(scene, true);
}

static void time_out(struct scene *scene, bool absolute, bool receive)
{
        char reply[8];
        struct sender sender = message(scene, "question", reply, sizeof(reply));
        gint64 begin = g_get_monotonic_time();
        LONGLONG deadline = now_since_1601() + 10 * 10000;
        uint32_t id = 0;

        sender.has_timeout = true;
        sender.timeout = absolute ? deadline : MILLISECONDS(10);
        /* Time enough to be received, on any machine; then it only has to pass. */
        if (receive)
                sender.timeout = absolute ? (deadline = now_since_1601() + 500 * 10000) : MILLISECONDS(500);
        sender_start(&sender);
        if (receive)
                id = (uint32_t)get(scene)->id;
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        if (absolute)
                g_assert_cmpint(now_since_1601(), >=, deadline);
        else
                g_assert_cmpint(g_get_monotonic_time() - begin, >=, receive ? 500000 : 10000);
        if (receive)
                assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, "late"), ==, 0x801F0020);
        expect_nothing_before(scene);
}

static void test_relative_first_phase(struct scene *scene, gconstpointer unused)
{
        time_out(scene, false, false);
}

static void test_relative_second_phase(struct scene *scene, gconstpointer unused)
{
        time_out(scene, false, true);
}

static void test_absolute_first_phase(struct scene *scene, gconstpointer unused)
{
        time_out(scene, true, false);
}

static void test_absolute_second_phase(struct scene *scene, gconstpointer unused)
{
        time_out(scene, true, true);
}

/* Received late, it ends before one that began then and has less time: the second wait has only the rest. */
static void one_deadline(struct scene *scene, struct link *other, LONGLONG timeout)
{
        char reply[8];
        struct sender sender = message(scene, "question", reply, sizeof(reply));
        struct sender later = clock_new(scene, other, MILLISECONDS(1900));

        sender.has_timeout = true;
        sender.timeout = timeout;
        sender_start(&sender);
        pass(scene, other, MILLISECONDS(1500));
        get(scene);
        sender_start(&later);
        assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        assert_hex(sender_join(&later), ==, STATUS_TIMEOUT);
        g_assert_cmpint(sender.ended, <, later.ended);
}

static void test_one_deadline(struct scene *scene, gconstpointer unused)
{
        struct link *other;

        agent_connect(scene->agent, scene->port, &other);
        one_deadline(scene, other, MILLISECONDS(2000));
        one_deadline(scene, other, now_since_1601() - MILLISECONDS(2000));
}

static void test_past(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        LONGLONG times[] = { 1, now_since_1601() - 1, 116444736000000000 /* 1970 */ };
        const struct remote_result *result;

        assert_hex(RUN(scene->agent, REMOTE_START_GET, .handle = scene->handle, .size = 80)->hr, ==, 0x800703E5);
        for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
                struct sender sender = message(scene, "too late", i % 2 ? reply : NULL, sizeof(reply));

                sender.has_timeout = true;
                sender.timeout = times[i];
                sender_start(&sender);
                assert_hex(sender_join(&sender), ==, STATUS_TIMEOUT);
        }
        {
                struct sender sender = message(scene, "in time", NULL, 0);

                sender_start(&sender);
                result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle);
                g_assert_cmpstr((const char *)result->data, ==, "in time");
                g_assert_cmpuint(result->id, ==, 1);
                assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        }
}

static void test_disconnected_null(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "x", NULL, 0);

        FltCloseClientPort(fixture.filter, &scene->link->client);
        g_assert_null(scene->link->client);
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
}

static void test_disconnected_before(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "x", NULL, 0);

        scene->port->keep_on_disconnect = true;
        agent_free(g_steal_pointer(&scene->agent));
        WAIT_UNTIL(scene->link->disconnects == 1);
        g_assert_nonnull(scene->link->client);
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
}

/* how: 0 the agent closes its handle, 1 it is killed, 2 the filter closes the connection. */
static void disconnect_while(struct scene *scene, bool receive, int how)
{
        char reply[8];
        struct sender sender = message(scene, "x", reply, sizeof(reply));

        sender_start(&sender);
        if (receive)
                get(scene);
        sender_wait_blocked(&sender);
        if (how == 0)
                g_assert_cmpuint(RUN(scene->agent, REMOTE_CLOSE, .handle = scene->handle)->hr, ==, 1);
        else if (how == 1)
                agent_kill(g_steal_pointer(&scene->agent));
        else
                FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(sender_join(&sender), ==, STATUS_PORT_DISCONNECTED);
        g_assert_cmpuint(sender.reply_length, ==, 0);
}

static void test_disconnected_first_phase(struct scene *scene, gconstpointer how)
{
        disconnect_while(scene, false, GPOINTER_TO_INT(how));
}

static void test_disconnected_second_phase(struct scene *scene, gconstpointer how)
{
        disconnect_while(scene, true, GPOINTER_TO_INT(how));
}

static void test_terminating_first_phase(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "x", NULL, 0);
        struct fm_cancel cancel;

        fm_cancel_init(&cancel);
        sender.cancel = &cancel;
        sender_start(&sender);
        sender_wait_blocked(&sender);
        fm_cancel_signal(&cancel, true);
        assert_hex(sender_join(&sender), ==, STATUS_THREAD_IS_TERMINATING);
        fm_cancel_deinit(&cancel);
        expect_nothing_before(scene);
}

static void test_terminating_second_phase(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x", reply, sizeof(reply));
        struct fm_cancel cancel;
        uint64_t id;

        fm_cancel_init(&cancel);
        sender.cancel = &cancel;
        sender_start(&sender);
        id = get(scene)->id;
        sender_wait_blocked(&sender);
        fm_cancel_signal(&cancel, true);
        assert_hex(sender_join(&sender), ==, STATUS_THREAD_IS_TERMINATING);
        fm_cancel_deinit(&cancel);
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, ""), ==, 0x801F0020);
}

static void test_terminating_before(struct scene *scene, gconstpointer unused)
{
        struct sender sender = message(scene, "x", NULL, 0);
        struct fm_cancel cancel;

        fm_cancel_init(&cancel);
        fm_cancel_signal(&cancel, true);
        sender.cancel = &cancel;
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_THREAD_IS_TERMINATING);
        fm_cancel_deinit(&cancel);
        expect_nothing_before(scene);
}

static void test_other_signals(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "x", reply, sizeof(reply));
        struct fm_cancel cancel;
        uint64_t id;

        fm_cancel_init(&cancel);
        sender.cancel = &cancel;
        sender_start(&sender);
        sender_wait_blocked(&sender);
        fm_cancel_signal(&cancel, false);
        sender_wait_blocked(&sender);
        id = get(scene)->id;
        sender_wait_blocked(&sender);
        fm_cancel_signal(&cancel, false);
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, ""), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        fm_cancel_deinit(&cancel);
}

/* More senders than the connection has room for at once; replies in the reverse order. */
static void test_many_threads(struct scene *scene, gconstpointer unused)
{
        enum { COUNT = 100 };
        static struct sender senders[COUNT];
        static char texts[COUNT][8], replies[COUNT][8], got[COUNT][8];
        unsigned done = 0, held = 0;
        uint64_t seen = 0;

        for (unsigned i = 0; i < COUNT; i++) {
                g_snprintf(texts[i], sizeof(texts[i]), "%u", i);
                senders[i] = message(scene, texts[i], replies[i], sizeof(replies[i]) - 1);
                sender_start(&senders[i]);
        }
        while (done < COUNT) {
                uint64_t first = seen + 1;

                /* As many as there are without an answer, at most 20. */
                for (held = 0; held < 20 && done + held < COUNT; held++) {
                        const struct remote_result *result = get(scene);

                        assert_hex(result->hr, ==, 0);
                        g_assert_cmpuint(result->id, ==, ++seen);
                        g_strlcpy(got[held], (const char *)result->data, sizeof(got[held]));
                }
                for (unsigned i = held; i-- > 0; done++)
                        assert_hex(agent_reply(scene->agent, scene->handle, first + i, STATUS_SUCCESS, got[i]), ==, 0);
        }
        for (unsigned i = 0; i < COUNT; i++) {
                assert_hex(sender_join(&senders[i]), ==, STATUS_SUCCESS);
                g_assert_cmpmem(replies[i], senders[i].reply_length, texts[i], strlen(texts[i]));
        }
}

static void test_oldest_overlapped(struct scene *scene, gconstpointer unused)
{
        static const uint32_t sizes[] = { 20, 80, 80 };
        struct sender sender;

        for (unsigned i = 0; i < 3; i++)
                assert_hex(RUN(scene->agent, REMOTE_START_GET, .handle = scene->handle, .size = sizes[i],
                               .slot = i)->hr, ==, 0x800703E5);
        sender = message(scene, "longer than four", NULL, 0);
        sender_start(&sender);
        g_assert_cmpstr((const char *)RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 1)->data,
                        ==, "longer than four");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        sender = message(scene, "four", NULL, 0);
        sender_start(&sender);
        g_assert_cmpstr((const char *)RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0)->data,
                        ==, "four");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        sender = message(scene, "last", NULL, 0);
        sender_start(&sender);
        g_assert_cmpstr((const char *)RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 2)->data,
                        ==, "last");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

/* Threads that sleep in FilterGetMessage, one after the other. */
static void test_oldest_threads(struct scene *scene, gconstpointer unused)
{
        for (unsigned round = 0; round < 20; round++) {
                uint32_t serials[3];

                for (unsigned i = 0; i < 3; i++) {
                        serials[i] = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80,
                                           .worker = 1 + i);
                        agent_wait_blocked(scene->agent, 1 + i);
                }
                for (unsigned i = 0; i < 3; i++) {
                        struct sender sender = message(scene, "x", NULL, 0);

                        sender_start(&sender);
                        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
                        g_assert_cmpuint(agent_finish(scene->agent, serials[i])->id, ==, round * 3 + i + 1);
                }
        }
}

/* The thread stops where it is; others of its process go on. */
static bool stop_thread(pid_t thread)
{
        int status;

        if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0) {
                g_test_skip("needs to stop one thread of another process");
                return false;
        }
        g_assert_cmpint(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), ==, 0);
        g_assert_cmpint(waitpid(thread, &status, __WALL), ==, thread);
        return true;
}

/*
 * A thread that sleeps, and can't wake up just now, and one that asks when the message is there already: that one
 * does not wait for the other, who gets the next.
 */
static void test_oldest_asleep(struct scene *scene, gconstpointer unused)
{
        struct sender first = message(scene, "first", NULL, 0), second = message(scene, "second", NULL, 0);
        uint32_t asleep = START(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80, .worker = 1);
        bool stopped;

        agent_wait_blocked(scene->agent, 1);
        stopped = stop_thread(scene->agent->tids[1]);
        sender_start(&first);
        if (stopped) {
                sender_wait_blocked(&first);
                g_assert_cmpstr((const char *)RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 80,
                                                  .worker = 2)->data, ==, "first");
                assert_hex(sender_join(&first), ==, STATUS_SUCCESS);
                g_assert_cmpint(ptrace(PTRACE_DETACH, scene->agent->tids[1], NULL, NULL), ==, 0);
                sender_start(&second);
                assert_hex(sender_join(&second), ==, STATUS_SUCCESS);
        } else {
                assert_hex(sender_join(&first), ==, STATUS_SUCCESS);
        }
        g_assert_cmpstr((const char *)agent_finish(scene->agent, asleep)->data, ==, stopped ? "second" : "first");
}

static void test_none_large_enough(struct scene *scene, gconstpointer unused)
{
        char reply[8];
        struct sender sender = message(scene, "12345678", reply, sizeof(reply));
        const struct remote_result *result;
        uint64_t id;

        for (unsigned i = 0; i < 2; i++)
                assert_hex(RUN(scene->agent, REMOTE_START_GET, .handle = scene->handle, .size = 20 + i, .slot = i)->hr,
                           ==, 0x800703E5);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_FINISH_GET, .handle = scene->handle, .slot = 0);
        g_assert_cmpuint(result->hr, ==, 0);
        g_assert_cmpuint(result->error, ==, 122);
        g_assert_cmphex(result->internal, ==, 0xC0000023);
        g_assert_cmpuint(result->bytes, ==, 24);
        sender_wait_blocked(&sender);
        /* The other small one is still pending, and the message is where it was. A synchronous receive that is
         * too small is told, too. */
        assert_hex(RUN(scene->agent, REMOTE_CANCEL_EX, .handle = scene->handle, .slot = 1)->hr, ==, 1);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 23)->hr, ==, 0x8007007A);
        result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 24);
        assert_hex(result->hr, ==, 0);
        id = result->id;
        g_assert_cmpuint(id, ==, 1);
        assert_hex(agent_reply(scene->agent, scene->handle, id, STATUS_SUCCESS, "ok"), ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_message_id(struct scene *scene, gconstpointer unused)
{
        struct link *other_link = NULL;
        uint64_t other = 0;
        char reply[8];

        other = agent_connect(scene->agent, scene->port, &other_link);
        g_assert_true(other_link != scene->link);
        for (uint64_t i = 1; i <= 10; i++) {
                struct sender sender = message(scene, "x", i % 2 ? reply : NULL, sizeof(reply));
                struct sender lost = message(scene, "lost", NULL, 0);

                /* One that nobody receives has no number. */
                lost.has_timeout = true;
                lost.timeout = MILLISECONDS(1);
                sender_start(&lost);
                assert_hex(sender_join(&lost), ==, STATUS_TIMEOUT);
                sender_start(&sender);
                g_assert_cmpuint(get(scene)->id, ==, i);
                if (i % 2)
                        assert_hex(agent_reply(scene->agent, scene->handle, i, STATUS_SUCCESS, ""), ==, 0);
                assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        }
        {
                struct sender sender = message(scene, "x", NULL, 0);

                sender.link = other_link;
                sender_start(&sender);
                g_assert_cmpuint(RUN(scene->agent, REMOTE_GET, .handle = other, .size = 80)->id, ==, 1);
                assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
        }
}

static void test_largest(struct scene *scene, gconstpointer unused)
{
        enum { LARGEST = 4 * 1024 * 1024 };
        g_autofree uint8_t *payload = g_malloc(LARGEST + 1);
        struct sender sender = { .link = scene->link, .payload = payload, .length = LARGEST };
        const struct remote_result *result;

        for (uint32_t i = 0; i < LARGEST + 1; i++)
                payload[i] = remote_pattern(i);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 16 + LARGEST);
        assert_hex(result->hr, ==, 0);
        g_assert_cmpuint(result->pattern, ==, LARGEST);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);

        sender.length = LARGEST + 1;
        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_INSUFFICIENT_RESOURCES);

        sender.length = 0;
        sender_start(&sender);
        assert_hex(RUN(scene->agent, REMOTE_GET, .handle = scene->handle, .size = 16)->hr, ==, 0);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, scene_tear_down);
}

static void add_tests(void)
{
        static const char *const how[] = { "agent-closes", "agent-killed", "filter-closes" };

        add("/send/reply/not-wanted", test_not_wanted);
        add("/send/reply/capacity", test_capacity);
        add("/send/reply/capacity-zero", test_capacity_zero);
        add("/send/reply/shorter", test_shorter);
        add("/send/reply/longer", test_longer);
        add("/send/reply/alias", test_alias);
        add("/send/reply/status", test_status);
        add("/send/reply/length-without-reply", test_length_without_reply);
        add("/send/timeout/null", test_null);
        add("/send/timeout/zero", test_zero);
        add("/send/timeout/relative-first-phase", test_relative_first_phase);
        add("/send/timeout/relative-second-phase", test_relative_second_phase);
        add("/send/timeout/absolute-first-phase", test_absolute_first_phase);
        add("/send/timeout/absolute-second-phase", test_absolute_second_phase);
        add("/send/timeout/one-deadline", test_one_deadline);
        add("/send/timeout/past", test_past);
        add("/send/disconnected/null", test_disconnected_null);
        add("/send/disconnected/before", test_disconnected_before);
        for (int i = 0; i < 3; i++) {
                g_autofree char *first = g_strdup_printf("/send/disconnected/first-phase/%s", how[i]);
                g_autofree char *second = g_strdup_printf("/send/disconnected/second-phase/%s", how[i]);

                g_test_add(first, struct scene, GINT_TO_POINTER(i), set_up, test_disconnected_first_phase,
                           scene_tear_down);
                g_test_add(second, struct scene, GINT_TO_POINTER(i), set_up, test_disconnected_second_phase,
                           scene_tear_down);
        }
        add("/send/terminating/first-phase", test_terminating_first_phase);
        add("/send/terminating/second-phase", test_terminating_second_phase);
        add("/send/terminating/before", test_terminating_before);
        add("/send/terminating/other-signals", test_other_signals);
        add("/send/many-threads", test_many_threads);
        add("/send/oldest/overlapped", test_oldest_overlapped);
        add("/send/oldest/threads", test_oldest_threads);
        add("/send/oldest/asleep", test_oldest_asleep);
        add("/send/no-receive-is-large-enough", test_none_large_enough);
        add("/send/message-id", test_message_id);
        add("/send/largest", test_largest);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
