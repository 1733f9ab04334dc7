/* SPDX-License-Identifier: MIT */
/*
 * __try, __finally, __leave and __except for agents, in C.
 *
 * A __finally block runs after its __try block, also after __leave (which must not stand in a loop or a
 * switch inside the block, nor may the block be left by return or goto). An agent's hardware faults are
 * not turned into exceptions: an __except block is never entered, and a fault ends the process with its signal.
 */
#ifndef FLTSIM_SDK_EXCPT_H
#define FLTSIM_SDK_EXCPT_H

#define EXCEPTION_EXECUTE_HANDLER    1
#define EXCEPTION_CONTINUE_SEARCH    0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

#ifndef __cplusplus
#define __try       for (int fm_try_once = 1; fm_try_once; fm_try_once = 0)
#define __leave     break
#define __finally   for (int fm_finally_once = 1; fm_finally_once; fm_finally_once = 0)
#define __except(f) for (; 0 && (f);)
#define GetExceptionCode()      ((DWORD)0)
#define GetExceptionInformation() ((PVOID)0)
#define AbnormalTermination()   0
#ifndef FLTMGR_INTERNAL
#define try     __try
#define leave   __leave
#define finally __finally
#define except  __except
#endif
#endif

#endif
