/* SPDX-License-Identifier: MIT */
/*
 * Overlapped receives complete by themselves, whatever the agent's threads do: none of them is in the library, or
 * only to look. The sender, who wants no reply, goes on.
 *
 *   the agent reads Internal                                         /overlapped/by-itself/internal
 *   HasOverlappedIoCompleted                                         /overlapped/by-itself/macro
 *   GetOverlappedResult that does not wait                           /overlapped/by-itself/result
 *   with an event, which is set then                                 /overlapped/by-itself/event
 *   the pollable descriptor, several receives; quiet afterwards      /overlapped/by-itself/descriptor
 *   a completion port: the packet is there when somebody asks        /overlapped/by-itself/completion-port
 *   too small                                                        /overlapped/by-itself/too-small
 *   the end of the connection                                        /overlapped/by-itself/disconnected
 *   all of many                                                      /overlapped/by-itself/many
 *   in a forked child, too                                           /overlapped/by-itself/fork
 */
#include <string.h>

#include "fixture.h"

static void set_up(struct scene *scene, gconstpointer unused)
{
        scene_open(scene, 2);
}

static void start_get(struct scene *scene, unsigned slot, uint32_t size, uint32_t flags)
{
        assert_hex(RUN(scene->agent, REMOTE_START_GET, .handle = scene->handle, .slot = slot, .size = size,
                       .flags = flags)->hr, ==, 0x800703E5);
}

