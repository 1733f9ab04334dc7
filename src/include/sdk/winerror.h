/* SPDX-License-Identifier: MIT */
/* Win32 error codes and HRESULTs: those that the functions of fltlib return, and the common ones that agents name. */
#ifndef FLTSIM_SDK_WINERROR_H
#define FLTSIM_SDK_WINERROR_H

#include "winnt.h"

#define ERROR_SUCCESS                        0
#define ERROR_INVALID_FUNCTION               1
#define ERROR_FILE_NOT_FOUND                 2
#define ERROR_PATH_NOT_FOUND                 3
#define ERROR_TOO_MANY_OPEN_FILES            4
#define ERROR_ACCESS_DENIED                  5
#define ERROR_INVALID_HANDLE                 6
#define ERROR_NOT_ENOUGH_MEMORY              8
#define ERROR_BAD_ENVIRONMENT                10
#define ERROR_BAD_FORMAT                     11
#define ERROR_INVALID_DATA                   13
#define ERROR_OUTOFMEMORY                    14
#define ERROR_INVALID_DRIVE                  15
#define ERROR_NOT_SAME_DEVICE                17
#define ERROR_NO_MORE_FILES                  18
#define ERROR_WRITE_PROTECT                  19
#define ERROR_NOT_READY                      21
#define ERROR_CRC                            23
#define ERROR_BAD_LENGTH                     24
#define ERROR_GEN_FAILURE                    31
#define ERROR_SHARING_VIOLATION              32
#define ERROR_LOCK_VIOLATION                 33
#define ERROR_HANDLE_EOF                     38
#define ERROR_HANDLE_DISK_FULL               39
#define ERROR_NOT_SUPPORTED                  50
#define ERROR_DEV_NOT_EXIST                  55
#define ERROR_FILE_EXISTS                    80
#define ERROR_INVALID_PARAMETER              87
#define ERROR_TOO_MANY_SEMAPHORES            100
#define ERROR_BROKEN_PIPE                    109
#define ERROR_DISK_FULL                      112
#define ERROR_CALL_NOT_IMPLEMENTED           120
#define ERROR_SEM_TIMEOUT                    121
#define ERROR_INSUFFICIENT_BUFFER            122
#define ERROR_INVALID_NAME                   123
#define ERROR_MOD_NOT_FOUND                  126
#define ERROR_PROC_NOT_FOUND                 127
#define ERROR_WAIT_NO_CHILDREN               128
#define ERROR_DIR_NOT_EMPTY                  145
#define ERROR_NOT_LOCKED                     158
#define ERROR_BAD_PATHNAME                   161
#define ERROR_MAX_THRDS_REACHED              164
#define ERROR_BUSY                           170
#define ERROR_ALREADY_EXISTS                 183
#define ERROR_BAD_EXE_FORMAT                 193
#define ERROR_ENVVAR_NOT_FOUND               203
#define ERROR_FILENAME_EXCED_RANGE           206
#define ERROR_FILE_TOO_LARGE                 223
#define ERROR_VIRUS_INFECTED                 225
#define ERROR_VIRUS_DELETED                  226
#define ERROR_PIPE_BUSY                      231
#define ERROR_PIPE_NOT_CONNECTED             233
#define ERROR_MORE_DATA                      234
#define ERROR_INVALID_EA_NAME                254
#define ERROR_EA_LIST_INCONSISTENT           255
#define ERROR_WAIT_TIMEOUT                   258
#define ERROR_NO_MORE_ITEMS                  259
#define ERROR_DIRECTORY                      267
#define ERROR_EAS_DIDNT_FIT                  275
#define ERROR_EA_TABLE_FULL                  277
#define ERROR_EAS_NOT_SUPPORTED              282
#define ERROR_NOT_OWNER                      288
#define ERROR_TOO_MANY_POSTS                 298
#define ERROR_OPLOCK_NOT_GRANTED             300
#define ERROR_DELETE_PENDING                 303
#define ERROR_MR_MID_NOT_FOUND               317
#define ERROR_INVALID_ADDRESS                487
#define ERROR_ARITHMETIC_OVERFLOW            534
#define ERROR_DRIVER_FAILED_PRIOR_UNLOAD     654
#define ERROR_FILE_SYSTEM_LIMITATION         665
#define ERROR_STOPPED_ON_SYMLINK             681
#define ERROR_ABANDONED_WAIT_0               735
#define ERROR_ABANDONED_WAIT_63              736
#define ERROR_USER_APC                       737
#define ERROR_CANNOT_BREAK_OPLOCK            802
#define ERROR_EA_ACCESS_DENIED               994
#define ERROR_OPERATION_ABORTED              995
#define ERROR_IO_INCOMPLETE                  996
#define ERROR_IO_PENDING                     997
#define ERROR_NOACCESS                       998
#define ERROR_STACK_OVERFLOW                 1001
#define ERROR_FILE_INVALID                   1006
#define ERROR_SERVICE_ALREADY_RUNNING        1056
#define ERROR_SERVICE_DOES_NOT_EXIST         1060
#define ERROR_NO_MEDIA_IN_DRIVE              1112
#define ERROR_NO_UNICODE_TRANSLATION         1113
#define ERROR_IO_DEVICE                      1117
#define ERROR_POSSIBLE_DEADLOCK              1131
#define ERROR_MAPPED_ALIGNMENT               1132
#define ERROR_TOO_MANY_LINKS                 1142
#define ERROR_NOT_FOUND                      1168
#define ERROR_NO_MATCH                       1169
#define ERROR_USER_MAPPED_FILE               1224
#define ERROR_RETRY                          1237
#define ERROR_CONNECTION_COUNT_LIMIT         1238
#define ERROR_ACCESS_DISABLED_BY_POLICY      1260
#define ERROR_DISK_QUOTA_EXCEEDED            1295
#define ERROR_CONTENT_BLOCKED                1296
#define ERROR_PRIVILEGE_NOT_HELD             1314
#define ERROR_NONE_MAPPED                    1332
#define ERROR_INTERNAL_ERROR                 1359
#define ERROR_FILE_CORRUPT                   1392
#define ERROR_NO_SYSTEM_RESOURCES            1450
#define ERROR_TIMEOUT                        1460
#define ERROR_INVALID_USER_BUFFER            1784
#define ERROR_NOT_ENOUGH_QUOTA               1816
#define ERROR_CANT_ACCESS_FILE               1920
#define ERROR_CANT_RESOLVE_FILENAME          1921
#define ERROR_INVALID_OPERATION              4317
#define ERROR_NOT_A_REPARSE_POINT            4390
#define ERROR_REPARSE_TAG_INVALID            4393
#define ERROR_OFFLOAD_READ_FLT_NOT_SUPPORTED 4440
#define ERROR_FILE_ENCRYPTED                 6002
#define NO_ERROR                             0

