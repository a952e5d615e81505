/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No skeleton: what bpftool makes of a struct_ops object fits the libbpf of its own age only. So
 * maps and variables are found by name, in the object's BTF.
 */
#include "loader/sched.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "loader/internal.h"
#include "loader/sched_object.h"
#include "loader/sched_watch.h"
#include "loader/sysfs.h"
#include "loader/topology.h"
#include "trace.skel.h"

#define STATE_PATH "/sys/kernel/sched_ext/state"
#define OPS_PATH "/sys/kernel/sched_ext/root/ops"
#define DUMP_LEN_DEFAULT 32768
#define BASE_SLICE_NS (700 * NSEC_PER_USEC)

struct sched {
	struct bpf_object *object;
	struct bpf_map *ops;
	struct bpf_link *link;
	struct sched_watcher watcher;
	struct topology topology; /* as it was published */
	int record_fd, dump_fd;
	char name[128];
	char *dump;
	size_t dump_size;
};

bool sched_exists(void)
{
	return !access(STATE_PATH, F_OK);
}

bool sched_active(char *name, size_t size)
{
	char state[32];

	if (sysfs_line(state, sizeof(state), "", STATE_PATH) || !strcmp(state, "disabled"))
		return false;
	if (sysfs_line(name, size, "", OPS_PATH) || !name[0])
		snprintf(name, size, "another (state %s)", state);
	return true;
}

static int support_check(struct error *err)
{
	char name[128], isolated[64];

	if (!sched_exists())
		return error_set(err, ENOTSUP, "this kernel has no sched_ext");
	if (!sysfs_line(isolated, sizeof(isolated), "", SYSFS_CPU "isolated") &&
	    isolated[0] >= '0' && isolated[0] <= '9')
		return error_set(err, ENOTSUP,
				 "this kernel runs no sched_ext scheduler beside isolcpus= on its "
				 "command line (CPUs %s); nohz_full=, or a cpuset with "
				 "cpuset.cpus.partition \"isolated\", keeps CPUs free without it",
				 isolated);
	/* Older ones know struct_ops, but not how to attach them by a link. */
	if (libbpf_major_version() == 1 && libbpf_minor_version() < 4)
		return error_set(
			err, ENOTSUP,
			"libbpf %s can't attach a scheduler, 1.4 or newer can (tools/setup)",
			libbpf_version_string());
	if (sched_active(name, sizeof(name)))
		return error_set(err, EBUSY, "the scheduler %s is attached already", name);
	return 0;
}

/* A variable of the object, before it is loaded. */
static void *variable_find(struct bpf_object *object, const char *section, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, section);
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_var_secinfo *info;
	const struct btf_type *type;
	size_t size;
	char *data;
	int id;

	id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	data = map ? (char *)bpf_map__initial_value(map, &size) : NULL; /* const up to 1.3 */
	if (id < 0 || !data)
		return NULL;
	type = btf__type_by_id(btf, (uint32_t)id);
	info = btf_var_secinfos(type);
	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		const struct btf_type *var = btf__type_by_id(btf, info[i].type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), name))
			return data + info[i].offset;
	}
	return NULL;
}

/* A member of gamer_ops. The object's own type describes it, whatever the kernel's looks like. */
static void *member_find(struct sched *s, const char *name)
{
	const struct btf *btf = bpf_object__btf(s->object);
	int id = btf__find_by_name_kind(btf, "sched_ext_ops", BTF_KIND_STRUCT);
	int64_t offset;
	size_t size;
	char *data;

	if (id < 0)
		return NULL;
	offset = layout_member_offset(btf, btf__type_by_id(btf, (uint32_t)id), name);
	data = (char *)bpf_map__initial_value(s->ops, &size);
	return offset < 0 || !data ? NULL : data + offset;
}

static void name_make(char *name, size_t size)
{
	snprintf(name, size, "gamerd_%s_%s", GAMERD_VERSION, GAMERD_TRIPLE);
	for (; *name; name++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.",
			    *name))
			*name = '_';
}

/* The kernel's own base slice: 0.7 ms, and as much more each with 2, 4 and 8 CPUs. */
static uint64_t min_choose(const struct topology *topology)
{
	unsigned int online = 0, factor = 1;

	for (unsigned int i = 0; i < topology->cpu_count; i++)
		online += topology->cpus[i].is_online;
	for (unsigned int n = 2; n <= online && n <= 8; n *= 2)
		factor++;
	return BASE_SLICE_NS * factor;
}

