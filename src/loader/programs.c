/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which programs this kernel takes is found out by loading them. All at once first; only when that
 * fails, one by one, and then all that passed.
 */
#include "loader/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "input.skel.h"
#include "trace.skel.h"

struct program_info {
	const char *name;
	bool is_needed;
	const char *feature; /* NULL: none of its own */
	const char *with;    /* what it gives */
	const char *without; /* what is lost */
};

static const struct program_info programs[] = {
	{.name = "on_sched_waking", .is_needed = true},
	{.name = "on_sched_switch", .is_needed = true},
	{.name = "on_sched_wakeup_new",
	 .feature = "first_wait",
	 .with = "the first wait of a new thread is measured",
	 .without = "the first wait of a new thread is not measured"},
	{.name = "on_sched_process_exec",
	 .feature = "role_grant_at_exec",
	 .with = "a server gets its role in the kernel, at exec",
	 .without = "roles follow exec only after user space has seen it"},
	{.name = "on_sched_process_fork",
	 .feature = "fork_inherit",
	 .with = "children inherit their parent's role at fork",
	 .without = "a server that forks is found by scans only"},
	{.name = "on_sched_process_exit",
	 .feature = "exit_tracking",
	 .with = "roles end with the last thread",
	 .without = "roles end only after user space has seen the exit"},
	{.name = "roles_apply",
	 .feature = "role_writer",
	 .with = "user space confirms and ends roles",
	 .without = "user space can't correct the kernel's verdicts"},
	{.name = "proc_filter",
	 .feature = "socket_filter",
	 .with = "process events that do not matter cost no wake-up",
	 .without = "each process event of the machine wakes the daemon"},
	{.name = "on_task_visit",
	 .feature = "task_visit",
	 .with = "threads that run already are measured from now on",
	 .without = "a thread that runs already is measured only after its next wake-up"},
	{.name = "context_check"}, /* see waker_context_check() */
};
#define PROGRAM_COUNT (sizeof(programs) / sizeof(programs[0]))
#define PROGRAMS_ALL ((1u << PROGRAM_COUNT) - 1)

static void feature_set(struct loader *l, const char *name, bool is_available, const char *fmt,
			va_list args)
{
	struct feature *feature = NULL;

	for (unsigned int i = 0; i < l->feature_count; i++)
		if (!strcmp(l->features[i].name, name))
			feature = &l->features[i];
	if (!feature) {
		if (l->feature_count == FEATURE_MAX)
			return;
		feature = &l->features[l->feature_count++];
		snprintf(feature->name, sizeof(feature->name), "%s", name);
	}
	feature->is_available = is_available;
	vsnprintf(feature->detail, sizeof(feature->detail), fmt, args);
}

void programs_feature(struct loader *l, const char *name, bool is_available, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	feature_set(l, name, is_available, fmt, args);
	va_end(args);
}

static const enum measure measures[] = {
	[CONFIG_MEASURE_ALL] = MEASURE_ALL,
	[CONFIG_MEASURE_LATENCY] = MEASURE_LATENCY,
	[CONFIG_MEASURE_NONE] = MEASURE_NONE,
};

/* Of a program that may run: one word at a time. */
static void settings_change(struct trace_bpf *trace, const struct config *config)
{
	__atomic_store_n(&trace->data->cfg_roles_max, config->roles_max, __ATOMIC_RELAXED);
	__atomic_store_n(&trace->data->cfg_roles_per_uid_max, config->roles_per_uid_max,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&trace->data->cfg_long_wait_ns, (uint64_t)config->long_wait_us * 1000,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&trace->data->cfg_grant_at_exec, config->grant_at_exec, __ATOMIC_RELAXED);
}

static void settings_fill(struct trace_bpf *trace, const struct config *config,
			  const struct layout *layout)
{
	settings_change(trace, config);
	trace->rodata->cfg_ring_bytes = config->ring_bytes;
	trace->rodata->cfg_measure = measures[config->measure];
	trace->rodata->cfg_preempt_count_from_rq = layout->preempt_count_from_rq;
	trace->rodata->cfg_preempt_in_interrupt = layout->preempt_in_interrupt;
	trace->bss->roles_generation = 1;
}

static int maps_size(struct trace_bpf *trace, const struct config *config)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t roles = bpf_map__max_entries(trace->maps.tgid_roles);
	int ret;

	if (cpus < 0)
		return cpus;
	ret = bpf_map__set_max_entries(trace->maps.slots, (uint32_t)cpus);
	if (!ret)
		ret = bpf_map__set_max_entries(trace->maps.events, config->ring_bytes);
	if (!ret && config->roles_max > roles)
		ret = bpf_map__set_max_entries(trace->maps.tgid_roles, config->roles_max);
	return ret;
}