#define SEVERITY_SUCCESS                     0
#define SEVERITY_ERROR                       1
#define FACILITY_NULL                        0
#define FACILITY_WIN32                       7
#define FACILITY_USERMODE_FILTER_MANAGER     0x1F
#define FACILITY_NT_BIT                      0x10000000

#define SUCCEEDED(hr)                        (((HRESULT)(hr)) >= 0)
#define FAILED(hr)                           (((HRESULT)(hr)) < 0)
#define IS_ERROR(status)                     (((ULONG)(status)) >> 31 == SEVERITY_ERROR)
#define HRESULT_CODE(hr)                     ((hr) & 0xFFFF)
#define HRESULT_FACILITY(hr)                 (((hr) >> 16) & 0x1FFF)
#define HRESULT_SEVERITY(hr)                 (((hr) >> 31) & 0x1)
#ifndef MAKE_HRESULT
#define MAKE_HRESULT(sev, fac, code) \
        ((HRESULT)(((ULONG)(sev) << 31) | ((ULONG)(fac) << 16) | ((ULONG)(code))))
#endif
/* As Microsoft's: zero stays zero and what is an HRESULT already stays as it is. */
#define HRESULT_FROM_WIN32(x) \
        ((HRESULT)(x) <= 0 ? (HRESULT)(x) : (HRESULT)(((x) & 0xFFFFu) | (FACILITY_WIN32 << 16) | 0x80000000u))
#define HRESULT_FROM_NT(x)                   ((HRESULT)((x) | FACILITY_NT_BIT))
#define FILTER_HRESULT_FROM_FLT_NTSTATUS(x) \
        ((HRESULT)(((x) & 0x8000FFFFu) | (FACILITY_USERMODE_FILTER_MANAGER << 16)))

