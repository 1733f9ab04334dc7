/* SPDX-License-Identifier: MIT */
/* What fltlib offers beyond Windows. */
#ifndef FLTSIM_SDK_FLTUSEREXT_H
#define FLTSIM_SDK_FLTUSEREXT_H

#include "fltUser.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A descriptor for poll, epoll, a GLib main loop or asio: readable (level-triggered) as long as a message may be
 * waiting or the connection may have ended. It belongs to the handle; do not read from it and do not close it.
 *
 * The loop is: wait until it is readable, then FilterTryGetMessage() until that says ERROR_NO_MORE_ITEMS. With overlapped
 * receives instead: then GetOverlappedResult(), not waiting, of each until all say ERROR_IO_INCOMPLETE.
 */
HRESULT WINAPI FilterGetPortDescriptor(HANDLE hPort, int *lpDescriptor);

/*
 * FilterGetMessage() that never waits: HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) when there is no message now. With
 * ERROR_INSUFFICIENT_BUFFER *lpBytesReturned is the size that is needed, with S_OK that of the message.
 */
HRESULT WINAPI FilterTryGetMessage(HANDLE hPort, PFILTER_MESSAGE_HEADER lpMessageBuffer, DWORD dwMessageBufferSize,
                                   LPDWORD lpBytesReturned);

#ifdef __cplusplus
}
#endif

#endif
