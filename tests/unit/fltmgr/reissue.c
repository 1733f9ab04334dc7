/* SPDX-License-Identifier: MIT */
/* FltReissueSynchronousIo: an operation goes down again from a post-operation, and only its lower part sees it. */
#include "fake.h"

#include "nt/verifier.h"

static char trace[64];
static NTSTATUS (*hook)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects);
static FLT_PREOP_CALLBACK_STATUS pre_status;
static ULONG lower_flags;
static uint64_t violations;

static void note(char c)
{
        size_t length = strlen(trace);

        g_assert_cmpuint(length, <, sizeof(trace) - 1);
        trace[length] = c;
        trace[length + 1] = 0;
}

#define PRE(name, letter, status)                                                                                      \
        static FLT_PREOP_CALLBACK_STATUS name(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context)  \
        {                                                                                                              \
                note(letter);                                                                                          \
                lower_flags = data->Flags;                                                                             \
                return (status);                                                                                       \
        }
#define POST(name, letter, action)                                                                                     \
        static FLT_POSTOP_CALLBACK_STATUS name(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,  \
                                               FLT_POST_OPERATION_FLAGS flags)                                         \
        {                                                                                                              \
                note(letter);                                                                                          \
                action;                                                                                                \
                return FLT_POSTOP_FINISHED_PROCESSING;                                                                 \
        }

PRE(top_pre, 't', FLT_PREOP_SYNCHRONIZE)
POST(top_post, 'T', (void)0)
PRE(middle_pre, 'm', pre_status)
POST(middle_post, 'M', hook(data, objects))
PRE(bottom_pre, 'b', FLT_PREOP_SUCCESS_WITH_CALLBACK)
POST(bottom_post, 'B', (void)0)

struct stack {
        struct fake *fake;
        PFLT_FILTER filters[3];
        PFLT_INSTANCE instances[3];
};

static void stack_init(struct stack *stack)
{
        static const FLT_OPERATION_REGISTRATION callbacks[][3] = {
                {{IRP_MJ_READ, 0, top_pre, top_post}, {IRP_MJ_CREATE, 0, top_pre, top_post}, {IRP_MJ_OPERATION_END}},
                {{IRP_MJ_READ, 0, middle_pre, middle_post},
                 {IRP_MJ_CREATE, 0, middle_pre, middle_post},
                 {IRP_MJ_OPERATION_END}},
                {{IRP_MJ_READ, 0, bottom_pre, bottom_post},
                 {IRP_MJ_CREATE, 0, bottom_pre, bottom_post},
                 {IRP_MJ_OPERATION_END}},
        };
        static const char *const altitudes[] = {"320300", "320200", "320100"};

        stack->fake = fake_new();
        for (unsigned i = 0; i < G_N_ELEMENTS(altitudes); i++) {
                g_autofree char *name = g_strdup_printf("reissue%u", i);

                stack->filters[i] = fake_filter(name, altitudes[i], callbacks[i]);
                stack->instances[i] = fake_instance(stack->filters[i], stack->fake->volume, name, altitudes[i]);
        }
        trace[0] = 0;
        pre_status = FLT_PREOP_SYNCHRONIZE;
        violations = fm_violation_count();
}

static NTSTATUS nothing(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        return STATUS_SUCCESS;
}

static PFILE_OBJECT opened_file(struct stack *stack, const char *path)
{
        PFILE_OBJECT file;

        hook = nothing;
        file = fake_file(stack->fake, path, true);
        trace[0] = 0;
        return file;
}

static void stack_deinit(struct stack *stack)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(stack->filters); i++) {
                fake_instance_free(stack->instances[i]);
                fake_filter_free(stack->filters[i]);
        }
        fake_free(stack->fake);
}

static struct fm_operation *operation_new(struct stack *stack, UCHAR major, PFILE_OBJECT file)
{
        static const struct fm_requestor requestor = {.kernel = true};

        return fm_operation_new(stack->fake->volume, major, file, &requestor);
}

static NTSTATUS reissue_shorter(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        g_assert_cmpuint(data->IoStatus.Information, ==, 5);
        data->Iopb->Parameters.Read.Length = 2;
        FltSetCallbackDataDirty(data);
        FltReissueSynchronousIo(objects->Instance, data);
        g_assert_cmpuint(data->IoStatus.Information, ==, 2);
        return data->IoStatus.Status;
}

static NTSTATUS reissue(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FltReissueSynchronousIo(objects->Instance, data);
        return data->IoStatus.Status;
}

