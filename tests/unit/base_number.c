/* base_number.c - checked sizes, strict numbers, UTF-8. */
#include "base/checked.h"
#include "base/error.h"
#include "base/number.h"
#include "base/utf8.h"
#include "tap.h"

#include <string.h>

static void test_checked(void)
{
	size_t n = 7;
	TAP_OK(checked_add(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX, "the largest sum fits");
	TAP_OK(!checked_add(SIZE_MAX, 1, &n) && n == SIZE_MAX, "a sum that wraps is refused, unstored");
	TAP_OK(checked_multiply(SIZE_MAX / 3, 3, &n), "the largest product fits");
	TAP_OK(!checked_multiply(SIZE_MAX / 2 + 1, 2, &n), "a product that wraps is refused");
	TAP_OK(checked_multiply(0, SIZE_MAX, &n) && n == 0, "nothing times anything is nothing");
	TAP_OK(checked_round_up(1, 64, &n) && n == 64, "1 rounds up to 64");
	TAP_OK(checked_round_up(64, 64, &n) && n == 64, "64 stays 64");
	TAP_OK(checked_round_up(0, 64, &n) && n == 0, "0 stays 0");
	TAP_OK(!checked_round_up(SIZE_MAX - 62, 64, &n), "rounding up past the end is refused");
	TAP_OK(checked_size(UINT64_C(1) << 40, &n) && n == (size_t)1 << 40, "64 bits as a size");
}

static void test_whole(void)
{
	static const char *const refused[] = { "", "-", "+1", " 1", "1 ", "1.0", "0x10", "1e3", "--1",
		"99999999999999999999", "9223372036854775808", "-9223372036854775809", "1K", "12a" };
	int64_t n = 42;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		TAP_OK(number_whole(refused[i], INT64_MIN, INT64_MAX, &n) < 0 && n == 42,
		    "\"%s\" is no whole number", refused[i]);
	TAP_OK(number_whole("-9223372036854775808", INT64_MIN, INT64_MAX, &n) == 0 && n == INT64_MIN,
	    "the least");
	TAP_OK(number_whole("9223372036854775807", INT64_MIN, INT64_MAX, &n) == 0 && n == INT64_MAX,
	    "the most");
	TAP_OK(number_whole("0007", 0, 9, &n) == 0 && n == 7, "leading zeros are decimal");
	TAP_OK(number_whole("0", 1, 256, &n) < 0, "below the range");
	TAP_OK(strstr(error_text(), "from 1 to 256") != NULL, "the message names the range: %s",
	    error_text());
	TAP_OK(error_kind() == ERROR_INPUT, "a bad number is an input error");
}

static void test_size_and_real(void)
{
	int64_t n = 0;
	TAP_OK(number_size("1K", 1, 1 << 20, &n) == 0 && n == 1024, "1K");
	TAP_OK(number_size("3m", 1, 1 << 30, &n) == 0 && n == 3 << 20, "3m");
	TAP_OK(number_size("2T", 1, INT64_MAX, &n) == 0 && n == INT64_C(2) << 40, "2T");
	TAP_OK(number_size("8388608T", 1, INT64_MAX, &n) < 0, "2^63 bytes do not fit");
	TAP_OK(number_size("1KK", 1, INT64_MAX, &n) < 0, "one suffix only");
	TAP_OK(number_size("K", 1, INT64_MAX, &n) < 0, "a suffix alone is nothing");
	double x = 0;
	TAP_OK(number_real("-1.5e-3", -1, 1, &x) == 0 && x == -1.5e-3, "a real number");
	static const char *const refused[] = { "", "nan", "inf", "0x1p3", "1,5", " 1", "1e999", "e",
		".", "1e", "2" };
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		TAP_OK(
		    number_real(refused[i], -1, 1.5, &x) < 0, "\"%s\" is no number up to 1.5", refused[i]);
}

/* Every scalar value there and back; every other value and form refused. */
static void test_utf8(void)
{
	size_t wrong = 0;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		uint8_t bytes[4];
		uint32_t back = 0;
		int length = utf8_encode(code, bytes);
		if (utf8_decode(bytes, (size_t)length, &back) != length || back != code)
			wrong++;
		for (int cut = 1; cut < length; cut++)
			if (utf8_decode(bytes, (size_t)cut, &back) != -1)
				wrong++;
	}
	TAP_OK(
	    wrong == 0, "all 1112064 characters there and back, cut ones are told (%zu wrong)", wrong);
	static const char *const invalid[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "\xc3\x28", "\xe2\x28\xa1" };
	uint32_t code;
	for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
		TAP_OK(utf8_decode((const uint8_t *)invalid[i], strlen(invalid[i]), &code) == 0,
		    "invalid form %zu is refused", i);
	TAP_OK(utf8_valid_prefix("ab\xc3\xa9\xff", 5) == 4, "the prefix ends before the bad byte");
	TAP_OK(utf8_valid_prefix("ab\xe2\x82", 4) == 2, "the prefix ends before a cut character");
	TAP_OK(utf8_valid_prefix("", 0) == 0, "nothing is valid");
}

int main(void)
{
	test_checked();
	test_whole();
	test_size_and_real();
	test_utf8();
	return tap_finish();
}
