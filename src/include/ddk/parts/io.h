/* SPDX-License-Identifier: MIT */
/* Io: the objects of the I/O system (driver, device, file, IRP) and their constants. */
#pragma once

#include "file.h"
#include "mm.h"
#include "ps.h"

/* Major and minor codes. The token sequences matter: some filters define the FltMgr ones again. */
#define IRP_MJ_CREATE 0x00
#define IRP_MJ_CREATE_NAMED_PIPE 0x01
#define IRP_MJ_CLOSE 0x02
#define IRP_MJ_READ 0x03
#define IRP_MJ_WRITE 0x04
#define IRP_MJ_QUERY_INFORMATION 0x05
#define IRP_MJ_SET_INFORMATION 0x06
#define IRP_MJ_QUERY_EA 0x07
#define IRP_MJ_SET_EA 0x08
#define IRP_MJ_FLUSH_BUFFERS 0x09
#define IRP_MJ_QUERY_VOLUME_INFORMATION 0x0a
#define IRP_MJ_SET_VOLUME_INFORMATION 0x0b
#define IRP_MJ_DIRECTORY_CONTROL 0x0c
#define IRP_MJ_FILE_SYSTEM_CONTROL 0x0d
#define IRP_MJ_DEVICE_CONTROL 0x0e
#define IRP_MJ_INTERNAL_DEVICE_CONTROL 0x0f
#define IRP_MJ_SHUTDOWN 0x10
#define IRP_MJ_LOCK_CONTROL 0x11
#define IRP_MJ_CLEANUP 0x12
#define IRP_MJ_CREATE_MAILSLOT 0x13
#define IRP_MJ_QUERY_SECURITY 0x14
#define IRP_MJ_SET_SECURITY 0x15
#define IRP_MJ_POWER 0x16
#define IRP_MJ_SYSTEM_CONTROL 0x17
#define IRP_MJ_DEVICE_CHANGE 0x18
#define IRP_MJ_QUERY_QUOTA 0x19
#define IRP_MJ_SET_QUOTA 0x1a
#define IRP_MJ_PNP 0x1b
#define IRP_MJ_PNP_POWER IRP_MJ_PNP
#define IRP_MJ_SCSI IRP_MJ_INTERNAL_DEVICE_CONTROL
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b

#define IRP_MN_QUERY_DIRECTORY 0x01
#define IRP_MN_NOTIFY_CHANGE_DIRECTORY 0x02
#define IRP_MN_NOTIFY_CHANGE_DIRECTORY_EX 0x03
#define IRP_MN_USER_FS_REQUEST 0x00
#define IRP_MN_MOUNT_VOLUME 0x01
#define IRP_MN_VERIFY_VOLUME 0x02
#define IRP_MN_LOAD_FILE_SYSTEM 0x03
#define IRP_MN_TRACK_LINK 0x04
#define IRP_MN_KERNEL_CALL 0x04
#define IRP_MN_LOCK 0x01
#define IRP_MN_UNLOCK_SINGLE 0x02
#define IRP_MN_UNLOCK_ALL 0x03
#define IRP_MN_UNLOCK_ALL_BY_KEY 0x04
#define IRP_MN_FLUSH_AND_PURGE 0x01
#define IRP_MN_FLUSH_DATA_ONLY 0x02
#define IRP_MN_FLUSH_NO_SYNC 0x03
#define IRP_MN_FLUSH_DATA_SYNC_ONLY 0x04
#define IRP_MN_NORMAL 0x00
#define IRP_MN_DPC 0x01
#define IRP_MN_MDL 0x02
#define IRP_MN_COMPLETE 0x04
#define IRP_MN_COMPRESSED 0x08
#define IRP_MN_MDL_DPC (IRP_MN_MDL | IRP_MN_DPC)
#define IRP_MN_COMPLETE_MDL (IRP_MN_COMPLETE | IRP_MN_MDL)
#define IRP_MN_COMPLETE_MDL_DPC (IRP_MN_COMPLETE_MDL | IRP_MN_DPC)
#define IRP_MN_START_DEVICE 0x00
#define IRP_MN_QUERY_REMOVE_DEVICE 0x01
#define IRP_MN_REMOVE_DEVICE 0x02
#define IRP_MN_CANCEL_REMOVE_DEVICE 0x03
#define IRP_MN_STOP_DEVICE 0x04
#define IRP_MN_QUERY_STOP_DEVICE 0x05
#define IRP_MN_CANCEL_STOP_DEVICE 0x06
#define IRP_MN_QUERY_DEVICE_RELATIONS 0x07
#define IRP_MN_QUERY_INTERFACE 0x08
#define IRP_MN_QUERY_CAPABILITIES 0x09
#define IRP_MN_QUERY_RESOURCES 0x0A
#define IRP_MN_QUERY_RESOURCE_REQUIREMENTS 0x0B
#define IRP_MN_QUERY_DEVICE_TEXT 0x0C
#define IRP_MN_FILTER_RESOURCE_REQUIREMENTS 0x0D
#define IRP_MN_READ_CONFIG 0x0F
#define IRP_MN_WRITE_CONFIG 0x10
#define IRP_MN_EJECT 0x11
#define IRP_MN_SET_LOCK 0x12
#define IRP_MN_QUERY_ID 0x13
#define IRP_MN_QUERY_PNP_DEVICE_STATE 0x14
#define IRP_MN_QUERY_BUS_INFORMATION 0x15
#define IRP_MN_DEVICE_USAGE_NOTIFICATION 0x16
#define IRP_MN_SURPRISE_REMOVAL 0x17
#define IRP_MN_WAIT_WAKE 0x00
#define IRP_MN_POWER_SEQUENCE 0x01
#define IRP_MN_SET_POWER 0x02
#define IRP_MN_QUERY_POWER 0x03
#define IRP_MN_SCSI_CLASS 0x01

