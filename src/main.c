/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scx_gamerd: command line in, daemon up, signals awaited, daemon down. SIGHUP has the
 * configuration read again, but for a daemon in a terminal. Exit status 0 after SIGINT or SIGTERM,
 * 1 with one sentence when a start is refused, 2 when it was the command line or the configuration:
 * no restart helps against these.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "base/log.h"
#include "base/output.h"
#include "base/owner.h"
#include "base/thread.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "daemon.h"
#include "metrics/snapshot.h"
#include "notify.h"
#include "options.h"
#include "watchdog.h"

#define DEFAULT_CONFIG "/etc/scx_gamerd.json"
#define STATS_WAIT_MS 100
#define STATUS_REFUSED 2 /* command line or configuration; the unit knows it, too */

static struct thread main_thread;
static bool does_hangup_end;   /* SIGHUP ends the daemon */
static bool is_config_refused; /* when it was last read again */

/* A descriptor that is closed would be the next file that is opened: log and statistics would go
 * into a socket. */
static bool open_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

static int load_config(const struct options *options, struct config *config, struct error *err)
{
	const char *path = options->config_path;
	struct error foreign;
	int r = 0;

	if (!path && (!access(DEFAULT_CONFIG, F_OK) || errno != ENOENT))
		path = DEFAULT_CONFIG;
	if (path)
		r = config_load(config, path, err);
	if (path && !r && owner_check(path, &foreign))
		log_warning("%s", foreign.text);
	return r ? r : config_environment(config, err);
}

/* The kernel sends SIGHUP when this terminal goes away. */
static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The signals for the daemon are blocked, and reported by a file descriptor: that, or -errno. One
 * that was ignored at the start, as nohup and shells do, stays so: blocked, it would be delivered
 * to the fd. All others are left to the kernel, so that Ctrl-Z and Ctrl-\ work, but for SIGPIPE: a
 * reader that is gone is an error of the write. */
static int block_signals(void)
{
	static const int awaited[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(awaited) / sizeof(awaited[0]); i++)
		if (!sigaction(awaited[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(&set, awaited[i]);
	does_hangup_end = has_terminal();
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* What happened since *base; 0 or what output_end() says. */
static int print_stats(struct output *output, struct snapshot_store *store,
		       const struct snapshot **base, uint64_t interval_ns)
{
	const struct snapshot *now = snapshot_get_fresh(store, interval_ns / 4, STATS_WAIT_MS);
	FILE *out = output_begin(output);
	json_t *stats;
	int r = 0;

	if (out) {
		stats = report_stats(snapshot_metrics(*base), snapshot_metrics(now));
		if (stats)
			report_print(out, stats);
		json_decref(stats);
		r = output_end(output);
	}
	snapshot_put(*base);
	*base = now;
	return r;
}

/* After statistics were written: --stats into a pipe ends with the pipe, and with nothing else. */
static bool are_stats_read(int r)
{
	if (r == -EPIPE)
		log_info("nobody reads the statistics any more");
	else if (r)
		log_error("can't write the statistics: %s; trying on", error_name(r));
	return r != -EPIPE;
}

static void announce(struct daemon *d)
{
	char mode[192], state[320];

	daemon_mode(d, mode, sizeof(mode));
	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s%s", mode,
		 is_config_refused ? "; the new configuration was refused, see the log" : "");
	notify_send(state);
}

static void announce_reload(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(clock_now_ns() / NSEC_PER_USEC));
	notify_send(state);
}

/* All or nothing. */
static void reload(struct daemon *d, const struct options *options)
{
	char restart[CONFIG_KEYS_MAX];
	struct config config;
	struct error err;
	int r;

	announce_reload();
	config_init(&config);
	r = load_config(options, &config, &err);
	if (!r)
		r = daemon_reload(d, &config, restart, sizeof(restart), &err);
	if (r)
		log_error("the configuration stays as it was: %s", err.text);
	else
		log_info("the configuration was read again");
	if (!r && restart[0])
		log_warning("%s: a restart is needed for these", restart);
	is_config_refused = r;
	daemon_count_reload(d, !r);
	announce(d);
}

/* After signal_fd was readable; false if the daemon is to end. */
static bool take_signals(int signal_fd, struct daemon *d, const struct options *options)
{
	struct signalfd_siginfo info;
	bool has_hung_up = false;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP || does_hangup_end)
			return false;
		has_hung_up = true;
	}
	if (has_hung_up)
		reload(d, options);
	return true;
}

/* Of two times, of which 0 is never. */
static uint64_t earlier(uint64_t one_ns, uint64_t other_ns)
{
	return one_ns && (!other_ns || one_ns < other_ns) ? one_ns : other_ns;
}

/* For poll(2): until due_ns, if that is not 0. */
static int poll_timeout_ms(uint64_t due_ns)
{
	uint64_t now_ns = clock_now_ns();

	if (!due_ns)
		return -1;
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / NSEC_PER_MSEC) + 1;
}

static bool is_due(uint64_t due_ns)
{
	return due_ns && clock_now_ns() >= due_ns;
}

/* Until a signal ends it; prints every interval if there is one, and stands in for the scheduler.
 */
