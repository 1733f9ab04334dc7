/* SPDX-License-Identifier: MIT */
/*
 * What a hostile filter manager can say to an agent: fltlib's own functions against a server that answers with
 * anything, rings doorbells that bring anything, and scribbles on the ring while the agent receives, replies, calls,
 * cancels, asks for lists and closes. What the agent gets stays within its buffers, every call returns, and in the
 * end no descriptor, handle or thread is left.
 *
 * The input is a program, see program.h. The server's moves are made by this thread, between the agent's own; only a
 * connect, a close, a call or a question to the manager needs somebody to accept() meanwhile: a thread that answers
 * with packets which were made before. At most two threads of the agent sleep in FilterGetMessage().
 */
#include <windows.h>
#include <ntstatus.h>

#include <fltUserExt.h>

#include <poll.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "program.h"
#include "wire/frame.h"
#include "wire/ring.h"
#include "wire/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 64
#define AREA 8192u
#define PACKETS 6
#define RECEIVES 4
#define SLEEPERS 2
#define GIVEN 16

/* What the server says to a socket that connects. */
struct packet {
        uint8_t *data;
        size_t length;
        unsigned fd_count;
};

struct receive {
        OVERLAPPED overlapped;
        PFILTER_MESSAGE_HEADER buffer; /* NULL: not on its way */
        DWORD size;
};

static const uint8_t payload[FM_INLINE_MAX];
static int listener, stop[2], memory; /* memory: what sections are of */
static struct {
        pthread_t thread;
        struct packet packets[PACKETS];
        unsigned count;
        int fd; /* the descriptor that comes along */
        bool stays; /* the socket is wanted afterwards */
        int accepted;
} answerer;

/* The server's end, and the agent's. */
static struct {
        int fd, memory;
        struct fm_ring ring;
        uint64_t announced, tickets;
        struct fm_slot slots[FM_RING_SLOTS];
        bool offered[FM_RING_SLOTS];
} server;
static HANDLE port, completion, event, list;
static bool serial; /* of FLT_PORT_FLAG_SYNC_HANDLE */
static struct receive receives[RECEIVES];
static pthread_t sleepers[SLEEPERS];
static unsigned sleeping;
static uint64_t last_id;

static void *answerer_run(void *unused)
{
        struct pollfd fds[2] = { { .fd = listener, .events = POLLIN }, { .fd = stop[0], .events = POLLIN } };

        for (;;) {
                int fd;

                poll(fds, 2, -1);
                if (!fds[0].revents)
                        return NULL;
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                for (unsigned i = 0; i < answerer.count; i++)
                        send_packet(fd, answerer.packets[i].data, answerer.packets[i].length, answerer.fd,
                                    answerer.packets[i].fd_count);
                if (answerer.stays && answerer.accepted < 0) {
                        answerer.accepted = fd;
                        continue;
                }
                /* The agent may read what was said; then it is the end. */
                shutdown(fd, SHUT_WR);
                close(fd);
        }
}

static void answer_packet(const void *data, size_t length, unsigned fd_count)
{
        if (answerer.count < PACKETS)
                answerer.packets[answerer.count++] = (struct packet){ g_memdup2(data, length), length, fd_count };
}

static void answer_frame(const struct fm_frame *frame, unsigned fd_count)
{
        static uint8_t buffer[FM_FRAME_MAX];
        ssize_t length = fm_frame_encode(frame, buffer, sizeof(buffer));

        if (length > 0)
                answer_packet(buffer, length, fd_count);
}

static void answer_raw(struct input *input)
{
        unsigned fd_count = u8(input) % DESCRIPTORS_SENT_MAX;
        size_t length = u16(input);
        const uint8_t *data = take_bytes(input, length, &length);

        if (length)
                answer_packet(data, length, fd_count);
}

/* Low bit: WELCOME as it should be. */
static void answer_welcome(struct input *input, uint8_t how)
{
        struct fm_frame welcome = { .type = FM_FRAME_WELCOME, .welcome = { FM_WIRE_VERSION, FM_FRAME_MAX } };

        if (how & 1)
                answer_frame(&welcome, 0);
        else
                answer_raw(input);
}

static void answerer_start(int fd)
{
        answerer.fd = fd;
        answerer.accepted = -1;
        require(pthread_create(&answerer.thread, NULL, answerer_run, NULL) == 0, "pthread_create");
}