/* on_sched_switch only measures. */
static bool is_wanted(const struct program_info *info, const struct config *config)
{
	return config->measure != CONFIG_MEASURE_NONE || strcmp(info->name, "on_sched_switch");
}

/* Opens the object and loads the programs whose bit is set. */
static int trace_load(const struct config *config, unsigned int mask, const struct layout *layout,
		      struct trace_bpf **out)
{
	struct trace_bpf *trace = trace_bpf__open();
	struct bpf_program *program;
	int ret;

	if (!trace)
		return -errno;
	for (unsigned int i = 0; i < PROGRAM_COUNT; i++) {
		program = bpf_object__find_program_by_name(trace->obj, programs[i].name);
		bpf_program__set_autoload(program,
					  (mask & (1u << i)) && is_wanted(&programs[i], config));
	}
	settings_fill(trace, config, layout);
	ret = maps_size(trace, config);
	if (!ret)
		ret = trace_bpf__load(trace);
	if (ret) {
		trace_bpf__destroy(trace);
		return ret;
	}
	*out = trace;
	return 0;
}

/* Loads each program alone. Returns the mask of those the kernel takes; features say the rest. */
static unsigned int programs_try_each(struct loader *l, const struct config *config)
{
	unsigned int mask = 0;
	struct trace_bpf *trace;
	char reason[96];
	int ret;

	for (unsigned int i = 0; i < PROGRAM_COUNT; i++) {
		messages_clear();
		ret = trace_load(config, 1u << i, &l->layout, &trace);
		if (!ret) {
			mask |= 1u << i;
			trace_bpf__destroy(trace);
			continue;
		}
		messages_first(ret, reason, sizeof(reason));
		if (programs[i].feature)
			programs_feature(l, programs[i].feature, false, "%s (%s)",
					 programs[i].without, reason);
	}
	return mask;
}

static int refused(int ret, struct error *err)
{
	char reason[160];

	if (ret == -EPERM || ret == -EACCES)
		return error_set(
			err, -ret,
			"cannot load BPF programs: needs root, or CAP_BPF and CAP_PERFMON");
	messages_first(ret, reason, sizeof(reason));
	return error_set(err, -ret, "cannot load BPF programs: %s", reason);
}

static int trace_load_best(struct loader *l, const struct config *config, struct error *err)
{
	unsigned int mask = PROGRAMS_ALL, needed = 0;
	int ret;

	for (unsigned int i = 0; i < PROGRAM_COUNT; i++)
		if (programs[i].is_needed)
			needed |= 1u << i;
	messages_clear();
	ret = trace_load(config, mask, &l->layout, &l->trace);
	if (ret) {
		messages_clear();
		ret = trace_load(config, needed, &l->layout, &l->trace);
		if (ret)
			return refused(ret, err);
		trace_bpf__destroy(l->trace);
		l->trace = NULL;
		mask = needed | programs_try_each(l, config);
		ret = trace_load(config, mask, &l->layout, &l->trace);
		if (ret)
			return refused(ret, err);
	}
	for (unsigned int i = 0; i < PROGRAM_COUNT; i++)
		if (programs[i].feature && (mask & (1u << i)))
			programs_feature(l, programs[i].feature, true, "%s", programs[i].with);
	return 0;
}

static void input_load(struct loader *l)
{
	struct input_bpf *input = input_bpf__open();
	char reason[96];
	int ret;

	messages_clear();
	ret = input ? bpf_map__reuse_fd(input->maps.slots, bpf_map__fd(l->trace->maps.slots))
		    : -errno;
	if (!ret) {
		input->rodata->cfg_preempt_count_from_rq = l->layout.preempt_count_from_rq;
		input->rodata->cfg_preempt_in_interrupt = l->layout.preempt_in_interrupt;
		ret = input_bpf__load(input);
	}
	if (!ret) {
		l->input = input;
		programs_feature(l, "input_hook", true,
				 "input events are counted and their readers known");
		return;
	}
	messages_first(ret, reason, sizeof(reason));
	programs_feature(l, "input_hook", false,
			 "no input counters and no class input: this kernel refuses fentry (%s)",
			 reason);
	input_bpf__destroy(input);
}

/* Without it no thread becomes an audio client; all else works. */
static void waker_context_check(struct loader *l)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = bpf_program__fd(l->trace->progs.context_check);
	bool works = fd >= 0 && !bpf_prog_test_run_opts(fd, &opts) && !opts.retval;

	programs_feature(l, "waker_context", works,
			 works ? "wake-ups by an audio server mark its clients"
			       : "no class audio_client: this kernel hides whether a wake-up "
				 "comes from an interrupt");
}

