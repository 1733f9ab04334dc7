/* SPDX-License-Identifier: MIT */
/* DbgPrint and its family: lines of the log, in the name of the filter that speaks. */
#include <fltKernel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nt/format.h"
#include "nt/ke.h"
#include "nt/log.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define TEXT_LIMIT 16384 /* Windows cuts at 512 */

static BOOLEAN debugger_enabled = FALSE;
static BOOLEAN debugger_not_present = TRUE;
PBOOLEAN KdDebuggerEnabled = &debugger_enabled;
PBOOLEAN KdDebuggerNotPresent = &debugger_not_present;

/* Filters put their name before what they say, "name: " or "[name] "; the line has it already. */
static const char *without_name(const char *text, size_t *length, const char *name)
{
        size_t bracket = *text == '[', size = strlen(name) + 2 * bracket;
        char after = bracket ? ']' : ':';

        if (*length <= size || g_ascii_strncasecmp(text + bracket, name, strlen(name)) != 0 ||
            text[bracket ? size - 1 : size] != after)
                return text;
        size += !bracket;
        size += strspn(text + size, " :");
        if (size >= *length)
                return text;
        *length -= size;
        return text + size;
}

/* Each line of the text is a line of the log. */
static void print_lines(enum fm_log_level level, const char *prefix, char *text)
{
        const char *filter = fm_thread_self()->filter;

        while (*text) {
                size_t length = strcspn(text, "\r\n");
                size_t skip = strspn(text + length, "\r\n");

                if (length) {
                        size_t rest = length;
                        const char *line = filter && !*prefix ? without_name(text, &rest, filter) : text;

                        fm_log(level, filter ? filter : "debug", "%s%.*s", prefix, (int)rest, line);
                }
                text += length + skip;
        }
}

static ULONG print(enum fm_log_level level, const char *prefix, PCSTR format, va_list args)
{
        char *text;

        fm_check_irql("DbgPrint", 11 /* below the clock's */);
        text = fm_vformat_alloc(format, args, NULL);
        if (!text)
                return (ULONG)STATUS_NO_MEMORY;
        if (strlen(text) > TEXT_LIMIT)
                text[TEXT_LIMIT] = 0;
        print_lines(level, prefix, text);
        free(text);
        return STATUS_SUCCESS;
}

/* On Windows it is seen where a debugger's filter mask lets it; here it always is an information. */
ULONG DbgPrint(PCSTR Format, ...)
{
        va_list args;
        ULONG status;

        va_start(args, Format);
        status = print(FM_LOG_INFO, "", Format, args);
        va_end(args);
        return status;
}

ULONG vDbgPrintExWithPrefix(PCCH Prefix, ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist)
{
        /* Only what Windows would show without a debugger's help is more than debugging. */
        enum fm_log_level level = Level == DPFLTR_ERROR_LEVEL ? FM_LOG_INFO : FM_LOG_DEBUG;

        return print(level, Prefix ? Prefix : "", Format, arglist);
}

ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist)
{
        return vDbgPrintExWithPrefix("", ComponentId, Level, Format, arglist);
}

ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
        va_list args;
        ULONG status;

        va_start(args, Format);
        status = vDbgPrintEx(ComponentId, Level, Format, args);
        va_end(args);
        return status;
}

/* Stops in a debugger; without one it ends the process, as a breakpoint does to Windows. */
VOID DbgBreakPoint(VOID)
{
        raise(SIGTRAP);
}

VOID DbgBreakPointWithStatus(ULONG Status)
{
        DbgBreakPoint();
}

VOID fm_paged_code(PCSTR file, ULONG line)
{
        KIRQL irql = fm_thread_self()->irql;

        if (irql > APC_LEVEL)
                fm_violation("paged-code", "%s:%u: pageable code runs at IRQL %u", file, line, irql);
}