static void answerer_stop(void)
{
        uint8_t byte = 0;

        require(write(stop[1], &byte, 1) == 1, "pipe");
        pthread_join(answerer.thread, NULL);
        require(read(stop[0], &byte, 1) == 1, "pipe");
        for (unsigned i = 0; i < answerer.count; i++)
                g_free(answerer.packets[i].data);
        answerer.count = 0;
        answerer.stays = false;
}

static unsigned read_given(struct input *input, struct fm_given *given, uint8_t count)
{
        unsigned sections = 0;

        for (unsigned i = 0; i < count; i++) {
                uint8_t which = u8(input);

                given[i] = (struct fm_given){
                        .kind = which & 0x80 ? FM_GIVEN_REVOKED : FM_GIVEN_SECTION,
                        .handle = FM_GIVEN_HANDLE_FIRST + 4 * (which % GIVEN),
                        .size = which & 0x40 ? u32(input) : 4096,
                };
                sections += given[i].kind == FM_GIVEN_SECTION;
        }
        return sections;
}

static void agent_close(struct input *input)
{
        if (sleeping) {
                /* Two ways to wake them: the server's end, or their own close. */
                if (sleeping % 2)
                        fm_ring_kill(&server.ring);
                shutdown(server.fd, SHUT_RDWR);
        }
        if (port) {
                /* It asks whether the filter has heard of that. */
                answer_welcome(input, 1);
                answer_raw(input);
                answerer_start(memory);
                require(CloseHandle(port), "a port can't be closed");
                answerer_stop();
        }
        while (sleeping)
                pthread_join(sleepers[--sleeping], NULL);
        for (unsigned i = 0; i < RECEIVES; i++) {
                if (receives[i].buffer)
                        require(HasOverlappedIoCompleted(&receives[i].overlapped), "a receive outlives its port");
                g_clear_pointer(&receives[i].buffer, g_free);
        }
        for (unsigned i = 0; i < GIVEN; i++)
                CloseHandle((HANDLE)(uintptr_t)(FM_GIVEN_HANDLE_FIRST + 4 * i));
        if (completion)
                CloseHandle(completion);
        port = completion = NULL;
        if (server.ring.header) {
                fm_ring_unmap(&server.ring);
                close(server.memory);
        }
        if (server.fd >= 0)
                close(server.fd);
        server.fd = -1;
}

/*
 * A new connection. Lowest bits of how: WELCOME is good, CONNECTED is good, the ring is good, the handle is one of
 * FLT_PORT_FLAG_SYNC_HANDLE.
 */
static void agent_connect(struct input *input, uint8_t how)
{
        struct fm_frame connected = { .type = FM_FRAME_CONNECTED, .tag = 1 };
        HRESULT hr;

        agent_close(input);
        memset(&server, 0, sizeof(server));
        server.fd = -1;
        require(fm_ring_create(&server.ring, AREA, &server.memory) == 0, "no ring");
        connected.connected.flags = FM_CONNECT_RING;
        connected.connected.ring_size = server.ring.size;
        if (!(how & 4)) {
                uint16_t where = u16(input) % offsetof(struct fm_ring_header, words);

                ((uint8_t *)server.ring.header)[where] ^= u8(input);
                connected.connected.ring_size += (int8_t)u8(input);
        }
        answer_welcome(input, how);
        if (how & 2)
                answer_frame(&connected, 1);
        else
                answer_raw(input);
        answerer.stays = answerer.count == 2;
        answerer_start(server.memory);
        serial = how & 8;
        hr = FilterConnectCommunicationPort(L"\\Fuzz", serial ? FLT_PORT_FLAG_SYNC_HANDLE : 0, NULL, 0, NULL, &port);
        answerer_stop();
        server.fd = answerer.accepted;
        require(SUCCEEDED(hr) == (port != INVALID_HANDLE_VALUE), "a handle in spite of an error");
        if (FAILED(hr))
                port = NULL;
}

/* FilterSendMessage() over a channel that answers anything. */
static void agent_call(struct input *input)
{
        uint8_t how = u8(input);
        DWORD in_size = 1 + (how & 0x80 ? 70000 : u8(input)), out_size = u16(input) * (how & 0x40 ? 3 : 1), bytes;
        g_autofree char *in = g_malloc0(in_size), *out = g_malloc(MAX(out_size, 1));
        struct fm_frame joined = { .type = FM_FRAME_JOINED, .joined.status = how & 4 ? STATUS_PORT_DISCONNECTED : 0 };
        struct fm_frame answer = { .type = FM_FRAME_RETURN };
        unsigned sections;

        answer_welcome(input, how);
        if (how & 2)
                answer_frame(&joined, 0);
        else
                answer_raw(input);
        if (how & 8) {
                answer.ret.status = how & 16 ? (int32_t)u32(input) : 0;
                answer.ret.flags = how & 32 ? FM_CALL_IN_MEMFD : 0;
                answer.ret.out_length = u16(input);
                answer.ret.out = (struct fm_bytes){ payload, u16(input) };
                answer.ret.given_count = u8(input) % (FM_FRAME_DESCRIPTORS_MAX + 1);
                sections = read_given(input, answer.ret.given, answer.ret.given_count);
                answer_frame(&answer, sections);
        } else {
                answer_raw(input);
        }
        answerer_start(memory);
        FilterSendMessage(port, in, in_size, out, out_size, &bytes);
        answerer_stop();
}

