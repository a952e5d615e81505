/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include <sys/stat.h>

#include "bpf/abi/roles.h"
#include "detect/rules.h"
#include "model/names.h"

static struct config config;

struct rules_case {
	const char *comm;
	const char *exe;
	uint32_t uid;
	uint32_t mode;
	bool is_fuse;
	bool is_listed;
	uint8_t role;
	uint8_t reject;
};

#define OK (S_IFREG | 0755)

static const struct rules_case cases[] = {
	{"pipewire", "/usr/bin/pipewire", 0, OK, false, true, ROLE_AUDIO_SERVER, REJECT_NONE},
	{"pipewire-pulse", "/usr/bin/pipewire", 0, OK, false, true, ROLE_AUDIO_SERVER, 0},
	{"pipewire-pulse", "/usr/bin/pipewire-pulse", 0, OK, false, true, ROLE_AUDIO_SERVER, 0},
	/* comm is cut at 15 bytes */
	{"pipewire-media-", "/usr/bin/pipewire-media-session", 0, OK, false, true,
	 ROLE_AUDIO_SERVER, 0},
	/* ... and so are those of other programs, which claim nothing */
	{"pipewire-media-", "/usr/bin/pipewire-media-", 0, OK, false, true, 0, 0},
	{"xdg-desktop-por", "/usr/libexec/xdg-desktop-portal-gnome", 0, OK, false, true, 0, 0},
	{"xdg-desktop-por", "/home/u/xdg-desktop-portal-gtk", 1000, OK, false, true, 0, 0},
	{"xdg-desktop-por", "/home/u/xdg-desktop-portal", 1000, OK, false, true, 0, REJECT_OWNER},
	{"xdg-desktop-por", "/usr/bin/dash", 0, OK, false, true, 0, REJECT_EXE},
	{"xdg-desktop-por", "", 0, OK, false, true, 0, REJECT_EXE},
	{"xdg-desktop-por", "/usr/libexec/xdg-desktop-portal", 0, OK, false, true,
	 ROLE_AUDIO_SUPPORT, 0},
	{"rtkit-daemon", "/usr/libexec/rtkit-daemon", 0, OK, false, true, ROLE_AUDIO_SUPPORT, 0},
	{"jackd", "/opt/jack/bin/jackd", 0, S_IFREG | 0555, false, true, ROLE_AUDIO_SERVER, 0},
	{"sndiod", "/usr/bin/sndiod", 0, S_IFREG | S_ISUID | 0755, false, true, ROLE_AUDIO_SERVER,
	 0},
	/* where a wrapper has the name: NixOS */
	{".pipewire-wrapp", "/nix/store/x-pipewire/bin/.pipewire-wrapped", 0, S_IFREG | 0555, false,
	 true, ROLE_AUDIO_SERVER, 0},
	{".jackd-wrapped", "/nix/store/x-jack/bin/.jackd-wrapped", 0, S_IFREG | 0555, false, true,
	 ROLE_AUDIO_SERVER, 0},
	{".pipewire-pulse", "/nix/store/x-pipewire/bin/.pipewire-wrapped", 0, S_IFREG | 0555, false,
	 true, ROLE_AUDIO_SERVER, 0},
	{".pipewire-wrapp", "/home/u/.pipewire-wrapped", 1000, OK, false, true, 0, REJECT_OWNER},
	{".pipewire-wrapp", "/usr/bin/pipewire", 0, OK, false, true, 0, REJECT_EXE},
	{".xdg-desktop-po", "/nix/store/x/libexec/.xdg-desktop-portal-gtk-wrapped", 0, OK, false,
	 true, 0, 0},
	{".pipewire", "/usr/bin/.pipewire", 0, OK, false, false, 0, 0},
	{"pipewire-wrappe", "/usr/bin/pipewire-wrapped", 0, OK, false, false, 0, 0},
	/* near names are not listed at all */
	{"alsactl", "/usr/sbin/alsactl", 0, OK, false, false, 0, 0},
	{"pulsar", "/usr/bin/pulsar", 0, OK, false, false, 0, 0},
	{"pulse", "/usr/bin/pulseaudio", 0, OK, false, false, 0, 0},
	{"jackett", "/usr/bin/jackett", 0, OK, false, false, 0, 0},
	{"jack", "/usr/bin/jackd", 0, OK, false, false, 0, 0},
	{"pipewire-foo", "/usr/bin/pipewire", 0, OK, false, false, 0, 0},
	{"pipewir", "/usr/bin/pipewire", 0, OK, false, false, 0, 0},
	{"Pipewire", "/usr/bin/pipewire", 0, OK, false, false, 0, 0},
	{"", "/usr/bin/pipewire", 0, OK, false, false, 0, 0},
	/* a listed name with the wrong evidence */
	{"pipewire", "/home/u/pipewire", 1000, OK, false, true, 0, REJECT_OWNER},
	{"pipewire", "/srv/pipewire", 0, S_IFREG | 0757, false, true, 0, REJECT_WRITABLE},
	{"pipewire", "/srv/pipewire", 0, S_IFREG | 0775, false, true, 0, REJECT_WRITABLE},
	{"pipewire", "/mnt/pipewire", 0, OK, true, true, 0, REJECT_FILESYSTEM},
	{"pipewire", "/usr/bin/dash", 0, OK, false, true, 0, REJECT_EXE}, /* a script */
	{"pulseaudio", "/usr/bin/python3.11", 0, OK, false, true, 0, REJECT_EXE},
	{"pulseaudio", "/usr/bin/pipewire", 0, OK, false, true, 0, REJECT_EXE},
	{"pipewire", "/usr/bin/pipewire-pulse", 0, OK, false, true, 0, REJECT_EXE},
	{"jackd", "/usr/bin/jackd2", 0, OK, false, true, 0, REJECT_EXE},
	{"pipewire", "/usr/bin/pipewire/", 0, OK, false, true, 0, REJECT_EXE},
	{"pipewire", "", 0, 0, false, true, 0, REJECT_EXE}, /* unreadable */
	{"pipewire", "/dev/pipewire", 0, S_IFCHR | 0755, false, true, 0, REJECT_EXE},
	{"pipewire", "/memfd:pipewire", 0, OK, false, true, 0, REJECT_EXE},
};