static int settings_fill(struct sched *s, const struct sched_options *options)
{
	struct sched_settings *settings = variable_find(s->object, ".rodata", "cfg_sched");
	uint32_t *dump_size = variable_find(s->object, ".rodata", "cfg_exit_dump_size");
	uint32_t *dump_len = member_find(s, "exit_dump_len");
	uint32_t *timeout_ms = member_find(s, "timeout_ms");
	uint64_t *hotplug = member_find(s, "hotplug_seq");
	char *name = member_find(s, "name");

	if (!settings || !dump_size || !dump_len || !timeout_ms || !hotplug || !name)
		return -EINVAL;
	settings->slice_ns = (uint64_t)options->slice_us * 1000;
	settings->min_ns = min_choose(&s->topology);
	settings->cpu_count = s->topology.cpu_count;
	settings->has_small = topology_has_small(&s->topology);
	settings->llc_count = s->topology.llc_count;
	sched_watch_configure(&s->watcher, settings, options->timeout_ms);
	*timeout_ms = options->timeout_ms;
	*dump_size = (uint32_t)s->dump_size;
	*dump_len = options->exit_dump_len;
	/* If a CPU came or went since, the kernel ends us at once and asks for a restart. */
	*hotplug = s->topology.hotplug_seq;
	name_make(s->name, sizeof(s->name));
	memcpy(name, s->name, sizeof(s->name));
	return 0;
}

/* What the objects share is made by trace.bpf.c. */
static int maps_share(struct sched *s, const struct loader *l)
{
	struct bpf_map *map, *theirs;
	int ret = 0;

	bpf_object__for_each_map(map, s->object)
	{
		if (bpf_map__is_internal(map))
			continue;
		theirs = bpf_object__find_map_by_name(l->trace->obj, bpf_map__name(map));
		if (theirs)
			ret = bpf_map__reuse_fd(map, bpf_map__fd(theirs));
		if (ret)
			return ret;
	}
	return 0;
}

static struct bpf_map *map_find(struct sched *s, const char *name)
{
	return bpf_object__find_map_by_name(s->object, name);
}

/* From 6.19 on gamer_stopping() sees by itself that a real-time thread takes the CPU. */
static int realtime_choose(struct sched *s, const struct layout *layout)
{
	struct bpf_program **release = member_find(s, "cpu_release");
	struct bpf_program *program;

	program = bpf_object__find_program_by_name(s->object, "gamer_cpu_release");
	if (!program || !release)
		return -EINVAL;
	if (layout->reenqueue_args < 0)
		return 0;
	*release = NULL;
	return bpf_program__set_autoload(program, false);
}

static int object_open(struct sched *s, const struct loader *l, const struct sched_options *options,
		       bool has_watch)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "gamer");
	size_t size;
	const void *bytes = sched_object_bytes(&size);
	int ret;

	s->object = bpf_object__open_mem(bytes, size, &opts);
	if (!s->object)
		return -errno;
	s->ops = map_find(s, "gamer_ops");
	if (!s->ops)
		return -EINVAL;
	ret = settings_fill(s, options);
	if (!ret)
		ret = realtime_choose(s, &l->layout);
	if (!ret)
		ret = maps_share(s, l);
	if (!ret)
		ret = bpf_map__set_max_entries(map_find(s, "sched_cpus"), s->topology.cpu_count);
	if (!ret)
		ret = bpf_map__set_max_entries(map_find(s, "sched_order"), s->topology.cpu_count);
	if (!ret)
		ret = bpf_map__set_max_entries(map_find(s, "slice_timers"), s->topology.cpu_count);
	if (!ret)
		ret = bpf_map__set_value_size(map_find(s, "exit_dump"), (uint32_t)s->dump_size);
	if (!ret)
		ret = bpf_program__set_autoload(
			bpf_object__find_program_by_name(s->object, "watch_start"), has_watch);
	return ret;
}

/* Opens and loads; without the early warning if the kernel refuses the whole. */
static int object_load(struct sched *s, const struct loader *l, const struct sched_options *options)
{
	bool has_watch = true;
	int ret;

	for (;;) {
		messages_clear();
		ret = object_open(s, l, options, has_watch);
		if (!ret)
			ret = bpf_object__load(s->object);
		if (!ret || !has_watch)
			return ret;
		messages_first(ret, s->watcher.missing, sizeof(s->watcher.missing));
		bpf_object__close(s->object);
		s->object = NULL;
		has_watch = false;
	}
}

static int topology_write(struct sched *s)
{
	struct topology_maps maps = {
		.cpus_fd = bpf_map__fd(map_find(s, "sched_cpus")),
		.llcs_fd = bpf_map__fd(map_find(s, "sched_llcs")),
		.order_fd = bpf_map__fd(map_find(s, "sched_order")),
	};

	return topology_publish(&s->topology, &maps);
}

/* What user space reads and polls. */
static int maps_open(struct sched *s)
{
	s->dump_fd = bpf_map__fd(map_find(s, "exit_dump"));
	s->record_fd = bpf_map__fd(map_find(s, ".bss"));
	return sched_watch_open(&s->watcher, s->object);
}

/* The first that libbpf complains of, what the verifier says of it, and what may be done about it.
 */
