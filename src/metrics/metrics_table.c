/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one table of metrics: what has a name, a unit and a help text has it here.
 *
 * JSON, Prometheus, the scx_stats schema, --help-stats and docs/metrics.md walk this table. A new
 * counter is a field of struct metrics (or of the BPF counters) and one line below. What is no
 * number (lists, strings) is rendered by render_json.c and described in metrics_write.c.
 */
#include "metrics/metrics.h"

/* Values that are computed from several words. */

static uint64_t audio_server_count(const struct metrics *m, unsigned int index)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < m->server_count; i++)
		count += metrics_is_audio_role(m->servers[i].role);
	return count;
}

static uint64_t input_events(const struct metrics *m, unsigned int index)
{
	return m->counters.input_keyboard + m->counters.input_pointer + m->counters.input_other;
}

static uint64_t input_readers(const struct metrics *m, unsigned int index)
{
	int64_t threads = m->counters.classes[CLASS_INPUT].threads;

	return threads > 0 ? (uint64_t)threads : 0;
}

static uint64_t wait_count(const struct metrics *m, unsigned int index)
{
	return metrics_hist_count(&m->counters.classes[index].wait);
}

static uint64_t wait_p50(const struct metrics *m, unsigned int index)
{
	return metrics_hist_quantile(&m->counters.classes[index].wait, 0.5);
}

static uint64_t wait_p99(const struct metrics *m, unsigned int index)
{
	return metrics_hist_quantile(&m->counters.classes[index].wait, 0.99);
}

static uint64_t wait_p999(const struct metrics *m, unsigned int index)
{
	return metrics_hist_quantile(&m->counters.classes[index].wait, 0.999);
}

static uint64_t oldest_runnable(const struct metrics *m, unsigned int index)
{
	return m->oldest_runnable_ns[index];
}

/* WORD: an unsigned word (or bool) of struct `base`; SIGNED: one that may dip below zero; DERIVED:
 * computed by a function above. */
#define WORD(path_, prometheus_, scope_, type_, unit_, base_, field_, help_) \
	{                                                                    \
		.path = path_,                                               \
		.prometheus = prometheus_,                                   \
		.scope = SCOPE_##scope_,                                     \
		.type = METRIC_##type_,                                      \
		.unit = UNIT_##unit_,                                        \
		.offset = offsetof(struct base_, field_),                    \
		.size = sizeof(((struct base_ *)0)->field_),                 \
		.help = help_,                                               \
	}
#define SIGNED(path_, prometheus_, scope_, type_, unit_, base_, field_, help_) \
	{                                                                      \
		.path = path_,                                                 \
		.prometheus = prometheus_,                                     \
		.scope = SCOPE_##scope_,                                       \
		.type = METRIC_##type_,                                        \
		.unit = UNIT_##unit_,                                          \
		.offset = offsetof(struct base_, field_),                      \
		.size = sizeof(((struct base_ *)0)->field_),                   \
		.is_signed = true,                                             \
		.help = help_,                                                 \
	}
#define DERIVED(path_, prometheus_, scope_, type_, unit_, derive_, help_) \
	{                                                                 \
		.path = path_,                                            \
		.prometheus = prometheus_,                                \
		.scope = SCOPE_##scope_,                                  \
		.type = METRIC_##type_,                                   \
		.unit = UNIT_##unit_,                                     \
		.derive = derive_,                                        \
		.help = help_,                                            \
	}

#define COUNT(path, prometheus, field, help) \
	WORD(path, prometheus, GLOBAL, COUNTER, NONE, metrics, field, help)
#define GAUGE(path, prometheus, field, help) \
	WORD(path, prometheus, GLOBAL, GAUGE, NONE, metrics, field, help)

