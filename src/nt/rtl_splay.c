/* SPDX-License-Identifier: MIT */
/*
 * Generic tables as splay trees: a lookup brings what it finds to the root. In front of the caller's element
 * lie the links and the entry of the list in order of insertion, which is what RtlGetElementGenericTable
 * counts. The caller locks, for lookups too.
 */
#include <fltKernel.h>
#include <stdbool.h>

struct node {
        RTL_SPLAY_LINKS links; /* must be first */
        LIST_ENTRY inserted;
};

static PVOID element_of(PRTL_SPLAY_LINKS links)
{
        return links ? (PVOID)(CONTAINING_RECORD(links, struct node, links) + 1) : NULL;
}

VOID RtlInitializeGenericTable(PRTL_GENERIC_TABLE Table, PRTL_GENERIC_COMPARE_ROUTINE CompareRoutine,
                               PRTL_GENERIC_ALLOCATE_ROUTINE AllocateRoutine,
                               PRTL_GENERIC_FREE_ROUTINE FreeRoutine, PVOID TableContext)
{
        memset(Table, 0, sizeof(*Table));
        InitializeListHead(&Table->InsertOrderList);
        Table->CompareRoutine = CompareRoutine;
        Table->AllocateRoutine = AllocateRoutine;
        Table->FreeRoutine = FreeRoutine;
        Table->TableContext = TableContext;
}

static void set_left(PRTL_SPLAY_LINKS parent, PRTL_SPLAY_LINKS child)
{
        parent->LeftChild = child;
        if (child)
                child->Parent = parent;
}

static void set_right(PRTL_SPLAY_LINKS parent, PRTL_SPLAY_LINKS child)
{
        parent->RightChild = child;
        if (child)
                child->Parent = parent;
}

/* Brings the element that equals buffer, or a neighbour of its place, to the root. Top down, as Sleator has
 * it. */
static RTL_GENERIC_COMPARE_RESULTS splay(PRTL_GENERIC_TABLE table, PVOID buffer)
{
        RTL_SPLAY_LINKS halves = {0};
        PRTL_SPLAY_LINKS left = &halves, right = &halves;
        PRTL_SPLAY_LINKS root = table->TableRoot;
        RTL_GENERIC_COMPARE_RESULTS result;

        for (;;) {
                PRTL_SPLAY_LINKS child;

                result = table->CompareRoutine(table, buffer, element_of(root));
                if (result == GenericLessThan) {
                        child = root->LeftChild;
                        if (!child)
                                break;
                        if (table->CompareRoutine(table, buffer, element_of(child)) == GenericLessThan) {
                                set_left(root, child->RightChild);
                                set_right(child, root);
                                root = child;
                                if (!root->LeftChild)
                                        break;
                        }
                        set_left(right, root);
                        right = root;
                        root = root->LeftChild;
                } else if (result == GenericGreaterThan) {
                        child = root->RightChild;
                        if (!child)
                                break;
                        if (table->CompareRoutine(table, buffer, element_of(child)) == GenericGreaterThan) {
                                set_right(root, child->LeftChild);
                                set_left(child, root);
                                root = child;
                                if (!root->RightChild)
                                        break;
                        }
                        set_right(left, root);
                        left = root;
                        root = root->RightChild;
                } else {
                        break;
                }
        }
        set_right(left, root->LeftChild);
        set_left(right, root->RightChild);
        set_left(root, halves.RightChild);
        set_right(root, halves.LeftChild);
        root->Parent = root;
        table->TableRoot = root;
        return result;
}

