/* SPDX-License-Identifier: MIT */
/*
 * Generic tables as AVL trees. A node is RTL_BALANCED_LINKS followed by the caller's element, in memory from
 * the caller's allocation routine. BalancedRoot is the parent of the root, which is its right child. The
 * caller locks.
 */
#include <fltKernel.h>
#include <stdbool.h>

typedef RTL_BALANCED_LINKS node_t;

static PVOID element_of(node_t *node)
{
        return node ? (PVOID)(node + 1) : NULL;
}

static node_t *root_of(PRTL_AVL_TABLE table)
{
        return table->BalancedRoot.RightChild;
}

static node_t *leftmost(node_t *node)
{
        while (node && node->LeftChild)
                node = node->LeftChild;
        return node;
}

static node_t *successor(PRTL_AVL_TABLE table, node_t *node)
{
        if (node->RightChild)
                return leftmost(node->RightChild);
        while (node->Parent != &table->BalancedRoot && node == node->Parent->RightChild)
                node = node->Parent;
        return node->Parent == &table->BalancedRoot ? NULL : node->Parent;
}

static node_t *predecessor(PRTL_AVL_TABLE table, node_t *node)
{
        if (node->LeftChild) {
                node = node->LeftChild;
                while (node->RightChild)
                        node = node->RightChild;
                return node;
        }
        while (node->Parent != &table->BalancedRoot && node == node->Parent->LeftChild)
                node = node->Parent;
        return node->Parent == &table->BalancedRoot ? NULL : node->Parent;
}

VOID RtlInitializeGenericTableAvl(PRTL_AVL_TABLE Table, PRTL_AVL_COMPARE_ROUTINE CompareRoutine,
                                  PRTL_AVL_ALLOCATE_ROUTINE AllocateRoutine,
                                  PRTL_AVL_FREE_ROUTINE FreeRoutine, PVOID TableContext)
{
        memset(Table, 0, sizeof(*Table));
        Table->BalancedRoot.Parent = &Table->BalancedRoot;
        Table->CompareRoutine = CompareRoutine;
        Table->AllocateRoutine = AllocateRoutine;
        Table->FreeRoutine = FreeRoutine;
        Table->TableContext = TableContext;
}

static TABLE_SEARCH_RESULT find(PRTL_AVL_TABLE table, PVOID buffer, node_t **ret)
{
        node_t *node = root_of(table);

        if (!node)
                return TableEmptyTree;
        for (;;) {
                *ret = node;
                switch (table->CompareRoutine(table, buffer, element_of(node))) {
                case GenericLessThan:
                        if (!node->LeftChild)
                                return TableInsertAsLeft;
                        node = node->LeftChild;
                        break;
                case GenericGreaterThan:
                        if (!node->RightChild)
                                return TableInsertAsRight;
                        node = node->RightChild;
                        break;
                default:
                        return TableFoundNode;
                }
        }
}

static void replace_child(node_t *old, node_t *new)
{
        node_t *parent = old->Parent;

        if (parent->LeftChild == old)
                parent->LeftChild = new;
        else
                parent->RightChild = new;
        if (new)
                new->Parent = parent;
}

static void rotate_left(node_t *node)
{
        node_t *right = node->RightChild;

        replace_child(node, right);
        node->RightChild = right->LeftChild;
        if (node->RightChild)
                node->RightChild->Parent = node;
        right->LeftChild = node;
        node->Parent = right;
}

static void rotate_right(node_t *node)
{
        node_t *left = node->LeftChild;

        replace_child(node, left);
        node->LeftChild = left->RightChild;
        if (node->LeftChild)
                node->LeftChild->Parent = node;
        left->RightChild = node;
        node->Parent = left;
}

/* node is two deeper on one side. Returns the new root of that part, and whether it is lower than before. */
static node_t *rebalance(node_t *node, CHAR heavy, bool *lower)
{
        node_t *child = heavy > 0 ? node->RightChild : node->LeftChild;
        node_t *grandchild;

        *lower = true;
        if (child->Balance == -heavy) {
                grandchild = heavy > 0 ? child->LeftChild : child->RightChild;
                if (heavy > 0) {
                        rotate_right(child);
                        rotate_left(node);
                } else {
                        rotate_left(child);
                        rotate_right(node);
                }
                node->Balance = (CHAR)(grandchild->Balance == heavy ? -heavy : 0);
                child->Balance = (CHAR)(grandchild->Balance == -heavy ? heavy : 0);
                grandchild->Balance = 0;
                return grandchild;
        }
        if (heavy > 0)
                rotate_left(node);
        else
                rotate_right(node);
        if (child->Balance == 0) {
                node->Balance = heavy;
                child->Balance = (CHAR)-heavy;
                *lower = false;
        } else {
                node->Balance = 0;
                child->Balance = 0;
        }
        return child;
}

