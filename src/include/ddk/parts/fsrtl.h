/* SPDX-License-Identifier: MIT */
/* FsRtl: file headers, contexts, name expressions, oplocks, extra create parameters. */
#pragma once

#include "fsctl.h"
#include "iofn.h"

/* What FILE_OBJECT.FsContext points at. */
#define FM_COMMON_FCB_HEADER \
        CSHORT NodeTypeCode; \
        CSHORT NodeByteSize; \
        UCHAR Flags; \
        UCHAR IsFastIoPossible; \
        UCHAR Flags2; \
        UCHAR Reserved : 4; \
        UCHAR Version : 4; \
        PERESOURCE Resource; \
        PERESOURCE PagingIoResource; \
        LARGE_INTEGER AllocationSize; \
        LARGE_INTEGER FileSize; \
        LARGE_INTEGER ValidDataLength

typedef struct _FSRTL_COMMON_FCB_HEADER {
        FM_COMMON_FCB_HEADER;
} FSRTL_COMMON_FCB_HEADER, *PFSRTL_COMMON_FCB_HEADER;

typedef PVOID OPLOCK, *POPLOCK;

typedef struct _FSRTL_ADVANCED_FCB_HEADER {
        FM_COMMON_FCB_HEADER;
        PFAST_MUTEX FastMutex;
        LIST_ENTRY FilterContexts;
        EX_PUSH_LOCK PushLock;
        PVOID *FileContextSupportPointer;
        union {
                OPLOCK Oplock;
                PVOID ReservedForRemote;
        };
        PVOID AePushLock;
        ULONG BypassIoOpenCount;
        PVOID ReservedContext;
} FSRTL_ADVANCED_FCB_HEADER, *PFSRTL_ADVANCED_FCB_HEADER;

#define FSRTL_FLAG_FILE_MODIFIED (0x01)
#define FSRTL_FLAG_FILE_LENGTH_CHANGED (0x02)
#define FSRTL_FLAG_LIMIT_MODIFIED_PAGES (0x04)
#define FSRTL_FLAG_ACQUIRE_MAIN_RSRC_EX (0x08)
#define FSRTL_FLAG_ACQUIRE_MAIN_RSRC_SH (0x10)
#define FSRTL_FLAG_USER_MAPPED_FILE (0x20)
#define FSRTL_FLAG_ADVANCED_HEADER (0x40)
#define FSRTL_FLAG_EOF_ADVANCE_ACTIVE (0x80)
#define FSRTL_FLAG2_DO_MODIFIED_WRITE (0x01)
#define FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS (0x02)
#define FSRTL_FLAG2_PURGE_WHEN_MAPPED (0x04)
#define FSRTL_FLAG2_IS_PAGING_FILE (0x08)
#define FSRTL_FLAG2_WRITABLE_USER_MAPPED_FILE (0x10)
#define FSRTL_FCB_HEADER_V0 (0x00)
#define FSRTL_FCB_HEADER_V1 (0x01)
#define FSRTL_FCB_HEADER_V2 (0x02)
#define FSRTL_FCB_HEADER_V3 (0x03)
#define FSRTL_FCB_HEADER_V4 (0x04)
#define FSRTL_FSP_TOP_LEVEL_IRP 0x01
#define FSRTL_CACHE_TOP_LEVEL_IRP 0x02
#define FSRTL_MOD_WRITE_TOP_LEVEL_IRP 0x03
#define FSRTL_FAST_IO_TOP_LEVEL_IRP 0x04
#define FSRTL_NETWORK1_TOP_LEVEL_IRP ((LONG_PTR)0x05)
#define FSRTL_NETWORK2_TOP_LEVEL_IRP ((LONG_PTR)0x06)
#define FSRTL_MAX_TOP_LEVEL_IRP_FLAG ((LONG_PTR)0xFFFF)

typedef struct _FSRTL_PER_STREAM_CONTEXT {
        LIST_ENTRY Links;
        PVOID OwnerId;
        PVOID InstanceId;
        PFREE_FUNCTION FreeCallback;
} FSRTL_PER_STREAM_CONTEXT, *PFSRTL_PER_STREAM_CONTEXT;

#define FsRtlEnterFileSystem() KeEnterCriticalRegion()
#define FsRtlExitFileSystem() KeLeaveCriticalRegion()
#define FsRtlSetupAdvancedHeader(AdvHdr, FMutex) \
        do { \
                (AdvHdr)->Flags |= FSRTL_FLAG_ADVANCED_HEADER; \
                (AdvHdr)->Flags2 |= FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS; \
                (AdvHdr)->Version = FSRTL_FCB_HEADER_V1; \
                InitializeListHead(&(AdvHdr)->FilterContexts); \
                if ((FMutex) != NULL) \
                        (AdvHdr)->FastMutex = (FMutex); \
                (AdvHdr)->PushLock = 0; \
                (AdvHdr)->FileContextSupportPointer = NULL; \
        } while (0)