/* A question to the manager, and a list of any entries. */
static void agent_ask(struct input *input)
{
        uint8_t how = u8(input), entries[512];
        DWORD size = u8(input) * 4, class = u8(input) % 5, bytes;
        g_autofree void *buffer = g_malloc(MAX(size, 1));
        struct fm_frame answer = { .type = FM_FRAME_MANAGED };
        HANDLE handle = NULL;
        size_t used = 0;

        answer_welcome(input, how);
        for (unsigned i = 0; i < 2 && how & 2; i++) {
                answer.managed.status = how & 4 ? (int32_t)u32(input) : 0;
                answer.managed.more = how >> 3 & 1;
                answer.managed.count = u8(input);
                for (unsigned count = u8(input) % 4; count > 0; count--)
                        fm_entry_add(entries, sizeof(entries), &used, payload, u8(input));
                answer.managed.entries = (struct fm_bytes){ entries, used };
                answer_frame(&answer, 0);
        }
        answer_raw(input);
        answerer_start(memory);
        switch (how >> 4) {
        case 0:
                FilterFindFirst(class, buffer, size, &bytes, &handle);
                break;
        case 1:
                FilterVolumeFindFirst(class, buffer, size, &bytes, &handle);
                break;
        case 2:
                FilterInstanceFindFirst(L"f", class, buffer, size, &bytes, &handle);
                break;
        case 3:
                FilterVolumeInstanceFindFirst(L"v", class, buffer, size, &bytes, &handle);
                break;
        case 4:
                FilterGetDosName(L"v", buffer, size / sizeof(WCHAR));
                break;
        case 5:
                FilterAttachAtAltitude(L"f", L"v", L"1", NULL, size, buffer);
                break;
        case 6:
                FilterUnload(L"f");
                break;
        case 7:
                FilterFindNext(list, class, buffer, size, &bytes);
                break;
        case 8:
                if (SUCCEEDED(FilterCreate(L"f", (HFILTER *)&handle)))
                        FilterGetInformation((HFILTER)handle, class, buffer, size, &bytes);
                break;
        }
        answerer_stop();
        if (handle && handle != INVALID_HANDLE_VALUE) {
                if (list)
                        CloseHandle(list);
                list = handle;
        }
}

static void ring_doorbell(struct input *input)
{
        struct fm_frame frame = { .type = FM_FRAME_DOORBELL };
        static uint8_t buffer[2048];
        unsigned sections;
        ssize_t length;

        frame.doorbell.given_count = u8(input) % (FM_FRAME_DESCRIPTORS_MAX + 1);
        sections = read_given(input, frame.doorbell.given, frame.doorbell.given_count);
        length = fm_frame_encode(&frame, buffer, sizeof(buffer));
        if (send_packet(server.fd, buffer, length, memory, sections))
                server.announced += frame.doorbell.given_count;
}

static void send_raw(struct input *input)
{
        unsigned fd_count = u8(input) % DESCRIPTORS_SENT_MAX;
        size_t length = u16(input);
        const uint8_t *data = take_bytes(input, length, &length);

        send_packet(server.fd, data, length, memory, fd_count);
}

