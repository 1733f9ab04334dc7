/* SPDX-License-Identifier: MIT */
/* Io: the objects of the I/O system: driver, device, file, IRP. */
#pragma once

#include "fileinfo.h"
#include "iocodes.h"
#include "mm.h"
#include "ps.h"

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
typedef NTSTATUS DRIVER_ADD_DEVICE(struct _DRIVER_OBJECT *DriverObject,
                                   struct _DEVICE_OBJECT *PhysicalDeviceObject);
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
typedef struct _COMPRESSED_DATA_INFO {
        USHORT CompressionFormatAndEngine;
        UCHAR CompressionUnitShift;
        UCHAR ChunkShift;
        UCHAR ClusterShift;
        UCHAR Reserved;
        USHORT NumberOfChunks;
        ULONG CompressedChunkSizes[1];
} COMPRESSED_DATA_INFO, *PCOMPRESSED_DATA_INFO;

typedef BOOLEAN FAST_IO_CHECK_IF_POSSIBLE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                          BOOLEAN Wait, ULONG LockKey, BOOLEAN CheckForReadOperation,
                                          PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_READ(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length, BOOLEAN Wait,
                             ULONG LockKey, PVOID Buffer, PIO_STATUS_BLOCK IoStatus,
                             PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length, BOOLEAN Wait,
                              ULONG LockKey, PVOID Buffer, PIO_STATUS_BLOCK IoStatus,
                              PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_QUERY_BASIC_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait,
                                         PFILE_BASIC_INFORMATION Buffer, PIO_STATUS_BLOCK IoStatus,
                                         PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_QUERY_STANDARD_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait,
                                            PFILE_STANDARD_INFORMATION Buffer, PIO_STATUS_BLOCK IoStatus,
                                            PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_LOCK(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, PLARGE_INTEGER Length,
                             PEPROCESS ProcessId, ULONG Key, BOOLEAN FailImmediately, BOOLEAN ExclusiveLock,
                             PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_SINGLE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset,
                                      PLARGE_INTEGER Length, PEPROCESS ProcessId, ULONG Key,
                                      PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_ALL(PFILE_OBJECT FileObject, PEPROCESS ProcessId, PIO_STATUS_BLOCK IoStatus,
                                   PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_UNLOCK_ALL_BY_KEY(PFILE_OBJECT FileObject, PVOID ProcessId, ULONG Key,
                                          PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_DEVICE_CONTROL(PFILE_OBJECT FileObject, BOOLEAN Wait, PVOID InputBuffer,
                                       ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength,
                                       ULONG IoControlCode, PIO_STATUS_BLOCK IoStatus,
                                       PDEVICE_OBJECT DeviceObject);
typedef VOID FAST_IO_ACQUIRE_FILE(PFILE_OBJECT FileObject);
typedef VOID FAST_IO_RELEASE_FILE(PFILE_OBJECT FileObject);
typedef VOID FAST_IO_DETACH_DEVICE(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice);
typedef BOOLEAN FAST_IO_QUERY_NETWORK_OPEN_INFO(PFILE_OBJECT FileObject, BOOLEAN Wait,
                                                PFILE_NETWORK_OPEN_INFORMATION Buffer,
                                                PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject);
typedef NTSTATUS FAST_IO_ACQUIRE_FOR_MOD_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER EndingOffset,
                                               PERESOURCE *ResourceToRelease, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_READ(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                 ULONG LockKey, PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus,
                                 PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_READ_COMPLETE(PFILE_OBJECT FileObject, PMDL MdlChain,
                                          PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_PREPARE_MDL_WRITE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                          ULONG LockKey, PMDL *MdlChain, PIO_STATUS_BLOCK IoStatus,
                                          PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_MDL_WRITE_COMPLETE(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, PMDL MdlChain,
                                           PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_READ_COMPRESSED(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                        ULONG LockKey, PVOID Buffer, PMDL *MdlChain,
                                        PIO_STATUS_BLOCK IoStatus,
                                        struct _COMPRESSED_DATA_INFO *CompressedDataInfo,
                                        ULONG CompressedDataInfoLength, PDEVICE_OBJECT DeviceObject);
typedef BOOLEAN FAST_IO_WRITE_COMPRESSED(PFILE_OBJECT FileObject, PLARGE_INTEGER FileOffset, ULONG Length,
                                         ULONG LockKey, PVOID Buffer, PMDL *MdlChain,
                                         PIO_STATUS_BLOCK IoStatus,
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