static void test_read(void)
{
        struct stack stack;
        struct fm_operation *operation;
        PFILE_OBJECT file;
        char buffer[8] = "";

        stack_init(&stack);
        fake_add(stack.fake, "/a", "hello");
        file = opened_file(&stack, "/a");
        operation = operation_new(&stack, IRP_MJ_READ, file);
        operation->iopb.Parameters.Read.Length = 5;
        operation->iopb.Parameters.Read.ReadBuffer = buffer;
        hook = reissue_shorter;
        assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "tmbBMbBT");
        g_assert_true(lower_flags & FLTFL_CALLBACK_DATA_REISSUED_IO);
        g_assert_cmpuint(operation->data.IoStatus.Information, ==, 2);
        /* The filters above see their own parameters. */
        g_assert_cmpuint(operation->iopb.Parameters.Read.Length, ==, 5);
        g_assert_cmpuint(stack.fake->last.Parameters.Read.Length, ==, 2);
        g_assert_cmpuint(fm_violation_count(), ==, violations);
        fm_operation_free(operation);
        ObDereferenceObject(file);
        stack_deinit(&stack);
}

static void test_not_synchronized(void)
{
        struct stack stack;
        struct fm_operation *operation;
        PFILE_OBJECT file;
        char buffer[8] = "";

        stack_init(&stack);
        fake_add(stack.fake, "/a", "hello");
        file = opened_file(&stack, "/a");
        operation = operation_new(&stack, IRP_MJ_READ, file);
        operation->iopb.Parameters.Read.Length = 5;
        operation->iopb.Parameters.Read.ReadBuffer = buffer;
        pre_status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        hook = reissue;
        assert_status(fm_operation_run(operation), STATUS_INVALID_PARAMETER);
        g_assert_cmpstr(trace, ==, "tmbBMT");
        g_assert_cmpuint(fm_violation_count(), ==, violations + 1);
        fm_operation_free(operation);
        ObDereferenceObject(file);
        stack_deinit(&stack);
}

static struct fake *appears_in;

static NTSTATUS reissue_after_appearance(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        assert_status(data->IoStatus.Status, STATUS_OBJECT_NAME_NOT_FOUND);
        fake_add(appears_in, "/late", "here");
        FltReissueSynchronousIo(objects->Instance, data);
        return data->IoStatus.Status;
}

static void test_create(void)
{
        struct stack stack;
        struct fm_operation *operation;
        PFILE_OBJECT file;

        stack_init(&stack);
        appears_in = stack.fake;
        file = fake_file(stack.fake, "/late", false);
        operation = operation_new(&stack, IRP_MJ_CREATE, file);
        operation->iopb.Parameters.Create.Options = FILE_OPEN << 24;
        hook = reissue_after_appearance;
        assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        g_assert_cmpstr(trace, ==, "tmbBMbBT");
        g_assert_true(fm_file_object(file)->opened);
        g_assert_cmpuint(fm_violation_count(), ==, violations);
        fm_operation_free(operation);
        ObDereferenceObject(file);
        stack_deinit(&stack);
}

static void test_opened(void)
{
        struct stack stack;
        struct fm_operation *operation;
        PFILE_OBJECT file;

        stack_init(&stack);
        fake_add(stack.fake, "/a", "x");
        file = fake_file(stack.fake, "/a", false);
        operation = operation_new(&stack, IRP_MJ_CREATE, file);
        operation->iopb.Parameters.Create.Options = FILE_OPEN << 24;
        hook = reissue;
        fm_operation_run(operation);
        g_assert_cmpstr(trace, ==, "tmbBMT");
        g_assert_cmpuint(fm_violation_count(), ==, violations + 1);
        fm_operation_free(operation);
        ObDereferenceObject(file);
        stack_deinit(&stack);
}

static NTSTATUS cancel_and_reissue(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FltCancelFileOpen(objects->Instance, objects->FileObject);
        FltReissueSynchronousIo(objects->Instance, data);
        return data->IoStatus.Status;
}

static void test_cancelled(void)
{
        struct stack stack;
        struct fm_operation *operation;
        PFILE_OBJECT file;

        stack_init(&stack);
        fake_add(stack.fake, "/a", "x");
        file = fake_file(stack.fake, "/a", false);
        operation = operation_new(&stack, IRP_MJ_CREATE, file);
        operation->iopb.Parameters.Create.Options = FILE_OPEN << 24;
        hook = cancel_and_reissue;
        assert_status(fm_operation_run(operation), STATUS_CANCELLED);
        g_assert_cmpuint(fm_violation_count(), ==, violations);
        fm_operation_free(operation);
        ObDereferenceObject(file);
        stack_deinit(&stack);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fltmgr/reissue/read", test_read);
        g_test_add_func("/fltmgr/reissue/create", test_create);
        g_test_add_func("/fltmgr/reissue/not-synchronized", test_not_synchronized);
        g_test_add_func("/fltmgr/reissue/opened", test_opened);
        g_test_add_func("/fltmgr/reissue/cancelled", test_cancelled);
        return g_test_run();
}