#define S_OK                                 ((HRESULT)0)
#define S_FALSE                              ((HRESULT)1)
#define E_NOTIMPL                            ((HRESULT)0x80004001)
#define E_NOINTERFACE                        ((HRESULT)0x80004002)
#define E_POINTER                            ((HRESULT)0x80004003)
#define E_ABORT                              ((HRESULT)0x80004004)
#define E_FAIL                               ((HRESULT)0x80004005)
#define E_UNEXPECTED                         ((HRESULT)0x8000FFFF)
#define E_ACCESSDENIED                       ((HRESULT)0x80070005)
#define E_HANDLE                             ((HRESULT)0x80070006)
#define E_OUTOFMEMORY                        ((HRESULT)0x8007000E)
#define E_INVALIDARG                         ((HRESULT)0x80070057)

#define ERROR_FLT_IO_COMPLETE                        ((HRESULT)0x001F0001)
#define ERROR_FLT_NO_HANDLER_DEFINED                 ((HRESULT)0x801F0001)
#define ERROR_FLT_CONTEXT_ALREADY_DEFINED            ((HRESULT)0x801F0002)
#define ERROR_FLT_INVALID_ASYNCHRONOUS_REQUEST       ((HRESULT)0x801F0003)
#define ERROR_FLT_DISALLOW_FAST_IO                   ((HRESULT)0x801F0004)
#define ERROR_FLT_INVALID_NAME_REQUEST               ((HRESULT)0x801F0005)
#define ERROR_FLT_NOT_SAFE_TO_POST_OPERATION         ((HRESULT)0x801F0006)
#define ERROR_FLT_NOT_INITIALIZED                    ((HRESULT)0x801F0007)
#define ERROR_FLT_FILTER_NOT_READY                   ((HRESULT)0x801F0008)
#define ERROR_FLT_POST_OPERATION_CLEANUP             ((HRESULT)0x801F0009)
#define ERROR_FLT_INTERNAL_ERROR                     ((HRESULT)0x801F000A)
#define ERROR_FLT_DELETING_OBJECT                    ((HRESULT)0x801F000B)
#define ERROR_FLT_MUST_BE_NONPAGED_POOL              ((HRESULT)0x801F000C)
#define ERROR_FLT_DUPLICATE_ENTRY                    ((HRESULT)0x801F000D)
#define ERROR_FLT_CBDQ_DISABLED                      ((HRESULT)0x801F000E)
#define ERROR_FLT_DO_NOT_ATTACH                      ((HRESULT)0x801F000F)
#define ERROR_FLT_DO_NOT_DETACH                      ((HRESULT)0x801F0010)
#define ERROR_FLT_INSTANCE_ALTITUDE_COLLISION        ((HRESULT)0x801F0011)
#define ERROR_FLT_INSTANCE_NAME_COLLISION            ((HRESULT)0x801F0012)
#define ERROR_FLT_FILTER_NOT_FOUND                   ((HRESULT)0x801F0013)
#define ERROR_FLT_VOLUME_NOT_FOUND                   ((HRESULT)0x801F0014)
#define ERROR_FLT_INSTANCE_NOT_FOUND                 ((HRESULT)0x801F0015)
#define ERROR_FLT_CONTEXT_ALLOCATION_NOT_FOUND       ((HRESULT)0x801F0016)
#define ERROR_FLT_INVALID_CONTEXT_REGISTRATION       ((HRESULT)0x801F0017)
#define ERROR_FLT_NAME_CACHE_MISS                    ((HRESULT)0x801F0018)
#define ERROR_FLT_NO_DEVICE_OBJECT                   ((HRESULT)0x801F0019)
#define ERROR_FLT_VOLUME_ALREADY_MOUNTED             ((HRESULT)0x801F001A)
#define ERROR_FLT_ALREADY_ENLISTED                   ((HRESULT)0x801F001B)
#define ERROR_FLT_CONTEXT_ALREADY_LINKED             ((HRESULT)0x801F001C)
#define ERROR_FLT_NO_WAITER_FOR_REPLY                ((HRESULT)0x801F0020)
#define ERROR_FLT_REGISTRATION_BUSY                  ((HRESULT)0x801F0023)

#endif