#define IRP_NOCACHE 0x00000001
#define IRP_PAGING_IO 0x00000002
#define IRP_MOUNT_COMPLETION 0x00000002
#define IRP_SYNCHRONOUS_API 0x00000004
#define IRP_ASSOCIATED_IRP 0x00000008
#define IRP_BUFFERED_IO 0x00000010
#define IRP_DEALLOCATE_BUFFER 0x00000020
#define IRP_INPUT_OPERATION 0x00000040
#define IRP_SYNCHRONOUS_PAGING_IO 0x00000040
#define IRP_CREATE_OPERATION 0x00000080
#define IRP_READ_OPERATION 0x00000100
#define IRP_WRITE_OPERATION 0x00000200
#define IRP_CLOSE_OPERATION 0x00000400
#define IRP_DEFER_IO_COMPLETION 0x00000800
#define IRP_OB_QUERY_NAME 0x00001000
#define IRP_HOLD_DEVICE_QUEUE 0x00002000
#define IRP_UM_DRIVER_INITIATED_IO 0x00400000

#define SL_PENDING_RETURNED 0x01
#define SL_ERROR_RETURNED 0x02
#define SL_INVOKE_ON_CANCEL 0x20
#define SL_INVOKE_ON_SUCCESS 0x40
#define SL_INVOKE_ON_ERROR 0x80
#define SL_FORCE_ACCESS_CHECK 0x01
#define SL_OPEN_PAGING_FILE 0x02
#define SL_OPEN_TARGET_DIRECTORY 0x04
#define SL_STOP_ON_SYMLINK 0x08
#define SL_IGNORE_READONLY_ATTRIBUTE 0x40
#define SL_CASE_SENSITIVE 0x80
#define SL_KEY_SPECIFIED 0x01
#define SL_OVERRIDE_VERIFY_VOLUME 0x02
#define SL_WRITE_THROUGH 0x04
#define SL_FT_SEQUENTIAL_WRITE 0x08
#define SL_FORCE_DIRECT_WRITE 0x10
#define SL_REALTIME_STREAM 0x20
#define SL_PERSISTENT_MEMORY_FIXED_MAPPING 0x20
#define SL_RESTART_SCAN 0x01
#define SL_RETURN_SINGLE_ENTRY 0x02
#define SL_INDEX_SPECIFIED 0x04
#define SL_RETURN_ON_DISK_ENTRIES_ONLY 0x08
#define SL_NO_CURSOR_UPDATE 0x10
#define SL_WATCH_TREE 0x01
#define SL_FAIL_IMMEDIATELY 0x01
#define SL_EXCLUSIVE_LOCK 0x02
#define SL_ALLOW_RAW_MOUNT 0x01
#define SL_READ_ACCESS_GRANTED 0x01
#define SL_WRITE_ACCESS_GRANTED 0x04
#define SL_INFO_FORCE_ACCESS_CHECK 0x01
#define SL_INFO_IGNORE_READONLY_ATTRIBUTE 0x40
#define SL_BYPASS_ACCESS_CHECK 0x01
#define SL_BYPASS_IO 0x40

#define FO_FILE_OPEN 0x00000001
#define FO_SYNCHRONOUS_IO 0x00000002
#define FO_ALERTABLE_IO 0x00000004
#define FO_NO_INTERMEDIATE_BUFFERING 0x00000008
#define FO_WRITE_THROUGH 0x00000010
#define FO_SEQUENTIAL_ONLY 0x00000020
#define FO_CACHE_SUPPORTED 0x00000040
#define FO_NAMED_PIPE 0x00000080
#define FO_STREAM_FILE 0x00000100
#define FO_MAILSLOT 0x00000200
#define FO_GENERATE_AUDIT_ON_CLOSE 0x00000400
#define FO_QUEUE_IRP_TO_THREAD 0x00000400
#define FO_DIRECT_DEVICE_OPEN 0x00000800
#define FO_FILE_MODIFIED 0x00001000
#define FO_FILE_SIZE_CHANGED 0x00002000
#define FO_CLEANUP_COMPLETE 0x00004000
#define FO_TEMPORARY_FILE 0x00008000
#define FO_DELETE_ON_CLOSE 0x00010000
#define FO_OPENED_CASE_SENSITIVE 0x00020000
#define FO_HANDLE_CREATED 0x00040000
#define FO_FILE_FAST_IO_READ 0x00080000
#define FO_RANDOM_ACCESS 0x00100000
#define FO_FILE_OPEN_CANCELLED 0x00200000
#define FO_VOLUME_OPEN 0x00400000
#define FO_FILE_OBJECT_HAS_EXTENSION 0x00800000
#define FO_BYPASS_IO_ENABLED 0x00800000
#define FO_REMOTE_ORIGIN 0x01000000
#define FO_DISALLOW_EXCLUSIVE 0x02000000
#define FO_SKIP_COMPLETION_PORT 0x02000000
#define FO_SKIP_SET_EVENT 0x04000000
#define FO_SKIP_SET_FAST_IO 0x08000000
#define FO_INDIRECT_WAIT_OBJECT 0x10000000
#define FO_SECTION_MINSTORE_TREATMENT 0x20000000
#define FO_FLAGS_VALID_ONLY_DURING_CREATE FO_DISALLOW_EXCLUSIVE

