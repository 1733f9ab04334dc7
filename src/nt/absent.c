/* SPDX-License-Identifier: MIT */
/* What the kernel here does not have, but filters may call. */
#include <fltKernel.h>

#include "nt/absent.h"
#include "nt/object.h"

/* ---- objects with names, other processes' handles ---- */

FM_NOT_SUPPORTED(ZwOpenEvent, (PHANDLE EventHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes),
                 "there are no named events")
FM_NOT_SUPPORTED(ZwOpenSection, (PHANDLE SectionHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes),
                 "there are no named sections")
FM_NOT_SUPPORTED(ZwOpenDirectoryObject,
                 (PHANDLE DirectoryHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes),
                 "there is no object directory")
FM_NOT_SUPPORTED(ZwOpenSymbolicLinkObject,
                 (PHANDLE LinkHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes),
                 "there is no object directory")
FM_NOT_SUPPORTED(ZwQuerySymbolicLinkObject, (HANDLE LinkHandle, PUNICODE_STRING LinkTarget, PULONG ReturnedLength),
                 "there is no object directory")
FM_NOT_SUPPORTED(ZwMakeTemporaryObject, (HANDLE Handle), "there is no object directory")
FM_NOT_SUPPORTED(ZwDuplicateObject,
                 (HANDLE SourceProcessHandle, HANDLE SourceHandle, HANDLE TargetProcessHandle, PHANDLE TargetHandle,
                  ACCESS_MASK DesiredAccess, ULONG HandleAttributes, ULONG Options),
                 "handles stay with the process they were made for")
FM_NOT_SUPPORTED(ZwQueryObject,
                 (HANDLE Handle, OBJECT_INFORMATION_CLASS ObjectInformationClass, PVOID ObjectInformation,
                  ULONG ObjectInformationLength, PULONG ReturnLength),
                 "handles tell nothing about their objects")
FM_NOT_SUPPORTED(ObGetObjectSecurity,
                 (PVOID Object, PSECURITY_DESCRIPTOR *SecurityDescriptor, PBOOLEAN MemoryAllocated),
                 "only files have security descriptors")

/* ---- processes, threads, tokens, drivers ---- */

FM_NOT_SUPPORTED(ZwOpenProcessTokenEx,
                 (HANDLE ProcessHandle, ACCESS_MASK DesiredAccess, ULONG HandleAttributes, PHANDLE TokenHandle),
                 "there are no handles of tokens")
FM_NOT_SUPPORTED(ZwOpenThreadTokenEx,
                 (HANDLE ThreadHandle, ACCESS_MASK DesiredAccess, BOOLEAN OpenAsSelf, ULONG HandleAttributes,
                  PHANDLE TokenHandle),
                 "there are no handles of tokens")
FM_NOT_SUPPORTED(ZwQueryInformationToken,
                 (HANDLE TokenHandle, TOKEN_INFORMATION_CLASS TokenInformationClass, PVOID TokenInformation,
                  ULONG TokenInformationLength, PULONG ReturnLength),
                 "there are no handles of tokens; SeQueryInformationToken works")
FM_NOT_SUPPORTED(SeCreateClientSecurity,
                 (PETHREAD ClientThread, PSECURITY_QUALITY_OF_SERVICE ClientSecurityQos, BOOLEAN RemoteSession,
                  PSECURITY_CLIENT_CONTEXT ClientContext),
                 "filters can't impersonate")
FM_NOT_SUPPORTED(SeImpersonateClientEx, (PSECURITY_CLIENT_CONTEXT ClientContext, PETHREAD ServerThread),
                 "filters can't impersonate")
FM_NOT_SUPPORTED(ZwSetInformationThread,
                 (HANDLE ThreadHandle, THREADINFOCLASS ThreadInformationClass, PVOID ThreadInformation,
                  ULONG ThreadInformationLength),
                 "threads of others can't be changed")
FM_NOT_SUPPORTED(ZwTerminateProcess, (HANDLE ProcessHandle, NTSTATUS ExitStatus), "processes of others are not ended")
FM_NOT_SUPPORTED(ZwLoadDriver, (PUNICODE_STRING DriverServiceName), "FltLoadFilter loads filters")
FM_NOT_SUPPORTED(ZwUnloadDriver, (PUNICODE_STRING DriverServiceName), "FltUnloadFilter unloads filters")
FM_NOT_SUPPORTED(ZwAllocateVirtualMemory,
                 (HANDLE ProcessHandle, PVOID *BaseAddress, ULONG_PTR ZeroBits, PSIZE_T RegionSize,
                  ULONG AllocationType, ULONG Protect),
                 "other processes' memory is theirs")
FM_NOT_SUPPORTED(ZwFreeVirtualMemory,
                 (HANDLE ProcessHandle, PVOID *BaseAddress, PSIZE_T RegionSize, ULONG FreeType),
                 "other processes' memory is theirs")
FM_NOT_SUPPORTED(MmProtectMdlSystemAddress, (PMDL MemoryDescriptorList, ULONG NewProtect),
                 "buffers are ordinary memory")

/* ---- I/O ---- */

FM_NOT_SUPPORTED(IoRegisterFsRegistrationChange,
                 (PDRIVER_OBJECT DriverObject, PDRIVER_FS_NOTIFICATION DriverNotificationRoutine),
                 "file systems have no device stacks")
FM_NOT_SUPPORTED(IoGetDeviceObjectPointer,
                 (PUNICODE_STRING ObjectName, ACCESS_MASK DesiredAccess, PFILE_OBJECT *FileObject,
                  PDEVICE_OBJECT *DeviceObject),
                 "devices of others can't be opened")
FM_NOT_SUPPORTED(IoCreateFileSpecifyDeviceObjectHint,
                 (PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                  PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                  ULONG ShareAccess, ULONG Disposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength,
                  CREATE_FILE_TYPE CreateFileType, PVOID InternalParameters, ULONG Options, PVOID DeviceObject),
                 "file systems have no device stacks; FltCreateFile works")
FM_NOT_SUPPORTED(IoSetIoPriorityHint, (PIRP Irp, IO_PRIORITY_HINT PriorityHint), "there are no I/O priorities")
FM_NOT_SUPPORTED(IoRaiseInformationalHardError, (NTSTATUS ErrorStatus, PUNICODE_STRING String, PKTHREAD Thread),
                 "there is no desktop to show it on")

/* ---- transactions: no object is of one of these types ---- */

static struct _OBJECT_TYPE transaction_manager_type = {.name = "TmTm"};
static struct _OBJECT_TYPE resource_manager_type = {.name = "TmRm"};
static struct _OBJECT_TYPE enlistment_type = {.name = "TmEn"};
static POBJECT_TYPE transaction_manager_type_pointer = &transaction_manager_type;
static POBJECT_TYPE resource_manager_type_pointer = &resource_manager_type;
static POBJECT_TYPE enlistment_type_pointer = &enlistment_type;
POBJECT_TYPE *TmTransactionManagerObjectType = &transaction_manager_type_pointer;
POBJECT_TYPE *TmResourceManagerObjectType = &resource_manager_type_pointer;
POBJECT_TYPE *TmEnlistmentObjectType = &enlistment_type_pointer;
