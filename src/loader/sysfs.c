/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/sysfs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

FILE *sysfs_open(const char *root, const char *fmt, va_list args)
{
	char path[512];
	int length = snprintf(path, sizeof(path), "%s", root), more;

	errno = ENAMETOOLONG;
	if (length < 0 || (size_t)length >= sizeof(path))
		return NULL;
	more = vsnprintf(path + length, sizeof(path) - (size_t)length, fmt, args);
	if (more < 0 || (size_t)length + (size_t)more >= sizeof(path))
		return NULL;
	return fopen(path, "re");
}

bool sysfs_number(uint32_t *out, const char *root, const char *fmt, ...)
{
	uint32_t value;
	bool is_read;
	va_list args;
	FILE *file;

	va_start(args, fmt);
	file = sysfs_open(root, fmt, args);
	va_end(args);
	if (!file)
		return false;
	is_read = fscanf(file, "%" SCNu32, &value) == 1;
	fclose(file);
	if (is_read)
		*out = value;
	return is_read;
}

int sysfs_line(char *line, size_t size, const char *root, const char *fmt, ...)
{
	int ret = 0;
	va_list args;
	FILE *file;

	line[0] = '\0';
	va_start(args, fmt);
	file = sysfs_open(root, fmt, args);
	va_end(args);
	if (!file)
		return -errno;
	errno = 0;
	if (!fgets(line, (int)size, file)) {
		line[0] = '\0';
		ret = -errno;
	}
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return ret;
}

bool sysfs_range(FILE *file, uint32_t *first, uint32_t *last)
{
	int c;

	if (fscanf(file, "%" SCNu32, first) != 1)
		return false;
	*last = *first;
	c = fgetc(file);
	if (c != '-')
		return true;
	if (fscanf(file, "%" SCNu32, last) != 1)
		return false;
	fgetc(file);
	return true;
}