static void offer(struct input *input)
{
        uint8_t how = u8(input);
        struct fm_slot *slot = &server.slots[how % FM_RING_SLOTS];

        slot->index = how % FM_RING_SLOTS;
        slot->ticket = ++server.tickets;
        slot->wants_reply = how & 64;
        slot->reply_capacity = u16(input) % (AREA + 1);
        server.offered[slot->index] = true;
        if (fm_ring_offer(&server.ring, slot, payload, u16(input) % (AREA + 1), server.announced))
                send_packet(server.fd, "\x14\0\0\0\5\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, -1, 0);
}

/*
 * Any byte of what is shared, or a word that could be. Not how many entries of doorbells came before a message: an
 * agent waits a second for those that are missing.
 */
static void scribble(struct input *input)
{
        struct fm_ring_header *header = server.ring.header;
        uint16_t where = u16(input);
        uint8_t value = u8(input);

        if (where & 0x8000) {
                atomic_store(&header->words[where % FM_RING_SLOTS], (server.tickets + value / 8) << 8 | value % 8);
                return;
        }
        where %= sizeof(*header);
        if (where >= offsetof(struct fm_ring_header, slot)) {
                size_t within = (where - offsetof(struct fm_ring_header, slot)) % sizeof(struct fm_ring_slot);

                if (within >= offsetof(struct fm_ring_slot, descriptors) &&
                    within < offsetof(struct fm_ring_slot, message_id))
                        return;
        }
        __atomic_store_n((uint8_t *)header + where, value, __ATOMIC_RELAXED);
}

/* The sender looks for its reply, or leaves. */
static void collect(struct input *input)
{
        static uint8_t reply[AREA];
        uint8_t how = u8(input);
        struct fm_slot *slot = &server.slots[how % FM_RING_SLOTS];
        enum fm_ring_result result;
        uint32_t length;
        int32_t status;

        if (!server.offered[how % FM_RING_SLOTS])
                return;
        result = how & 64 ? fm_ring_withdraw(&server.ring, slot) : fm_ring_look(&server.ring, slot);
        if (result == FM_RING_DONE)
                fm_ring_collect(&server.ring, slot, reply, &length, &status);
        server.offered[slot->index] = result == FM_RING_WAITING;
}

static DWORD pick_size(struct input *input)
{
        uint8_t how = u8(input);

        return how & 0x80 ? sizeof(FILTER_MESSAGE_HEADER) + AREA : how;
}

static void check_message(HRESULT hr, const FILTER_MESSAGE_HEADER *header, DWORD size, DWORD bytes)
{
        if (hr != S_OK)
                return;
        require(bytes >= sizeof(*header) && bytes <= size, "a message that is larger than its buffer");
        last_id = header->MessageId;
}

static void try_receive(struct input *input)
{
        DWORD size = pick_size(input), bytes = 0;
        g_autofree PFILTER_MESSAGE_HEADER buffer = g_malloc(MAX(size, 1));
        HRESULT hr = FilterTryGetMessage(port, buffer, size, &bytes);

        check_message(hr, buffer, size, bytes);
}

static void *sleeper_run(void *data)
{
        DWORD size = sizeof(FILTER_MESSAGE_HEADER) + (uintptr_t)data;
        g_autofree PFILTER_MESSAGE_HEADER buffer = g_malloc(size);

        while (FilterGetMessage(port, buffer, size, NULL) == S_OK)
                ;
        return NULL;
}

static void start_sleeper(unsigned size)
{
        if (sleeping < SLEEPERS)
                require(pthread_create(&sleepers[sleeping++], NULL, sleeper_run, (void *)(uintptr_t)size) == 0,
                        "pthread_create");
}

static void start_receive(struct input *input)
{
        uint8_t how = u8(input);
        struct receive *receive = &receives[how % RECEIVES];

        if (receive->buffer) {
                if (!HasOverlappedIoCompleted(&receive->overlapped))
                        return;
                if (receive->overlapped.Internal == STATUS_SUCCESS)
                        check_message(S_OK, receive->buffer, receive->size, (DWORD)receive->overlapped.InternalHigh);
                g_free(receive->buffer);
        }
        receive->size = pick_size(input);
        receive->buffer = g_malloc(MAX(receive->size, 1));
        receive->overlapped = (OVERLAPPED){ .hEvent = how & 0x40 ? event : NULL };
        if (FilterGetMessage(port, receive->buffer, receive->size, &receive->overlapped) !=
            HRESULT_FROM_WIN32(ERROR_IO_PENDING))
                receive->overlapped.Internal = STATUS_CANCELLED; /* nobody will write into it */
}

static void reply(struct input *input)
{
        uint8_t how = u8(input);
        DWORD size = sizeof(FILTER_REPLY_HEADER) + (how & 1 ? u16(input) : u8(input));
        g_autofree PFILTER_REPLY_HEADER buffer = g_malloc0(size);

        buffer->MessageId = how & 2 ? u16(input) : last_id;
        FilterReplyMessage(port, buffer, how & 4 ? MIN(how, size) : size);
}

static void wait_for_something(struct input *input)
{
        OVERLAPPED_ENTRY entries[3];
        LPOVERLAPPED overlapped;
        uint8_t how = u8(input);
        ULONG_PTR key;
        DWORD bytes;
        ULONG count;

        switch (how % 5) {
        case 0:
                if (!completion)
                        completion = CreateIoCompletionPort(port, NULL, 1, 1);
                else
                        GetQueuedCompletionStatus(completion, &bytes, &key, &overlapped, 0);
                break;
        case 1:
                if (completion)
                        GetQueuedCompletionStatusEx(completion, entries, 3, &count, 0, FALSE);
                break;
        case 2:
                if (receives[how >> 6].buffer)
                        GetOverlappedResult(port, &receives[how >> 6].overlapped, &bytes, FALSE);
                break;
        case 3:
                WaitForSingleObject(how & 0x80 ? event : port, 0);
                break;
        case 4:
                CancelIoEx(port, how & 0x20 ? NULL : &receives[how >> 6].overlapped);
                break;
        }
}

static void use_given(struct input *input)
{
        uint8_t how = u8(input);
        HANDLE handle = (HANDLE)(uintptr_t)(FM_GIVEN_HANDLE_FIRST + 4 * (how % GIVEN));
        void *view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, how & 0x20 ? u16(input) : 0);

        if (view)
                require(UnmapViewOfFile(view), "a view can't be unmapped");
        if (how & 0x80)
                CloseHandle(handle);
}

