/* SPDX-License-Identifier: MIT */
/*
 * epoll: one thread, one loop. The port's descriptor is readable as long as there may be a message.
 *
 * To think for a while is a timer here: nothing in the loop may block.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <fltUserExt.h>
#include "agent.h"

struct thought {
        struct thought *next;
        MESSAGE message;
        int timer;
};

static struct thought *thoughts;
static int loop;

static int watch(int fd, void *data)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };

        return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void think(const MESSAGE *message, DWORD milliseconds)
{
        struct itimerspec when = { .it_value = { milliseconds / 1000, milliseconds % 1000 * 1000000L } };
        struct thought *thought = malloc(sizeof(*thought));

        thought->next = thoughts;
        thoughts = thought;
        thought->message = *message;
        thought->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        timerfd_settime(thought->timer, 0, &when, NULL);
        watch(thought->timer, thought);
}

static void forget(struct thought *thought)
{
        struct thought **link = &thoughts;

        while (*link != thought)
                link = &(*link)->next;
        *link = thought->next;
        close(thought->timer);
        free(thought);
}

static void end_thought(struct thought *thought)
{
        Reply(&thought->message);
        forget(thought);
}

/* All messages that are there. Returns S_OK when there is none any more. */
static HRESULT receive(void)
{
        MESSAGE message;
        HRESULT result;
        DWORD bytes, milliseconds;

        while ((result = FilterTryGetMessage(Port, &message.Header, sizeof(message), &bytes)) == S_OK) {
                milliseconds = Asked(&message);
                if (milliseconds)
                        think(&message, milliseconds);
                else
                        Reply(&message);
        }
        return result == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? S_OK : result;
}

int main(int argc, char *argv[])
{
        static char message_here, signal_here;
        HRESULT result = S_OK;
        struct epoll_event event;
        sigset_t signals;
        int port;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        if (!Start(argc, argv) || FAILED(FilterGetPortDescriptor(Port, &port)))
                return 1;
        loop = epoll_create1(EPOLL_CLOEXEC);
        if (watch(port, &message_here) < 0 || watch(signalfd(-1, &signals, SFD_CLOEXEC), &signal_here) < 0)
                return 1;

        while (SUCCEEDED(result)) {
                if (epoll_wait(loop, &event, 1, -1) < 1)
                        continue;
                if (event.data.ptr == &signal_here)
                        break;
                if (event.data.ptr == &message_here)
                        result = receive();
                else
                        end_thought(event.data.ptr);
        }
        while (thoughts)
                forget(thoughts);
        return Finish(result);
}