static void test_judge(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rules_case *c = &cases[i];
		const struct rules_evidence evidence = {c->comm, c->exe,     c->uid,
							c->mode, c->is_fuse, false};
		struct rules_verdict v = rules_judge(&config, &evidence);

		if (v.is_listed != c->is_listed || v.role != c->role || v.reject != c->reject)
			fail_msg("%s %s: listed %d role %u reject %s", c->comm, c->exe, v.is_listed,
				 v.role, names_reject(v.reject));
		assert_int_equal(rules_is_listed(&config, c->comm), c->is_listed);
	}
}

/* Bind-mounted over a file of that name, which takes a user namespace and no rights. */
static void test_mounted(void **state)
{
	struct rules_evidence evidence = {"pipewire", "/tmp/pipewire", 0, OK, false, true};

	assert_int_equal(rules_judge(&config, &evidence).role, ROLE_NONE);
	assert_int_equal(rules_judge(&config, &evidence).reject, REJECT_EXE);
	evidence.is_mounted = false;
	assert_int_equal(rules_judge(&config, &evidence).role, ROLE_AUDIO_SERVER);
}

/* Two names with one comm: the executable tells which. */
static void test_shared_comm(void **state)
{
	static struct config two;
	struct rules_evidence evidence = {
		"long-server-nam", "/usr/bin/long-server-name-two", 0, OK, false, false};

	two.server_count = 2;
	snprintf(two.servers[0].name, CONFIG_NAME_MAX, "long-server-name-one");
	snprintf(two.servers[1].name, CONFIG_NAME_MAX, "long-server-name-two");
	two.servers[0].role = ROLE_GAME;
	two.servers[1].role = ROLE_COMPOSITOR;
	assert_int_equal(rules_judge(&two, &evidence).role, ROLE_COMPOSITOR);
	evidence.exe = "/usr/bin/long-server-name-one";
	assert_int_equal(rules_judge(&two, &evidence).role, ROLE_GAME);
	evidence.exe = "/usr/bin/long-server-name-six"; /* is neither, and claims to be neither */
	assert_int_equal(rules_judge(&two, &evidence).role, ROLE_NONE);
	assert_int_equal(rules_judge(&two, &evidence).reject, REJECT_NONE);
	evidence.exe = "/usr/bin/true";
	assert_int_equal(rules_judge(&two, &evidence).reject, REJECT_EXE);
}

static void test_reason(void **state)
{
	assert_string_equal(names_reject(REJECT_OWNER), "executable not owned by root");
	assert_string_equal(names_reject(200), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_mounted),
		cmocka_unit_test(test_shared_comm),
		cmocka_unit_test(test_reason),
	};

	config_init(&config);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