/* On a serialised handle a receive holds up the thread that asks for it, and all others with it. */
static bool would_block(unsigned what)
{
        return serial && (what == 8 || (sleeping && (what == 7 || what == 10 || what == 12)));
}

static void step(struct input *input)
{
        uint8_t what = u8(input);
        int fd;

        if (would_block(what % 16))
                return;
        switch (what % 16) {
        case 0:
                send_raw(input);
                break;
        case 1:
                ring_doorbell(input);
                break;
        case 2:
        case 3:
                offer(input);
                break;
        case 4:
                scribble(input);
                break;
        case 5:
                collect(input);
                break;
        case 6:
                if (what & 0x10)
                        fm_ring_kill(&server.ring);
                else
                        shutdown(server.fd, SHUT_WR);
                break;
        case 7:
                try_receive(input);
                break;
        case 8:
                start_receive(input);
                break;
        case 9:
                start_sleeper(what * 8);
                break;
        case 10:
                reply(input);
                break;
        case 11:
                wait_for_something(input);
                break;
        case 12:
                agent_call(input);
                break;
        case 13:
                use_given(input);
                break;
        case 14:
                FilterGetPortDescriptor(port, &fd);
                break;
        case 15:
                if (what & 0x10)
                        agent_ask(input);
                else
                        agent_connect(input, what >> 4);
                break;
        }
}

static void run(struct input *input)
{
        event = CreateEventW(NULL, TRUE, FALSE, NULL);
        server.fd = -1;
        agent_connect(input, u8(input));
        for (unsigned i = 0; i < STEPS && input->left > 0; i++) {
                if (port)
                        step(input);
                else
                        agent_connect(input, u8(input));
        }
        agent_close(input);
        memset(&server, 0, sizeof(server));
        if (list)
                CloseHandle(list);
        CloseHandle(event);
        list = NULL;
        last_id = 0;
}

static void prepare(void)
{
        g_autofree char *directory = g_dir_make_tmp("fltsim-fuzz-XXXXXX", NULL);
        struct sockaddr_un address;
        int length = fm_runtime_address(directory, &address);

        setenv("FLTSIM_RUNTIME_DIR", directory, 1);
        memory = memfd_create("fuzz", MFD_CLOEXEC);
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        require(memory >= 0 && ftruncate(memory, 4096) == 0 && pipe2(stop, O_CLOEXEC) == 0 &&
                        bind(listener, (struct sockaddr *)&address, (socklen_t)length) == 0 && listen(listener, 8) == 0,
                "no server");
}

static void clean_up(void)
{
        g_autofree char *path = fm_runtime_path(NULL, FM_RUNTIME_SOCKET), *directory = fm_runtime_dir();

        unlink(path);
        rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* A good connection, a doorbell, a call: whatever is made once is made. */
        static const uint8_t first[] = { 15, 1, 0, 11, 0, 12, 11 };
        static bool started;
        int baseline;

        if (!started) {
                prepare();
                atexit(clean_up);
                run(&(struct input){ first, sizeof(first) });
                started = true;
        }
        baseline = lowest_descriptor(); /* each time: the fuzzer opens some itself */
        run(&(struct input){ data, size });
        require(lowest_descriptor() == baseline, "a descriptor is left behind");
        return 0;
}