static void refusal_describe(int ret, struct error *err)
{
	char reason[160], verdict[160], name[64], fault[224] = "";
	unsigned int count = layout_uncallable(name, sizeof(name));

	messages_first(ret, reason, sizeof(reason));
	messages_verdict(verdict, sizeof(verdict));
	/* Memory may be short on such a kernel, too. */
	if (count && ret == -EINVAL)
		snprintf(
			fault, sizeof(fault),
			". Its BTF lacks what BPF programs need to call %u of its functions, for "
			"example %s: a kernel rebuilt with pahole 1.26 or newer, or another version, "
			"helps",
			count, name);
	error_set(err, -ret, "the kernel refuses the scheduler: %s%s%s%s", reason,
		  verdict[0] ? ": " : "", verdict, fault);
}

int sched_new(const struct loader *l, const struct sched_options *options, struct sched **out,
	      struct error *err)
{
	struct sched *s;
	int ret;

	ret = support_check(err);
	if (ret)
		return ret;
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_set(err, ENOMEM, "no memory for the scheduler");
	s->dump_size = options->exit_dump_len ? options->exit_dump_len : DUMP_LEN_DEFAULT;
	s->dump = malloc(s->dump_size);
	ret = s->dump ? topology_init(&s->topology, "", l->counters.cpu_count) : -ENOMEM;
	if (ret) {
		error_set(err, -ret, "cannot read what CPUs there are: %s", error_name(ret));
		goto free_sched;
	}
	ret = object_load(s, l, options);
	if (!ret)
		ret = topology_write(s);
	if (!ret)
		ret = maps_open(s);
	if (ret) {
		refusal_describe(ret, err);
		goto free_sched;
	}
	*out = s;
	return 0;

free_sched:
	sched_free(s);
	return ret;
}

/* While a scheduler is being attached, the attaching thread already belongs to the new scheduler
 * and all others still to the old one. A CPU hog of the old one can keep it from running until the
 * kernel times out. So it runs as SCHED_FIFO meanwhile, if it may. (From 7.0 on a real-time thread
 * of the kernel does the work.) */
static int ops_attach(struct sched *s)
{
	const struct sched_param first = {.sched_priority = 1}, ordinary = {0};
	int policy = sched_getscheduler(0);
	bool is_raised = (policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE) &&
			 sched_setscheduler(0, SCHED_FIFO, &first) == 0;
	int ret;

	s->link = bpf_map__attach_struct_ops(s->ops);
	ret = s->link ? 0 : -errno;
	if (!ret)
		sched_watch_start(&s->watcher, s->object);
	if (is_raised)
		sched_setscheduler(0, policy, &ordinary);
	return ret;
}

int sched_attach(struct sched *s, struct error *err)
{
	struct sched_exit_record record;
	char reason[160];
	const char *dump;
	int ret;

	messages_clear();
	ret = ops_attach(s);
	if (!ret)
		return 0;
	sched_exit_read(s, &record, &dump);
	messages_first(ret, reason, sizeof(reason));
	return error_set(err, -ret, "the kernel does not attach the scheduler: %s",
			 record.kind && record.message[0] ? record.message : reason);
}

void sched_free(struct sched *s)
{
	if (!s)
		return;
	bpf_link__destroy(s->link);
	sched_watch_close(&s->watcher);
	bpf_object__close(s->object);
	topology_fini(&s->topology);
	free(s->dump);
	free(s);
}

int sched_fd(const struct sched *s)
{
	return sched_watch_fd(&s->watcher);
}

bool sched_stall_take(struct sched *s, struct sched_stall *out)
{
	return sched_watch_stall_take(&s->watcher, out);
}

bool sched_groups_full_take(struct sched *s)
{
	return sched_watch_groups_full_take(&s->watcher);
}

const char *sched_watch_missing(const struct sched *s)
{
	return s->watcher.missing[0] ? s->watcher.missing : NULL;
}

void sched_watch_read(const struct sched *s, struct sched_watch *out)
{
	sched_watch_ages(&s->watcher, out);
}

uint64_t sched_pause_ns(const struct sched *s)
{
	return sched_watch_pause_ns(&s->watcher, clock_now_ns());
}

bool sched_topology_changed(struct sched *s)
{
	struct topology now;
	bool is_changed;

	if (!sched_watch_cpus_changed_take(&s->watcher) ||
	    topology_init(&now, "", s->topology.cpu_count))
		return false;
	is_changed = topology_has_learned(&s->topology, &now);
	topology_fini(&now);
	return is_changed;
}

void sched_exit_read(struct sched *s, struct sched_exit_record *out, const char **dump)
{
	uint32_t zero = 0;

	memset(out, 0, sizeof(*out));
	s->dump[0] = '\0';
	*dump = s->dump;
	/* .bss holds nothing but the record. */
	if (bpf_map_lookup_elem(s->record_fd, &zero, out) || !out->kind)
		return;
	if (bpf_map_lookup_elem(s->dump_fd, &zero, s->dump))
		s->dump[0] = '\0';
	s->dump[s->dump_size - 1] = '\0';
}

const char *sched_name(const struct sched *s)
{
	return s->name;
}
