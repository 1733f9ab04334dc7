/* SPDX-License-Identifier: MIT */
/*
 * Attaching, detaching, loading and unloading while several threads keep operations in flight; without a mount. The filters
 * pend operations and swap buffers, and have contexts on everything.
 */
#include "engine-harness.h"
#include "stress-filters.h"

#define CALLERS 4
#define ROUNDS 500
#define MEETS 10
#define DATA 0x5a
#define LENGTH 200

static _Atomic bool over;
static _Atomic uint64_t calls, dones;

static void dispatch(struct fm_operation *operation)
{
        struct fm_file_object *file = fm_file_object(operation->iopb.TargetFileObject);

        if (operation->iopb.MajorFunction == IRP_MJ_CREATE) {
                file->stream = operation->volume->fsd_context;
                file->file.FsContext = file->stream;
                file->fsd_file = file;
        } else if (operation->iopb.MajorFunction == IRP_MJ_READ) {
                PMDL mdl = operation->iopb.Parameters.Read.MdlAddress;

                memset(mdl ? MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) :
                             operation->iopb.Parameters.Read.ReadBuffer,
                       DATA, operation->iopb.Parameters.Read.Length);
        }
        fm_operation_set_result(operation, STATUS_SUCCESS,
                                operation->iopb.MajorFunction == IRP_MJ_READ ? operation->iopb.Parameters.Read.Length : 0);
}

static char *path_of(PFILE_OBJECT file)
{
        return strdup("/file");
}

static void close_file(PFILE_OBJECT file)
{
}

static int open_data(PFILE_OBJECT file, bool writable)
{
        return -EOPNOTSUPP;
}

static const struct fm_fsd_ops fsd = {
        .dispatch = dispatch,
        .path = path_of,
        .close_file = close_file,
        .open_data = open_data,
};

static NTSTATUS run(struct fm_operation *operation)
{
        NTSTATUS status;

        atomic_fetch_add(&calls, 1);
        status = fm_operation_run(operation);
        atomic_fetch_add(&dones, 1);
        fm_operation_free(operation);
        return status;
}

static void use_file(PFLT_VOLUME volume)
{
        PFILE_OBJECT file = fm_file_object_new(volume);
        unsigned char buffer[LENGTH];

        engine_assert_status(run(fm_operation_new(volume, IRP_MJ_CREATE, file, &engine_nobody)), STATUS_SUCCESS);
        for (int i = 0; i < 8; i++) {
                struct fm_operation *operation = fm_operation_new(volume, IRP_MJ_READ, file, &engine_nobody);

                memset(buffer, 0, sizeof(buffer));
                operation->iopb.Parameters.Read.Length = LENGTH;
                operation->iopb.Parameters.Read.ReadBuffer = buffer;
                engine_assert_status(run(operation), STATUS_SUCCESS);
                for (int j = 0; j < LENGTH; j++)
                        g_assert_cmpuint(buffer[j], ==, DATA);
        }
        engine_assert_status(run(fm_operation_new(volume, IRP_MJ_FLUSH_BUFFERS, file, &engine_nobody)), STATUS_SUCCESS);
        fm_file_object_cleanup(file, NULL);
        fm_object_unref(file);
}

static gpointer call(gpointer volume)
{
        while (!atomic_load(&over))
                use_file(volume);
        return NULL;
}

static void come_and_go(PFLT_VOLUME volume, int i, int round)
{
        if (round % 3 == 2) {
                engine_assert_status(stress_unload(i), STATUS_SUCCESS);
                engine_assert_status(stress_load(i), STATUS_SUCCESS);
        } else {
                engine_assert_status(stress_detach(i, volume), STATUS_SUCCESS);
                engine_assert_status(stress_attach(i, volume), STATUS_SUCCESS);
        }
}

struct churn {
        PFLT_VOLUME volume;
        int filter;
};

/* Each round waits for some operations, so that the filters meet them. */
static gpointer churn(gpointer opaque)
{
        struct churn *churn = opaque;

        for (int round = 0; round < ROUNDS; round++) {
                uint64_t before = atomic_load(&dones);

                come_and_go(churn->volume, churn->filter, round);
                while (atomic_load(&dones) < before + MEETS)
                        g_thread_yield();
        }
        return NULL;
}

static PFLT_VOLUME volume_new(void)
{
        struct fm_volume_options options = { .mount_point = (char *)"/stress" };
        PFLT_VOLUME volume = fm_volume_new(&fsd, NULL, &options, NULL);

        volume->fsd_context = fm_stream_new(volume, NULL);
        return volume;
}

/* Volumes that are used for a while, and go with all that filters have on them. */
static gpointer pass(gpointer unused)
{
        while (!atomic_load(&over)) {
                PFLT_VOLUME volume = volume_new();

                for (int i = 0; i < 4; i++)
                        use_file(volume);
                engine_volume_free(volume);
        }
        return NULL;
}

static void load_all(void)
{
        for (int i = 0; i < STRESS_FILTERS; i++)
                engine_assert_status(stress_load(i), STATUS_SUCCESS);
}

/* joined: a volume that comes when filters run and others are in use, as some do meanwhile. */
static void check_come_and_go(bool joined)
{
        GThread *callers[CALLERS], *churners[STRESS_FILTERS], *passer = NULL;
        PFLT_VOLUME volume, other = NULL;
        struct churn churns[STRESS_FILTERS];

        stress_set_up();
        atomic_store(&over, false);
        calls = dones = 0;
        if (joined) {
                other = volume_new();
                load_all();
                volume = volume_new();
                use_file(volume);
                passer = g_thread_new("passer", pass, NULL);
        } else {
                volume = volume_new();
                load_all();
        }
        for (int i = 0; i < CALLERS; i++)
                callers[i] = g_thread_new("caller", call, joined && i == 0 ? other : volume);
        for (int i = 0; i < STRESS_FILTERS; i++) {
                churns[i] = (struct churn){ volume, i };
                churners[i] = g_thread_new("churner", churn, &churns[i]);
        }
        for (int i = 0; i < STRESS_FILTERS; i++)
                g_thread_join(churners[i]);
        atomic_store(&over, true);
        for (int i = 0; i < CALLERS; i++)
                g_thread_join(callers[i]);
        if (joined) {
                g_thread_join(passer);
                /* With live contexts and instances of all filters. */
                engine_volume_free(volume);
        }
        for (int i = 0; i < STRESS_FILTERS; i++)
                engine_assert_status(stress_unload(i), STATUS_SUCCESS);
        g_assert_cmpuint(calls, ==, dones);
        g_assert_cmpuint(calls, >, 0);
        engine_volume_free(joined ? other : volume);
        stress_check();
        stress_tear_down();
}

static void test_come_and_go(void)
{
        check_come_and_go(false);
}

static void test_come_and_go_on_joined_volume(void)
{
        check_come_and_go(true);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/engine/come-and-go", test_come_and_go);
        g_test_add_func("/engine/come-and-go-on-joined-volume", test_come_and_go_on_joined_volume);
        return g_test_run();
}
