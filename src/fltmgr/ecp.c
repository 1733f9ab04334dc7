/* SPDX-License-Identifier: MIT */
/*
 * Extra create parameters: lists of typed blobs that travel with an open, from a filter to those below it.
 *
 * Nothing outside filters makes or reads any here. An ECP is in one list at most, which then owns it.
 */
#include "fltmgr/ecp.h"

#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/extras.h"

#define ECP_MAGIC 0x50434546 /* "FECP" */

struct fm_ecp {
        uint32_t magic;
        ULONG size;
        ULONG tag;
        bool acknowledged;
        GUID type;
        PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK cleanup;
        struct _ECP_LIST *list;
        struct fm_ecp *next;
        void *body[] __attribute__((aligned(16)));
};

struct _ECP_LIST {
        struct fm_ecp *first;
};

static struct fm_ecp *ecp_from_body(const char *function, PVOID body)
{
        struct fm_ecp *ecp = body ? CONTAINING_RECORD(body, struct fm_ecp, body) : NULL;

        if (ecp && ecp->magic == ECP_MAGIC)
                return ecp;
        fm_violation("ecp", "%s: %p is not an extra create parameter", function, body);
        return NULL;
}

static struct fm_ecp *list_find(PECP_LIST list, LPCGUID type)
{
        struct fm_ecp *ecp = list->first;

        while (ecp && memcmp(&ecp->type, type, sizeof(GUID)) != 0)
                ecp = ecp->next;
        return ecp;
}

static void list_unlink(PECP_LIST list, struct fm_ecp *ecp)
{
        struct fm_ecp **place = &list->first;

        while (*place && *place != ecp)
                place = &(*place)->next;
        if (*place)
                *place = ecp->next;
        ecp->next = NULL;
        ecp->list = NULL;
}

static void ecp_free(struct fm_ecp *ecp)
{
        if (ecp->cleanup)
                ecp->cleanup(ecp->body, &ecp->type);
        ecp->magic = 0;
        ExFreePoolWithTag(ecp, ecp->tag);
}

void fm_ecp_list_free(PECP_LIST list)
{
        if (!list)
                return;
        while (list->first) {
                struct fm_ecp *ecp = list->first;

                list_unlink(list, ecp);
                ecp_free(ecp);
        }
        g_free(list);
}

void fm_ecp_list_lend(struct fm_operation *operation, PECP_LIST list)
{
        fm_operation_extras(operation)->ecp_list = list;
}

/* An empty list. STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES. IRQL <= APC_LEVEL. */
NTSTATUS FltAllocateExtraCreateParameterList(PFLT_FILTER Filter, FSRTL_ALLOCATE_ECPLIST_FLAGS Flags, PECP_LIST *EcpList)
{
        fm_check_irql(__func__, APC_LEVEL);
        *EcpList = g_try_new0(struct _ECP_LIST, 1);
        return *EcpList ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/* Frees a list that no open uses any more, and what is in it. IRQL <= APC_LEVEL. */
VOID FltFreeExtraCreateParameterList(PFLT_FILTER Filter, PECP_LIST EcpList)
{
        fm_check_irql(__func__, APC_LEVEL);
        fm_ecp_list_free(EcpList);
}

/*
 * A zeroed ECP of a type, in no list. CleanupCallback is called when it is freed.
 * STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES. IRQL <= APC_LEVEL.
 */
NTSTATUS FltAllocateExtraCreateParameter(PFLT_FILTER Filter, LPCGUID EcpType, ULONG SizeOfContext,
                                         FSRTL_ALLOCATE_ECP_FLAGS Flags,
                                         PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK CleanupCallback, ULONG PoolTag,
                                         PVOID *EcpContext)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        *EcpContext = NULL;
        ecp = ExAllocatePoolWithTag(PagedPool, sizeof(*ecp) + SizeOfContext, PoolTag);
        if (!ecp)
                return STATUS_INSUFFICIENT_RESOURCES;
        memset(ecp, 0, sizeof(*ecp) + SizeOfContext);
        ecp->magic = ECP_MAGIC;
        ecp->size = SizeOfContext;
        ecp->tag = PoolTag;
        ecp->type = *EcpType;
        ecp->cleanup = CleanupCallback;
        *EcpContext = ecp->body;
        return STATUS_SUCCESS;
}

/* Nothing to prepare: an ECP from a lookaside list comes from the pool. IRQL <= APC_LEVEL. */
VOID FltInitExtraCreateParameterLookasideList(PFLT_FILTER Filter, PVOID Lookaside, FSRTL_ECP_LOOKASIDE_FLAGS Flags,
                                              SIZE_T Size, ULONG Tag)
{
        fm_check_irql(__func__, APC_LEVEL);
}