#define FILE_DEVICE_BEEP 0x00000001
#define FILE_DEVICE_CD_ROM 0x00000002
#define FILE_DEVICE_CD_ROM_FILE_SYSTEM 0x00000003
#define FILE_DEVICE_CONTROLLER 0x00000004
#define FILE_DEVICE_DFS 0x00000006
#define FILE_DEVICE_DISK 0x00000007
#define FILE_DEVICE_DISK_FILE_SYSTEM 0x00000008
#define FILE_DEVICE_FILE_SYSTEM 0x00000009
#define FILE_DEVICE_MAILSLOT 0x0000000c
#define FILE_DEVICE_NAMED_PIPE 0x00000011
#define FILE_DEVICE_NETWORK 0x00000012
#define FILE_DEVICE_NETWORK_BROWSER 0x00000013
#define FILE_DEVICE_NETWORK_FILE_SYSTEM 0x00000014
#define FILE_DEVICE_NULL 0x00000015
#define FILE_DEVICE_TAPE 0x0000001f
#define FILE_DEVICE_TAPE_FILE_SYSTEM 0x00000020
#define FILE_DEVICE_TRANSPORT 0x00000021
#define FILE_DEVICE_UNKNOWN 0x00000022
#define FILE_DEVICE_VIRTUAL_DISK 0x00000024
#define FILE_DEVICE_NETWORK_REDIRECTOR 0x00000028
#define FILE_DEVICE_MASS_STORAGE 0x0000002d
#define FILE_DEVICE_KS 0x0000002f
#define FILE_DEVICE_DVD 0x00000033
#define FILE_DEVICE_DFS_FILE_SYSTEM 0x00000035
#define FILE_DEVICE_DFS_VOLUME 0x00000036
#define FILE_DEVICE_VOLUME 0x00000056

#define METHOD_BUFFERED 0
#define METHOD_IN_DIRECT 1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER 3
#define METHOD_FROM_CTL_CODE(ctrlCode) ((ULONG)((ctrlCode) & 3))
#define DEVICE_TYPE_FROM_CTL_CODE(ctrlCode) (((ULONG)((ctrlCode) & 0xffff0000)) >> 16)
#define FILE_ANY_ACCESS 0
#define FILE_SPECIAL_ACCESS (FILE_ANY_ACCESS)
#define FILE_READ_ACCESS (0x0001)
#define FILE_WRITE_ACCESS (0x0002)
#define CTL_CODE(DeviceType, Function, Method, Access) \
        (((ULONG)(DeviceType) << 16) | ((Access) << 14) | ((Function) << 2) | (Method))

#define IO_REPARSE 0x0L
#define IO_REMOUNT 0x1L
#define IO_REPARSE_GLOBAL 0x2L
#define IO_IGNORE_READONLY_ATTRIBUTE 0x0040
#define IO_FORCE_ACCESS_CHECK 0x0001
#define IO_NO_PARAMETER_CHECKING 0x0100
#define IO_OPEN_PAGING_FILE 0x0002
#define IO_OPEN_TARGET_DIRECTORY 0x0004
#define IO_STOP_ON_SYMLINK 0x0008
#define IO_IGNORE_SHARE_ACCESS_CHECK 0x0800
#define IO_CHECK_CREATE_PARAMETERS 0x0200
#define IO_ATTACH_DEVICE 0x0400
#define IO_ATTACH_DEVICE_API 0x80000000

#define IO_NO_INCREMENT 0
#define IO_CD_ROM_INCREMENT 1
#define IO_DISK_INCREMENT 1
#define IO_NETWORK_INCREMENT 2
#define EVENT_INCREMENT 1
#define SEMAPHORE_INCREMENT 1
#define LOW_PRIORITY 0
#define LOW_REALTIME_PRIORITY 16
#define HIGH_PRIORITY 31

#define DO_VERIFY_VOLUME 0x00000002
#define DO_BUFFERED_IO 0x00000004
#define DO_EXCLUSIVE 0x00000008
#define DO_DIRECT_IO 0x00000010
#define DO_MAP_IO_BUFFER 0x00000020
#define DO_DEVICE_HAS_NAME 0x00000040
#define DO_DEVICE_INITIALIZING 0x00000080
#define DO_SYSTEM_BOOT_PARTITION 0x00000100
#define DO_SHUTDOWN_REGISTERED 0x00000800
#define DO_BUS_ENUMERATED_DEVICE 0x00001000
#define DO_POWER_PAGABLE 0x00002000
#define DO_LOW_PRIORITY_FILESYSTEM 0x00010000
#define DO_SUPPORTS_TRANSACTIONS 0x00040000
#define VPB_MOUNTED 0x00000001
#define VPB_LOCKED 0x00000002
#define VPB_PERSISTENT 0x00000004
#define VPB_REMOVE_PENDING 0x00000008
#define VPB_RAW_MOUNT 0x00000010
#define MAXIMUM_VOLUME_LABEL_LENGTH (32 * sizeof(WCHAR))