PVOID RtlInsertElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                   PBOOLEAN NewElement)
{
        PRTL_SPLAY_LINKS root;
        RTL_GENERIC_COMPARE_RESULTS result = GenericEqual;
        struct node *node;

        if (NewElement)
                *NewElement = FALSE;
        if (Table->TableRoot) {
                result = splay(Table, Buffer);
                if (result == GenericEqual)
                        return element_of(Table->TableRoot);
        }
        node = Table->AllocateRoutine(Table, BufferSize + (CLONG)sizeof(*node));
        if (!node)
                return NULL;
        memset(node, 0, sizeof(*node));
        memcpy(node + 1, Buffer, BufferSize);
        root = Table->TableRoot;
        if (root && result == GenericLessThan) {
                set_left(&node->links, root->LeftChild);
                set_right(&node->links, root);
                root->LeftChild = NULL;
        } else if (root) {
                set_right(&node->links, root->RightChild);
                set_left(&node->links, root);
                root->RightChild = NULL;
        }
        node->links.Parent = &node->links;
        Table->TableRoot = &node->links;
        InsertTailList(&Table->InsertOrderList, &node->inserted);
        Table->NumberGenericTableElements++;
        Table->OrderedPointer = NULL;
        if (NewElement)
                *NewElement = TRUE;
        return element_of(&node->links);
}

BOOLEAN RtlDeleteElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer)
{
        PRTL_SPLAY_LINKS gone;
        PRTL_SPLAY_LINKS right;

        if (!Table->TableRoot || splay(Table, Buffer) != GenericEqual)
                return FALSE;
        gone = Table->TableRoot;
        right = gone->RightChild;
        Table->TableRoot = gone->LeftChild;
        if (!Table->TableRoot) {
                Table->TableRoot = right;
        } else {
                /* Everything on the left is smaller: the greatest of it comes up, without a right child. */
                splay(Table, Buffer);
                set_right(Table->TableRoot, right);
        }
        if (Table->TableRoot)
                Table->TableRoot->Parent = Table->TableRoot;
        RemoveEntryList(&CONTAINING_RECORD(gone, struct node, links)->inserted);
        Table->NumberGenericTableElements--;
        Table->OrderedPointer = NULL;
        Table->FreeRoutine(Table, gone);
        return TRUE;
}

PVOID RtlLookupElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer)
{
        if (!Table->TableRoot || splay(Table, Buffer) != GenericEqual)
                return NULL;
        return element_of(Table->TableRoot);
}

static PRTL_SPLAY_LINKS leftmost(PRTL_SPLAY_LINKS links)
{
        while (links && links->LeftChild)
                links = links->LeftChild;
        return links;
}

static PRTL_SPLAY_LINKS successor(PRTL_SPLAY_LINKS links)
{
        if (links->RightChild)
                return leftmost(links->RightChild);
        while (links->Parent != links && links == links->Parent->RightChild)
                links = links->Parent;
        return links->Parent == links ? NULL : links->Parent;
}

PVOID RtlEnumerateGenericTableWithoutSplaying(PRTL_GENERIC_TABLE Table, PVOID *RestartKey)
{
        PRTL_SPLAY_LINKS links = *RestartKey ? successor(*RestartKey) : leftmost(Table->TableRoot);

        if (links)
                *RestartKey = links;
        return element_of(links);
}

/* In order. Where it stands is the root, as on Windows: a lookup in between moves it. */
PVOID RtlEnumerateGenericTable(PRTL_GENERIC_TABLE Table, BOOLEAN Restart)
{
        PRTL_SPLAY_LINKS links;

        if (!Table->TableRoot)
                return NULL;
        links = Restart ? leftmost(Table->TableRoot) : successor(Table->TableRoot);
        if (!links)
                return NULL;
        splay(Table, element_of(links));
        return element_of(links);
}

/* Element number I in order of insertion, or NULL. */
PVOID RtlGetElementGenericTable(PRTL_GENERIC_TABLE Table, ULONG I)
{
        PLIST_ENTRY entry = Table->OrderedPointer;
        ULONG at = Table->WhichOrderedElement;

        if (I >= Table->NumberGenericTableElements)
                return NULL;
        if (!entry || at > I) {
                entry = Table->InsertOrderList.Flink;
                at = 0;
        }
        for (; at < I; at++)
                entry = entry->Flink;
        Table->OrderedPointer = entry;
        Table->WhichOrderedElement = I;
        return element_of(&CONTAINING_RECORD(entry, struct node, inserted)->links);
}

ULONG RtlNumberGenericTableElements(PRTL_GENERIC_TABLE Table)
{
        return Table->NumberGenericTableElements;
}

BOOLEAN RtlIsGenericTableEmpty(PRTL_GENERIC_TABLE Table)
{
        return Table->NumberGenericTableElements == 0;
}