/* Returns when the receiver has it: nobody in the agent was asked to help. */
static void send_text(struct scene *scene, const char *text)
{
        struct sender sender = { .link = scene->link, .payload = text, .length = (ULONG)strlen(text) };

        sender_start(&sender);
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void assert_text(const struct remote_result *result, const char *text)
{
        assert_hex(result->internal, ==, STATUS_SUCCESS);
        g_assert_cmpuint(result->bytes, ==, 16 + strlen(text));
        g_assert_cmpstr((const char *)result->data, ==, text);
}

static void test_spin(struct scene *scene, gconstpointer operation)
{
        uint32_t serial;

        start_get(scene, 0, 80, 0);
        serial = START(scene->agent, GPOINTER_TO_UINT(operation), .handle = scene->handle, .worker = 1);
        send_text(scene, "a text");
        assert_text(agent_finish(scene->agent, serial), "a text");
        /* Nobody even looks, and the result is there afterwards. */
        start_get(scene, 0, 80, 0);
        send_text(scene, "another");
        assert_text(RUN(scene->agent, REMOTE_SPIN), "another");
}

static void test_event(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        start_get(scene, 0, 80, REMOTE_EVENT);
        send_text(scene, "a text");
        result = RUN(scene->agent, REMOTE_WAIT_EVENT, .slot = 0);
        g_assert_cmpuint(result->hr, ==, 0);
        assert_text(result, "a text");
}

static void test_descriptor(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;
        uint32_t serial;
        unsigned slot;

        start_get(scene, 0, 80, 0);
        start_get(scene, 1, 80, 0);
        for (unsigned i = 0; i < 20; i++) {
                g_autofree char *text = g_strdup_printf("text %u", i);

                serial = START(scene->agent, REMOTE_POLL_RESULT, .handle = scene->handle, .slot = 0, .worker = 1);
                if (i % 2)
                        agent_wait_blocked(scene->agent, 1);
                send_text(scene, text);
                result = agent_finish(scene->agent, serial);
                assert_text(result, text);
                slot = result->slot;
                start_get(scene, slot, 80, 0);
        }
        /* Readable for nothing is allowed, for ever is not: it blocks again. */
        serial = START(scene->agent, REMOTE_POLL_RESULT, .handle = scene->handle, .slot = 0, .worker = 1);
        agent_wait_blocked(scene->agent, 1);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(agent_finish(scene->agent, serial)->internal, ==, STATUS_PORT_DISCONNECTED);
}

static void test_completion_port(struct scene *scene, gconstpointer unused)
{
        uint64_t completions = RUN(scene->agent, REMOTE_ASSOCIATE, .handle = scene->handle, .id = 7)->handle;
        const struct remote_result *result;

        start_get(scene, 3, 80, 0);
        send_text(scene, "a text");
        assert_text(RUN(scene->agent, REMOTE_SPIN, .slot = 3), "a text");
        result = RUN(scene->agent, REMOTE_DEQUEUE, .handle = completions);
        g_assert_cmpuint(result->slot, ==, 3);
        assert_text(result, "a text");
}

static void test_too_small(struct scene *scene, gconstpointer unused)
{
        struct sender sender = { .link = scene->link, .payload = "too long", .length = 8 };
        const struct remote_result *result;

        start_get(scene, 0, 20, 0);
        sender_start(&sender);
        result = RUN(scene->agent, REMOTE_SPIN);
        assert_hex(result->internal, ==, STATUS_BUFFER_TOO_SMALL);
        g_assert_cmpuint(result->bytes, ==, 24);
        g_assert_false(sender_is_done(&sender));
        start_get(scene, 0, 24, 0);
        assert_text(RUN(scene->agent, REMOTE_SPIN), "too long");
        assert_hex(sender_join(&sender), ==, STATUS_SUCCESS);
}

static void test_disconnected(struct scene *scene, gconstpointer unused)
{
        start_get(scene, 0, 80, 0);
        FltCloseClientPort(fixture.filter, &scene->link->client);
        assert_hex(RUN(scene->agent, REMOTE_SPIN)->internal, ==, STATUS_PORT_DISCONNECTED);
}

static void test_many(struct scene *scene, gconstpointer unused)
{
        static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
        struct sender senders[32];
        bool seen[32] = { false };

        for (unsigned i = 0; i < 32; i++)
                start_get(scene, i, 80, i % 2 ? REMOTE_EVENT : 0);
        for (unsigned i = 0; i < 32; i++) {
                senders[i] = (struct sender){ .link = scene->link, .payload = &letters[i], .length = 1 };
                sender_start(&senders[i]);
        }
        for (unsigned i = 0; i < 32; i++)
                assert_hex(sender_join(&senders[i]), ==, STATUS_SUCCESS);
        for (unsigned i = 0; i < 32; i++) {
                const struct remote_result *result = RUN(scene->agent, REMOTE_SPIN, .slot = i);
                const char *letter = strchr(letters, result->data[0]);

                assert_hex(result->internal, ==, STATUS_SUCCESS);
                g_assert_true(letter && *letter);
                g_assert_false(seen[letter - letters]);
                seen[letter - letters] = true;
        }
}

static void test_fork(struct scene *scene, gconstpointer unused)
{
        uint32_t serial;

        /* The parent's thread of last resort is at work when it forks. */
        start_get(scene, 0, 80, 0);
        send_text(scene, "parent");
        assert_text(RUN(scene->agent, REMOTE_SPIN), "parent");
        serial = START(scene->agent, REMOTE_FORK_SPIN, .handle = scene->handle, .slot = 1, .size = 80, .worker = 1);
        send_text(scene, "child");
        assert_text(agent_finish(scene->agent, serial), "child");
        start_get(scene, 0, 80, 0);
        send_text(scene, "parent again");
        assert_text(RUN(scene->agent, REMOTE_SPIN), "parent again");
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer), unsigned data)
{
        g_test_add(path, struct scene, GUINT_TO_POINTER(data), set_up, test, scene_tear_down);
}

static void add_tests(void)
{
        add("/overlapped/by-itself/internal", test_spin, REMOTE_SPIN);
        add("/overlapped/by-itself/macro", test_spin, REMOTE_SPIN_COMPLETED);
        add("/overlapped/by-itself/result", test_spin, REMOTE_SPIN_RESULT);
        add("/overlapped/by-itself/event", test_event, 0);
        add("/overlapped/by-itself/descriptor", test_descriptor, 0);
        add("/overlapped/by-itself/completion-port", test_completion_port, 0);
        add("/overlapped/by-itself/too-small", test_too_small, 0);
        add("/overlapped/by-itself/disconnected", test_disconnected, 0);
        add("/overlapped/by-itself/many", test_many, 0);
        add("/overlapped/by-itself/fork", test_fork, 0);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
