/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects as built against what they will meet: every program loads, the ABI has one layout on
 * both sides, and each member of the hand-written kernel types exists in the running kernel.
 */
#include "bpf/bpf_test.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "input.skel.h"
#include "trace.skel.h"

/* What only some kernels have; the programs ask before they read it. */
static const char *const optional_members[] = {"sched_entity.sched_delayed", "cfs_rq.rq"};

static const char *const kernel_structs[] = {
	"task_struct", "signal_struct",	   "sched_entity", "cred",   "linux_binprm",
	"file",	       "file_system_type", "path",	   "dentry", "qstr",
	"inode",       "super_block",	   "cfs_rq",	   "rq",     "bpf_iter__task",
	"input_dev",
};

static const struct btf_type *struct_find(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
}

static bool has_member(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		const char *member = btf__name_by_offset(btf, members[i].name_off);
		const struct btf_type *inner = btf__type_by_id(btf, members[i].type);

		if (!strcmp(member, name))
			return true;
		if (!member[0] && btf_is_composite(inner) && has_member(btf, inner, name))
			return true;
	}
	return false;
}

static bool is_optional(const char *type, const char *member)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", type, member);
	for (size_t i = 0; i < sizeof(optional_members) / sizeof(optional_members[0]); i++)
		if (!strcmp(optional_members[i], name))
			return true;
	return false;
}

/* Returns how many members were compared. */
static unsigned int check_kernel_types(const struct btf *object)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	unsigned int compared = 0;

	assert_non_null(kernel);
	for (size_t s = 0; s < sizeof(kernel_structs) / sizeof(kernel_structs[0]); s++) {
		const struct btf_type *ours = struct_find(object, kernel_structs[s]);
		const struct btf_type *theirs = struct_find(kernel, kernel_structs[s]);

		if (!ours)
			continue;
		if (!theirs)
			fail_msg("the kernel has no struct %s", kernel_structs[s]);
		for (unsigned int i = 0; i < btf_vlen(ours); i++) {
			const char *member = btf__name_by_offset(object,
								 btf_members(ours)[i].name_off);

			if (!has_member(kernel, theirs, member) &&
			    !is_optional(kernel_structs[s], member))
				fail_msg("the kernel has no %s.%s", kernel_structs[s], member);
			compared++;
		}
	}
	btf__free(kernel);
	return compared;
}

static void test_kernel_types(void **state)
{
	struct trace_bpf *trace = trace_bpf__open();
	struct input_bpf *input = input_bpf__open();

	assert_non_null(trace);
	assert_non_null(input);
	assert_true(check_kernel_types(bpf_object__btf(trace->obj)) >= 25);
	check_kernel_types(bpf_object__btf(input->obj));
	trace_bpf__destroy(trace);
	input_bpf__destroy(input);
}

static void test_abi_sizes(void **state)
{
	static const struct {
		const char *name;
		size_t bytes;
	} types[] = {
		{"cpu_slot", sizeof(struct cpu_slot)},
		{"class_counters", sizeof(struct class_counters)},
		{"wait_hist", sizeof(struct wait_hist)},
		{"event", sizeof(struct event)},
		{"role_entry", sizeof(struct role_entry)},
		{"role_request", sizeof(struct role_request)},
		{"server_key", sizeof(struct server_key)},
		{"server_rule", sizeof(struct server_rule)},
	};
	struct trace_bpf *trace = trace_bpf__open();

	assert_non_null(trace);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct btf_type *type = struct_find(bpf_object__btf(trace->obj),
							  types[i].name);

		/* What only a cast names has no BTF of its own; a map's value always has. */
		if (type)
			assert_int_equal(type->size, types[i].bytes);
	}
	assert_int_equal(bpf_map__value_size(trace->maps.slots), sizeof(struct cpu_slot));
	assert_int_equal(bpf_map__value_size(trace->maps.tgid_roles), sizeof(struct role_entry));
	assert_int_equal(bpf_map__key_size(trace->maps.server_names), sizeof(struct server_key));
	assert_int_equal(bpf_map__value_size(trace->maps.server_names), sizeof(struct server_rule));
	trace_bpf__destroy(trace);
}

static void test_every_program_loads(void **state)
{
	static const char *const required[] = {
		"btf",		"task_storage",	 "role_grant_at_exec",
		"fork_inherit", "exit_tracking", "socket_filter",
		"role_writer",	"first_wait",	 "task_visit",
	};
	struct feature features[FEATURE_MAX];
	struct bench b = {0};
	unsigned int count;

	config_init(&b.config);
	bench_open(&b, 4);
	bench_run(&b);
	count = loader_features(b.loader, features, FEATURE_MAX);
	assert_in_range(count, sizeof(required) / sizeof(required[0]), FEATURE_MAX);
	for (unsigned int i = 0; i < count; i++) {
		print_message("%-20s %-3s %s\n", features[i].name,
			      features[i].is_available ? "yes" : "no", features[i].detail);
		assert_true(features[i].detail[0]);
		for (size_t r = 0; r < sizeof(required) / sizeof(required[0]); r++)
			if (!strcmp(features[i].name, required[r]))
				assert_true(features[i].is_available);
	}
	assert_true(loader_filter_fd(b.loader) >= 0);
	bench_close(&b);
}

/* Without attaching anything. */
static void test_probe(void **state)
{
	struct feature features[FEATURE_MAX];

	assert_true(loader_probe(features, FEATURE_MAX) > 5);
	assert_int_equal(loader_probe(features, 1), 1);
}

/* Start and stop over and over: nothing of it stays in the process. */
static void test_restart(void **state)
{
	int before, after;

	before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	for (int i = 0; i < 5; i++) {
		struct bench b = {0};

		config_init(&b.config);
		bench_open(&b, 4);
		bench_run(&b);
		loader_stop(b.loader);
		bench_close(&b);
	}
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(after, before);
}

static void test_unprivileged(void **state)
{
	int answer[2], status;
	struct error err = {{0}};
	pid_t pid;

	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct config config;
		struct loader *l;
		int ret;

		config_init(&config);
		if (setgid(65534) || setuid(65534))
			_exit(1);
		ret = loader_new(&config, &l, &err);
		if (write(answer[1], &err, sizeof(err)) != (ssize_t)sizeof(err))
			_exit(1);
		_exit(ret == -EPERM || ret == -EACCES ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(answer[0], &err, sizeof(err)), sizeof(err));
	assert_non_null(strstr(err.text, "CAP_BPF"));
	assert_null(strchr(err.text, '\n'));
	close(answer[0]);
	close(answer[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_types),
		cmocka_unit_test(test_abi_sizes),
		cmocka_unit_test(test_every_program_loads),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_unprivileged),
	};

	if (test_obstacle())
		return test_unable(test_obstacle());
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