/* clang-format off */
const struct metric metrics_table[] = {
	GAUGE("sequence", "snapshot_sequence", sequence,
	      "Number of this snapshot; 0 is the empty one made at start."),

	DERIVED("audio.server_count", "audio_servers", GLOBAL, GAUGE, NONE, audio_server_count,
		"Processes that hold the role of an audio server or of its support now."),
	COUNT("audio.registered_total", "audio_registered_total", registered_total,
	      "Processes that were given a role."),
	COUNT("audio.unregistered_total", "audio_unregistered_total", unregistered_total,
	      "Processes that lost their role, by exit, by exec of another program, or since another "
	      "configuration does not list them."),
	COUNT("audio.rejected_total", "audio_rejected_total", rejected_total,
	      "Processes with a listed name whose evidence was wrong, so that they got no role."),

	COUNT("proc_events.received_total", "proc_events_received_total", received_total,
	      "Process events the detect thread received."),
	COUNT("proc_events.wakeups_total", "proc_events_wakeups_total", proc_wakeups_total,
	      "Times the detect thread woke for process events."),
	COUNT("proc_events.overruns_total", "proc_events_overruns_total", overruns_total,
	      "Times process events were lost: the buffer was full, or they took too much of a CPU."),
	COUNT("proc_events.lost_total", "proc_events_lost_total", lost_total,
	      "Process events that were dropped by the kernel, or unread by the daemon."),
	COUNT("proc_events.silences_total", "proc_events_silences_total", silences_total,
	      "Times the proc connector told nothing of processes that the kernel side saw."),
	COUNT("proc_events.resyncs_total", "proc_events_resyncs_total", resyncs_total,
	      "Times the table of processes was rebuilt from /proc after a loss."),
	COUNT("proc_events.scans_total", "proc_events_scans_total", scans_total,
	      "Scans of /proc: at start, for a resync or a new configuration, or by period as the last "
	      "resort."),
	COUNT("proc_events.gone_total", "proc_events_gone_total", gone_total,
	      "Processes that were gone before they could be read."),
	GAUGE("proc_events.generation", "proc_events_generation", registry_generation,
	      "Generation of the table of processes; each scan starts a new one."),
	COUNT("proc_events.filter_seen_total", "proc_events_filter_seen_total", counters.filter_seen,
	      "Process events that reached the socket filter in the kernel."),
	COUNT("proc_events.filter_passed_total", "proc_events_filter_passed_total",
	      counters.filter_passed,
	      "Process events the socket filter let through to the daemon."),

	SIGNED("threads", "class_threads", CLASS, GAUGE, NONE, class_counters, threads,
	       "Threads of this class now."),
	WORD("wakeups_total", "class_wakeups_total", CLASS, COUNTER, NONE, class_counters, wakeups,
	     "Times a thread of this class became runnable."),
	WORD("runtime_ns_total", "class_runtime_seconds_total", CLASS, COUNTER, NS, class_counters,
	     runtime_ns, "Time the threads of this class ran on a CPU."),
	DERIVED("wait.count", NULL, CLASS, COUNTER, NONE, wait_count,
		"Waits for a CPU that were measured, from runnable until running."),
	WORD("wait.sum_ns", NULL, CLASS, COUNTER, NS, class_counters, wait.sum_ns,
	     "All those waits together."),
	DERIVED("wait.p50_ns", NULL, CLASS, GAUGE, NS, wait_p50,
		"Median wait since start; accurate to its histogram bucket, 1/8 of the value."),
	DERIVED("wait.p99_ns", NULL, CLASS, GAUGE, NS, wait_p99,
		"99 of 100 waits since start were shorter, to the accuracy of a bucket."),
	DERIVED("wait.p999_ns", NULL, CLASS, GAUGE, NS, wait_p999,
		"999 of 1000 waits since start were shorter, to the accuracy of a bucket."),
	WORD("wait.max_ns", "class_wait_max_seconds", CLASS, GAUGE, NS, class_counters, wait.max_ns,
	     "Longest wait since start."),
	WORD("wait.rt_waits_total", "class_rt_waits_total", CLASS, COUNTER, NONE, class_counters,
	     rt_waits, "Of those waits, the ones of threads with a real-time policy."),
	DERIVED("oldest_runnable_ns", "class_oldest_runnable_seconds", CLASS, GAUGE, NS,
		oldest_runnable,
		"While scheduling: the longest that a thread of this class had been runnable without "
		"running, when the early warning last looked."),

	GAUGE("roles.entries", "roles_entries", roles_entries,
	      "Processes with a role in the table the kernel side reads."),
	GAUGE("roles.generation", "roles_generation", roles_generation,
	      "Generation of that table; each change makes older verdicts on threads stale."),
	COUNT("roles.lookups_total", "roles_lookups_total", counters.roles_lookups,
	      "Classifications that had to look the role up because the table was newer."),
	COUNT("roles.cached_total", "roles_cached_total", counters.roles_cached,
	      "Classifications that reused the verdict kept with the thread."),
	COUNT("roles.granted_total", "roles_granted_total", counters.roles_granted,
	      "Roles granted in the kernel at exec."),
	COUNT("roles.inherited_total", "roles_inherited_total", counters.roles_inherited,
	      "Roles inherited at fork."),
	COUNT("roles.ended_total", "roles_ended_total", counters.roles_ended,
	      "Roles ended in the kernel, at exit or exec."),
	COUNT("roles.rejected_total", "roles_rejected_total", counters.roles_rejected,
	      "Execs of a listed name that got no role in the kernel because the evidence was wrong."),

	COUNT("pipeline.attempted_total", "pipeline_attempted_total", counters.ring_attempted,
	      "Events the kernel side wanted to send: submitted and dropped together."),
	COUNT("pipeline.submitted_total", "pipeline_submitted_total", counters.ring_submitted,
	      "Events put into the ring buffer."),
	COUNT("pipeline.dropped_total", "pipeline_dropped_total", counters.ring_dropped,
	      "Events refused because the ring buffer was full: the one place where events are lost."),
	COUNT("pipeline.consumed_total", "pipeline_consumed_total", consumed_total,
	      "Events the ring thread took out of the ring buffer."),
	COUNT("pipeline.aggregated_total", "pipeline_aggregated_total", aggregated_total,
	      "Events the aggregate thread has taken in."),
	GAUGE("pipeline.queued", "pipeline_queued", queued,
	      "Events consumed and not yet aggregated."),
	COUNT("pipeline.unmeasured_waits_total", "pipeline_unmeasured_waits_total",
	      counters.waits_unmeasured,
	      "Threads that got a CPU without a known time of becoming runnable."),

	COUNT("long_waits.total", "long_waits_total", long_waits_total,
	      "Waits of latency classes over the configured bound that were reported."),

	GAUGE("sched.enabled", "sched_enabled", sched_enabled,
	      "Whether this daemon's scheduler is attached."),
	COUNT("sched.direct_total", "sched_direct_total", counters.sched_direct,
	      "Threads dispatched directly to an idle CPU."),
	COUNT("sched.urgent_total", "sched_urgent_total", counters.sched_urgent,
	      "Threads put into an urgent queue."),
	COUNT("sched.normal_total", "sched_normal_total", counters.sched_normal,
	      "Threads put into a normal queue."),
	COUNT("sched.preempts_total", "sched_preempts_total", counters.sched_preempts,
	      "CPUs preempted for an urgent thread."),
	COUNT("sched.stalls_total", "sched_stalls_total", sched_stalls_total,
	      "Times the log told of a thread that had been runnable for a quarter of the timeout."),
	COUNT("sched.budget_exhausted_total", "sched_budget_exhausted_total",
	      counters.sched_over,
	      "Times a thread of a latency class was treated as normal, its budget being used up."),
	COUNT("sched.groupless_total", "sched_groupless_total", counters.sched_groupless,
	      "Wake-ups of threads of a cgroup or session that found no place among the 4095 whose "
	      "shares and limits are kept: they count as threads of the root."),
	WORD("total", "sched_events_total", EVENT, COUNTER, NONE, kernel_event, value,
	     "What the kernel counts of the attached scheduler (Linux 6.15), since it was attached, "
	     "under the kernel's names; SCX_EV_BYPASS_DURATION is nanoseconds."),

	DERIVED("input.events_total", "input_events_total", GLOBAL, COUNTER, NONE, input_events,
		"Input events of all kinds; never which key."),
	COUNT("input.keyboard_events_total", "input_keyboard_events_total", counters.input_keyboard,
	      "Input events of keyboards."),
	COUNT("input.pointer_events_total", "input_pointer_events_total", counters.input_pointer,
	      "Input events of mice, touchpads and touch screens."),
	COUNT("input.other_events_total", "input_other_events_total", counters.input_other,
	      "Input events of other devices."),
	DERIVED("input.readers", "input_readers", GLOBAL, GAUGE, NONE, input_readers,
		"Threads of class input now: those that read an input device."),
	COUNT("input.readers_total", "input_readers_total", counters.input_readers,
	      "Times a thread became one of them."),

	COUNT("http.requests_total", "http_requests_total", http_requests_total,
	      "HTTP requests answered, whatever the status."),
	COUNT("http.rejected_total", "http_rejected_total", http_rejected_total,
	      "Of them, those refused by a guard."),
	COUNT("http.bodies_rendered_total", "http_bodies_rendered_total", bodies_rendered_total,
	      "Bodies rendered: at most one for each snapshot and format."),
	COUNT("http.bodies_shared_total", "http_bodies_shared_total", bodies_shared_total,
	      "Times a reader used a body that another one had rendered."),

	COUNT("ctl.requests_total", "ctl_requests_total", ctl_requests_total,
	      "Requests answered on the stats sockets."),
	GAUGE("ctl.clients", "ctl_clients", ctl_clients,
	      "Clients connected to the stats sockets now."),

	COUNT("config.reloads_total", "config_reloads_total", reloads_total,
	      "Times the configuration was read again and taken over."),
	COUNT("config.reload_errors_total", "config_reload_errors_total", reload_errors_total,
	      "Times it was read again and refused: nothing has changed then."),

	WORD("self.cpu_ns_total", "self_cpu_seconds_total", GLOBAL, COUNTER, NS, metrics,
	     cpu_ns_total, "CPU time the daemon used, user and system."),
	WORD("self.rss_bytes", "self_rss_bytes", GLOBAL, GAUGE, BYTES, metrics, rss_bytes,
	     "Resident memory of the daemon."),
	GAUGE("self.snapshots_live", "self_snapshots_live", snapshots_live,
	      "Snapshots in use: published, being built, retired or held by a reader."),
	COUNT("self.snapshots_published_total", "self_snapshots_published_total",
	      snapshots_published_total, "Snapshots published."),
	COUNT("self.snapshots_deferred_total", "self_snapshots_deferred_total",
	      snapshots_deferred_total,
	      "Times no snapshot was free and publishing had to wait for readers."),
	WORD("cpu_ns_total", "thread_cpu_seconds_total", THREAD, COUNTER, NS, thread_usage, cpu_ns,
	     "CPU time this thread of the daemon used."),
	WORD("wakeups_total", "thread_wakeups_total", THREAD, COUNTER, NONE, thread_usage,
	     wakeups_total, "Times this thread woke from its poll."),
	WORD("beats_total", "thread_beats_total", THREAD, COUNTER, NONE, thread_usage, beats_total,
	     "Heartbeats of this thread."),
};
/* clang-format on */

const unsigned int metrics_table_count = sizeof(metrics_table) / sizeof(metrics_table[0]);
