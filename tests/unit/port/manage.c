/* SPDX-License-Identifier: MIT */
/* MANAGE frames: rights, what is not there, and what is not a request. */
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define NAME(text) { .data = (const uint8_t *)(text), .length = sizeof(text) - sizeof(WCHAR) }

static NTSTATUS manage(struct client *client, struct fm_frame frame)
{
        frame.type = FM_FRAME_MANAGE;
        frame.tag = ++client->tag;
        client_send(client, &frame);
        g_assert_cmpuint(client_receive(client), ==, FM_FRAME_MANAGED);
        g_assert_cmpuint(client->frame.tag, ==, client->tag);
        return client->frame.managed.status;
}

static void test_not_there(void)
{
        struct client *client;
        struct fm_frame frame = { 0 };

        fixture_start();
        client = client_new_greeted();
        for (uint32_t op = FM_MANAGE_LIST_FILTERS; op <= FM_MANAGE_LIST_VOLUMES; op++) {
                frame.manage.op = op;
                frame.manage.class = 0;
                g_assert_cmpint(manage(client, frame), ==, STATUS_SUCCESS);
                g_assert_cmpuint(client->frame.managed.count, ==, 0);
                g_assert_cmpuint(client->frame.managed.more, ==, 0);
                frame.manage.class = 9;
                g_assert_cmpint(manage(client, frame), ==, STATUS_INVALID_PARAMETER);
        }
        frame = (struct fm_frame){ .manage = { .class = 0, .filter = NAME(L"none"), .volume = NAME(L"C:") } };
        frame.manage.op = FM_MANAGE_LIST_INSTANCES;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = FM_MANAGE_FILTER_INFORMATION;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = FM_MANAGE_INSTANCE_INFORMATION;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = FM_MANAGE_LIST_VOLUME_INSTANCES;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_VOLUME_NOT_FOUND);
        frame.manage.op = FM_MANAGE_DOS_NAME;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_VOLUME_NOT_FOUND);
        frame.manage.op = FM_MANAGE_UNLOAD;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = FM_MANAGE_ATTACH;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = FM_MANAGE_DETACH;
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_FILTER_NOT_FOUND);
        frame.manage.op = 77;
        g_assert_true(NT_ERROR(manage(client, frame)));
        /* Empty names are nobody's. */
        frame = (struct fm_frame){ .manage.op = FM_MANAGE_LIST_VOLUME_INSTANCES };
        g_assert_cmpint(manage(client, frame), ==, STATUS_FLT_VOLUME_NOT_FOUND);
        client_free(client);
        fixture_stop();
}

/* Somebody else may look, and change nothing. */
static void test_rights(void)
{
        static const uint32_t changes[] = {FM_MANAGE_LOAD, FM_MANAGE_UNLOAD, FM_MANAGE_ATTACH,
                                           FM_MANAGE_DETACH};
        int status;
        pid_t child;

        if (geteuid() != 0) {
                g_test_skip("needs root, to be somebody else");
                return;
        }
        fixture_start();
        g_assert_cmpint(chmod(fixture.directory, 0755), ==, 0);
        child = fork();
        if (child == 0) {
                struct fm_frame frame = { .manage.filter = NAME(L"none"), .manage.volume = NAME(L"C:") };
                struct client *client;
                unsigned wrong = 0;

                if (setgid(65534) < 0 || setuid(65534) < 0)
                        _exit(100);
                /* Its own check of the directory is satisfied too: it is root's. */
                client = client_new_greeted();
                for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
                        frame.manage.op = changes[i];
                        wrong += manage(client, frame) != STATUS_PRIVILEGE_NOT_HELD;
                }
                frame.manage.op = FM_MANAGE_LIST_FILTERS;
                wrong += manage(client, frame) != STATUS_SUCCESS;
                client_free(client);

                /* Nor may he connect to a port without a security descriptor, which only root and the
                 * manager's user may. */
                client = client_new_greeted();
                wrong += client_connect(client, PORT_NAME, true, NULL, 0) != STATUS_ACCESS_DENIED;
                _exit(wrong);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpuint(fixture.connects, ==, 0);
        fixture_stop();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/port/manage/not-there", test_not_there);
        g_test_add_func("/port/manage/rights", test_rights);
        return g_test_run();
}
