/* SPDX-License-Identifier: MIT */
/*
 * A fanotify permission responder that allows every open at once: what Linux' own on-access scanners are built
 * on, without any scanning. Watches the mount that DIR is on, answers for what lies below DIR; the rest too.
 * Prints "ready", ends on SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        struct fanotify_event_metadata events[64];
        ssize_t length;
        int fan;

        if (argc != 2) {
                fprintf(stderr, "usage: fanotify-allow DIR\n");
                return 2;
        }
        fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE | O_CLOEXEC);
        if (fan < 0 || fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD, argv[1]) < 0) {
                perror("fanotify");
                return 1;
        }
        printf("ready\n");
        fflush(stdout);
        while ((length = read(fan, events, sizeof(events))) > 0 || errno == EINTR) {
                for (struct fanotify_event_metadata *event = events; FAN_EVENT_OK(event, length);
                     event = FAN_EVENT_NEXT(event, length)) {
                        struct fanotify_response response = { .fd = event->fd, .response = FAN_ALLOW };

                        if (event->fd < 0)
                                continue;
                        if (write(fan, &response, sizeof(response)) != sizeof(response))
                                perror("fanotify response");
                        close(event->fd);
                }
        }
        return 1;
}