static void grown(PRTL_AVL_TABLE table, node_t *node)
{
        while (node->Parent != &table->BalancedRoot) {
                node_t *parent = node->Parent;
                CHAR side = parent->RightChild == node ? 1 : -1;
                bool lower;

                if (parent->Balance == side) {
                        rebalance(parent, side, &lower);
                        return;
                }
                parent->Balance = (CHAR)(parent->Balance + side);
                if (parent->Balance == 0)
                        return;
                node = parent;
        }
        table->DepthOfTree++;
}

/* The part below parent on that side has become lower by one. */
static void shrunk(PRTL_AVL_TABLE table, node_t *parent, CHAR side)
{
        while (parent != &table->BalancedRoot) {
                node_t *above = parent->Parent;
                CHAR next = above->RightChild == parent ? 1 : -1;
                bool lower = true;

                if (parent->Balance == 0) {
                        parent->Balance = (CHAR)-side;
                        return;
                }
                if (parent->Balance == side)
                        parent->Balance = 0;
                else
                        rebalance(parent, (CHAR)-side, &lower);
                if (!lower)
                        return;
                parent = above;
                side = next;
        }
        table->DepthOfTree--;
}

static void insert(PRTL_AVL_TABLE table, node_t *node, node_t *parent, TABLE_SEARCH_RESULT where)
{
        memset(node, 0, sizeof(*node));
        if (where == TableEmptyTree)
                parent = &table->BalancedRoot;
        node->Parent = parent;
        if (where == TableInsertAsLeft)
                parent->LeftChild = node;
        else
                parent->RightChild = node;
        table->NumberGenericTableElements++;
        table->OrderedPointer = NULL;
        grown(table, node);
}

static void remove_node(PRTL_AVL_TABLE table, node_t *node)
{
        node_t *parent;
        CHAR side;

        if (table->RestartKey == node)
                table->RestartKey = predecessor(table, node);
        if (node->LeftChild && node->RightChild) {
                /* Its successor has no left child: it takes the node's place, and its own place goes. */
                node_t *next = leftmost(node->RightChild);

                if (next->Parent == node) {
                        parent = next;
                        side = 1;
                } else {
                        parent = next->Parent;
                        side = -1;
                        replace_child(next, next->RightChild);
                        next->RightChild = node->RightChild;
                        next->RightChild->Parent = next;
                }
                next->LeftChild = node->LeftChild;
                next->LeftChild->Parent = next;
                next->Balance = node->Balance;
                replace_child(node, next);
        } else {
                parent = node->Parent;
                side = parent->RightChild == node ? 1 : -1;
                replace_child(node, node->LeftChild ? node->LeftChild : node->RightChild);
        }
        shrunk(table, parent, side);
        table->NumberGenericTableElements--;
        table->DeleteCount++;
        table->OrderedPointer = NULL;
}

PVOID RtlInsertElementGenericTableFullAvl(PRTL_AVL_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                          PBOOLEAN NewElement, PVOID NodeOrParent,
                                          TABLE_SEARCH_RESULT SearchResult)
{
        node_t *node = NodeOrParent;

        if (SearchResult != TableFoundNode) {
                node = Table->AllocateRoutine(Table, BufferSize + (CLONG)sizeof(*node));
                if (!node) {
                        if (NewElement)
                                *NewElement = FALSE;
                        return NULL;
                }
                insert(Table, node, NodeOrParent, SearchResult);
                memcpy(element_of(node), Buffer, BufferSize);
        }
        if (NewElement)
                *NewElement = SearchResult != TableFoundNode;
        return element_of(node);
}

/* The element that is there already, or a copy of Buffer; NULL: the allocation routine gave none. */
PVOID RtlInsertElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                      PBOOLEAN NewElement)
{
        node_t *node = NULL;
        TABLE_SEARCH_RESULT result = find(Table, Buffer, &node);

        return RtlInsertElementGenericTableFullAvl(Table, Buffer, BufferSize, NewElement, node, result);
}

