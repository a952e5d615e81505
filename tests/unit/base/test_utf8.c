/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_mask(void **state)
{
	static const struct {
		const char *bytes;
		const char *masked;
	} table[] = {
		{"", ""},
		{"pipewire", "pipewire"},
		{" ~", " ~"},
		{"\033[31;7mPWN\n ok", "?[31;7mPWN? ok"},
		{"\001\037\177\t\r", "?????"},
		/* C1 as UTF-8, CSI among it; its neighbours are letters and a no-break space */
		{"a\xc2\x80\xc2\x9b\xc2\x9f", "a??????"},
		{"\xc2\xa0\xc3\x80\xc3\x9b\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\xc2\xa0\xc3\x80\xc3\x9b\xe2\x82\xac\xf0\x9f\x98\x80"},
		/* C1 as single bytes, and other bytes that are no UTF-8 */
		{"\x9b"
		 "31m",
		 "?31m"},
		{"\xff\xc3", "??"},
		{"\xc0\x9b\xe0\x80\x9b\xed\xa0\x80", "????????"},
		{"\xc3(", "?("},
		{"\xe2\x82", "??"},
	};
	char text[64];
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		snprintf(text, sizeof(text), "%s", table[i].bytes);
		utf8_mask(text, strlen(text));
		assert_string_equal(text, table[i].masked);
	}
}

static void test_stays_within(void **state)
{
	char text[] = "ab\033\xc3\xa9";

	utf8_mask(text, 2);
	assert_string_equal(text, "ab\033\xc3\xa9");
	utf8_mask(text, 4); /* half a character */
	assert_string_equal(text, "ab??\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_stays_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