static int run_until_signal(int signal_fd, struct daemon *d, const struct options *options,
			    struct output *output)
{
	struct pollfd fds[3] = {{.fd = signal_fd, .events = POLLIN},
				{.events = POLLIN},
				{.fd = -1, .events = POLLOUT}};
	uint64_t interval_ns = (uint64_t)(options->interval_s * (double)NSEC_PER_SEC);
	uint64_t next_ns = clock_now_ns() + interval_ns, due_ns;
	const struct snapshot *base = NULL;
	struct watchdog watchdog;
	struct error err;
	int r;

	watchdog_init(&watchdog);
	if (interval_ns)
		base = snapshot_get_fresh(daemon_store(d), interval_ns / 4, STATS_WAIT_MS);
	for (;;) {
		fds[1].fd = daemon_scheduler_fd(d);
		fds[2].fd = output_fd(output);
		due_ns = earlier(watchdog.due_ns, daemon_scheduler_due_ns(d));
		due_ns = earlier(due_ns, interval_ns ? next_ns : 0);
		r = thread_poll(&main_thread, fds, 3, poll_timeout_ms(due_ns));
		if (r < 0)
			log_error("the main loop failed: %s", error_name(r));
		if (r < 0 || (fds[0].revents && !take_signals(signal_fd, d, options)))
			break;
		if (is_due(watchdog.due_ns))
			watchdog_feed(&watchdog);
		if (fds[1].revents || is_due(daemon_scheduler_due_ns(d))) {
			r = daemon_scheduler_event(d, &err);
			if (r) {
				log_error("%s", err.text);
				break;
			}
			announce(d);
			continue;
		}
		if (fds[2].revents && !are_stats_read(output_flush(output)))
			break;
		if (!interval_ns || !is_due(next_ns))
			continue;
		if (!are_stats_read(print_stats(output, daemon_store(d), &base, interval_ns)))
			break;
		next_ns += interval_ns;
		if (next_ns < clock_now_ns()) /* suspended */
			next_ns = clock_now_ns() + interval_ns;
	}
	snapshot_put(base);
	return r < 0 ? r : 0;
}

static int run(const struct config *config, const struct options *options)
{
	struct output output = {.fd = -1};
	struct daemon *d;
	struct error err;
	char text[256];
	int signal_fd, r;

	signal_fd = block_signals();
	if (signal_fd < 0) {
		log_error("cannot wait for signals: %s", error_name(signal_fd));
		return 1;
	}
	thread_adopt_main(&main_thread);
	if (options->interval_s > 0)
		output_init(&output, STDOUT_FILENO);
	r = daemon_start(config, options, &d, &err);
	if (r) {
		log_error("%s", err.text);
		output_fini(&output);
		close(signal_fd);
		return 1;
	}
	daemon_describe(d, text, sizeof(text));
	log_info("ready: %s", text);
	announce(d);
	r = run_until_signal(signal_fd, d, options, &output);
	notify_send("STOPPING=1");
	daemon_stop(d);
	output_fini(&output);
	close(signal_fd);
	log_info("stopped");
	return r ? 1 : 0;
}

/* The status of a command that prints: 1 if not all of it could be written. */
static int finish_printing(int status)
{
	int error = fflush(stdout) ? -errno : 0;

	if (!error && !ferror(stdout))
		return status;
	log_error("can't write to standard output: %s", error_name(error ? error : -EIO));
	return 1;
}

static int dispatch(const struct options *options, const struct config *config)
{
	switch (options->command) {
	case COMMAND_HELP:
		options_usage(stdout);
		return finish_printing(0);
	case COMMAND_HELP_STATS:
		metrics_write_help(stdout);
		return finish_printing(0);
	case COMMAND_HELP_CONFIG:
		config_describe(stdout);
		return finish_printing(0);
	case COMMAND_VERSION:
		printf("scx_gamerd %s %s\n", GAMERD_VERSION, GAMERD_TRIPLE);
		return finish_printing(0);
	case COMMAND_CHECK:
		return finish_printing(daemon_check(config, stdout));
	case COMMAND_MONITOR:
		return client_monitor(config, options->interval_s) ? 1 : 0;
	case COMMAND_WATCH_INPUT:
		return client_watch_input(config, options->interval_s) ? 1 : 0;
	default:
		return run(config, options);
	}
}

/* What only prints about the program itself: a broken configuration must not keep it from that. */
static bool needs_config(enum options_command command)
{
	return command != COMMAND_HELP && command != COMMAND_HELP_STATS &&
	       command != COMMAND_HELP_CONFIG && command != COMMAND_VERSION;
}

int main(int argc, char **argv)
{
	struct options options;
	struct config config;
	struct error err;
	int r;

	if (!open_standard_fds())
		return 1;
	log_init(LOG_INFO);
	config_init(&config);
	r = options_parse(argc, argv, &options, &err);
	if (!r && needs_config(options.command))
		r = load_config(&options, &config, &err);
	if (r) {
		log_error("%s", err.text);
		return STATUS_REFUSED;
	}
	if (options.verbosity)
		log_init(LOG_DEBUG);
	return dispatch(&options, &config);
}