/* Nothing to free. IRQL <= APC_LEVEL. */
VOID FltDeleteExtraCreateParameterLookasideList(PFLT_FILTER Filter, PVOID Lookaside, FSRTL_ECP_LOOKASIDE_FLAGS Flags)
{
        fm_check_irql(__func__, APC_LEVEL);
}

/* FltAllocateExtraCreateParameter; the list is not used. Statuses and IRQL as there. */
NTSTATUS FltAllocateExtraCreateParameterFromLookasideList(
        PFLT_FILTER Filter, LPCGUID EcpType, ULONG SizeOfContext, FSRTL_ALLOCATE_ECP_FLAGS Flags,
        PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK CleanupCallback, PVOID LookasideList, PVOID *EcpContext)
{
        return FltAllocateExtraCreateParameter(Filter, EcpType, SizeOfContext, Flags, CleanupCallback, 'pcEF',
                                               EcpContext);
}

/* Frees an ECP that is in no list (reported if it is in one, and taken out). IRQL <= APC_LEVEL. */
VOID FltFreeExtraCreateParameter(PFLT_FILTER Filter, PVOID EcpContext)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        ecp = ecp_from_body(__func__, EcpContext);
        if (!ecp)
                return;
        if (ecp->list) {
                fm_violation("ecp", "FltFreeExtraCreateParameter for one that is in a list");
                list_unlink(ecp->list, ecp);
        }
        ecp_free(ecp);
}

/*
 * Puts an ECP into a list, which owns it then. STATUS_SUCCESS; STATUS_INVALID_PARAMETER: the list has one of
 * that type, or the ECP is in a list already. IRQL <= APC_LEVEL.
 */
NTSTATUS FltInsertExtraCreateParameter(PFLT_FILTER Filter, PECP_LIST EcpList, PVOID EcpContext)
{
        struct fm_ecp *ecp, **end;

        fm_check_irql(__func__, APC_LEVEL);
        ecp = ecp_from_body(__func__, EcpContext);
        if (!EcpList || !ecp || ecp->list || list_find(EcpList, &ecp->type))
                return STATUS_INVALID_PARAMETER;
        for (end = &EcpList->first; *end; end = &(*end)->next)
                ;
        *end = ecp;
        ecp->list = EcpList;
        return STATUS_SUCCESS;
}

static void set_result(const struct fm_ecp *ecp, PVOID *context, ULONG *size)
{
        if (context)
                *context = ecp ? (PVOID)ecp->body : NULL;
        if (size)
                *size = ecp ? ecp->size : 0;
}

/* The ECP of a type in a list. STATUS_SUCCESS, STATUS_NOT_FOUND. IRQL <= APC_LEVEL. */
NTSTATUS FltFindExtraCreateParameter(PFLT_FILTER Filter, PECP_LIST EcpList, LPCGUID EcpType, PVOID *EcpContext,
                                     ULONG *EcpContextSize)
{
        struct fm_ecp *ecp = EcpList ? list_find(EcpList, EcpType) : NULL;

        fm_check_irql(__func__, APC_LEVEL);
        set_result(ecp, EcpContext, EcpContextSize);
        return ecp ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

/*
 * The ECP after CurrentEcpContext (NULL: the first). STATUS_SUCCESS; STATUS_NOT_FOUND: no more;
 * STATUS_INVALID_PARAMETER: no list. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetNextExtraCreateParameter(PFLT_FILTER Filter, PECP_LIST EcpList, PVOID CurrentEcpContext,
                                        LPGUID NextEcpType, PVOID *NextEcpContext, ULONG *NextEcpContextSize)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        if (!EcpList)
                return STATUS_INVALID_PARAMETER;
        ecp = EcpList->first;
        if (CurrentEcpContext) {
                ecp = ecp_from_body(__func__, CurrentEcpContext);
                if (!ecp)
                        return STATUS_INVALID_PARAMETER;
                ecp = ecp->next;
        }
        set_result(ecp, NextEcpContext, NextEcpContextSize);
        if (ecp && NextEcpType)
                *NextEcpType = ecp->type;
        return ecp ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

/* Takes the ECP of a type out of a list; it is the caller's then. STATUS_SUCCESS, STATUS_NOT_FOUND. IRQL <= APC_LEVEL.
 */
NTSTATUS FltRemoveExtraCreateParameter(PFLT_FILTER Filter, PECP_LIST EcpList, LPCGUID EcpType, PVOID *EcpContext,
                                       ULONG *EcpContextSize)
{
        struct fm_ecp *ecp = EcpList ? list_find(EcpList, EcpType) : NULL;

        fm_check_irql(__func__, APC_LEVEL);
        set_result(ecp, EcpContext, EcpContextSize);
        if (!ecp)
                return STATUS_NOT_FOUND;
        list_unlink(EcpList, ecp);
        return STATUS_SUCCESS;
}

/* Says that somebody has understood the ECP. IRQL <= APC_LEVEL. */
VOID FltAcknowledgeEcp(PFLT_FILTER Filter, PVOID EcpContext)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        ecp = ecp_from_body(__func__, EcpContext);
        if (ecp)
                ecp->acknowledged = true;
}