BOOLEAN RtlDeleteElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer)
{
        node_t *node = NULL;

        if (find(Table, Buffer, &node) != TableFoundNode)
                return FALSE;
        remove_node(Table, node);
        Table->FreeRoutine(Table, node);
        return TRUE;
}

PVOID RtlLookupElementGenericTableFullAvl(PRTL_AVL_TABLE Table, PVOID Buffer, PVOID *NodeOrParent,
                                          TABLE_SEARCH_RESULT *SearchResult)
{
        node_t *node = NULL;

        *SearchResult = find(Table, Buffer, &node);
        *NodeOrParent = node;
        return *SearchResult == TableFoundNode ? element_of(node) : NULL;
}

PVOID RtlLookupElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer)
{
        node_t *node = NULL;

        return find(Table, Buffer, &node) == TableFoundNode ? element_of(node) : NULL;
}

/* With a compare routine that finds several elements equal: the first of them. */
PVOID RtlLookupFirstMatchingElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer, PVOID *RestartKey)
{
        node_t *node = NULL;
        node_t *before;

        if (find(Table, Buffer, &node) != TableFoundNode)
                return NULL;
        while ((before = predecessor(Table, node)) &&
               Table->CompareRoutine(Table, Buffer, element_of(before)) == GenericEqual)
                node = before;
        *RestartKey = node;
        return element_of(node);
}

PVOID RtlEnumerateGenericTableWithoutSplayingAvl(PRTL_AVL_TABLE Table, PVOID *RestartKey)
{
        node_t *node = *RestartKey ? successor(Table, *RestartKey) : leftmost(root_of(Table));

        if (node)
                *RestartKey = node;
        return element_of(node);
}

PVOID RtlEnumerateGenericTableAvl(PRTL_AVL_TABLE Table, BOOLEAN Restart)
{
        PVOID key = Restart ? NULL : Table->RestartKey;
        PVOID element = RtlEnumerateGenericTableWithoutSplayingAvl(Table, &key);

        Table->RestartKey = key;
        return element;
}

/* Survives deletions between calls: after one it goes on behind what Buffer compares with. */
PVOID RtlEnumerateGenericTableLikeADirectory(PRTL_AVL_TABLE Table, PRTL_AVL_MATCH_FUNCTION MatchFunction,
                                             PVOID MatchData, ULONG NextFlag, PVOID *RestartKey,
                                             PULONG DeleteCount, PVOID Buffer)
{
        node_t *node = NULL;
        bool next = NextFlag != 0;

        if (root_of(Table) == NULL) {
                *RestartKey = NULL;
                return NULL;
        }
        if (*RestartKey && *DeleteCount == Table->DeleteCount) {
                node = *RestartKey;
        } else {
                TABLE_SEARCH_RESULT result = find(Table, Buffer, &node);

                if (result == TableInsertAsRight)
                        next = true;
                else if (result == TableInsertAsLeft)
                        next = false;
        }
        if (next)
                node = successor(Table, node);
        while (node && MatchFunction) {
                NTSTATUS status = MatchFunction(Table, element_of(node), MatchData);

                if (status == STATUS_SUCCESS)
                        break;
                if (status == STATUS_NO_MORE_MATCHES)
                        return NULL;
                node = successor(Table, node);
        }
        *DeleteCount = Table->DeleteCount;
        if (node)
                *RestartKey = node;
        return element_of(node);
}

/* Element number I in order, or NULL. */
PVOID RtlGetElementGenericTableAvl(PRTL_AVL_TABLE Table, ULONG I)
{
        node_t *node = Table->OrderedPointer;
        ULONG at = Table->WhichOrderedElement;

        if (I >= Table->NumberGenericTableElements)
                return NULL;
        if (!node || at > I) {
                node = leftmost(root_of(Table));
                at = 0;
        }
        for (; at < I; at++)
                node = successor(Table, node);
        Table->OrderedPointer = node;
        Table->WhichOrderedElement = I;
        return element_of(node);
}

ULONG RtlNumberGenericTableElementsAvl(PRTL_AVL_TABLE Table)
{
        return Table->NumberGenericTableElements;
}

BOOLEAN RtlIsGenericTableEmptyAvl(PRTL_AVL_TABLE Table)
{
        return Table->NumberGenericTableElements == 0;
}
