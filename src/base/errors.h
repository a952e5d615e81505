/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors: the one convention of every room.
 *
 * A function that can fail returns 0 or a negative errno. Out-parameters come last and stay
 * untouched on failure. Where a person has to be told why, the function takes a struct error and
 * writes one sentence into it: what, which object, why. Whoever owns the thread (or main) prints
 * it.
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#define ERROR_MAX 512

struct error {
	char text[ERROR_MAX];
};

/* Writes the sentence (err may be NULL) and returns -code, so that callers can `return
 * error_set(...)`. code is a positive errno; it is not added to the text. */
__attribute__((format(printf, 3, 4))) int error_set(struct error *err, int code, const char *fmt,
						    ...);

/* "Permission denied" for -EPERM and the like; thread-safe; never NULL. */
const char *error_name(int negative_errno);

#endif