int programs_load(struct loader *l, const struct config *config, struct error *err)
{
	int ret;

	if (!layout_has_btf())
		return error_set(err, ENOENT,
				 "this kernel has no BTF (/sys/kernel/btf/vmlinux): it was built "
				 "without CONFIG_DEBUG_INFO_BTF");
	programs_feature(l, "btf", true, "kernel types are read from /sys/kernel/btf/vmlinux");
	layout_read(&l->layout);
	ret = trace_load_best(l, config, err);
	if (ret)
		return ret;
	programs_feature(l, "task_storage", true, "each thread carries its own class");
	if (config->measure == CONFIG_MEASURE_NONE)
		programs_feature(l, "waits", false,
				 "waits for a CPU are not measured: measure is "
				 "none in the configuration");
	waker_context_check(l);
	input_load(l);
	if (!access("/sys/kernel/sched_ext/state", F_OK))
		programs_feature(l, "sched_ext", true, "the kernel lets a BPF program schedule");
	else
		programs_feature(l, "sched_ext", false,
				 "this kernel has none: observe mode, the kernel's own scheduler "
				 "stays");
	return 0;
}

void programs_reload(struct loader *l, const struct config *config)
{
	settings_change(l->trace, config);
}

/* The filter relies on the marks of these two from the moment they are attached; on those of an
 * exit only if on_sched_switch sees the ones that on_sched_process_exit misses. */
static void hooks_publish(struct loader *l, bool is_attached)
{
	struct trace_bpf *trace = l->trace;

	__atomic_store_n(&trace->bss->has_exec_hook,
			 is_attached && trace->links.on_sched_process_exec, __ATOMIC_RELEASE);
	__atomic_store_n(&trace->bss->has_exit_hook,
			 is_attached && trace->links.on_sched_process_exit &&
				 trace->links.on_sched_switch,
			 __ATOMIC_RELEASE);
}

static int program_attach(struct loader *l, const struct program_info *info,
			  const struct bpf_prog_skeleton *skeleton, struct error *err)
{
	struct bpf_program *program = *skeleton->prog;
	char reason[96];
	int ret;

	if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING || bpf_program__fd(program) < 0)
		return 0;
	messages_clear();
	*skeleton->link = bpf_program__attach(program);
	if (*skeleton->link)
		return 0;
	ret = -errno;
	messages_first(ret, reason, sizeof(reason));
	if (info->is_needed)
		return error_set(err, -ret, "cannot attach the BPF program %s: %s", info->name,
				 reason);
	programs_feature(l, info->feature, false, "%s (%s)", info->without, reason);
	return 0;
}

static const struct program_info *program_find(const char *name)
{
	for (unsigned int i = 0; i < PROGRAM_COUNT; i++)
		if (!strcmp(programs[i].name, name))
			return &programs[i];
	return NULL;
}

/* Reading the iterator is what runs it. */
static void tasks_visit(struct loader *l)
{
	struct bpf_link *link = l->trace->links.on_task_visit;
	char buffer[64];
	int fd;

	if (!link)
		return;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return;
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
}

/* The end of a visit to the input event path first: a visit whose end goes unseen seems to last on,
 * and whatever is woken meanwhile to read the device. 0 or a negative errno. */
static int input_attach(struct input_bpf *input)
{
	input->links.on_input_event_done = bpf_program__attach(input->progs.on_input_event_done);
	if (!input->links.on_input_event_done)
		return -errno;
	input->links.on_input_event = bpf_program__attach(input->progs.on_input_event);
	return input->links.on_input_event ? 0 : -errno;
}

int programs_attach(struct loader *l, struct error *err)
{
	const struct bpf_object_skeleton *skeleton = l->trace->skeleton;
	int ret;

	for (int i = 0; i < skeleton->prog_cnt; i++) {
		const struct program_info *info = program_find(skeleton->progs[i].name);

		ret = info ? program_attach(l, info, &skeleton->progs[i], err) : 0;
		if (ret) {
			programs_detach(l);
			return ret;
		}
	}
	hooks_publish(l, true);
	tasks_visit(l);
	messages_clear();
	ret = l->input ? input_attach(l->input) : 0;
	if (ret) {
		char reason[96];

		messages_first(ret, reason, sizeof(reason));
		programs_feature(l, "input_hook", false, "no input counters and no class input: %s",
				 reason);
		input_bpf__detach(l->input);
	}
	return 0;
}

void programs_detach(struct loader *l)
{
	if (l->input)
		input_bpf__detach(l->input);
	if (!l->trace)
		return;
	hooks_publish(l, false);
	trace_bpf__detach(l->trace);
}

void programs_unload(struct loader *l)
{
	input_bpf__destroy(l->input);
	trace_bpf__destroy(l->trace);
	l->input = NULL;
	l->trace = NULL;
}