#define FsRtlGetPerStreamContextPointer(FO) ((PFSRTL_ADVANCED_FCB_HEADER)((FO)->FsContext))
#define FsRtlSupportsPerStreamContexts(FO) \
        ((BOOLEAN)(FsRtlGetPerStreamContextPointer(FO) != NULL && \
                   (FsRtlGetPerStreamContextPointer(FO)->Flags2 & FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS) != 0))

/* Wild cards as file systems understand them: * ? and DOS_STAR < DOS_QM > DOS_DOT ". */
#define ANSI_DOS_STAR ('<')
#define ANSI_DOS_QM ('>')
#define ANSI_DOS_DOT ('"')
#define DOS_STAR (L'<')
#define DOS_QM (L'>')
#define DOS_DOT (L'"')

BOOLEAN FsRtlIsNtstatusExpected(NTSTATUS Exception);
NTSTATUS FsRtlNormalizeNtstatus(NTSTATUS Exception, NTSTATUS GenericException);
BOOLEAN FsRtlIsNameInExpression(PUNICODE_STRING Expression, PUNICODE_STRING Name, BOOLEAN IgnoreCase,
                                PWCH UpcaseTable);
BOOLEAN FsRtlIsNameInUnUpcasedExpression(PUNICODE_STRING Expression, PUNICODE_STRING Name, BOOLEAN IgnoreCase,
                                         PWCH UpcaseTable);
BOOLEAN FsRtlDoesNameContainWildCards(PUNICODE_STRING Name);
BOOLEAN FsRtlAreNamesEqual(PCUNICODE_STRING ConstantNameA, PCUNICODE_STRING ConstantNameB, BOOLEAN IgnoreCase,
                           PCWCH UpcaseTable);
VOID FsRtlDissectName(UNICODE_STRING Path, PUNICODE_STRING FirstName, PUNICODE_STRING RemainingName);
BOOLEAN FsRtlIsTotalDeviceFailure(NTSTATUS Status);
BOOLEAN FsRtlIsPagingFile(PFILE_OBJECT FileObject);
NTSTATUS FsRtlGetFileSize(PFILE_OBJECT FileObject, PLARGE_INTEGER FileSize);
ULONG FsRtlGetSectorSizeInformation(PDEVICE_OBJECT DeviceObject,
                                    PFILE_FS_SECTOR_SIZE_INFORMATION SectorSizeInfo);
LOGICAL FsRtlIsDaxVolume(PFILE_OBJECT FileObject);
PVOID FsRtlAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag);
NTSTATUS FsRtlCreateSectionForDataScan(PHANDLE SectionHandle, PVOID *SectionObject,
                                       PLARGE_INTEGER SectionFileSize, PFILE_OBJECT FileObject,
                                       ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                                       PLARGE_INTEGER MaximumSize, ULONG SectionPageProtection,
                                       ULONG AllocationAttributes, ULONG Flags);
NTSTATUS FsRtlCancellableWaitForSingleObject(PVOID Object, PLARGE_INTEGER Timeout, PIRP Irp);
NTSTATUS FsRtlCancellableWaitForMultipleObjects(ULONG Count, PVOID ObjectArray[], WAIT_TYPE WaitType,
                                                PLARGE_INTEGER Timeout, PKWAIT_BLOCK WaitBlockArray,
                                                PIRP Irp);

/* Extra create parameters. */
typedef struct _ECP_LIST ECP_LIST, *PECP_LIST;
typedef struct _ECP_HEADER ECP_HEADER, *PECP_HEADER;
typedef ULONG FSRTL_ALLOCATE_ECPLIST_FLAGS;
typedef ULONG FSRTL_ALLOCATE_ECP_FLAGS;
typedef ULONG FSRTL_ECP_LOOKASIDE_FLAGS;
#define FSRTL_ALLOCATE_ECPLIST_FLAG_CHARGE_QUOTA 0x00000001
#define FSRTL_ALLOCATE_ECP_FLAG_CHARGE_QUOTA 0x00000001
#define FSRTL_ALLOCATE_ECP_FLAG_NONPAGED_POOL 0x00000002
#define FSRTL_ECP_LOOKASIDE_FLAG_NONPAGED_POOL 0x00000002
typedef VOID FSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK(PVOID EcpContext, LPCGUID EcpType);
typedef FSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK *PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK;

NTSTATUS FsRtlFindExtraCreateParameter(PECP_LIST EcpList, LPCGUID EcpType, PVOID *EcpContext,
                                       ULONG *EcpContextSize);
NTSTATUS FsRtlGetNextExtraCreateParameter(PECP_LIST EcpList, PVOID CurrentEcpContext, LPGUID NextEcpType,
                                          PVOID *NextEcpContext, ULONG *NextEcpContextSize);
BOOLEAN FsRtlIsEcpAcknowledged(PVOID EcpContext);
BOOLEAN FsRtlIsEcpFromUserMode(PVOID EcpContext);
VOID FsRtlAcknowledgeEcp(PVOID EcpContext);

DEFINE_GUID(GUID_ECP_PREFETCH_OPEN, 0xe1777b21, 0x847e, 0x4837, 0xaa, 0x45, 0x64, 0x16, 0x1d, 0x28, 0x06,
            0x55);