/* Takes that back, before the ECP is used for another open. IRQL <= APC_LEVEL. */
VOID FltPrepareToReuseEcp(PFLT_FILTER Filter, PVOID EcpContext)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        ecp = ecp_from_body(__func__, EcpContext);
        if (ecp)
                ecp->acknowledged = false;
}

/* Whether somebody has understood the ECP. IRQL <= APC_LEVEL. */
BOOLEAN FltIsEcpAcknowledged(PFLT_FILTER Filter, PVOID EcpContext)
{
        struct fm_ecp *ecp;

        fm_check_irql(__func__, APC_LEVEL);
        ecp = ecp_from_body(__func__, EcpContext);
        return ecp && ecp->acknowledged;
}

/* Never: applications can't send any. IRQL <= APC_LEVEL. */
BOOLEAN FltIsEcpFromUserMode(PFLT_FILTER Filter, PVOID EcpContext)
{
        fm_check_irql(__func__, APC_LEVEL);
        ecp_from_body(__func__, EcpContext);
        return FALSE;
}

static bool is_create(PFLT_CALLBACK_DATA data)
{
        return FLT_IS_IRP_OPERATION(data) && data->Iopb->MajorFunction == IRP_MJ_CREATE;
}

/* The list of an open, or NULL if it has none. STATUS_SUCCESS; STATUS_INVALID_PARAMETER: not a create. IRQL <=
 * APC_LEVEL. */
NTSTATUS FltGetEcpListFromCallbackData(PFLT_FILTER Filter, PFLT_CALLBACK_DATA CallbackData, PECP_LIST *EcpList)
{
        struct fm_extras *extras;

        fm_check_irql(__func__, APC_LEVEL);
        *EcpList = NULL;
        if (!is_create(CallbackData))
                return STATUS_INVALID_PARAMETER;
        extras = fm_operation_extras_peek(fm_operation_from_data(CallbackData));
        if (extras)
                *EcpList = extras->ecp_list;
        return STATUS_SUCCESS;
}

/*
 * Gives an open a list, which is freed with it. STATUS_SUCCESS; STATUS_INVALID_PARAMETER_2: not a create;
 * STATUS_INVALID_PARAMETER_3: it has a list. IRQL <= APC_LEVEL.
 */
NTSTATUS FltSetEcpListIntoCallbackData(PFLT_FILTER Filter, PFLT_CALLBACK_DATA CallbackData, PECP_LIST EcpList)
{
        struct fm_extras *extras;

        fm_check_irql(__func__, APC_LEVEL);
        if (!is_create(CallbackData))
                return STATUS_INVALID_PARAMETER_2;
        extras = fm_operation_extras(fm_operation_from_data(CallbackData));
        if (extras->ecp_list)
                return STATUS_INVALID_PARAMETER_3;
        extras->ecp_list = EcpList;
        extras->ecp_list_owned = true;
        return STATUS_SUCCESS;
}

/* ---- the same for drivers that have no filter ---- */

/* As FltFindExtraCreateParameter(). */
NTSTATUS FsRtlFindExtraCreateParameter(PECP_LIST EcpList, LPCGUID EcpType, PVOID *EcpContext, ULONG *EcpContextSize)
{
        return FltFindExtraCreateParameter(NULL, EcpList, EcpType, EcpContext, EcpContextSize);
}

/* As FltGetNextExtraCreateParameter(). */
NTSTATUS FsRtlGetNextExtraCreateParameter(PECP_LIST EcpList, PVOID CurrentEcpContext, LPGUID NextEcpType,
                                          PVOID *NextEcpContext, ULONG *NextEcpContextSize)
{
        return FltGetNextExtraCreateParameter(NULL, EcpList, CurrentEcpContext, NextEcpType, NextEcpContext,
                                              NextEcpContextSize);
}

/* As FltAcknowledgeEcp(). */
VOID FsRtlAcknowledgeEcp(PVOID EcpContext)
{
        FltAcknowledgeEcp(NULL, EcpContext);
}

/* As FltIsEcpAcknowledged(). */
BOOLEAN FsRtlIsEcpAcknowledged(PVOID EcpContext)
{
        return FltIsEcpAcknowledged(NULL, EcpContext);
}

/* As FltIsEcpFromUserMode(). */
BOOLEAN FsRtlIsEcpFromUserMode(PVOID EcpContext)
{
        return FltIsEcpFromUserMode(NULL, EcpContext);
}
