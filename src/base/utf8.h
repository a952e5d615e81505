/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UTF-8: bytes of unknown origin, made safe to show.
 *
 * The name of a process or a file is any bytes that its owner chose. On a terminal some of them are
 * commands: C0 (ESC, newline), DEL, and C1, which UTF-8 writes as two bytes (U+009B, 0xc2 0x9b, is
 * CSI) and which an 8-bit terminal also takes as single bytes.
 *
 * Pure functions, any thread.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character that `s` begins with, of which `left` bytes (at least 1) may be read; 0 if
 * it begins with none. Source: RFC 3629, section 4: neither overlong nor a surrogate nor above
 * U+10FFFF. */
size_t utf8_length(const char *s, size_t left);

/* Replaces each byte of a control character, and each byte that belongs to no character, by '?'.
 * Whatever of ours is written for people and contains a name goes through here. */
void utf8_mask(char *text, size_t length);

#endif