DEFINE_GUID(GUID_ECP_NFS_OPEN, 0xf326d30c, 0xe5f8, 0x4fe7, 0xab, 0x74, 0xf5, 0xa3, 0x19, 0x6d, 0x92, 0xdb);
DEFINE_GUID(GUID_ECP_SRV_OPEN, 0xbebfaebc, 0xaabf, 0x489d, 0x9d, 0x2c, 0xe9, 0xe3, 0x61, 0x10, 0x28, 0x53);
DEFINE_GUID(GUID_ECP_OPLOCK_KEY, 0x48850596, 0x3050, 0x4be7, 0x98, 0x63, 0xfe, 0xc3, 0x50, 0xce, 0x8d, 0x7f);
DEFINE_GUID(GUID_ECP_DUAL_OPLOCK_KEY, 0x41621a14, 0xb08b, 0x4df1, 0xb6, 0x76, 0xa0, 0x5f, 0xfd, 0xf0, 0x1b,
            0xea);
DEFINE_GUID(GUID_ECP_NETWORK_OPEN_CONTEXT, 0xc584edbf, 0x00df, 0x4d28, 0xb8, 0x84, 0x35, 0xba, 0xca, 0x89,
            0x11, 0xe8);
DEFINE_GUID(GUID_ECP_NETWORK_APP_INSTANCE, 0x6aa6bc45, 0xa7ef, 0x4af7, 0x90, 0x08, 0xfa, 0x46, 0x2e, 0x14,
            0x4d, 0x74);
DEFINE_GUID(GUID_ECP_CSV_DOWN_LEVEL_OPEN, 0x4248be44, 0x647f, 0x488f, 0x8b, 0xe5, 0xa0, 0x8a, 0xaf, 0x70,
            0xf0, 0x28);
DEFINE_GUID(GUID_ECP_CSV_QUERY_FILE_REVISION, 0x44aec90b, 0xde65, 0x4d46, 0x8f, 0xbf, 0x76, 0x3f, 0x9d, 0x97,
            0x0b, 0x1d);
DEFINE_GUID(GUID_ECP_OPEN_REPARSE, 0x323eb6a8, 0xaffd, 0x4d95, 0x82, 0x30, 0x86, 0x3b, 0xce, 0x09, 0xd3,
            0x7a);

typedef struct _OPLOCK_KEY_ECP_CONTEXT {
        GUID OplockKey;
        ULONG Reserved;
} OPLOCK_KEY_ECP_CONTEXT, *POPLOCK_KEY_ECP_CONTEXT;

typedef struct _PREFETCH_OPEN_ECP_CONTEXT {
        PVOID Context;
} PREFETCH_OPEN_ECP_CONTEXT, *PPREFETCH_OPEN_ECP_CONTEXT;

typedef struct sockaddr_storage_nfs {
        USHORT ss_family;
        CHAR __ss_pad1[6];
        LONGLONG __ss_align;
        CHAR __ss_pad2[112];
} SOCKADDR_STORAGE_NFS, *PSOCKADDR_STORAGE_NFS;

typedef struct _NFS_OPEN_ECP_CONTEXT {
        PUNICODE_STRING ExportAlias;
        PSOCKADDR_STORAGE_NFS ClientSocketAddress;
} NFS_OPEN_ECP_CONTEXT, *PNFS_OPEN_ECP_CONTEXT, **PPNFS_OPEN_ECP_CONTEXT;

typedef enum _SRV_INSTANCE_TYPE {
        SrvInstanceTypeUndefined = 0,
        SrvInstanceTypePrimary = 1,
        SrvInstanceTypeCsv = 2,
        SrvInstanceTypeSBL = 3,
        SrvInstanceTypeSR = 4,
        SrvInstanceTypeVSMB = 5,
} SRV_INSTANCE_TYPE, *PSRV_INSTANCE_TYPE;

typedef struct _SRV_OPEN_ECP_CONTEXT {
        PUNICODE_STRING ShareName;
        PSOCKADDR_STORAGE_NFS SocketAddress;
        BOOLEAN OplockBlockState;
        BOOLEAN OplockAppState;
        BOOLEAN OplockFinalState;
        USHORT Version;
        SRV_INSTANCE_TYPE InstanceType;
} SRV_OPEN_ECP_CONTEXT, *PSRV_OPEN_ECP_CONTEXT;

typedef struct _CSV_DOWN_LEVEL_OPEN_ECP_CONTEXT {
        ULONG Version;
        BOOLEAN IsResume;
        ULONG OpenType;
        ULONG SourceNodeId;
        ULONG DestinationNodeId;
} CSV_DOWN_LEVEL_OPEN_ECP_CONTEXT, *PCSV_DOWN_LEVEL_OPEN_ECP_CONTEXT;

typedef struct _CSV_QUERY_FILE_REVISION_ECP_CONTEXT {
        LONGLONG FileId;
        LONGLONG FileRevision[3];
} CSV_QUERY_FILE_REVISION_ECP_CONTEXT, *PCSV_QUERY_FILE_REVISION_ECP_CONTEXT;
