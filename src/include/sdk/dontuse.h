/* SPDX-License-Identifier: MIT */
/* Microsoft's header poisons names that are unsafe; there is nothing to poison here. */
