/* SPDX-License-Identifier: MIT */
/*
 * One filter whose registration each test makes up, on the engine alone. What happens to it is written down in words:
 * "registered setup(1) started pre post query start(1) complete(1)".
 */
#pragma once

#include "engine-harness.h"

#define ONE_INSTANCES FM_SERVICES_KEY "\\one\\Instances"

struct one {
        FLT_REGISTRATION registration;
        PFLT_FILTER filter;
        NTSTATUS register_status, start_status;
        bool does_not_start;
        NTSTATUS entry_status; /* what DriverEntry returns if all went well */
        bool does_not_unregister;
        NTSTATUS setup_status, query_status, unload_status;
        void (*on_setup)(PCFLT_RELATED_OBJECTS objects);
        void (*on_start)(PCFLT_RELATED_OBJECTS objects);    /* TeardownStart */
        void (*on_complete)(PCFLT_RELATED_OBJECTS objects); /* TeardownComplete */
        void (*on_unload)(void);
        FLT_PREOP_CALLBACK_STATUS (*on_pre)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context);
        FLT_POSTOP_CALLBACK_STATUS (*on_post)(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                              FLT_POST_OPERATION_FLAGS flags);
};

extern struct one one;

void one_say(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* What was said since the last time; g_free(). */
char *one_take_words(void);
#define one_expect(text)                                                                                               \
        do {                                                                                                           \
                g_autofree char *said_ = one_take_words();                                                             \
                g_assert_cmpstr(said_, ==, text);                                                                      \
        } while (0)
/* Until that was said, and not taken yet. */
void one_wait_for(const char *word);

/* The callbacks of one.registration; READ alone is registered, unless a test says otherwise. */
FLT_PREOP_CALLBACK_STATUS FLTAPI one_pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID *context);
FLT_POSTOP_CALLBACK_STATUS FLTAPI one_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                           FLT_POST_OPERATION_FLAGS flags);

void one_set_instance(const char *where, const char *name, const char *altitude, ULONG flags);
NTSTATUS one_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path);
NTSTATUS one_load(void);
/* Loads it, and forgets what was said so far. */
void one_load_quietly(void);
PFLT_INSTANCE one_instance(void);

/* engine_volume, and the registry's data for one instance at 200000. */
void one_set_up(void);
void one_tear_down(void);

/* A read of a file of its own. */
NTSTATUS one_read(void);
/* The same on a thread: returns when that was said. kind: its FLTFL_CALLBACK_DATA_*; 0: an IRP. */
struct one_reading {
        PFILE_OBJECT file;
        GThread *caller;
};
struct one_reading one_start_reading(FLT_CALLBACK_DATA_FLAGS kind, const char *until);
NTSTATUS one_end_reading(struct one_reading *reading);
