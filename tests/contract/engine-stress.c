/* SPDX-License-Identifier: MIT */
/* Attaching, detaching, loading and unloading while several threads keep operations in flight; without a mount. */
#include "engine-harness.h"
#include "stress-filters.h"

#define CALLERS 4
#define ROUNDS 2000
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
                struct fm_operation *operation = engine_read_of(file, LENGTH);

                memset(buffer, 0, sizeof(buffer));
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

static gpointer churn(gpointer opaque)
{
        struct churn *churn = opaque;

        for (int round = 0; round < ROUNDS; round++)
                come_and_go(churn->volume, churn->filter, round);
        return NULL;
}

static void test_come_and_go(void)
{
        struct fm_volume_options options = { .mount_point = (char *)"/stress" };
        struct churn churns[STRESS_FILTERS];
        GThread *callers[CALLERS], *churners[STRESS_FILTERS];
        PFLT_VOLUME volume;

        stress_set_up();
        volume = engine_volume = fm_volume_new(&fsd, NULL, &options, NULL);
        volume->fsd_context = fm_stream_new(volume, NULL);
        for (int i = 0; i < STRESS_FILTERS; i++)
                engine_assert_status(stress_load(i), STATUS_SUCCESS);
        for (int i = 0; i < CALLERS; i++)
                callers[i] = g_thread_new("caller", call, volume);
        for (int i = 0; i < STRESS_FILTERS; i++) {
                churns[i] = (struct churn){ volume, i };
                churners[i] = g_thread_new("churner", churn, &churns[i]);
        }
        for (int i = 0; i < STRESS_FILTERS; i++)
                g_thread_join(churners[i]);
        atomic_store(&over, true);
        for (int i = 0; i < CALLERS; i++)
                g_thread_join(callers[i]);
        for (int i = 0; i < STRESS_FILTERS; i++)
                engine_assert_status(stress_unload(i), STATUS_SUCCESS);
        g_assert_cmpuint(calls, ==, dones);
        g_assert_cmpuint(calls, >, 0);
        engine_volume_free(volume);
        stress_check();
        stress_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/engine/come-and-go", test_come_and_go);
        return g_test_run();
}