struct _DEVICE_OBJECT;
struct _DRIVER_OBJECT;
struct _FILE_OBJECT;
struct _IRP;
struct _IO_STACK_LOCATION;
struct _IO_STATUS_BLOCK;

typedef struct _IO_STATUS_BLOCK {
        union {
                NTSTATUS Status;
                PVOID Pointer;
        };
        ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef VOID IO_APC_ROUTINE(PVOID ApcContext, PIO_STATUS_BLOCK IoStatusBlock, ULONG Reserved);
typedef IO_APC_ROUTINE *PIO_APC_ROUTINE;

typedef struct _IO_SECURITY_CONTEXT {
        PSECURITY_QUALITY_OF_SERVICE SecurityQos;
        PACCESS_STATE AccessState;
        ACCESS_MASK DesiredAccess;
        ULONG FullCreateOptions;
} IO_SECURITY_CONTEXT, *PIO_SECURITY_CONTEXT;

typedef struct _NAMED_PIPE_CREATE_PARAMETERS {
        ULONG NamedPipeType;
        ULONG ReadMode;
        ULONG CompletionMode;
        ULONG MaximumInstances;
        ULONG InboundQuota;
        ULONG OutboundQuota;
        LARGE_INTEGER DefaultTimeout;
        BOOLEAN TimeoutSpecified;
} NAMED_PIPE_CREATE_PARAMETERS, *PNAMED_PIPE_CREATE_PARAMETERS;

typedef struct _MAILSLOT_CREATE_PARAMETERS {
        ULONG MailslotQuota;
        ULONG MaximumMessageSize;
        LARGE_INTEGER ReadTimeout;
        BOOLEAN TimeoutSpecified;
} MAILSLOT_CREATE_PARAMETERS, *PMAILSLOT_CREATE_PARAMETERS;

typedef struct _VPB {
        CSHORT Type;
        CSHORT Size;
        USHORT Flags;
        USHORT VolumeLabelLength;
        struct _DEVICE_OBJECT *DeviceObject;
        struct _DEVICE_OBJECT *RealDevice;
        ULONG SerialNumber;
        ULONG ReferenceCount;
        WCHAR VolumeLabel[MAXIMUM_VOLUME_LABEL_LENGTH / sizeof(WCHAR)];
} VPB, *PVPB;

typedef struct _IO_COMPLETION_CONTEXT {
        PVOID Port;
        PVOID Key;
} IO_COMPLETION_CONTEXT, *PIO_COMPLETION_CONTEXT;

typedef struct _SHARE_ACCESS {
        ULONG OpenCount;
        ULONG Readers;
        ULONG Writers;
        ULONG Deleters;
        ULONG SharedRead;
        ULONG SharedWrite;
        ULONG SharedDelete;
} SHARE_ACCESS, *PSHARE_ACCESS;

typedef NTSTATUS DRIVER_INITIALIZE(struct _DRIVER_OBJECT *DriverObject, PUNICODE_STRING RegistryPath);
typedef DRIVER_INITIALIZE *PDRIVER_INITIALIZE;
typedef VOID DRIVER_UNLOAD(struct _DRIVER_OBJECT *DriverObject);
typedef DRIVER_UNLOAD *PDRIVER_UNLOAD;
typedef NTSTATUS DRIVER_DISPATCH(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp);
typedef DRIVER_DISPATCH *PDRIVER_DISPATCH;
typedef VOID DRIVER_CANCEL(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp);
typedef DRIVER_CANCEL *PDRIVER_CANCEL;
typedef VOID DRIVER_STARTIO(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp);
typedef DRIVER_STARTIO *PDRIVER_STARTIO;
typedef NTSTATUS DRIVER_ADD_DEVICE(struct _DRIVER_OBJECT *DriverObject, struct _DEVICE_OBJECT *PhysicalDeviceObject);
typedef DRIVER_ADD_DEVICE *PDRIVER_ADD_DEVICE;
typedef VOID DRIVER_FS_NOTIFICATION(struct _DEVICE_OBJECT *DeviceObject, BOOLEAN FsActive);
typedef DRIVER_FS_NOTIFICATION *PDRIVER_FS_NOTIFICATION;
typedef VOID DRIVER_REINITIALIZE(struct _DRIVER_OBJECT *DriverObject, PVOID Context, ULONG Count);
typedef DRIVER_REINITIALIZE *PDRIVER_REINITIALIZE;
typedef NTSTATUS IO_COMPLETION_ROUTINE(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp, PVOID Context);
typedef IO_COMPLETION_ROUTINE *PIO_COMPLETION_ROUTINE;
typedef VOID IO_DPC_ROUTINE(PKDPC Dpc, struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp, PVOID Context);
typedef IO_DPC_ROUTINE *PIO_DPC_ROUTINE;

typedef struct _WAIT_CONTEXT_BLOCK {
        union {
                KDEVICE_QUEUE_ENTRY WaitQueueEntry;
                struct {
                        LIST_ENTRY DmaWaitEntry;
                        ULONG NumberOfChannels;
                        ULONG SyncCallback : 1;
                        ULONG DmaContext : 1;
                        ULONG ZeroMapRegisters : 1;
                        ULONG Reserved : 9;
                        ULONG NumberOfRemapPages : 20;
                };
        };
        PVOID DeviceRoutine;
        PVOID DeviceContext;
        ULONG NumberOfMapRegisters;
        PVOID DeviceObject;
        PVOID CurrentIrp;
        PKDPC BufferChainingDpc;
} WAIT_CONTEXT_BLOCK, *PWAIT_CONTEXT_BLOCK;

typedef struct DECLSPEC_ALIGN(16) _DEVICE_OBJECT {
        CSHORT Type;
        USHORT Size;
        LONG ReferenceCount;
        struct _DRIVER_OBJECT *DriverObject;
        struct _DEVICE_OBJECT *NextDevice;
        struct _DEVICE_OBJECT *AttachedDevice;
        struct _IRP *CurrentIrp;
        PVOID Timer;
        ULONG Flags;
        ULONG Characteristics;
        volatile PVPB Vpb;
        PVOID DeviceExtension;
        DEVICE_TYPE DeviceType;
        CCHAR StackSize;
        union {
                LIST_ENTRY ListEntry;
                WAIT_CONTEXT_BLOCK Wcb;
        } Queue;
        ULONG AlignmentRequirement;
        KDEVICE_QUEUE DeviceQueue;
        KDPC Dpc;
        ULONG ActiveThreadCount;
        PSECURITY_DESCRIPTOR SecurityDescriptor;
        KEVENT DeviceLock;
        USHORT SectorSize;
        USHORT Spare1;
        struct _DEVOBJ_EXTENSION *DeviceObjectExtension;
        PVOID Reserved;
} DEVICE_OBJECT, *PDEVICE_OBJECT;

typedef struct _DRIVER_EXTENSION {
        struct _DRIVER_OBJECT *DriverObject;
        PDRIVER_ADD_DEVICE AddDevice;
        ULONG Count;
        UNICODE_STRING ServiceKeyName;
} DRIVER_EXTENSION, *PDRIVER_EXTENSION;

typedef struct _DRIVER_OBJECT {
        CSHORT Type;
        CSHORT Size;
        PDEVICE_OBJECT DeviceObject;
        ULONG Flags;
        PVOID DriverStart;
        ULONG DriverSize;
        PVOID DriverSection;
        PDRIVER_EXTENSION DriverExtension;
        UNICODE_STRING DriverName;
        PUNICODE_STRING HardwareDatabase;
        struct _FAST_IO_DISPATCH *FastIoDispatch;
        PDRIVER_INITIALIZE DriverInit;
        PDRIVER_STARTIO DriverStartIo;
        PDRIVER_UNLOAD DriverUnload;
        PDRIVER_DISPATCH MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT, *PDRIVER_OBJECT;

typedef struct _FILE_OBJECT {
        CSHORT Type;
        CSHORT Size;
        PDEVICE_OBJECT DeviceObject;
        PVPB Vpb;
        PVOID FsContext;
        PVOID FsContext2;
        PSECTION_OBJECT_POINTERS SectionObjectPointer;
        PVOID PrivateCacheMap;
        NTSTATUS FinalStatus;
        struct _FILE_OBJECT *RelatedFileObject;
        BOOLEAN LockOperation;
        BOOLEAN DeletePending;
        BOOLEAN ReadAccess;
        BOOLEAN WriteAccess;
        BOOLEAN DeleteAccess;
        BOOLEAN SharedRead;
        BOOLEAN SharedWrite;
        BOOLEAN SharedDelete;
        ULONG Flags;
        UNICODE_STRING FileName;
        LARGE_INTEGER CurrentByteOffset;
        volatile ULONG Waiters;
        volatile ULONG Busy;
        PVOID LastLock;
        KEVENT Lock;
        KEVENT Event;
        volatile PIO_COMPLETION_CONTEXT CompletionContext;
        KSPIN_LOCK IrpListLock;
        LIST_ENTRY IrpList;
        volatile PVOID FileObjectExtension;
} FILE_OBJECT, *PFILE_OBJECT;

#define IO_TYPE_ADAPTER 0x00000001
#define IO_TYPE_CONTROLLER 0x00000002
#define IO_TYPE_DEVICE 0x00000003
#define IO_TYPE_DRIVER 0x00000004
#define IO_TYPE_FILE 0x00000005
#define IO_TYPE_IRP 0x00000006
#define IO_TYPE_VPB 0x0000000a

typedef struct DECLSPEC_ALIGN(16) _IRP {
        CSHORT Type;
        USHORT Size;
        USHORT AllocationProcessorNumber;
        USHORT Reserved;
        PMDL MdlAddress;
        ULONG Flags;
        union {
                struct _IRP *MasterIrp;
                volatile LONG IrpCount;
                PVOID SystemBuffer;
        } AssociatedIrp;
        LIST_ENTRY ThreadListEntry;
        IO_STATUS_BLOCK IoStatus;
        KPROCESSOR_MODE RequestorMode;
        BOOLEAN PendingReturned;
        CHAR StackCount;
        CHAR CurrentLocation;
        BOOLEAN Cancel;
        KIRQL CancelIrql;
        CCHAR ApcEnvironment;
        UCHAR AllocationFlags;
        union {
                PIO_STATUS_BLOCK UserIosb;
                PVOID IoRingContext;
        };
        PKEVENT UserEvent;
        union {
                struct {
                        union {
                                PIO_APC_ROUTINE UserApcRoutine;
                                PVOID IssuingProcess;
                        };
                        PVOID UserApcContext;
                } AsynchronousParameters;
                LARGE_INTEGER AllocationSize;
        } Overlay;
        volatile PDRIVER_CANCEL CancelRoutine;
        PVOID UserBuffer;
        union {
                struct {
                        union {
                                KDEVICE_QUEUE_ENTRY DeviceQueueEntry;
                                struct {
                                        PVOID DriverContext[4];
                                };
                        };
                        PETHREAD Thread;
                        PCHAR AuxiliaryBuffer;
                        struct {
                                LIST_ENTRY ListEntry;
                                union {
                                        struct _IO_STACK_LOCATION *CurrentStackLocation;
                                        ULONG PacketType;
                                };
                        };
                        PFILE_OBJECT OriginalFileObject;
                } Overlay;
                UCHAR Apc[88];
                PVOID CompletionKey;
        } Tail;
} IRP, *PIRP;

typedef struct _IO_STACK_LOCATION {
        UCHAR MajorFunction;
        UCHAR MinorFunction;
        UCHAR Flags;
        UCHAR Control;
        union {
                struct {
                        PIO_SECURITY_CONTEXT SecurityContext;
                        ULONG Options;
                        USHORT POINTER_ALIGNMENT FileAttributes;
                        USHORT ShareAccess;
                        ULONG POINTER_ALIGNMENT EaLength;
                } Create;
                struct {
                        PIO_SECURITY_CONTEXT SecurityContext;
                        ULONG Options;
                        USHORT POINTER_ALIGNMENT Reserved;
                        USHORT ShareAccess;
                        PNAMED_PIPE_CREATE_PARAMETERS Parameters;
                } CreatePipe;
                struct {
                        PIO_SECURITY_CONTEXT SecurityContext;
                        ULONG Options;
                        USHORT POINTER_ALIGNMENT Reserved;
                        USHORT ShareAccess;
                        PMAILSLOT_CREATE_PARAMETERS Parameters;
                } CreateMailslot;
                struct {
                        ULONG Length;
                        ULONG POINTER_ALIGNMENT Key;
                        LARGE_INTEGER ByteOffset;
                } Read;
                struct {
                        ULONG Length;
                        ULONG POINTER_ALIGNMENT Key;
                        LARGE_INTEGER ByteOffset;
                } Write;
                struct {
                        ULONG Length;
                        PUNICODE_STRING FileName;
                        FILE_INFORMATION_CLASS FileInformationClass;
                        ULONG POINTER_ALIGNMENT FileIndex;
                } QueryDirectory;
                struct {
                        ULONG Length;
                        ULONG POINTER_ALIGNMENT CompletionFilter;
                } NotifyDirectory;
                struct {
                        ULONG Length;
                        ULONG POINTER_ALIGNMENT CompletionFilter;
                        DIRECTORY_NOTIFY_INFORMATION_CLASS POINTER_ALIGNMENT DirectoryNotifyInformationClass;
                } NotifyDirectoryEx;
                struct {
                        ULONG Length;
                        FILE_INFORMATION_CLASS POINTER_ALIGNMENT FileInformationClass;
                } QueryFile;
                struct {
                        ULONG Length;
                        FILE_INFORMATION_CLASS POINTER_ALIGNMENT FileInformationClass;
                        PFILE_OBJECT FileObject;
                        union {
                                struct {
                                        BOOLEAN ReplaceIfExists;
                                        BOOLEAN AdvanceOnly;
                                };
                                ULONG ClusterCount;
                                HANDLE DeleteHandle;
                        };
                } SetFile;
                struct {
                        ULONG Length;
                        PVOID EaList;
                        ULONG EaListLength;
                        ULONG POINTER_ALIGNMENT EaIndex;
                } QueryEa;
                struct {
                        ULONG Length;
                } SetEa;
                struct {
                        ULONG Length;
                        FS_INFORMATION_CLASS POINTER_ALIGNMENT FsInformationClass;
                } QueryVolume;
                struct {
                        ULONG Length;
                        FS_INFORMATION_CLASS POINTER_ALIGNMENT FsInformationClass;
                } SetVolume;
                struct {
                        ULONG OutputBufferLength;
                        ULONG POINTER_ALIGNMENT InputBufferLength;
                        ULONG POINTER_ALIGNMENT FsControlCode;
                        PVOID Type3InputBuffer;
                } FileSystemControl;
                struct {
                        PLARGE_INTEGER Length;
                        ULONG POINTER_ALIGNMENT Key;
                        LARGE_INTEGER ByteOffset;
                } LockControl;
                struct {
                        ULONG OutputBufferLength;
                        ULONG POINTER_ALIGNMENT InputBufferLength;
                        ULONG POINTER_ALIGNMENT IoControlCode;
                        PVOID Type3InputBuffer;
                } DeviceIoControl;
                struct {
                        SECURITY_INFORMATION SecurityInformation;
                        ULONG POINTER_ALIGNMENT Length;
                } QuerySecurity;
                struct {
                        SECURITY_INFORMATION SecurityInformation;
                        PSECURITY_DESCRIPTOR SecurityDescriptor;
                } SetSecurity;
                struct {
                        PVPB Vpb;
                        PDEVICE_OBJECT DeviceObject;
                        ULONG OutputBufferLength;
                } MountVolume;
                struct {
                        PVPB Vpb;
                        PDEVICE_OBJECT DeviceObject;
                } VerifyVolume;
                struct {
                        ULONG Length;
                        PSID StartSid;
                        PFILE_GET_QUOTA_INFORMATION SidList;
                        ULONG SidListLength;
                } QueryQuota;
                struct {
                        ULONG Length;
                } SetQuota;
                struct {
                        PVOID Argument1;
                        PVOID Argument2;
                        PVOID Argument3;
                        PVOID Argument4;
                } Others;
        } Parameters;
        PDEVICE_OBJECT DeviceObject;
        PFILE_OBJECT FileObject;
        PIO_COMPLETION_ROUTINE CompletionRoutine;
        PVOID Context;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;

typedef enum _IO_PAGING_PRIORITY {
        IoPagingPriorityInvalid,
        IoPagingPriorityNormal,
        IoPagingPriorityHigh,
        IoPagingPriorityReserved1,
        IoPagingPriorityReserved2,
} IO_PAGING_PRIORITY;

typedef enum _IO_PRIORITY_HINT {
        IoPriorityVeryLow = 0,
        IoPriorityLow,
        IoPriorityNormal,
        IoPriorityHigh,
        IoPriorityCritical,
        MaxIoPriorityTypes,
} IO_PRIORITY_HINT;

typedef struct _IO_PRIORITY_INFO {
        ULONG Size;
        ULONG ThreadPriority;
        ULONG PagePriority;
        IO_PRIORITY_HINT IoPriority;
} IO_PRIORITY_INFO, *PIO_PRIORITY_INFO;

typedef enum _CREATE_FILE_TYPE {
        CreateFileTypeNone,
        CreateFileTypeNamedPipe,
        CreateFileTypeMailslot,
} CREATE_FILE_TYPE;

typedef enum _DRIVER_REGKEY_TYPE {
        DriverRegKeyParameters,
        DriverRegKeyPersistentState,
        DriverRegKeySharedPersistentState,
} DRIVER_REGKEY_TYPE;

/* Transactions: there are none here; the types let filters that know of them compile. */
typedef struct _KTRANSACTION *PKTRANSACTION, *PRKTRANSACTION;
typedef struct _KENLISTMENT *PKENLISTMENT, *PRKENLISTMENT;
typedef struct _KRESOURCEMANAGER *PKRESOURCEMANAGER;

#define TXF_MINIVERSION_DEFAULT_VIEW (0xFFFE)
typedef struct _TXN_PARAMETER_BLOCK {
        USHORT Length;
        USHORT TxFsContext;
        PVOID TransactionObject;
} TXN_PARAMETER_BLOCK, *PTXN_PARAMETER_BLOCK;

struct _ECP_LIST;
typedef struct _IO_DRIVER_CREATE_CONTEXT {
        CSHORT Size;
        struct _ECP_LIST *ExtraCreateParameter;
        PVOID DeviceObjectHint;
        PTXN_PARAMETER_BLOCK TxnParameters;
        struct _ESILO *SiloContext;
} IO_DRIVER_CREATE_CONTEXT, *PIO_DRIVER_CREATE_CONTEXT;

FORCEINLINE VOID IoInitializeDriverCreateContext(PIO_DRIVER_CREATE_CONTEXT DriverContext)
{
        memset(DriverContext, 0, sizeof(*DriverContext));
        DriverContext->Size = sizeof(*DriverContext);
}

PTXN_PARAMETER_BLOCK IoGetTransactionParameterBlock(PFILE_OBJECT FileObject);

/* Fast I/O. The routines come with typedefs for the tables of old filters. */
struct _COMPRESSED_DATA_INFO;
typedef BOOLEAN FAST_IO_CHECK_IF_POSSIBLE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                          BOOLEAN Wait, ULONG LockKey, BOOLEAN CheckForReadOperation,
                                          PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_READ(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length, BOOLEAN Wait,
                             ULONG LockKey, PVOID Buffer, PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length, BOOLEAN Wait,
                              ULONG LockKey, PVOID Buffer, PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_QUERY_BASIC_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait, PFILE_BASIC_INFORMATION Buffer,
                                         PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_QUERY_STANDARD_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait, PFILE_STANDARD_INFORMATION Buffer,
                                            PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_LOCK(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, PLARGE_INTEGER Length,
                             PEPROCESS ProcessId, ULONG Key, BOOLEAN FailImmediately, BOOLEAN ExclusiveLock,
                             PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_SINGLE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, PLARGE_INTEGER Length,
                                      PEPROCESS ProcessId, ULONG Key, PIO_STATUS_BLOCK IoStatus,
                                      PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_ALL(PFILE_OBJECT FileObject, PEPROCESS ProcessId, PIO_STATUS_BLOCK IoStatus,
                                   PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_ALL_BY_KEY(PFILE_OBJECT FileObject, PVOID ProcessId, ULONG Key,
                                          PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_DEVICE_CONTROL(PFILE_OBJECT FileObject, BOOLEAN Wait, PVOID InputBuffer,
                                       ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength,
                                       ULONG IoControlCode, PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef VOID FAST_IO_ACQUIRE_FILE(PFILE_OBJECT FileObject);
typedef VOID FAST_IO_RELEASE_FILE(PFILE_OBJECT FileObject);
typedef VOID FAST_IO_DETACH_DEVICE(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice);
typedef BOOLEAN FAST_IO_QUERY_NETWORK_OPEN_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait,
                                                PFILE_NETWORK_OPEN_INFORMATION Buffer, PIO_STATUS_BLOCK IoStatus,
                                                PDEVICE_OBJECT DeviceObject);
typedef NTSTATUS FAST_IO_ACQUIRE_FOR_MOD_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER EndingOffset,
                                               PERESOURCE *ResourceToRelease, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_READ(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length, ULONG LockKey,
                                 PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_READ_COMPLETE(PFILE_OBJECT FileObject, PMDL MdlChain, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_PREPARE_MDL_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                          ULONG LockKey, PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus,
                                          PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_WRITE_COMPLETE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, PMDL MdlChain,
                                           PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_READ_COMPRESSED(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                        ULONG LockKey, PVOID Buffer, PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus,
                                        struct _COMPRESSED_DATA_INFO *CompressedDataInfo,
                                        ULONG CompressedDataInfoLength, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_WRITE_COMPRESSED(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                         ULONG LockKey, PVOID Buffer, PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus,
                                         struct _COMPRESSED_DATA_INFO *CompressedDataInfo,
                                         ULONG CompressedDataInfoLength, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_READ_COMPLETE_COMPRESSED(PFILE_OBJECT FileObject, PMDL MdlChain,
                                                     PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_WRITE_COMPLETE_COMPRESSED(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset,
                                                      PMDL MdlChain, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_QUERY_OPEN(struct _IRP *Irp, PFILE_NETWORK_OPEN_INFORMATION NetworkInformation,
                                   PDEVICE_OBJECT DeviceObject);
typedef NTSTATUS FAST_IO_RELEASE_FOR_MOD_WRITE(PFILE_OBJECT FileObject, PERESOURCE ResourceToRelease,
                                               PDEVICE_OBJECT DeviceObject);
typedef NTSTATUS FAST_IO_ACQUIRE_FOR_CCFLUSH(PFILE_OBJECT FileObject, PDEVICE_OBJECT DeviceObject);
typedef NTSTATUS FAST_IO_RELEASE_FOR_CCFLUSH(PFILE_OBJECT FileObject, PDEVICE_OBJECT DeviceObject);

typedef struct _FAST_IO_DISPATCH {
        ULONG SizeOfFastIoDispatch;
        FAST_IO_CHECK_IF_POSSIBLE *FastIoCheckIfPossible;
        FAST_IO_READ *FastIoRead;
        FAST_IO_WRITE *FastIoWrite;
        FAST_IO_QUERY_BASIC_INFO *FastIoQueryBasicInfo;
        FAST_IO_QUERY_STANDARD_INFO *FastIoQueryStandardInfo;
        FAST_IO_LOCK *FastIoLock;
        FAST_IO_UNLOCK_SINGLE *FastIoUnlockSingle;
        FAST_IO_UNLOCK_ALL *FastIoUnlockAll;
        FAST_IO_UNLOCK_ALL_BY_KEY *FastIoUnlockAllByKey;
        FAST_IO_DEVICE_CONTROL *FastIoDeviceControl;
        FAST_IO_ACQUIRE_FILE *AcquireFileForNtCreateSection;
        FAST_IO_RELEASE_FILE *ReleaseFileForNtCreateSection;
        FAST_IO_DETACH_DEVICE *FastIoDetachDevice;
        FAST_IO_QUERY_NETWORK_OPEN_INFO *FastIoQueryNetworkOpenInfo;
        FAST_IO_ACQUIRE_FOR_MOD_WRITE *AcquireForModWrite;
        FAST_IO_MDL_READ *MdlRead;
        FAST_IO_MDL_READ_COMPLETE *MdlReadComplete;
        FAST_IO_PREPARE_MDL_WRITE *PrepareMdlWrite;
        FAST_IO_MDL_WRITE_COMPLETE *MdlWriteComplete;
        FAST_IO_READ_COMPRESSED *FastIoReadCompressed;
        FAST_IO_WRITE_COMPRESSED *FastIoWriteCompressed;
        FAST_IO_MDL_READ_COMPLETE_COMPRESSED *MdlReadCompleteCompressed;
        FAST_IO_MDL_WRITE_COMPLETE_COMPRESSED *MdlWriteCompleteCompressed;
        FAST_IO_QUERY_OPEN *FastIoQueryOpen;
        FAST_IO_RELEASE_FOR_MOD_WRITE *ReleaseForModWrite;
        FAST_IO_ACQUIRE_FOR_CCFLUSH *AcquireForCcFlush;
        FAST_IO_RELEASE_FOR_CCFLUSH *ReleaseForCcFlush;
} FAST_IO_DISPATCH, *PFAST_IO_DISPATCH;
