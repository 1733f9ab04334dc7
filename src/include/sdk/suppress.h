/* SPDX-License-Identifier: MIT */
/* Microsoft's header names warnings of its analyser for #pragma warning, which other compilers skip. */
