/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any bytes as the files of /proc/PID, through the reader that reads /proc: a directory has files
 * of the same names. The input's records are stat, status, comm, the name of the executable, and
 * what the kernel counts of a scheduler.
 *
 * Any process chooses its name. So the same name is also put into the three files as the kernel
 * would write them, and must come back, with the numbers that stand behind it. Corpus:
 * tests/data/proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu_limit.h"
#include "detect/proc.h"
#include "loader/sched_events.h"
#include "records.h"
#include "require.h"
#include "scratch.h"

#define NAME_BYTES_MAX 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char path[SCRATCH_MAX];
static char exe[NAME_BYTES_MAX + 1]; /* in place at the moment; "" if none */
static int dir;

static void remove_all(void)
{
	unlinkat(dir, "stat", 0);
	unlinkat(dir, "status", 0);
	unlinkat(dir, "comm", 0);
	unlinkat(dir, "exe", 0);
	if (exe[0])
		unlinkat(dir, exe, 0);
	rmdir(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	scratch_make(path, "fuzz_proc");
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	require(dir >= 0);
	atexit(remove_all);
	return 0;
}

static void put(const char *name, const void *text, size_t length)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0 && write(fd, text, length) == (ssize_t)length);
	close(fd);
}

/* The link exe, to a file of that name; without one if there can be no such file. */
static void put_exe(struct record name)
{
	static const char *const others[] = {"stat", "status", "comm", "exe", ".", ".."};
	int fd;

	unlinkat(dir, "exe", 0);
	if (exe[0])
		unlinkat(dir, exe, 0);
	exe[0] = '\0';
	if (!name.size || name.size > NAME_BYTES_MAX || memchr(name.data, '/', name.size) ||
	    memchr(name.data, '\0', name.size))
		return;
	memcpy(exe, name.data, name.size);
	exe[name.size] = '\0';
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(exe, others[i]))
			exe[0] = '\0';
	if (!exe[0])
		return;
	fd = openat(dir, exe, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	require(fd >= 0 && !symlinkat(exe, dir, "exe"));
	close(fd);
}

static int is_ended(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void check_exe(const struct proc_identity *id)
{
	static const char deleted[] = " (deleted)";
	size_t length = strlen(exe), shown = strlen(id->exe);

	require((id->exe_error != 0) == !exe[0]);
	if (!exe[0]) {
		require(id->exe_error == -ENOENT && !shown);
		return;
	}
	if (id->is_deleted) {
		require(length >= sizeof(deleted) - 1);
		length -= sizeof(deleted) - 1;
		require(!strcmp(exe + length, deleted));
	}
	/* The whole path, or its end. */
	require(id->exe[0] == '/' || shown == SERVER_EXE_MAX - 1);
	require(shown <= length || id->exe[shown - length - 1] == '/');
	shown = shown < length ? shown : length;
	require(!memcmp(id->exe + strlen(id->exe) - shown, exe + length - shown, shown));
}

static void check_any(void)
{
	static const struct proc_identity blank = {.pid = 7, .uid = 8};
	struct proc_identity id;
	char comm[SERVER_COMM_MAX];
	int r;

	memcpy(&id, &blank, sizeof(id));
	r = proc_read_in(dir, &id);
	require(r == 0 || r == -EBADMSG || r == -ESRCH);
	if (r) {
		require(!memcmp(&id, &blank, sizeof(id)));
	} else {
		require(id.pid == 7 && is_ended(id.stat.comm, sizeof(id.stat.comm)));
		require(is_ended(id.exe, sizeof(id.exe)));
		check_exe(&id);
	}
	r = proc_comm_in(dir, "comm", comm);
	require(r == -ESRCH || (r == 0 && is_ended(comm, sizeof(comm))));
}

static void check_events(struct record text)
{
	struct kernel_event events[KERNEL_EVENT_MAX];
	char *copy = strndup((const char *)text.data, text.size);
	unsigned int count = sched_events_parse(copy, events);

	require(count <= KERNEL_EVENT_MAX);
	for (unsigned int i = 0; i < count; i++) {
		char line[128];

		require(is_ended(events[i].name, sizeof(events[i].name)) && events[i].name[0]);
		snprintf(line, sizeof(line), "%s ", events[i].name);
		require(strstr(copy, line) != NULL);
	}
	free(copy);
}

/* As the kernel's proc_task_name() does for `status`. */
static void escape(const char *comm, char *out)
{
	for (; *comm; comm++) {
		if (*comm == '\n' || *comm == '\\')
			*out++ = '\\';
		*out++ = *comm == '\n' ? 'n' : *comm;
	}
	*out = '\0';
}

/* The name, and numbers made from its bytes, there and back. */
static void check_name(struct record name)
{
	char text[1024], escaped[2 * SERVER_COMM_MAX], comm[SERVER_COMM_MAX] = "";
	struct proc_identity id = {0};
	uint64_t number = 0;

	for (size_t i = 0; i < name.size; i++)
		number = number * 0x100000001b3ull + name.data[i];
	strncpy(comm, (const char *)name.data,
		name.size < SERVER_COMM_MAX - 1 ? name.size : SERVER_COMM_MAX - 1);

	put("stat", text,
	    (size_t)snprintf(text, sizeof(text),
			     "1 (%s) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 %u 0 %llu 172 3 "
			     "18446744073709551615 1 1 0 0 0 0\n",
			     comm, (uint32_t)number >> 8, (unsigned long long)number));
	escape(comm, escaped);
	put("status", text,
	    (size_t)snprintf(
		    text, sizeof(text),
		    "Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nNgid:\t0\n"
		    "Pid:\t1\nPPid:\t0\nTracerPid:\t0\nUid:\t%u\t1\t2\t3\nGid:\t4\t4\t4\t4\n",
		    escaped, (uint32_t)number));
	put("comm", text, (size_t)snprintf(text, sizeof(text), "%s\n", comm));
	require(proc_read_in(dir, &id) == 0);
	require(!strcmp(id.stat.comm, comm) && id.stat.start_ticks == number);
	require(id.stat.threads == (uint32_t)number >> 8 && id.uid == (uint32_t)number);
	require(proc_comm_in(dir, "comm", text) == 0 && !strcmp(text, comm));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const files[] = {"stat", "status", "comm"};
	struct record part, name;

	cpu_limit_restart();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		record_next(&data, &size, &part);
		put(files[i], part.data, part.size);
	}
	name = part;
	record_next(&data, &size, &part);
	put_exe(part);
	check_any();
	record_next(&data, &size, &part);
	check_events(part);
	check_name(name);
	return 0;
}
